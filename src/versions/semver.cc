// SemVer 2.0.0 as npm's `semver` module reads it: white space around and one "v" in front are dropped. Wider than npm in
// two points, as the SEMVER ranges of advisories need it: missing minor and patch numbers are 0 ("1.2", without a
// pre-release), and numbers above 2^53 are ordered (the specification has no bound).

#include "versions/semver.h"

#include "base/strings.h"
#include "versions/compare.h"
#include "versions/digits.h"
#include "versions/invalid.h"

namespace bulwark::versions {
namespace {

bool IsIdentifier(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return IsDigit(c) || IsAlpha(c) || c == '-'; });
}

enum class LeadingZero { kAllowed, kRefused };

bool AreIdentifiers(std::string_view dotted, LeadingZero zero) {
  for (std::string_view id : Split(dotted, '.')) {
    if (!IsIdentifier(id)) return false;
    if (zero == LeadingZero::kRefused && id.size() > 1 && id[0] == '0' && AllDigits(id)) return false;
  }
  return true;
}

// Numbers are below words; among words ASCII order counts.
Order CompareIdentifier(std::string_view a, std::string_view b) {
  const bool numeric_a = AllDigits(a), numeric_b = AllDigits(b);
  if (numeric_a && numeric_b) return CompareNumbers(a, b);
  if (numeric_a != numeric_b) return numeric_a ? Order::less : Order::greater;
  return a.compare(b) <=> 0;
}

Order ComparePrerelease(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() <=> b.empty();  // a release is above its pre-releases
  const auto x = Split(a, '.'), y = Split(b, '.');
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (Order order = CompareIdentifier(x[i], y[i]); order != 0) return order;
  }
  return x.size() <=> y.size();
}

// Takes a number without leading zeros off the front of `text`; "" if there is none.
std::string_view TakeNumber(std::string_view& text) {
  const std::size_t n = DigitRun(text);
  if (n > 1 && text[0] == '0') return {};
  const std::string_view number = text.substr(0, n);
  text.remove_prefix(n);
  return number;
}

Result<Semver> Parse(std::string_view original) {
  BW_CHECK(CheckLength("SemVer", original));
  std::string_view text = Trim(original);
  if (text.starts_with('v')) text.remove_prefix(1);
  Semver v;
  if (!TakeCore(text, v)) return NotAVersion("SemVer", original, "not up to three numbers without leading zeros");
  if (!TakeTail(text, v)) return NotAVersion("SemVer", original, "malformed after the numbers");
  return v;
}

}  // namespace

bool TakeCore(std::string_view& text, Semver& into) {
  std::string_view* const parts[] = {&into.major, &into.minor, &into.patch};
  for (std::size_t count = 1;; ++count) {
    *parts[count - 1] = TakeNumber(text);
    if (parts[count - 1]->empty()) return false;
    if (count == 3) return true;
    if (!text.starts_with('.')) return text.empty();
    text.remove_prefix(1);
  }
}

bool TakeTail(std::string_view rest, Semver& into) {
  if (auto plus = rest.find('+'); plus != std::string_view::npos) {
    if (!AreIdentifiers(rest.substr(plus + 1), LeadingZero::kAllowed)) return false;
    rest = rest.substr(0, plus);
  }
  if (rest.empty()) return true;
  if (!rest.starts_with('-')) return false;
  into.prerelease = rest.substr(1);
  return AreIdentifiers(into.prerelease, LeadingZero::kRefused);
}

std::strong_ordering CompareSemverParts(const Semver& a, const Semver& b) {
  if (Order order = CompareNumbers(a.major, b.major); order != 0) return order;
  if (Order order = CompareNumbers(a.minor, b.minor); order != 0) return order;
  if (Order order = CompareNumbers(a.patch, b.patch); order != 0) return order;
  return ComparePrerelease(a.prerelease, b.prerelease);
}

Result<Order> CompareSemver(std::string_view a, std::string_view b) {
  BW_TRY(const Semver x, Parse(a));
  BW_TRY(const Semver y, Parse(b));
  return CompareSemverParts(x, y);
}

}  // namespace bulwark::versions
