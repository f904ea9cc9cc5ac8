// Policies, matchers and test cases come from people and from the API: whatever the bytes, the readers answer.
#include "policy/tester.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bulwark::policy;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.size() > 65'536) return 0;
  (void)ParsePolicy(text).ok();
  (void)ParseMatchers(text).ok();
  static const Policy kDefault = DefaultPolicy();
  (void)TestPolicyText({&kDefault, 1}, "fuzz", text).ok();
  return 0;
}
