// OSV records (https://ossf.github.io/osv-schema/), as JSON or, in PyPI's database, YAML. Their quirks, all of which occur
// in real data, are cases of osv_test.cc.

#include <algorithm>
#include <array>
#include <set>

#include "advisory/cvss.h"
#include "advisory/feed_json.h"
#include "advisory/feeds.h"
#include "advisory/osv_ids.h"
#include "advisory/range.h"
#include "formats/json.h"
#include "formats/yaml.h"

namespace bulwark::advisory {
namespace {

// Everything of a document that its records share.
struct Common {
  std::string id;
  Class kind = Class::kVulnerability;
  std::vector<VulnerabilityIds> ids;
  Time published = kNever;
  Severity severity = Severity::kUnknown;
  double score = -1;
  std::string vector;
};

// Sources write year 1 for "unknown" and sometimes a space for the "T".
Result<Time> ReadTime(dom::element object, std::string_view key) {
  BW_TRY(const auto text, OptionalText(object, key));
  if (!text) return kNever;
  std::string spelled(*text);
  if (spelled.size() > 10 && spelled[10] == ' ') spelled[10] = 'T';
  const auto time = ParseTime(spelled);
  if (!time || *time <= Time(std::chrono::hours(24))) return kNever;
  return *time;
}

Result<std::vector<std::string>> ReadTexts(dom::element object, std::string_view key, std::uint64_t limit) {
  std::vector<std::string> out;
  BW_TRY(const auto array, OptionalArray(object, key));
  if (!array) return out;
  for (dom::element item : *array) {
    std::string_view text;
    if (item.get(text)) return Malformed(fmt::format("{} holds something that is not a string", key));
    if (out.size() >= limit) return Malformed(fmt::format("{} is too long", key));
    out.emplace_back(text);
  }
  return out;
}

void Rate(Common& into, Severity severity, double score, std::string_view vector) {
  const bool better = score > into.score || (into.score < 0 && severity > into.severity) ||
                      (into.vector.empty() && into.score < 0 && severity == into.severity);
  if (!better) return;
  into.severity = severity;
  into.score = score;
  into.vector = vector;
}

// Generations of CVSS in the order in which they are believed here: v3 over v2; v4 has no score of ours.
int Rank(std::string_view vector) {
  if (vector.starts_with("CVSS:3.")) return 3;
  return vector.starts_with("CVSS:4") ? 1 : 2;
}

// `severity` arrays: CVSS vectors, or a word ("Ubuntu").
Status ReadSeverities(dom::element object, Common& into) {
  BW_TRY(const auto array, OptionalArray(object, "severity"));
  if (!array) return {};
  std::vector<std::string_view> vectors;
  for (dom::element item : *array) {
    if (!item.is_object()) return Malformed("a severity is not an object");
    BW_TRY(const auto score, OptionalText(item, "score"));
    if (score) vectors.push_back(*score);
  }
  std::sort(vectors.begin(), vectors.end(), [](auto a, auto b) { return Rank(a) != Rank(b) ? Rank(a) > Rank(b) : a < b; });
  int believed = 0;
  for (std::string_view vector : vectors) {
    if (Rank(vector) < believed) break;
    if (auto score = ScoreVector(vector)) {
      Rate(into, score->severity, score->score, vector);
      believed = Rank(vector);
    } else if (vector.starts_with("CVSS:4")) {
      Rate(into, Severity::kUnknown, -1, vector);
    } else if (auto word = ParseSeverity(vector); word != Severity::kUnknown) {
      Rate(into, word, -1, "");
    }
  }
  return {};
}

// The word and RustSec's vector in database_specific or ecosystem_specific. The word counts where no vector gave a score.
Status ReadSpecific(dom::element object, std::string_view key, Common& into, bool& informational) {
  dom::element specific;
  if (object[key].get(specific) || !specific.is_object()) return {};
  std::string_view text;
  if (!specific["cvss"].get(text)) {
    if (auto score = ScoreVector(text)) Rate(into, score->severity, score->score, text);
  }
  if (!specific["severity"].get(text) && into.score < 0) {
    into.severity = std::max(into.severity, ParseSeverity(text));
  }
  if (!specific["informational"].get(text)) informational = true;
  return {};
}

Status ReadSeverity(dom::element object, Common& into) {
  BW_CHECK(ReadSeverities(object, into));
  bool informational = false;
  BW_CHECK(ReadSpecific(object, "database_specific", into, informational));
  BW_CHECK(ReadSpecific(object, "ecosystem_specific", into, informational));
  if (informational && into.kind == Class::kVulnerability) into.kind = Class::kInformational;
  return {};
}

Result<Common> ReadCommon(dom::element root, FeedOutput& out) {
  Common c;
  BW_TRY(c.id, RequiredText(root, "id"));
  if (c.id.starts_with("MAL-")) c.kind = Class::kMalicious;
  BW_TRY(c.published, ReadTime(root, "published"));
  BW_TRY(const Time modified, ReadTime(root, "modified"));
  out.SawDate(modified != kNever ? modified : c.published);
  BW_TRY(const auto aliases, ReadTexts(root, "aliases", limits::kAdvisoryAliases));
  BW_TRY(const auto related, ReadTexts(root, "related", limits::kAdvisoryAliases));
  BW_TRY(const auto upstream, ReadTexts(root, "upstream", limits::kAdvisoryAliases));
  c.ids = IdsOf(c.id, aliases, related, upstream);
  BW_CHECK(ReadSeverity(root, c));
  return c;
}

Result<std::vector<Event>> ReadEvents(dom::element range) {
  BW_TRY(const auto array, OptionalArray(range, "events"));
  if (!array) return Malformed("a range without events");
  constexpr std::array<std::pair<std::string_view, Event::Kind>, 4> kKinds{
      {{"introduced", Event::Kind::kIntroduced},
       {"fixed", Event::Kind::kFixed},
       {"last_affected", Event::Kind::kLastAffected},
       {"limit", Event::Kind::kLimit}}};
  std::vector<Event> out;
  for (dom::element event : *array) {
    if (!event.is_object()) return Malformed("an event is not an object");
    for (const auto& [key, kind] : kKinds) {
      BW_TRY(const auto version, OptionalText(event, key));
      if (version && !version->empty()) out.push_back({kind, std::string(*version)});
    }
    if (out.size() > limits::kAdvisoryVersions) return Malformed("too many events");
  }
  return out;
}

// Commit ranges (GIT) are no versions. Unknown types are left out as well.
Status ReadRanges(dom::element affected, std::optional<versions::Ecosystem> ecosystem, Record& record) {
  BW_TRY(const auto ranges, OptionalArray(affected, "ranges"));
  if (!ranges) return {};
  for (dom::element range : *ranges) {
    if (!range.is_object()) return Malformed("a range is not an object");
    BW_TRY(const std::string_view type, RequiredText(range, "type"));
    if (type != "SEMVER" && type != "ECOSYSTEM") continue;
    BW_TRY(auto events, ReadEvents(range));
    for (Range& r : RangesOfEvents(ecosystem, std::move(events))) record.ranges.push_back(std::move(r));
  }
  return {};
}

// Versions that a range already holds say nothing more; most of PyPI's lists are of that kind.
void DropCovered(versions::Ecosystem ecosystem, Record& record) {
  std::erase_if(record.versions, [&](const std::string& version) {
    return std::any_of(record.ranges.begin(), record.ranges.end(), [&](const Range& range) {
      const auto inside = Contains(ecosystem, range, version);
      return inside && *inside;
    });
  });
}

// "Ubuntu:22.04:LTS" is "Ubuntu:22.04" to os-release; language ecosystems lose a suffix.
std::string EcosystemKey(versions::Ecosystem ecosystem, std::string_view name) {
  using versions::Ecosystem;
  if (ecosystem != Ecosystem::kDeb && ecosystem != Ecosystem::kApk && ecosystem != Ecosystem::kRpm) {
    return std::string(versions::Name(ecosystem));
  }
  if (name.ends_with(":LTS")) name.remove_suffix(4);
  return std::string(name);
}

// False: not a package that could be looked up.
Result<bool> ReadAffected(dom::element affected, const Common& common, FeedOutput& out) {
  if (!affected.is_object()) return Malformed("an affected entry is not an object");
  dom::element package;
  if (affected["package"].get(package) || package.is_null()) return false;
  BW_TRY(const std::string_view ecosystem_name, RequiredText(package, "ecosystem"));
  BW_TRY(const std::string_view name, RequiredText(package, "name"));
  const auto ecosystem = versions::ParseEcosystem(ecosystem_name);
  if (!ecosystem) return false;
  Record record;
  record.package = {EcosystemKey(*ecosystem, ecosystem_name), versions::NormalizeName(*ecosystem, name)};
  BW_CHECK(ReadRanges(affected, ecosystem, record));
  BW_TRY(record.versions, ReadTexts(affected, "versions", limits::kAdvisoryVersions));
  if (record.ranges.empty() && record.versions.empty()) return false;  // commits only
  DropCovered(*ecosystem, record);
  const bool never = record.versions.empty() && std::all_of(record.ranges.begin(), record.ranges.end(),
                                                           [](const Range& r) { return r.fixed == "0"; });
  if (never) record.state = State::kNotAffected;
  Common rated = common;
  BW_CHECK(ReadSeverity(affected, rated));
  record.kind = rated.kind;
  record.severity = rated.severity;
  record.score = rated.score;
  record.vector = rated.vector;
  record.published = common.published;
  record.url = "https://osv.dev/vulnerability/" + common.id;
  for (const VulnerabilityIds& ids : common.ids) {
    Record each = record;
    each.id = ids.id;
    each.aliases = ids.aliases;
    BW_CHECK(out.Add(std::move(each)));
  }
  return true;
}

Status ReadRecord(dom::element root, FeedOutput& out) {
  if (!root.is_object()) return Malformed("not an object");
  BW_TRY(const Common common, ReadCommon(root, out));
  BW_TRY(const auto withdrawn, OptionalText(root, "withdrawn"));
  BW_TRY(const auto affected, OptionalArray(root, "affected"));
  bool any = false;
  if (!withdrawn && affected) {
    for (dom::element entry : *affected) {
      BW_TRY(const bool added, ReadAffected(entry, common, out));
      any |= added && !common.ids.empty();
    }
  }
  if (!any) out.Skip();
  return {};
}

// The tree as JSON with every scalar as a string, as OSV wants versions and dates; null members are left out.
void WriteJson(const formats::YamlNode& node, formats::JsonWriter& writer) {
  using Kind = formats::YamlNode::Kind;
  if (node.kind == Kind::kScalar) {
    if (node.null()) writer.Null();
    else writer.String(node.text);
  } else if (node.kind == Kind::kSequence) {
    writer.BeginArray();
    for (const auto& item : node.items) WriteJson(item, writer);
    writer.EndArray();
  } else {
    writer.BeginObject();
    for (const auto& member : node.members) {
      writer.Key(member.key);
      WriteJson(member.value, writer);
    }
    writer.EndObject();
  }
}

Result<std::string> JsonOf(const Document& document) {
  if (document.syntax == Syntax::kJson) return std::string(document.text);
  if (document.syntax == Syntax::kCsv) return Malformed("not JSON");
  formats::YamlLimits limits;
  limits.bytes = 8 * limits::kMiB;
  limits.nodes = 1'000'000;
  BW_TRY(const formats::YamlNode tree, formats::ParseYaml(document.text, limits));
  formats::JsonWriter writer;
  WriteJson(tree, writer);
  return writer.Take();
}

}  // namespace

bool IsOsv(const Document& first) {
  dom::parser parser;
  const auto json = JsonOf(first);
  if (!json) return false;
  const auto root = ParseFeedJson(parser, *json);
  if (!root) return false;
  dom::element record = *root;
  dom::array list;
  if (!root->get(list) && list.size() > 0) record = list.at(0).value_unsafe();
  return record.is_object() && RequiredText(record, "id").ok() &&
         (!record["affected"].error() || !record["modified"].error());
}

Status ReadOsv(const Document& document, FeedOutput& out) {
  dom::parser parser;
  BW_TRY(const std::string json, JsonOf(document));
  BW_TRY(const dom::element root, ParseFeedJson(parser, json));
  dom::array list;
  if (root.get(list)) return ReadRecord(root, out);
  for (dom::element record : list) {  // a file that holds several records in one array
    out.CountItems(1);
    if (Status read = ReadRecord(record, out); !read) {
      if (read.error().code == Errc::kLimit) return read;
      out.CountError(document.name, read.error());
    }
  }
  return {};
}

}  // namespace bulwark::advisory
