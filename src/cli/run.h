#pragma once

namespace bulwark::cli {

// Runs the verb that argv names; the exit code: 0 pass, 1 policy failed, 2 usage, 3 could not do it.
int Run(int argc, char** argv);

}  // namespace bulwark::cli
