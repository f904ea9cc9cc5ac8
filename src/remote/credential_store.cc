#include "remote/credential_store.h"

#include <cerrno>
#include <cstdlib>

#include <sys/stat.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/byte_source.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "formats/json.h"

namespace bulwark::remote {
namespace {

constexpr std::uint64_t kConfigLimit = 1 << 20;

Result<std::string> ConfigFile() {
  const char* folder = std::getenv("DOCKER_CONFIG");
  const char* home = std::getenv("HOME");
  std::string path;
  if (folder && *folder) path = folder;
  else if (home && *home) path = std::string(home) + "/.docker";
  else return Error{Errc::kNotFound, "neither DOCKER_CONFIG nor HOME says where log-ins are kept"};
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoError("make directory " + path);
  path += "/config.json";
  // A link, as people have who keep their files in a repository, stays one.
  if (char* real = ::realpath(path.c_str(), nullptr)) {
    path = real;
    std::free(real);
  }
  return path;
}

Result<formats::json::object> ReadConfig(const std::string& path) {
  auto text = ReadFile(path, kConfigLimit);
  if (!text && text.error().code == Errc::kNotFound) return formats::json::object();
  if (!text) return text.error();
  auto value = formats::ParseJson(*text, {.case_twins = formats::CaseTwins::kAllow});
  if (!value) return value.error().Wrap(path);
  if (!value->is_object()) return Error{Errc::kInvalid, path + " is no JSON object"};
  return std::move(value->get_object());
}

void WriteValue(formats::JsonWriter& out, const formats::json::value& value) {
  switch (value.kind()) {
    case formats::json::kind::null: out.Null(); return;
    case formats::json::kind::bool_: out.Bool(value.get_bool()); return;
    case formats::json::kind::int64: out.Int(value.get_int64()); return;
    case formats::json::kind::uint64: out.Uint(value.get_uint64()); return;
    case formats::json::kind::double_: out.Number(value.get_double()); return;
    case formats::json::kind::string: out.String(std::string_view(value.get_string())); return;
    case formats::json::kind::array:
      out.BeginArray();
      for (const auto& entry : value.get_array()) WriteValue(out, entry);
      out.EndArray();
      return;
    case formats::json::kind::object:
      out.BeginObject();
      for (const auto& [key, field] : value.get_object()) WriteValue(out.Key(key), field);
      out.EndObject();
  }
}

Status WriteConfig(const std::string& path, formats::json::object config) {
  formats::JsonWriter out(formats::JsonWriter::Layout::kIndented);
  WriteValue(out, formats::json::value(std::move(config)));
  return WriteFileAtomically(path, out.Take() + "\n", 0600);
}

// The helper for this registry; empty if log-ins are kept in the file.
Result<std::string> HelperFor(const formats::json::object& config, const std::string& host) {
  std::string name;
  BW_TRY(const auto* helpers, formats::JsonOptionalObject(config, "credHelpers"));
  if (helpers && helpers->contains(host)) {
    BW_TRY(auto text, formats::JsonString(*helpers, host));
    name = text;
  } else {
    BW_TRY(auto store, formats::JsonOptionalString(config, "credsStore"));
    if (store) name = *store;
  }
  if (!name.empty()) BW_CHECK(CheckHelperName(name));
  return name;
}

// All that `auths` has for this host, under whatever address. True if there was something.
bool EraseAuths(formats::json::object& config, const std::string& host) {
  auto* auths = config.if_contains("auths");
  if (!auths || !auths->is_object()) return false;
  bool erased = false;
  for (const std::string& key : {CredentialKey(host), host, "https://" + host, "http://" + host}) erased |= auths->get_object().erase(key) > 0;
  return erased;
}

}  // namespace

Result<KeptLogin> KeepLogin(const std::string& host, const Credentials& credentials, const HelperCall& helper) {
  BW_TRY(std::string path, ConfigFile());
  BW_TRY(auto config, ReadConfig(path));
  BW_TRY(std::string name, HelperFor(config, host));
  if (!name.empty()) {
    formats::JsonWriter message;
    message.BeginObject().Field("ServerURL", CredentialKey(host)).Field("Username", credentials.username).Field("Secret", credentials.password).EndObject();
    BW_CHECK(helper(name, "store", message.Take()));
    // An old password in the file would be found before the helper's.
    if (EraseAuths(config, host)) BW_CHECK(WriteConfig(path, std::move(config)));
    return KeptLogin{"docker-credential-" + name, false};
  }
  EraseAuths(config, host);
  if (auto* auths = config.if_contains("auths"); !auths || !auths->is_object()) config["auths"] = formats::json::object();
  config["auths"].as_object()[CredentialKey(host)] = formats::json::object{{"auth", Base64Encode(credentials.username + ":" + credentials.password)}};
  BW_CHECK(WriteConfig(path, std::move(config)));
  return KeptLogin{path, true};
}

Result<bool> ForgetLogin(const std::string& host, const HelperCall& helper) {
  BW_TRY(std::string path, ConfigFile());
  BW_TRY(auto config, ReadConfig(path));
  BW_TRY(std::string name, HelperFor(config, host));
  bool forgot = false;
  if (!name.empty()) {
    auto answer = helper(name, "erase", CredentialKey(host));
    if (!answer && answer.error().code != Errc::kNotFound) return answer.error();
    forgot = answer.ok();
  }
  if (EraseAuths(config, host)) {
    BW_CHECK(WriteConfig(path, std::move(config)));
    forgot = true;
  }
  return forgot;
}

}  // namespace bulwark::remote
