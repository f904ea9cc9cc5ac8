#pragma once

#include "base/result.h"

namespace bulwark::sandbox {

// Lets a worker compute, allocate, read the descriptors it has, and talk over its socket. Any other system call kills the
// process: a job that tries one is not to be believed any more. kUnsupported.
Status LoadSeccompFilter();

}  // namespace bulwark::sandbox
