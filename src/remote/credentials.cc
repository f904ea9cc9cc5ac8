#include "remote/credentials.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/object.hpp>

#include "base/byte_source.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "formats/json.h"

extern char** environ;

namespace bulwark::remote {
namespace {

constexpr std::uint64_t kConfigLimit = 1 << 20;

std::vector<std::string> ConfigFiles() {
  std::vector<std::string> out;
  auto add = [&](const char* variable, const std::string& below) {
    if (const char* value = std::getenv(variable); value && *value) out.push_back(value + below);
  };
  add("REGISTRY_AUTH_FILE", "");
  add("DOCKER_CONFIG", "/config.json");
  add("XDG_RUNTIME_DIR", "/containers/auth.json");
  if (!std::getenv("DOCKER_CONFIG")) add("HOME", "/.docker/config.json");
  return out;
}

Result<std::optional<Credentials>> FromAuth(const formats::json::object& entry) {
  BW_TRY(auto auth, formats::JsonOptionalString(entry, "auth"));
  if (!auth || auth->empty()) return std::optional<Credentials>();
  auto text = Base64Decode(*auth);
  auto colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return Error{Errc::kInvalid, "an `auth` entry is not base64 of user:password"};
  return std::optional<Credentials>({text->substr(0, colon), text->substr(colon + 1)});
}

Result<std::optional<Credentials>> FromHelper(const std::string& name, const std::string& host, const CredentialHelper& helper) {
  BW_CHECK(CheckHelperName(name));
  auto answer = helper(name, CredentialKey(host));
  if (!answer) return answer.error().code == Errc::kNotFound ? Result<std::optional<Credentials>>(std::nullopt) : answer.error();
  BW_TRY(auto value, formats::ParseJson(*answer));
  const auto* object = value.if_object();
  if (!object) return Error{Errc::kInvalid, "docker-credential-" + name + " did not answer with an object"};
  BW_TRY(auto user, formats::JsonString(*object, "Username"));
  BW_TRY(auto secret, formats::JsonString(*object, "Secret"));
  return std::optional<Credentials>({std::string(user), std::string(secret)});
}

Status WriteAndClose(UniqueFd fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("write to the credential helper");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

std::string CredentialKey(const std::string& host) { return host == "docker.io" ? "https://index.docker.io/v1/" : host; }

Status CheckHelperName(const std::string& name) {
  bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
  if (plain) return {};
  return {Errc::kInvalid, "a credential helper's name has other characters than letters, digits, '-', '_', '.'"};
}

Result<std::string> RunCredentialHelper(const std::string& name, const std::string& host) { return AskCredentialHelper(name, "get", host); }

Result<std::string> AskCredentialHelper(const std::string& name, const std::string& verb, const std::string& input) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return ErrnoError("pipe");
  UniqueFd in_read(in[0]), in_write(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) return ErrnoError("pipe");
  UniqueFd out_read(out[0]), out_write(out[1]);
  std::string program = "docker-credential-" + name, word = verb;
  char* argv[] = {program.data(), word.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in_read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out_write.get(), 1);
  pid_t pid = 0;
  int failed = ::posix_spawnp(&pid, program.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return Error{Errc::kUnavailable, program + " cannot be started; is it installed?"};
  in_read.Reset();
  out_write.Reset();
  auto written = WriteAndClose(std::move(in_write), input);
  std::string text;
  char buf[4096];
  for (ssize_t n; (n = ::read(out_read.get(), buf, sizeof buf)) > 0 && text.size() < kConfigLimit;) text.append(buf, static_cast<std::size_t>(n));
  out_read.Reset();  // one that writes without end must not be waited for
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  // The helpers' protocol: failure with this text means that there is no log-in.
  if (text.find("credentials not found") != std::string::npos) return Error{Errc::kNotFound, "no log-in stored"};
  return Error{Errc::kUnavailable, program + " failed"};
}

Result<std::optional<Credentials>> CredentialsIn(std::string_view config_json, const std::string& host, const CredentialHelper& helper) {
  BW_TRY(auto value, formats::ParseJson(config_json));
  const auto* config = value.if_object();
  if (!config) return Error{Errc::kInvalid, "not a JSON object"};
  BW_TRY(const auto* helpers, formats::JsonOptionalObject(*config, "credHelpers"));
  if (helpers && helpers->contains(host)) {
    BW_TRY(auto name, formats::JsonString(*helpers, host));
    return FromHelper(std::string(name), host, helper);
  }
  BW_TRY(const auto* auths, formats::JsonOptionalObject(*config, "auths"));
  if (auths) {
    for (const std::string& key : {CredentialKey(host), "https://" + host, "http://" + host}) {
      const auto* entry = auths->if_contains(key);
      if (!entry || !entry->if_object()) continue;
      BW_TRY(auto found, FromAuth(*entry->if_object()));
      if (found) return found;
    }
  }
  BW_TRY(auto store, formats::JsonOptionalString(*config, "credsStore"));
  if (store && !store->empty()) return FromHelper(std::string(*store), host, helper);
  return std::optional<Credentials>();
}

Result<std::optional<Credentials>> FindCredentials(const std::string& host, const CredentialHelper& helper) {
  for (const std::string& path : ConfigFiles()) {
    auto text = ReadFile(path, kConfigLimit);
    if (!text && text.error().code == Errc::kNotFound) continue;
    if (!text) return text.error();
    auto found = CredentialsIn(*text, host, helper);
    if (!found) return found.error().Wrap(path);
    if (*found) return found;
  }
  return std::optional<Credentials>();
}

}  // namespace bulwark::remote
