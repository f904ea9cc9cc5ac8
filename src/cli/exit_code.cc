#include "cli/exit_code.h"

#include "base/log.h"
#include "cli/terminal.h"

namespace bulwark::cli {

ExitCode ExitCodeOf(const Error& error) {
  switch (error.code) {
    case Errc::kInvalid: return kUsage;
    case Errc::kNotFound: case Errc::kExists: case Errc::kConflict: case Errc::kUnauthenticated: case Errc::kDenied: case Errc::kRange:
    case Errc::kDigest: case Errc::kLimit: case Errc::kCorrupt: case Errc::kUnsupported: case Errc::kUnavailable: case Errc::kIo:
    case Errc::kCancelled: case Errc::kInternal: return kCouldNot;
  }
  return kCouldNot;
}

int Fail(const Error& error) {
  ErrorLine(error.message);
  return ExitCodeOf(error);
}

}  // namespace bulwark::cli
