// A tree over libyaml's events (YAML 1.1 syntax, yaml.org/spec/1.1), without the parts that have no use in our
// documents: anchors, aliases, tags, complex keys.

#include "formats/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "formats/json.h"

namespace bulwark::formats {
namespace {

// One yaml_event_t, freed when the next comes or the builder ends.
class Events {
 public:
  explicit Events(std::string_view text) {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Events() {
    yaml_event_delete(&event_);
    if (ready_) yaml_parser_delete(&parser_);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  Status Next() {
    if (!ready_) return {Errc::kInternal, "libyaml does not start"};
    yaml_event_delete(&event_);
    if (yaml_parser_parse(&parser_, &event_) == 1) return {};
    event_.type = YAML_NO_EVENT;
    auto line = static_cast<std::uint32_t>(parser_.problem_mark.line + 1);
    return YamlError(line, parser_.problem == nullptr ? "not YAML" : parser_.problem);
  }
  const yaml_event_t& event() const { return event_; }
  std::uint32_t line() const { return static_cast<std::uint32_t>(event_.start_mark.line + 1); }

 private:
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  bool ready_ = false;
};

std::string_view ScalarText(const yaml_event_t& event) {
  return {reinterpret_cast<const char*>(event.data.scalar.value), event.data.scalar.length};
}

// Anchor and tag of the event that begins a node.
Status RefuseExtras(const Events& events) {
  const yaml_event_t& e = events.event();
  const unsigned char *anchor = nullptr, *tag = nullptr;
  if (e.type == YAML_ALIAS_EVENT) return YamlError(events.line(), "aliases (*name) are not accepted");
  if (e.type == YAML_SCALAR_EVENT) anchor = e.data.scalar.anchor, tag = e.data.scalar.tag;
  if (e.type == YAML_SEQUENCE_START_EVENT) anchor = e.data.sequence_start.anchor, tag = e.data.sequence_start.tag;
  if (e.type == YAML_MAPPING_START_EVENT) anchor = e.data.mapping_start.anchor, tag = e.data.mapping_start.tag;
  if (anchor != nullptr) return YamlError(events.line(), "anchors (&name) are not accepted");
  if (tag != nullptr) return YamlError(events.line(), "tags (!name) are not accepted");
  return {};
}

class Builder {
 public:
  Builder(Events& events, const YamlLimits& limits) : events_(events), limits_(limits) {}

  // The node that the current event begins. Leaves its last event current.
  Result<YamlNode> Node(std::uint32_t depth) {
    BW_CHECK(RefuseExtras(events_));
    if (depth > limits_.depth) return YamlError(events_.line(), fmt::format("nested deeper than {}", limits_.depth));
    if (++nodes_ > limits_.nodes) return {Errc::kLimit, fmt::format("YAML of more than {} nodes", limits_.nodes)};
    YamlNode node;
    node.line = events_.line();
    const yaml_event_t& event = events_.event();
    switch (event.type) {
      case YAML_SCALAR_EVENT:
        node.text = ScalarText(event);
        node.plain = event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        return node;
      case YAML_SEQUENCE_START_EVENT: return Sequence(std::move(node), depth);
      case YAML_MAPPING_START_EVENT: return Mapping(std::move(node), depth);
      default: return YamlError(events_.line(), "a value is missing");
    }
  }

 private:
  Result<YamlNode> Sequence(YamlNode node, std::uint32_t depth) {
    node.kind = YamlNode::Kind::kSequence;
    for (;;) {
      BW_CHECK(events_.Next());
      if (events_.event().type == YAML_SEQUENCE_END_EVENT) return node;
      BW_TRY(YamlNode item, Node(depth + 1));
      node.items.push_back(std::move(item));
    }
  }

  Result<YamlNode> Mapping(YamlNode node, std::uint32_t depth) {
    node.kind = YamlNode::Kind::kMapping;
    std::set<std::string, std::less<>> seen;
    for (;;) {
      BW_CHECK(events_.Next());
      if (events_.event().type == YAML_MAPPING_END_EVENT) return node;
      BW_CHECK(RefuseExtras(events_));
      if (events_.event().type != YAML_SCALAR_EVENT) return YamlError(events_.line(), "a key must be text");
      YamlMember member{std::string(ScalarText(events_.event())), events_.line(), {}};
      if (!seen.insert(member.key).second) {
        return YamlError(member.line, fmt::format("key {} is repeated", Printable(member.key, 64)));
      }
      BW_CHECK(events_.Next());
      BW_TRY(member.value, Node(depth + 1));
      node.members.push_back(std::move(member));
    }
  }

  Events& events_;
  const YamlLimits& limits_;
  std::uint32_t nodes_ = 0;
};

// Levenshtein distance of short names.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t change = corner + (a[i] == b[j] ? 0 : 1);
      corner = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string Suggestion(std::string_view key, const std::vector<std::string_view>& known) {
  if (key.size() > 64 || known.empty()) return "";
  auto nearest = std::min_element(known.begin(), known.end(), [&](std::string_view a, std::string_view b) {
    return Distance(key, a) < Distance(key, b);
  });
  return Distance(key, *nearest) <= 2 ? fmt::format("; did you mean {}?", *nearest) : "";
}

void WriteCanonical(const YamlNode& node, JsonWriter& out) {
  switch (node.kind) {
    case YamlNode::Kind::kScalar:
      // A mark keeps `x: true` and `x: "true"` apart.
      out.String((node.plain ? "p:" : "q:") + node.text);
      return;
    case YamlNode::Kind::kSequence:
      out.BeginArray();
      for (const YamlNode& item : node.items) WriteCanonical(item, out);
      out.EndArray();
      return;
    case YamlNode::Kind::kMapping: {
      std::vector<const YamlMember*> sorted;
      for (const YamlMember& m : node.members) sorted.push_back(&m);
      std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->key < b->key; });
      out.BeginObject();
      for (const YamlMember* m : sorted) {
        out.Key(m->key);
        WriteCanonical(m->value, out);
      }
      out.EndObject();
      return;
    }
  }
}

Error Wrong(const YamlNode& node, std::string_view what, std::string_view wanted) {
  return YamlError(node, fmt::format("{} must be {}", what, wanted));
}

}  // namespace

bool YamlNode::null() const {
  return kind == Kind::kScalar && plain && (text.empty() || text == "~" || text == "null");
}

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (const YamlMember& m : members) {
    if (m.key == key) return &m.value;
  }
  return nullptr;
}

Result<std::vector<YamlNode>> ParseYamlDocuments(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    return {Errc::kLimit, fmt::format("YAML of {} bytes is larger than {}", text.size(), limits.bytes)};
  }
  Events events(text);
  Builder builder(events, limits);
  std::vector<YamlNode> documents;
  for (;;) {
    BW_CHECK(events.Next());
    switch (events.event().type) {
      case YAML_STREAM_START_EVENT:
      case YAML_DOCUMENT_END_EVENT: break;
      case YAML_STREAM_END_EVENT: return documents;
      case YAML_DOCUMENT_START_EVENT: {
        BW_CHECK(events.Next());
        BW_TRY(YamlNode root, builder.Node(1));
        documents.push_back(std::move(root));
        break;
      }
      default: return YamlError(events.line(), "not YAML");
    }
  }
}

Result<YamlNode> ParseYaml(std::string_view text, const YamlLimits& limits) {
  BW_TRY(std::vector<YamlNode> documents, ParseYamlDocuments(text, limits));
  if (documents.empty()) return YamlError(1, "the document is empty");
  if (documents.size() > 1) return YamlError(documents[1], "a second document; only one is accepted");
  return std::move(documents[0]);
}

Error YamlError(std::uint32_t line, std::string_view message) {
  return {Errc::kInvalid, fmt::format("line {}: {}", line, message)};
}

Error YamlError(const YamlNode& at, std::string_view message) { return YamlError(at.line, message); }

Result<std::string> YamlText(const YamlNode& node, std::string_view what) {
  if (node.kind != YamlNode::Kind::kScalar || node.null() || node.text.empty()) return Wrong(node, what, "text");
  return node.text;
}

Result<bool> YamlBool(const YamlNode& node, std::string_view what) {
  if (node.kind == YamlNode::Kind::kScalar && node.plain) {
    if (node.text == "true") return true;
    if (node.text == "false") return false;
  }
  return Wrong(node, what, "true or false");
}

Result<std::uint64_t> YamlUint(const YamlNode& node, std::string_view what) {
  if (node.kind == YamlNode::Kind::kScalar && node.plain) {
    if (auto value = ParseUint(node.text)) return *value;
  }
  return Wrong(node, what, "a whole number");
}

Result<double> YamlNumber(const YamlNode& node, std::string_view what) {
  double value = 0;
  const char* end = node.text.data() + node.text.size();
  if (node.kind == YamlNode::Kind::kScalar && node.plain && !node.text.empty()) {
    auto [stop, error] = std::from_chars(node.text.data(), end, value);
    if (error == std::errc() && stop == end && std::isfinite(value)) return value;
  }
  return Wrong(node, what, "a number");
}

Result<Millis> YamlDuration(const YamlNode& node, std::string_view what) {
  if (node.kind == YamlNode::Kind::kScalar) {
    if (auto value = ParseDuration(node.text); value.ok()) return *value;
  }
  return Wrong(node, what, "a duration such as 30s, 15m, 24h or 7d");
}

Result<Time> YamlTime(const YamlNode& node, std::string_view what) {
  if (node.kind == YamlNode::Kind::kScalar) {
    if (auto value = ParseTime(node.text); value.ok()) return *value;
  }
  return Wrong(node, what, "a time such as 2026-01-31 or 2026-01-31T12:00:00Z");
}

Result<std::vector<std::string>> YamlTexts(const YamlNode& node, std::string_view what) {
  std::vector<std::string> texts;
  if (node.kind == YamlNode::Kind::kScalar) {
    BW_TRY(std::string text, YamlText(node, what));
    texts.push_back(std::move(text));
    return texts;
  }
  if (node.kind == YamlNode::Kind::kMapping) return Wrong(node, what, "text or a list of texts");
  for (const YamlNode& item : node.items) {
    BW_TRY(std::string text, YamlText(item, what));
    texts.push_back(std::move(text));
  }
  return texts;
}

Result<std::size_t> YamlChoice(const YamlNode& node, std::string_view what, std::initializer_list<std::string_view> names) {
  if (node.kind == YamlNode::Kind::kScalar) {
    auto found = std::find(names.begin(), names.end(), node.text);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  }
  return Wrong(node, what, fmt::format("one of {}", fmt::join(names, ", ")));
}

Status YamlOnlyKeys(const YamlNode& node, std::string_view what, const std::vector<std::string_view>& known) {
  if (node.kind != YamlNode::Kind::kMapping) return Wrong(node, what, "a mapping (key: value)");
  for (const YamlMember& m : node.members) {
    if (std::find(known.begin(), known.end(), m.key) != known.end()) continue;
    return YamlError(m.line, fmt::format("{} has no key {}{}", what, Printable(m.key, 64), Suggestion(m.key, known)));
  }
  return {};
}

std::string YamlCanonical(const YamlNode& node) {
  JsonWriter out;
  WriteCanonical(node, out);
  return out.Take();
}

}  // namespace bulwark::formats
