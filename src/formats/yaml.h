#pragma once
// YAML documents that people write for us: policies, configuration, test cases. A small tree over libyaml's events:
// scalars stay text (no guessing of types: `no` is not false), every node knows its line.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace bulwark::formats {

struct YamlMember;

struct YamlNode {
  enum class Kind : std::uint8_t { kScalar, kSequence, kMapping };
  Kind kind = Kind::kScalar;
  bool plain = true;       // a scalar without quotes and not a block: may be null, a bool or a number
  std::uint32_t line = 0;  // of its first character, from 1
  std::string text;        // of a scalar
  std::vector<YamlNode> items;      // of a sequence
  std::vector<YamlMember> members;  // of a mapping, in the order written

  bool null() const;  // plain and empty, "~" or "null"
  // nullptr if absent. Linear: mappings written by people are small.
  const YamlNode* Find(std::string_view key) const;
};

struct YamlMember {
  std::string key;
  std::uint32_t line = 0;
  YamlNode value;
};

struct YamlLimits {
  std::uint64_t bytes = 1 << 20;
  std::uint32_t depth = 32;
  std::uint32_t nodes = 100'000;
};

// kInvalid with the line for: syntax, keys that repeat or are no scalars, anchors, aliases and tags (they have no use
// here and carry bombs and constructors), depth. kLimit for bytes and nodes. UTF-8 only.
Result<std::vector<YamlNode>> ParseYamlDocuments(std::string_view text, const YamlLimits& limits = {});
// Exactly one document.
Result<YamlNode> ParseYaml(std::string_view text, const YamlLimits& limits = {});

// kInvalid "line N: message".
Error YamlError(const YamlNode& at, std::string_view message);
Error YamlError(std::uint32_t line, std::string_view message);

// Typed reads. `what` names the value in the message: "line 3: mode must be text".
Result<std::string> YamlText(const YamlNode& node, std::string_view what);  // a scalar that is not null or empty
Result<bool> YamlBool(const YamlNode& node, std::string_view what);         // plain true or false, nothing else
Result<std::uint64_t> YamlUint(const YamlNode& node, std::string_view what);
Result<double> YamlNumber(const YamlNode& node, std::string_view what);     // finite
Result<Millis> YamlDuration(const YamlNode& node, std::string_view what);   // "30s", "7d"
Result<Time> YamlTime(const YamlNode& node, std::string_view what);         // RFC 3339 or a date
Result<std::vector<std::string>> YamlTexts(const YamlNode& node, std::string_view what);  // one text or a sequence
// One of `names`; the index. The message lists them.
Result<std::size_t> YamlChoice(const YamlNode& node, std::string_view what, std::initializer_list<std::string_view> names);

// kInvalid naming line and key of the first member of a mapping that is not `known`, with the nearest known name; also
// if the node is no mapping.
Status YamlOnlyKeys(const YamlNode& node, std::string_view what, const std::vector<std::string_view>& known);

// Writes the tree in one canonical text: keys sorted, all scalars quoted (JSON). Equal meaning, equal text, except that
// the plain and the quoted scalar of one text stay different.
std::string YamlCanonical(const YamlNode& node);

}  // namespace bulwark::formats
