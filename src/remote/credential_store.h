#pragma once
// Keeps registry log-ins as Docker does: with the helper that $DOCKER_CONFIG/config.json (else ~/.docker/config.json) names in
// credHelpers or credsStore, else in its `auths`. Everything else in that file stays.

#include <functional>
#include <string>

#include "base/result.h"
#include "remote/credentials.h"

namespace bulwark::remote {

// Runs `docker-credential-NAME VERB` with `input`; its answer.
using HelperCall = std::function<Result<std::string>(const std::string& name, const std::string& verb, const std::string& input)>;

struct KeptLogin {
  std::string where;        // the helper's program, or the file
  bool clear_text = false;  // base64 in a file that only its owner can read
};

// kNotFound: neither DOCKER_CONFIG nor HOME is set; kInvalid: the file is no JSON object; kUnavailable: the helper failed.
Result<KeptLogin> KeepLogin(const std::string& host, const Credentials& credentials, const HelperCall& helper = AskCredentialHelper);
// False: there was none.
Result<bool> ForgetLogin(const std::string& host, const HelperCall& helper = AskCredentialHelper);

}  // namespace bulwark::remote
