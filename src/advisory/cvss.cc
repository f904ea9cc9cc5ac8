#include "advisory/cvss.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "base/strings.h"

namespace bulwark::advisory {
namespace {

struct Value {
  std::string_view text;
  double weight;
};
// A base metric and its values; unused places have an empty text.
struct Metric {
  std::string_view name;
  std::array<Value, 4> values;
};

constexpr std::array<Metric, 6> kV2{{
    {"AV", {{{"L", 0.395}, {"A", 0.646}, {"N", 1.0}}}},
    {"AC", {{{"H", 0.35}, {"M", 0.61}, {"L", 0.71}}}},
    {"Au", {{{"M", 0.45}, {"S", 0.56}, {"N", 0.704}}}},
    {"C", {{{"N", 0.0}, {"P", 0.275}, {"C", 0.660}}}},
    {"I", {{{"N", 0.0}, {"P", 0.275}, {"C", 0.660}}}},
    {"A", {{{"N", 0.0}, {"P", 0.275}, {"C", 0.660}}}},
}};

// PR is given for an unchanged scope; S has 1 for changed.
constexpr std::array<Metric, 8> kV3{{
    {"AV", {{{"N", 0.85}, {"A", 0.62}, {"L", 0.55}, {"P", 0.2}}}},
    {"AC", {{{"L", 0.77}, {"H", 0.44}}}},
    {"PR", {{{"N", 0.85}, {"L", 0.62}, {"H", 0.27}}}},
    {"UI", {{{"N", 0.85}, {"R", 0.62}}}},
    {"S", {{{"U", 0.0}, {"C", 1.0}}}},
    {"C", {{{"H", 0.56}, {"L", 0.22}, {"N", 0.0}}}},
    {"I", {{{"H", 0.56}, {"L", 0.22}, {"N", 0.0}}}},
    {"A", {{{"H", 0.56}, {"L", 0.22}, {"N", 0.0}}}},
}};

// The weights of all base metrics, each of which must occur exactly once; metrics that are none are skipped.
template <std::size_t N>
std::optional<std::array<double, N>> ReadMetrics(std::string_view vector, const std::array<Metric, N>& metrics) {
  std::array<double, N> weights;
  weights.fill(-1);
  for (std::string_view part : Split(vector, '/')) {
    const auto colon = part.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    for (std::size_t i = 0; i < N; ++i) {
      if (metrics[i].name != part.substr(0, colon)) continue;
      if (weights[i] >= 0) return std::nullopt;
      for (const Value& value : metrics[i].values) {
        if (!value.text.empty() && value.text == part.substr(colon + 1)) weights[i] = value.weight;
      }
      if (weights[i] < 0) return std::nullopt;
    }
  }
  if (std::any_of(weights.begin(), weights.end(), [](double w) { return w < 0; })) return std::nullopt;
  return weights;
}

// The smallest number with one decimal that is not below `x`, computed as appendix A of v3.1 demands.
double RoundUp(double x) {
  const auto scaled = static_cast<std::int64_t>(std::round(x * 100'000));
  if (scaled % 10'000 == 0) return static_cast<double>(scaled) / 100'000;
  const std::int64_t tenths = scaled / 10'000 + 1;
  return static_cast<double>(tenths) / 10;
}

Severity RateV3(double score) {
  if (score <= 0) return Severity::kNone;
  if (score < 4) return Severity::kLow;
  if (score < 7) return Severity::kMedium;
  return score < 9 ? Severity::kHigh : Severity::kCritical;
}

std::optional<BaseScore> ScoreV3(std::string_view vector) {
  const auto w = ReadMetrics(vector, kV3);
  if (!w) return std::nullopt;
  const auto& [av, ac, pr_unchanged, ui, scope, c, i, a] = *w;
  const bool changed = scope > 0;
  double pr = pr_unchanged;
  if (changed && pr == 0.62) pr = 0.68;
  if (changed && pr == 0.27) pr = 0.5;
  const double iss = 1 - (1 - c) * (1 - i) * (1 - a);
  const double impact = changed ? 7.52 * (iss - 0.029) - 3.25 * std::pow(iss - 0.02, 15) : 6.42 * iss;
  const double exploitability = 8.22 * av * ac * pr * ui;
  double score = 0;
  if (impact > 0) score = RoundUp(std::min((changed ? 1.08 : 1.0) * (impact + exploitability), 10.0));
  return BaseScore{score, RateV3(score)};
}

std::optional<BaseScore> ScoreV2(std::string_view vector) {
  const auto w = ReadMetrics(vector, kV2);
  if (!w) return std::nullopt;
  const auto& [av, ac, au, c, i, a] = *w;
  const double impact = 10.41 * (1 - (1 - c) * (1 - i) * (1 - a));
  const double exploitability = 20 * av * ac * au;
  const double raw = (0.6 * impact + 0.4 * exploitability - 1.5) * (impact == 0 ? 0 : 1.176);
  const double score = std::round(raw * 10) / 10;
  return BaseScore{score, score < 4 ? Severity::kLow : score < 7 ? Severity::kMedium : Severity::kHigh};
}

}  // namespace

std::optional<BaseScore> ScoreVector(std::string_view vector) {
  if (vector.starts_with("CVSS:3.0/") || vector.starts_with("CVSS:3.1/")) return ScoreV3(vector.substr(9));
  if (vector.starts_with("CVSS:2.0/")) return ScoreV2(vector.substr(9));
  if (vector.starts_with("AV:")) return ScoreV2(vector);
  if (vector.starts_with("(AV:") && vector.ends_with(")")) return ScoreV2(vector.substr(1, vector.size() - 2));
  return std::nullopt;
}

Severity ParseSeverity(std::string_view word) {
  const std::string lower = ToLower(word);
  if (lower == "none") return Severity::kNone;
  if (lower == "low" || lower == "negligible" || lower == "unimportant" || lower == "minor") return Severity::kLow;
  if (lower == "medium" || lower == "moderate") return Severity::kMedium;
  if (lower == "high" || lower == "important") return Severity::kHigh;
  if (lower == "critical") return Severity::kCritical;
  return Severity::kUnknown;
}

}  // namespace bulwark::advisory
