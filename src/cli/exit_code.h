#pragma once

#include "base/result.h"

namespace bulwark::cli {

enum ExitCode { kPass = 0, kPolicyFailed = 1, kUsage = 2, kCouldNot = 3 };

// The one table from errors to exit codes. A refusal by policy is 1, a wrong argument 2, everything else 3.
ExitCode ExitCodeOf(const Error& error);

// Prints "bulwark VERB: message" to standard error and returns the error's exit code.
int Fail(const Error& error);

}  // namespace bulwark::cli
