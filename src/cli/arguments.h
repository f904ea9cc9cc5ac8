#pragma once
// The command line as values: one struct a verb. arguments.cc is the only includer of CLI11.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"

namespace bulwark::cli {

// How to reach a registry.
struct Login {
  std::string username;
  std::string password;      // filled by ReadLoginPassword, never an argument: those are seen in process lists
  bool password_stdin = false;
  bool plain_http = false;   // loopback hosts are plain anyway
  bool tls = false;          // at those too: the registry was named with https://
  std::string ca_file;
  std::string token_host;    // of a token service elsewhere that may get the password
};

struct ServeArguments { std::string listen, data, config, database, tls_certificate, tls_key, external_url; };

struct ScanArguments {
  std::string target, format, output, database, platform, as_of, policy;
  std::vector<std::string> fail_on;
  bool offline = false, no_sandbox = false;
  Login login;
};

struct DbArguments {
  enum class Verb { kBuild, kStatus, kUpdate } verb = Verb::kStatus;
  std::string out, database, format, config, data;
  std::vector<std::string> sources, whole;
  bool force = false;
};

struct PolicyArguments {
  enum class Verb { kTest, kDefault, kList, kApply, kRemove } verb = Verb::kDefault;
  std::string file, registry, name, format;
  std::vector<std::string> cases;
  Login login;
};

struct ExceptionArguments {
  enum class Verb { kAdd, kApprove, kRevoke, kList } verb = Verb::kList;
  std::string registry, vulnerability, package = "*", repository, reference = "*", reason, note, expires, format;
  std::int64_t id = 0;
  Login login;
};

struct CopyArguments { std::string from, to; Login login; };   // push and pull

struct TransferArguments {  // copy
  std::string from, to;
  std::vector<std::string> platforms;
  std::uint64_t jobs = 4;
  bool no_referrers = false;
  Login login, from_login;
};

struct LoginArguments { std::string registry; Login login; };   // login and logout

struct WhyArguments { std::string image, format; Login login; };

struct UserArguments {
  enum class Verb { kCreate, kList, kPassword, kDisable, kGrant, kResetAdmin } verb = Verb::kList;
  std::string registry, name, kind, role, repositories, data, format;
  Login login;
};

struct GcArguments {
  enum class Verb { kRun, kWhy } verb = Verb::kRun;
  std::string registry, digest, format;
  bool dry_run = false;
  Login login;
};

struct VersionArguments {
  bool compare = false, from_stdin = false;
  std::string ecosystem, a, b, format;
};

struct PurlArguments {
  enum class Verb { kParse, kBuild } verb = Verb::kParse;
  std::string text;
};

struct WorkerArguments {};

// Already answered: help was printed, or the usage was wrong and said so.
struct Answered { int exit_code = 0; };

using Arguments = std::variant<Answered, ServeArguments, ScanArguments, DbArguments, PolicyArguments, ExceptionArguments, CopyArguments,
                               TransferArguments, LoginArguments, WhyArguments, UserArguments, GcArguments, VersionArguments, PurlArguments,
                               WorkerArguments>;

// What the copy verbs and the scan verbs do with the same arguments is told by this name.
struct Command {
  std::string verb;  // "scan", "sbom", "push", …
  Arguments arguments;
};
Command ParseArguments(int argc, char** argv);

}  // namespace bulwark::cli
