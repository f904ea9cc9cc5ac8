// Debian: [epoch:]upstream[-revision], Debian policy 5.6.12 and deb-version(7). Parts are compared as alternating
// stretches of non-digits (in a modified ASCII order: "~" before the end, the end before letters, letters before the
// rest) and digits (as numbers).

#include "versions/compare.h"
#include "versions/digits.h"
#include "versions/invalid.h"

namespace bulwark::versions {
namespace {

struct DebVersion {
  std::string_view epoch;  // digits; "" is 0
  std::string_view upstream;
  std::string_view revision;
};

bool OnlyOf(std::string_view text, std::string_view punctuation) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return IsDigit(c) || IsAlpha(c) || punctuation.find(c) != std::string_view::npos;
  });
}

Result<DebVersion> Parse(std::string_view text) {
  BW_CHECK(CheckLength("Debian", text));
  DebVersion v;
  v.upstream = text;
  if (auto colon = text.find(':'); colon != std::string_view::npos) {
    v.epoch = text.substr(0, colon);
    v.upstream = text.substr(colon + 1);
    if (v.epoch.empty() || !AllDigits(v.epoch)) return NotAVersion("Debian", text, "the epoch is not a number");
    if (CompareNumbers(v.epoch, "2147483647") > 0) return NotAVersion("Debian", text, "the epoch is too large");
  }
  if (auto dash = v.upstream.rfind('-'); dash != std::string_view::npos) {
    v.revision = v.upstream.substr(dash + 1);
    v.upstream = v.upstream.substr(0, dash);
    if (v.revision.empty()) return NotAVersion("Debian", text, "the revision is empty");
  }
  if (v.upstream.empty() || !IsDigit(v.upstream[0])) {
    return NotAVersion("Debian", text, "the upstream version does not start with a digit");
  }
  if (!OnlyOf(v.upstream, ".+-~:")) return NotAVersion("Debian", text, "a character that is not allowed");
  if (!OnlyOf(v.revision, ".+~")) return NotAVersion("Debian", text, "a character that is not allowed in the revision");
  return v;
}

// Rank of a character among non-digits; the end of a part (and a digit, which ends the stretch) is 0.
int Rank(std::string_view text, std::size_t at) {
  if (at >= text.size() || IsDigit(text[at])) return 0;
  if (text[at] == '~') return -1;
  return IsAlpha(text[at]) ? text[at] : text[at] + 256;
}

Order ComparePart(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    std::size_t n = 0;
    for (; Rank(a, n) != 0 || Rank(b, n) != 0; ++n) {
      if (Order order = Rank(a, n) <=> Rank(b, n); order != 0) return order;
    }
    a.remove_prefix(n);  // equal up to here, so both are at least n long
    b.remove_prefix(n);
    const std::size_t da = DigitRun(a), db = DigitRun(b);
    if (Order order = CompareNumbers(a.substr(0, da), b.substr(0, db)); order != 0) return order;
    a.remove_prefix(da);
    b.remove_prefix(db);
  }
  return Order::equal;
}

}  // namespace

Result<Order> CompareDeb(std::string_view a, std::string_view b) {
  BW_TRY(const DebVersion x, Parse(a));
  BW_TRY(const DebVersion y, Parse(b));
  if (Order order = CompareNumbers(x.epoch, y.epoch); order != 0) return order;
  if (Order order = ComparePart(x.upstream, y.upstream); order != 0) return order;
  return ComparePart(x.revision, y.revision);
}

}  // namespace bulwark::versions
