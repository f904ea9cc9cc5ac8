#pragma once
// Test cases for policies: facts and the decision that is expected, as text (docs/policy.md, "Testing a policy"). Behind
// `bulwark policy test`, and what this folder's own tests run.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/decide.h"

namespace bulwark::policy {

struct CaseResult {
  std::string file;
  std::uint32_t line = 0;  // where the case begins
  std::string name;
  bool passed = false;
  std::vector<std::string> failures;  // one sentence each: what was expected and what came
};

struct TestReport {
  std::vector<CaseResult> cases;
  std::size_t failed = 0;
};

// Runs every case of a text (documents separated by "---"). A case without `policies:` uses those given. kInvalid with
// file and line when a case cannot be read: a case that does not run is no success.
Result<TestReport> TestPolicyText(std::span<const Policy> policies, const std::string& file, std::string_view text);
// The same of files, in the order given. Also kNotFound, kIo, kLimit; kInvalid if there is no case at all.
Result<TestReport> TestPolicy(std::span<const Policy> policies, std::span<const std::string> files);

}  // namespace bulwark::policy
