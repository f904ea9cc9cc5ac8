// dpkg's own answer about this machine is the oracle for the status reader. Skips where there is no dpkg.
#include <algorithm>
#include <cstdio>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "catalog/readers.h"

namespace bulwark::catalog {
namespace {

std::string Output(const char* command) {
  std::string out;
  std::FILE* pipe = ::popen(command, "r");
  if (!pipe) return out;
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  return ::pclose(pipe) == 0 ? out : "";
}

TEST(DpkgStatus, EqualsDpkgQuery) {
  std::string answer = Output(
      "dpkg-query -W -f '${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\\n' 2>/dev/null");
  auto status = ReadFile("/var/lib/dpkg/status", std::uint64_t{1} << 30);
  if (answer.empty() || !status) GTEST_SKIP() << "no dpkg here";
  std::multiset<std::string> want, got;
  std::size_t begin = 0;
  for (std::size_t end; (end = answer.find('\n', begin)) != std::string::npos; begin = end + 1) {
    std::string line = answer.substr(begin, end - begin);
    std::string state = line.substr(0, line.find(' '));
    if (state != "config-files" && state != "not-installed") want.insert(line.substr(state.size() + 1));
  }
  auto facts = ReadDpkgStatus({"var/lib/dpkg/status", AsBytes(*status), 0644});
  ASSERT_TRUE(facts.ok());
  for (const image::Package& p : facts->packages) {
    got.insert(p.name + " " + p.version + " " + p.arch + " " + p.source_name + " " + p.source_version);
  }
  EXPECT_EQ(want, got);
  EXPECT_TRUE(facts->gaps.empty());
  EXPECT_GT(got.size(), 50u);
}

}  // namespace
}  // namespace bulwark::catalog
