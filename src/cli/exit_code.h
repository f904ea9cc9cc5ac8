#pragma once

#include "base/result.h"

namespace bulwark::cli {

// One meaning each, for every verb (docs/command-line.md). kUsage: the command line itself cannot be understood, nothing was
// tried. kCouldNot: what it names could not be read, reached or done, a missing file included.
enum ExitCode { kPass = 0, kPolicyFailed = 1, kUsage = 2, kCouldNot = 3 };

// Both print "bulwark: message" to standard error and return their exit code. An error's code does not tell them apart: a
// malformed file and a malformed argument are both kInvalid.
int Fail(const Error& error);
int FailUsage(const Error& error);
// For what reads or writes images at a registry: a refusal by the registry is kPolicyFailed, as a refusal by a local scan is.
int FailAtRegistry(const Error& error);

}  // namespace bulwark::cli
