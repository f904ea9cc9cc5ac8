#pragma once
// Starts a verb of this program as a child process.

#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace bulwark::sandbox {

struct Child {
  enum class Session { kOurs, kOwn };
  enum class Environment { kNone, kOurs };

  std::string name, verb;                         // its arguments
  std::vector<std::pair<int, int>> descriptors;   // ours -> the child's, in this order
  int first_closed = 3;                           // from here on nothing is open in the child
  Session session = Session::kOurs;
  Environment environment = Environment::kNone;
};
// The child blocks and ignores no signal. kUnavailable; the caller reaps it.
Result<pid_t> Spawn(const std::string& program, const Child& child);

}  // namespace bulwark::sandbox
