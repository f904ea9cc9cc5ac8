// Maven: the "Version Order Specification" of the POM reference, in the reading that OSV's Maven ranges are made with
// (osv.dev, and Maven's ComparableVersion before 3.8.7). A version is a list of numbers, words and, from every "-" and
// every change between digits and letters on, a nested list; zeros and release words at the end of a list do not count.
// Since 3.8.7 Maven itself reads ".word" as "-word"; testdata/maven-3.8.7.txt lists what that changes in the corpora.

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

struct Item {
  enum class Kind { kNumber, kWord, kList } kind = Kind::kList;
  std::string text;         // number: digits without leading zeros; word: canonical qualifier
  std::vector<Item> items;  // list

  // Neither a number above 0, a word other than "release", nor a list with content.
  bool IsNull() const { return text.empty() && items.empty(); }
};

// Known qualifiers in their order; unknown words come after all of them, in ASCII order.
constexpr std::array<std::string_view, 7> kQualifiers{"alpha", "beta", "milestone", "rc", "snapshot", "", "sp"};
constexpr int kRelease = 5;

int QualifierRank(std::string_view word) {
  for (std::size_t i = 0; i < kQualifiers.size(); ++i) {
    if (kQualifiers[i] == word) return static_cast<int>(i);
  }
  return static_cast<int>(kQualifiers.size());
}

Item NumberItem(std::string_view digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return {Item::Kind::kNumber, std::string(digits), {}};
}

Item WordItem(std::string_view word, bool digit_follows) {
  if (digit_follows && word == "a") word = "alpha";
  else if (digit_follows && word == "b") word = "beta";
  else if (digit_follows && word == "m") word = "milestone";
  else if (word == "ga" || word == "final" || word == "release") word = "";
  else if (word == "cr") word = "rc";
  return {Item::Kind::kWord, std::string(word), {}};
}

// Removes what does not count from the end of a list; lists there are skipped, other items end the search.
void Normalize(std::vector<Item>& items) {
  for (std::size_t i = items.size(); i-- > 0;) {
    if (items[i].IsNull()) items.erase(items.begin() + static_cast<std::ptrdiff_t>(i));
    else if (items[i].kind != Item::Kind::kList) break;
  }
}

// A nested list is always the last item of its parent, so the lists are kept flat here, outermost first, and folded
// from the inside: no recursion while parsing.
class Parser {
 public:
  Item Parse(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '.' || c == '-') {
        EndItem(text.substr(start_, i - start_));
        start_ = i + 1;
        if (c == '-') lists_.emplace_back();
      } else if (IsDigit(c) != in_digits_) {
        if (i > start_) BreakBefore(text, i);
        in_digits_ = IsDigit(c);
      }
    }
    if (start_ < text.size()) Add(text.substr(start_), false);
    return Fold();
  }

 private:
  void Add(std::string_view token, bool digit_follows) {
    lists_.back().push_back(in_digits_ ? NumberItem(token) : WordItem(token, digit_follows));
  }
  void EndItem(std::string_view token) {
    if (token.empty()) lists_.back().push_back(NumberItem("0"));
    else Add(token, false);
  }
  void BreakBefore(std::string_view text, std::size_t i) {
    Add(text.substr(start_, i - start_), !in_digits_);
    start_ = i;
    lists_.emplace_back();
  }
  Item Fold() {
    while (lists_.size() > 1) {
      Normalize(lists_.back());
      // Only a further list is left: what stood before its "-" was trimmed, and the two hyphens are one ("1-ga-1" = "1-1").
      if (lists_.back().size() == 1 && lists_.back()[0].kind == Item::Kind::kList) {
        auto inner = std::move(lists_.back()[0].items);
        lists_.back() = std::move(inner);
      }
      Item nested{Item::Kind::kList, "", std::move(lists_.back())};
      lists_.pop_back();
      lists_.back().push_back(std::move(nested));
    }
    Normalize(lists_.back());
    return {Item::Kind::kList, "", std::move(lists_.back())};
  }

  std::vector<std::vector<Item>> lists_{1};
  std::size_t start_ = 0;
  bool in_digits_ = false;
};

// An item against nothing. Depth is bounded by the length of a version.
Order CompareToNothing(const Item& item) {
  switch (item.kind) {
    case Item::Kind::kNumber: return item.text.empty() ? Order::equal : Order::greater;
    case Item::Kind::kWord: return QualifierRank(item.text) <=> kRelease;
    case Item::Kind::kList: break;
  }
  for (const Item& nested : item.items) {
    if (Order order = CompareToNothing(nested); order != 0) return order;
  }
  return Order::equal;
}

Order CompareWords(const std::string& a, const std::string& b) {
  const int rank_a = QualifierRank(a), rank_b = QualifierRank(b);
  if (rank_a != rank_b || rank_a < static_cast<int>(kQualifiers.size())) return rank_a <=> rank_b;
  return a.compare(b) <=> 0;
}

// Among different kinds: number > list > word ("1.1" > "1-1" > "1-sp").
int KindRank(Item::Kind kind) { return kind == Item::Kind::kNumber ? 2 : kind == Item::Kind::kList ? 1 : 0; }

Order CompareItems(const Item& a, const Item& b) {
  if (a.kind != b.kind) return KindRank(a.kind) <=> KindRank(b.kind);
  if (a.kind == Item::Kind::kNumber) return CompareNumbers(a.text, b.text);
  if (a.kind == Item::Kind::kWord) return CompareWords(a.text, b.text);
  for (std::size_t i = 0; i < std::max(a.items.size(), b.items.size()); ++i) {
    Order order = Order::equal;
    if (i >= a.items.size()) order = 0 <=> CompareToNothing(b.items[i]);
    else if (i >= b.items.size()) order = CompareToNothing(a.items[i]);
    else order = CompareItems(a.items[i], b.items[i]);
    if (order != 0) return order;
  }
  return Order::equal;
}

// Maven itself orders any text. What it forbids in a version (file system and range characters), unresolved properties
// and text outside printable ASCII are no versions here.
Status CheckCharacters(std::string_view text) {
  BW_CHECK(CheckLength("Maven", text));
  for (char c : text) {
    if (c <= ' ' || c > '~' || std::string_view("\\/:\"<>|?*[](),${}").find(c) != std::string_view::npos) {
      return NotAVersion("Maven", text, "a character that is not allowed");
    }
  }
  return {};
}

}  // namespace

Result<Order> CompareMaven(std::string_view a, std::string_view b) {
  BW_CHECK(CheckCharacters(a));
  BW_CHECK(CheckCharacters(b));
  return CompareItems(Parser().Parse(ToLower(a)), Parser().Parse(ToLower(b)));
}

}  // namespace bulwark::versions
