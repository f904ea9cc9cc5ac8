#pragma once
// Keeps registry log-ins as Docker does: with the helper that the first of LoginFiles() ($DOCKER_CONFIG/config.json, else
// ~/.docker/config.json) names in credHelpers or credsStore, else in its `auths`. Everything else in that file stays. The folder is
// locked meanwhile: of two log-ins at once both are kept.

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "remote/credentials.h"

namespace bulwark::remote {

// Runs `docker-credential-NAME VERB` with `input`; its answer.
using HelperCall = std::function<Result<std::string>(const std::string& name, const std::string& verb, const std::string& input)>;

struct KeptLogin {
  std::string where;        // the helper's program, or the file
  bool clear_text = false;  // base64 in a file that only its owner can read
};

// kNotFound: nothing says where; kInvalid: the file is no JSON object; kUnavailable: the helper failed.
Result<KeptLogin> KeepLogin(const std::string& host, const Credentials& credentials, const HelperCall& helper = AskCredentialHelper);
// In all of LoginFiles(), so that no other one is found afterwards; where it was, which is nowhere if there was none.
Result<std::vector<std::string>> ForgetLogin(const std::string& host, const HelperCall& helper = AskCredentialHelper);

}  // namespace bulwark::remote
