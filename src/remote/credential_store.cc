#include "remote/credential_store.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/byte_source.h"
#include "base/folder.h"
#include "base/limits.h"
#include "base/strings.h"
#include "formats/json.h"

namespace bulwark::remote {
namespace {

constexpr std::chrono::seconds kPatience{10};  // another log-in that is being kept

// A link, as people have who keep their files in a repository, stays one.
std::string Resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  std::string out = real ? real : path;
  std::free(real);
  return out;
}

std::string FolderOf(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// Held while a file in `folder` is read and replaced. Some network file systems lock no directories: there it is as with docker,
// which locks nothing.
Result<Folder> Locked(const std::string& folder) {
  BW_TRY(Folder out, Folder::Open(folder));
  Status locked = LockFile(out.fd(), kPatience);
  if (!locked && locked.error().code == Errc::kConflict) return locked.error().Wrap(folder);
  return out;
}

Result<formats::json::object> ReadConfig(const std::string& path) {
  auto text = ReadFile(path, limits::kLoginFileBytes);
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

// Adds to `where` if the file or its helper had one.
Status ForgetIn(const std::string& path, const std::string& host, const HelperCall& helper, std::vector<std::string>& where) {
  if (::access(path.c_str(), F_OK) != 0) return {};
  BW_TRY(Folder lock, Locked(FolderOf(path)));
  BW_TRY(auto config, ReadConfig(path));
  BW_TRY(std::string name, HelperFor(config, host));
  // What stands in clear goes first: a helper that is missing must not keep it there.
  if (EraseAuths(config, host)) {
    BW_CHECK(WriteConfig(path, std::move(config)));
    where.push_back(path);
  }
  if (name.empty()) return {};
  auto answer = helper(name, "erase", CredentialKey(host));
  if (answer) where.push_back("docker-credential-" + name);
  return answer || answer.error().code == Errc::kNotFound ? Status() : Status(answer.error());
}

}  // namespace

Result<KeptLogin> KeepLogin(const std::string& host, const Credentials& credentials, const HelperCall& helper) {
  const auto files = LoginFiles();
  if (files.empty()) return Error{Errc::kNotFound, "neither DOCKER_CONFIG nor HOME says where log-ins are kept"};
  const std::string path = Resolved(files.front());
  const std::string folder = FolderOf(path);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) return ErrnoError("make directory " + folder);
  BW_TRY(Folder lock, Locked(folder));
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

Result<std::vector<std::string>> ForgetLogin(const std::string& host, const HelperCall& helper) {
  std::vector<std::string> where;
  std::optional<Error> failed;  // the first; the other files are looked at all the same
  for (const auto& file : LoginFiles()) {
    const std::string path = Resolved(file);
    auto forgot = ForgetIn(path, host, helper, where);
    if (!forgot && !failed) failed = forgot.error().Wrap(path);
  }
  if (failed) return *std::move(failed);
  return where;
}

}  // namespace bulwark::remote
