#include "report/report.h"

#include <algorithm>

namespace bulwark::report {

std::vector<image::Gap> AllGaps(const Report& report) {
  std::vector<image::Gap> gaps = report.inventory.gaps;
  gaps.insert(gaps.end(), report.findings.gaps.begin(), report.findings.gaps.end());
  std::sort(gaps.begin(), gaps.end(), [](const image::Gap& a, const image::Gap& b) {
    return a.kind != b.kind ? a.kind > b.kind : a < b;  // blind ones first
  });
  gaps.erase(std::unique(gaps.begin(), gaps.end()), gaps.end());
  return gaps;
}

bool IsBlind(const Report& report) {
  auto blind = [](const image::Gap& gap) { return gap.kind != image::GapKind::kPartial; };
  return report.inventory.blind() || std::any_of(report.findings.gaps.begin(), report.findings.gaps.end(), blind);
}

}  // namespace bulwark::report
