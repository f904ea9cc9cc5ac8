// Alpine: digits{.digits}{letter}{_suffix{digits}}{~hash}{-rN}, as apk-tools 3 compares it (its src/version.c), token by
// token. The first token that differs decides, so text behind it need not be valid: Alpine's own data has versions such as
// "10.2.24.r0". Where both are equal up to a malformed token there is no order.
//
// A component behind the first that has a leading zero is compared as text ("1.01" < "1.1"), as in Gentoo. apk-tools 2
// counted the zeros instead and differs for "1.09" and "1.010"; it also took digits behind a letter ("6.6.2p1"), which
// occur in the data and are read here as it reads them.

#include <array>

#include "versions/compare.h"
#include "versions/digits.h"
#include "versions/invalid.h"

namespace bulwark::versions {
namespace {

// In apk's order: where tokens of different kinds meet, the version with the later kind is the smaller.
enum class Kind { kFirst, kDigits, kLetter, kSuffix, kSuffixNumber, kHash, kRevision, kEnd, kInvalid };

// "" stands between the suffixes of versions before a release and those after it.
constexpr std::array<std::string_view, 10> kSuffixes{"alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"};
constexpr int kRelease = 4;

struct Token {
  Kind kind = Kind::kFirst;
  std::string_view value;
  int suffix = kRelease;
};

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

// Cuts off what of the text belongs to a class.
template <typename Class>
std::string_view Take(std::string_view& text, Class belongs) {
  std::size_t n = 0;
  while (n < text.size() && belongs(text[n])) ++n;
  const std::string_view taken = text.substr(0, n);
  text.remove_prefix(n);
  return taken;
}

class Tokens {
 public:
  explicit Tokens(std::string_view text) : rest_(text) {
    token_.value = Take(rest_, IsDigit);
    if (token_.value.empty()) token_.kind = Kind::kInvalid;
  }
  const Token& now() const { return token_; }

  void Next() {
    const Kind before = token_.kind;
    token_ = {Kind::kInvalid, {}, kRelease};
    if (rest_.empty()) return Become(Kind::kEnd, {});
    const char c = rest_[0];
    if (IsDigit(c)) {
      if (before == Kind::kLetter) Become(Kind::kDigits, Take(rest_, IsDigit));
      else if (before == Kind::kSuffix) Become(Kind::kSuffixNumber, Take(rest_, IsDigit));
      return;
    }
    if (IsLower(c)) {
      if (before <= Kind::kDigits) Become(Kind::kLetter, TakeOne());
      return;
    }
    TakeOne();
    if (c == '.' && before <= Kind::kDigits) NonEmpty(Kind::kDigits, Take(rest_, IsDigit));
    if (c == '_' && before <= Kind::kSuffixNumber) Suffix(Take(rest_, IsLower));
    if (c == '~' && before < Kind::kHash) NonEmpty(Kind::kHash, Take(rest_, IsHex));
    if (c == '-' && before < Kind::kRevision && rest_.starts_with('r')) {
      TakeOne();
      NonEmpty(Kind::kRevision, Take(rest_, IsDigit));
    }
  }

 private:
  std::string_view TakeOne() {
    const std::string_view one = rest_.substr(0, 1);
    rest_.remove_prefix(1);
    return one;
  }
  void Become(Kind kind, std::string_view value) { token_.kind = kind, token_.value = value; }
  void NonEmpty(Kind kind, std::string_view value) {
    if (!value.empty()) Become(kind, value);
  }
  void Suffix(std::string_view name) {
    const auto* known = std::find(kSuffixes.begin(), kSuffixes.end(), name);
    if (name.empty() || known == kSuffixes.end()) return;
    Become(Kind::kSuffix, name);
    token_.suffix = static_cast<int>(known - kSuffixes.begin());
  }

  std::string_view rest_;
  Token token_;
};

// Of tokens of one kind.
Order CompareToken(const Token& a, const Token& b) {
  if (a.kind == Kind::kSuffix) return a.suffix <=> b.suffix;
  const bool text = a.kind == Kind::kHash || a.kind == Kind::kLetter ||
                    (a.kind == Kind::kDigits && (a.value[0] == '0' || b.value[0] == '0'));
  return text ? a.value.compare(b.value) <=> 0 : CompareNumbers(a.value, b.value);
}

bool IsBefore(const Token& token) { return token.kind == Kind::kSuffix && token.suffix < kRelease; }

}  // namespace

Result<Order> CompareApk(std::string_view a, std::string_view b) {
  BW_CHECK(CheckLength("Alpine", a));
  BW_CHECK(CheckLength("Alpine", b));
  Tokens x(a), y(b);
  for (; x.now().kind == y.now().kind && x.now().kind < Kind::kEnd; x.Next(), y.Next()) {
    if (const Order order = CompareToken(x.now(), y.now()); order != 0) return order;
  }
  if (x.now().kind == Kind::kInvalid) return NotAVersion("Alpine", a, "not digits, a known suffix or a revision");
  if (y.now().kind == Kind::kInvalid) return NotAVersion("Alpine", b, "not digits, a known suffix or a revision");
  if (IsBefore(x.now()) != IsBefore(y.now())) return IsBefore(x.now()) ? Order::less : Order::greater;
  return y.now().kind <=> x.now().kind;
}

}  // namespace bulwark::versions
