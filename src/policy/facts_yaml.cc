#include "policy/facts_yaml.h"

#include <fmt/format.h>

#include "crypto/hash.h"
#include "formats/yaml.h"
#include "policy/matcher.h"

namespace bulwark::policy {
namespace {

using formats::YamlError;
using formats::YamlMember;
using formats::YamlNode;

// One key of a mapping, bound to the field that it fills.
template <typename T>
struct Field {
  std::string_view key;
  Status (*read)(const YamlNode& value, T& into);
};

template <typename T, std::size_t N>
Status ReadFields(const YamlNode& node, std::string_view what, const Field<T> (&fields)[N], T& into) {
  std::vector<std::string_view> keys;
  for (const Field<T>& field : fields) keys.push_back(field.key);
  BW_CHECK(formats::YamlOnlyKeys(node, what, keys));
  for (const YamlMember& member : node.members) {
    for (const Field<T>& field : fields) {
      if (field.key == member.key) BW_CHECK(field.read(member.value, into));
    }
  }
  return {};
}

template <typename T, std::size_t N>
Status ReadList(const YamlNode& node, std::string_view what, const Field<T> (&fields)[N], const T& start, std::vector<T>& into) {
  if (node.kind != YamlNode::Kind::kSequence) return YamlError(node, fmt::format("{} must be a list", what));
  for (const YamlNode& item : node.items) {
    T one = start;
    BW_CHECK(ReadFields(item, what, fields, one));
    into.push_back(std::move(one));
  }
  return {};
}

// Readers of one field: text, time, flag; `into.*member` gets the value.
template <auto member, typename T>
Status Text(const YamlNode& value, T& into) {
  if (value.kind == YamlNode::Kind::kScalar && !value.plain && value.text.empty()) {
    into.*member = {};  // "" is a text too
    return {};
  }
  BW_TRY(into.*member, formats::YamlText(value, "the value"));
  return {};
}
template <auto member, typename T>
Status When(const YamlNode& value, T& into) {
  if (value.text == "never" || value.text == "unknown") {
    into.*member = kNever;
    return {};
  }
  BW_TRY(into.*member, formats::YamlTime(value, "the value"));
  return {};
}
template <auto member, typename T>
Status Flag(const YamlNode& value, T& into) {
  BW_TRY(into.*member, formats::YamlBool(value, "the value"));
  return {};
}

using match::Finding;

constexpr Field<Finding> kFinding[] = {
    {"key", Text<&Finding::key, Finding>},
    {"id", Text<&Finding::id, Finding>},
    {"package", Text<&Finding::package, Finding>},
    {"version", Text<&Finding::version, Finding>},
    {"source_package", Text<&Finding::source_package, Finding>},
    {"fixed", Text<&Finding::fixed_version, Finding>},
    {"comparison", Text<&Finding::comparison, Finding>},
    {"fixed_at", When<&Finding::fixed_at, Finding>},
    {"kev", Flag<&Finding::known_exploited, Finding>},
    {"aliases",
     [](const YamlNode& value, Finding& into) -> Status {
       BW_TRY(into.aliases, formats::YamlTexts(value, "aliases"));
       return {};
     }},
    {"severity",
     [](const YamlNode& value, Finding& into) -> Status {
       BW_TRY(std::size_t i, formats::YamlChoice(value, "severity", {"unknown", "none", "low", "medium", "high", "critical"}));
       into.severity = static_cast<advisory::Severity>(i);
       return {};
     }},
    {"score",
     [](const YamlNode& value, Finding& into) -> Status {
       BW_TRY(into.score, formats::YamlNumber(value, "score"));
       return {};
     }},
    {"epss",
     [](const YamlNode& value, Finding& into) -> Status {
       BW_TRY(into.epss, formats::YamlNumber(value, "epss"));
       return {};
     }},
    {"answer",
     [](const YamlNode& value, Finding& into) -> Status {
       BW_TRY(std::size_t i, formats::YamlChoice(value, "answer", {"affected", "not affected", "unknown"}));
       into.answer = static_cast<match::Answer>(i + 1);
       return {};
     }},
    {"state",
     [](const YamlNode& value, Finding& into) -> Status {
       BW_TRY(std::size_t i, formats::YamlChoice(value, "state", {"fixed", "open", "not affected", "undetermined", "ignored", "end of life"}));
       into.state = static_cast<advisory::State>(i + 1);
       return {};
     }},
    {"kind",
     [](const YamlNode& value, Finding& into) -> Status {
       BW_TRY(std::size_t i, formats::YamlChoice(value, "kind", {"vulnerability", "malicious", "informational"}));
       into.kind = static_cast<advisory::Class>(i + 1);
       return {};
     }},
};

constexpr Field<image::Gap> kGap[] = {
    {"path", Text<&image::Gap::path, image::Gap>},
    {"cataloger", Text<&image::Gap::cataloger, image::Gap>},
    {"reason", Text<&image::Gap::reason, image::Gap>},
    {"kind",
     [](const YamlNode& value, image::Gap& into) -> Status {
       BW_TRY(std::size_t i, formats::YamlChoice(value, "kind", {"partial", "blind"}));
       into.kind = static_cast<image::GapKind>(i + 1);
       return {};
     }},
};

constexpr Field<Exception> kException[] = {
    {"vulnerability", Text<&Exception::vulnerability, Exception>},
    {"package", Text<&Exception::package, Exception>},
    {"repository", Text<&Exception::repository, Exception>},
    {"reference", Text<&Exception::reference, Exception>},
    {"reason", Text<&Exception::reason, Exception>},
    {"note", Text<&Exception::note, Exception>},
    {"author", Text<&Exception::author, Exception>},
    {"approver", Text<&Exception::approver, Exception>},
    {"created", When<&Exception::created, Exception>},
    {"expires", When<&Exception::expires, Exception>},
    {"id",
     [](const YamlNode& value, Exception& into) -> Status {
       BW_TRY(std::uint64_t id, formats::YamlUint(value, "id"));
       into.id = static_cast<std::int64_t>(id);
       return {};
     }},
};

Finding StartFinding() {
  Finding finding;
  finding.package = "app";
  finding.version = "1.0";
  finding.severity = advisory::Severity::kHigh;
  finding.state = advisory::State::kOpen;
  return finding;
}

Exception StartException() {
  Exception exception;
  exception.package = "*";
  exception.repository = "**";
  exception.reference = "*";
  exception.reason = "risk_accepted";
  return exception;
}

constexpr Field<Facts> kFacts[] = {
    {"repository", Text<&Facts::repository, Facts>},
    {"artifact", Flag<&Facts::artifact, Facts>},
    {"artifact_type", Text<&Facts::artifact_type, Facts>},
    {"scanned", Flag<&Facts::scanned, Facts>},
    {"pending", Flag<&Facts::pending, Facts>},
    {"data_date", When<&Facts::data_date, Facts>},
    {"pushed", When<&Facts::pushed, Facts>},
    {"running_since", When<&Facts::running_since, Facts>},
    {"denied_since", When<&Facts::denied_since, Facts>},
    {"digest",
     [](const YamlNode& value, Facts& into) -> Status {
       auto digest = Digest::Parse(value.text);
       if (!digest.ok()) return YamlError(value, digest.error().message);
       into.digest = *digest;
       return {};
     }},
    {"tags",
     [](const YamlNode& value, Facts& into) -> Status {
       BW_TRY(into.tags, formats::YamlTexts(value, "tags"));
       return {};
     }},
    {"gaps", [](const YamlNode& value, Facts& into) -> Status { return ReadList(value, "gaps", kGap, image::Gap{}, into.gaps); }},
    {"findings",
     [](const YamlNode& value, Facts& into) -> Status {
       BW_CHECK(ReadList(value, "findings", kFinding, StartFinding(), into.findings));
       for (Finding& finding : into.findings) {
         if (finding.id.empty()) return YamlError(value, "a finding needs an id");
         if (!finding.fixed_version.empty()) finding.state = advisory::State::kFixed;
         if (finding.key.empty()) finding.key = finding.id + " " + finding.package;
       }
       return {};
     }},
    {"exceptions",
     [](const YamlNode& value, Facts& into) -> Status {
       return ReadList(value, "exceptions", kException, StartException(), into.exceptions);
     }},
};

}  // namespace

Result<Facts> ReadFacts(const YamlNode& node) {
  Facts facts;
  facts.repository = "library/app";
  facts.scanned = true;
  facts.digest = crypto::Sha256(AsBytes(""));
  BW_CHECK(ReadFields(node, "facts", kFacts, facts));
  return facts;
}

}  // namespace bulwark::policy
