#include "cli/run.h"

#include <csignal>
#include <exception>
#include <string_view>

#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

namespace bulwark::cli {
namespace {

struct Dispatch {
  const std::string& verb;
  int operator()(const Answered& a) const { return a.exit_code; }
  int operator()(const ServeArguments& a) const { return RunServe(a); }
  int operator()(const ScanArguments& a) const { return verb == "sbom" ? RunSbom(a) : RunScan(a); }
  int operator()(const DbArguments& a) const { return RunDb(a); }
  int operator()(const PolicyArguments& a) const { return RunPolicy(a); }
  int operator()(const ExceptionArguments& a) const { return RunException(a); }
  int operator()(const CopyArguments& a) const { return verb == "push" ? RunPush(a) : RunPull(a); }
  int operator()(const TransferArguments& a) const { return RunCopy(a); }
  int operator()(const LoginArguments& a) const { return verb == "logout" ? RunLogout(a) : RunLogin(a); }
  int operator()(const WhyArguments& a) const { return RunWhy(a); }
  int operator()(const UserArguments& a) const { return RunUser(a); }
  int operator()(const GcArguments& a) const { return RunGc(a); }
  int operator()(const VersionArguments& a) const { return RunVersion(a); }
  int operator()(const PurlArguments& a) const { return RunPurl(a); }
  int operator()(const WorkerArguments&) const { return RunWorker(); }
};

struct LogIn {
  template <typename T>
  Status operator()(T& arguments) const {
    // A copy has two log-ins, and reads their passwords itself.
    if constexpr (requires { arguments.login; } && !requires { arguments.from_login; }) return ReadLoginPassword(arguments.login);
    return {};
  }
};

}  // namespace

int Run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // sendfile and closed pipes are errors to handle, not reasons to die
  try {
    // Workers are started often and ahead of need: they do not wait for the option parser.
    if (argc == 2 && std::string_view(argv[1]) == "worker") return RunWorker();
    if (argc == 2 && std::string_view(argv[1]) == "feeds") return RunFeeds();  // what the server starts; not for people
    Command command = ParseArguments(argc, argv);
    if (auto ready = std::visit(LogIn{}, command.arguments); !ready) return Fail(ready.error());
    return std::visit(Dispatch{command.verb}, command.arguments);
  } catch (const std::exception& e) {
    ErrorLine(std::string("stopped by a bug: ") + e.what() + "; please report it");
    return kCouldNot;
  }
}

}  // namespace bulwark::cli
