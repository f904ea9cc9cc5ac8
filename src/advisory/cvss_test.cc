#include "advisory/cvss.h"

#include <gtest/gtest.h>

#include <string_view>

namespace bulwark::advisory {
namespace {

struct Case {
  std::string_view vector;
  double score;
  Severity severity;
};

// Oracle: scores that NVD publishes for the CVE named beside the vector.
constexpr Case kCases[] = {
    {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0, Severity::kCritical},  // CVE-2021-44228
    {"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:C/C:H/I:H/A:H", 9.0, Severity::kCritical},   // CVE-2021-45046
    {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, Severity::kCritical},   // CVE-2022-22965
    {"CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H", 7.2, Severity::kHigh},       // CVE-2021-23337
    {"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, Severity::kMedium},     // CVE-2019-11358
    {"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5, Severity::kHigh},       // CVE-2014-0160
    {"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8, Severity::kHigh},       // CVE-2021-4034
    {"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N", 3.7, Severity::kLow},
    {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, Severity::kNone},
    {"CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4, Severity::kMedium},
    {"CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N/E:P/RL:O", 1.6, Severity::kLow},
    {"AV:N/AC:L/Au:N/C:P/I:N/A:N", 5.0, Severity::kMedium},                       // CVE-2014-0160, v2
    {"(AV:N/AC:L/Au:N/C:C/I:C/A:C)", 10.0, Severity::kHigh},
    {"CVSS:2.0/AV:L/AC:L/Au:N/C:P/I:P/A:P", 4.6, Severity::kMedium},              // CVE-1999-1341
};

TEST(Cvss, ScoresAsPublished) {
  for (const Case& c : kCases) {
    const auto got = ScoreVector(c.vector);
    ASSERT_TRUE(got.has_value()) << c.vector;
    EXPECT_NEAR(c.score, got->score, 1e-9) << c.vector;
    EXPECT_EQ(c.severity, got->severity) << c.vector;
  }
}

TEST(Cvss, RefusesWhatIsNoVector) {
  for (std::string_view bad :
       {"", "CVSS:3.1/", "CVSS:3.1/AV:N", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/A:H", "AV:X/AC:L/Au:N/C:P/I:N/A:N",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        "9.8"}) {
    EXPECT_FALSE(ScoreVector(bad).has_value()) << bad;
  }
}

TEST(Cvss, ReadsSeverityWords) {
  EXPECT_EQ(Severity::kMedium, ParseSeverity("MODERATE"));
  EXPECT_EQ(Severity::kHigh, ParseSeverity("Important"));
  EXPECT_EQ(Severity::kCritical, ParseSeverity("critical"));
  EXPECT_EQ(Severity::kUnknown, ParseSeverity("untriaged"));
}

}  // namespace
}  // namespace bulwark::advisory
