// PEP 440: [N!]N(.N)*[{a|b|rc}N][.postN][.devN][+local], with the spellings that its section "Normalization" allows.
// Read as the Python library `packaging` reads it; what that calls invalid ("legacy" versions) has no order.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/strings.h"
#include "versions/compare.h"
#include "versions/digits.h"
#include "versions/invalid.h"

namespace bulwark::versions {
namespace {

using Number = std::string_view;  // digits; "" is 0

struct Pep440 {
  Number epoch;
  std::vector<Number> release;  // without trailing zeros
  char pre = 0;                 // 'a', 'b', 'r' (rc); 0 = none
  Number pre_number;
  std::optional<Number> post, dev;
  std::vector<std::string_view> local;
};

struct Word {
  std::string_view spelling;
  char kind;
};
// Longer spellings before their prefixes.
constexpr std::array kPreWords{Word{"alpha", 'a'},   Word{"beta", 'b'}, Word{"preview", 'r'}, Word{"pre", 'r'},
                               Word{"rc", 'r'},      Word{"a", 'a'},    Word{"b", 'b'},       Word{"c", 'r'}};
constexpr std::array kPostWords{Word{"post", 'p'}, Word{"rev", 'p'}, Word{"r", 'p'}};
constexpr std::array kDevWords{Word{"dev", 'd'}};

bool IsSeparator(char c) { return c == '-' || c == '_' || c == '.'; }

Number TakeDigits(std::string_view& text) {
  Number digits = text.substr(0, DigitRun(text));
  text.remove_prefix(digits.size());
  return digits;
}

// "[-_.]? word [-_.]? N?": the kind of the word found and its number; text is left as it was if there is none.
template <std::size_t N>
std::optional<char> TakeWord(std::string_view& text, const std::array<Word, N>& words, Number& number) {
  std::string_view rest = text;
  if (!rest.empty() && IsSeparator(rest[0])) rest.remove_prefix(1);
  for (const Word& word : words) {
    if (!rest.starts_with(word.spelling)) continue;
    rest.remove_prefix(word.spelling.size());
    if (!rest.empty() && IsSeparator(rest[0])) rest.remove_prefix(1);
    number = TakeDigits(rest);
    text = rest;
    return word.kind;
  }
  return std::nullopt;
}

bool TakeRelease(std::string_view& text, Pep440& v) {
  Number first = TakeDigits(text);
  if (first.empty()) return false;
  if (text.starts_with('!')) {
    v.epoch = first;
    text.remove_prefix(1);
    first = TakeDigits(text);
    if (first.empty()) return false;
  }
  v.release.push_back(first);
  while (text.size() > 1 && text[0] == '.' && IsDigit(text[1])) {
    text.remove_prefix(1);
    v.release.push_back(TakeDigits(text));
  }
  while (!v.release.empty() && CompareNumbers(v.release.back(), "0") == 0) v.release.pop_back();
  return true;
}

void TakePost(std::string_view& text, Pep440& v) {
  if (text.size() > 1 && text[0] == '-' && IsDigit(text[1])) {  // "1.0-1" is 1.0.post1
    text.remove_prefix(1);
    v.post = TakeDigits(text);
    return;
  }
  Number number;
  if (TakeWord(text, kPostWords, number)) v.post = number;
}

bool TakeLocal(std::string_view text, Pep440& v) {
  if (!text.starts_with('+')) return text.empty();
  text.remove_prefix(1);
  while (true) {
    std::size_t n = 0;
    while (n < text.size() && (IsDigit(text[n]) || IsAlpha(text[n]))) ++n;
    if (n == 0) return false;
    v.local.push_back(text.substr(0, n));
    text.remove_prefix(n);
    if (text.empty()) return true;
    if (!IsSeparator(text[0])) return false;
    text.remove_prefix(1);
  }
}

// `lower` is the text in lower case and outlives the result.
Result<Pep440> Parse(std::string_view original, std::string& lower) {
  BW_CHECK(CheckLength("PEP 440", original));
  lower = ToLower(Trim(original));
  std::string_view text = lower;
  if (text.starts_with('v')) text.remove_prefix(1);
  Pep440 v;
  if (!TakeRelease(text, v)) return NotAVersion("PEP 440", original, "it does not start with a number");
  Number number;
  if (auto kind = TakeWord(text, kPreWords, number)) {
    v.pre = *kind;
    v.pre_number = number;
  }
  TakePost(text, v);
  if (TakeWord(text, kDevWords, number)) v.dev = number;
  if (!TakeLocal(text, v)) return NotAVersion("PEP 440", original, "unexpected text after the release number");
  return v;
}

Order CompareRelease(const std::vector<Number>& a, const std::vector<Number>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (Order order = CompareNumbers(a[i], b[i]); order != 0) return order;
  }
  return a.size() <=> b.size();
}

// 1.0.dev1 < 1.0a1 < 1.0b1 < 1.0rc1 < 1.0: a development release without pre and post comes before all pre-releases.
int PreRank(const Pep440& v) {
  if (v.pre == 0) return !v.post && v.dev ? 0 : 256;
  return v.pre;
}

Order CompareLocal(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const bool numeric_a = AllDigits(a[i]), numeric_b = AllDigits(b[i]);
    if (numeric_a != numeric_b) return numeric_a ? Order::greater : Order::less;
    Order order = numeric_a ? CompareNumbers(a[i], b[i]) : a[i].compare(b[i]) <=> 0;
    if (order != 0) return order;
  }
  return a.size() <=> b.size();
}

// Absent sorts as `absent` against present.
Order CompareOptional(const std::optional<Number>& a, const std::optional<Number>& b, Order absent) {
  if (a && b) return CompareNumbers(*a, *b);
  if (!a && !b) return Order::equal;
  return a ? 0 <=> absent : absent;
}

}  // namespace

Result<Order> ComparePep440(std::string_view a, std::string_view b) {
  std::string lower_a, lower_b;
  BW_TRY(const Pep440 x, Parse(a, lower_a));
  BW_TRY(const Pep440 y, Parse(b, lower_b));
  if (Order order = CompareNumbers(x.epoch, y.epoch); order != 0) return order;
  if (Order order = CompareRelease(x.release, y.release); order != 0) return order;
  if (Order order = PreRank(x) <=> PreRank(y); order != 0) return order;
  if (Order order = CompareNumbers(x.pre_number, y.pre_number); order != 0) return order;
  if (Order order = CompareOptional(x.post, y.post, Order::less); order != 0) return order;
  if (Order order = CompareOptional(x.dev, y.dev, Order::greater); order != 0) return order;
  return CompareLocal(x.local, y.local);
}

}  // namespace bulwark::versions
