#pragma once
// How a copy logs in to its two ends.

#include "base/result.h"
#include "cli/arguments.h"
#include "cli/copy_place.h"

namespace bulwark::cli {

// A log-in, a way to connect and anchors of its own for each end: a password goes only to the registry that it was given for,
// and only in the way that was allowed for that one.
struct CopyLogins {
  Login from, to;
};

// --username, --plain-http, --ca-file and --token-host are for the target; where the source is the same registry, or the only one,
// for that as well. The --from-… options are for the source. kInvalid: one that is for no registry. Passwords are read elsewhere.
Result<CopyLogins> LoginsFor(const TransferArguments& a, const CopyPlace& from, const CopyPlace& to);

}  // namespace bulwark::cli
