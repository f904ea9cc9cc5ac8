#pragma once
// Registry log-ins as Docker keeps them: $DOCKER_CONFIG/config.json (auths, credHelpers, credsStore) and its helpers, else
// podman's ${XDG_RUNTIME_DIR}/containers/auth.json. $REGISTRY_AUTH_FILE comes before both: it was set on purpose.

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bulwark::remote {

struct Credentials {
  std::string username;
  std::string password;
};

// Where log-ins are looked for, the first one first; the files need not exist. credential_store.h writes to the first.
std::vector<std::string> LoginFiles();

// Runs `docker-credential-NAME get` with the host on its standard input; its standard output.
using CredentialHelper = std::function<Result<std::string>(const std::string& name, const std::string& host)>;
Result<std::string> RunCredentialHelper(const std::string& name, const std::string& host);
// The same with any of its verbs: get, store, erase. kNotFound: it has no such log-in; kUnavailable with the helper's sentence;
// kLimit: it talks without end, or is not done after a minute, which is long enough to type a passphrase; it is killed then.
Result<std::string> AskCredentialHelper(const std::string& name, const std::string& verb, const std::string& input);
Result<std::string> AskCredentialHelperFor(std::chrono::milliseconds patience, const std::string& name, const std::string& verb, const std::string& input);
// Under what the helpers and `auths` know a registry: Docker writes Docker Hub under its old index address.
std::string CredentialKey(const std::string& host);
// A helper's name becomes part of a program's: letters, digits, '-', '_', '.'. kInvalid.
Status CheckHelperName(const std::string& name);

// kInvalid: it has a colon, which ends the name in Basic (RFC 7617 section 2): the registry would see another name and password.
Status CheckUserName(const std::string& name);

// nullopt: nobody logged in there. kInvalid: a file that is not what it should be.
Result<std::optional<Credentials>> FindCredentials(const std::string& host, const CredentialHelper& helper = RunCredentialHelper);
// The same from the text of one configuration file.
Result<std::optional<Credentials>> CredentialsIn(std::string_view config_json, const std::string& host, const CredentialHelper& helper);

}  // namespace bulwark::remote
