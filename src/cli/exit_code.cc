#include "cli/exit_code.h"

#include "cli/terminal.h"

namespace bulwark::cli {
namespace {

int Print(const Error& error, ExitCode code) {
  ErrorLine(error.message);
  return code;
}

}  // namespace

int Fail(const Error& error) { return Print(error, kCouldNot); }
int FailUsage(const Error& error) { return Print(error, kUsage); }
int FailAtRegistry(const Error& error) { return Print(error, error.code == Errc::kDenied ? kPolicyFailed : kCouldNot); }

}  // namespace bulwark::cli
