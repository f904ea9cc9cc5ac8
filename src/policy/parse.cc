// Policy documents: YAML -> Policy (docs/policy.md). Nothing unknown passes: a misspelt key would be an open door.

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "formats/yaml.h"
#include "policy/matcher.h"
#include "policy/policy.h"

namespace bulwark::policy {
namespace {

using formats::YamlError;
using formats::YamlMember;
using formats::YamlNode;

constexpr std::size_t kRules = 1000;
constexpr std::size_t kPatterns = 1000;
constexpr Millis kLongestHold = std::chrono::minutes(10);

// Policy and rule names appear in messages, file names and metrics.
Result<std::string> ReadName(const YamlNode& node, std::string_view what) {
  BW_TRY(std::string name, formats::YamlText(node, what));
  bool good = name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (!good || name.front() == '-' || name.front() == '.') {
    return YamlError(node, fmt::format("{} must be up to 64 of a-z 0-9 . _ -, beginning with a letter or digit", what));
  }
  return name;
}

Result<Effect> ReadEffect(const YamlNode& node, std::string_view what) {
  BW_TRY(std::size_t i, formats::YamlChoice(node, what, {"allow", "warn", "deny"}));
  return static_cast<Effect>(i + 1);
}

Status ReadAppliesTo(const YamlNode& node, Policy& policy) {
  BW_CHECK(formats::YamlOnlyKeys(node, "applies_to", {"repositories", "at"}));
  if (const YamlNode* repositories = node.Find("repositories")) {
    BW_TRY(policy.repositories, formats::YamlTexts(*repositories, "repositories"));
    if (policy.repositories.empty()) return YamlError(*repositories, "repositories is empty: the policy applies nowhere");
    if (policy.repositories.size() > kPatterns) return YamlError(*repositories, "more than 1000 repositories");
  }
  const YamlNode* at = node.Find("at");
  if (at == nullptr) return {};
  policy.at.clear();
  if (at->kind != YamlNode::Kind::kSequence || at->items.empty()) {
    return YamlError(*at, "at must be a list of push, pull, admission");
  }
  for (const YamlNode& item : at->items) {
    BW_TRY(std::size_t i, formats::YamlChoice(item, "at", {"push", "pull", "admission"}));
    policy.at.push_back(static_cast<PointOfUse>(i + 1));
  }
  std::sort(policy.at.begin(), policy.at.end());
  if (std::adjacent_find(policy.at.begin(), policy.at.end()) != policy.at.end()) {
    return YamlError(*at, "at names a point of use twice");
  }
  return {};
}

Status ReadConditions(const YamlNode& node, std::string_view effect, Rule& rule) {
  if (node.kind != YamlNode::Kind::kMapping || node.members.empty()) {
    return YamlError(node, fmt::format("{} must be a mapping of conditions, such as {{severity: high}}", effect));
  }
  if (const YamlNode* secret = node.Find("secret")) {
    if (node.members.size() > 1) return YamlError(*secret, "secret stands alone in a rule");
    BW_CHECK(formats::YamlOnlyKeys(*secret, "secret", {"confidence"}));
    if (const YamlNode* confidence = secret->Find("confidence")) {
      BW_CHECK(formats::YamlChoice(*confidence, "confidence", {"low", "medium", "high"}));
    }
    rule.lacks = "secret";
    return {};
  }
  for (const YamlMember& member : node.members) BW_CHECK(ReadMatcherField(member, rule.match));
  if (auto problem = Contradiction(rule.match)) return YamlError(node, *problem);
  return {};
}

// Issuer and subject are both needed: one alone is satisfied by strangers (specs/attacks.md, identity-pattern-ignored).
Status CheckSigner(const YamlNode& node) {
  BW_CHECK(formats::YamlOnlyKeys(node, "a signer", {"key", "identity", "issuer"}));
  bool key = node.Find("key") != nullptr, identity = node.Find("identity") != nullptr;
  bool issuer = node.Find("issuer") != nullptr;
  if (key == (identity || issuer) || identity != issuer) {
    return YamlError(node, "a signer is either a key, or an identity with its issuer");
  }
  for (const YamlMember& member : node.members) BW_CHECK(formats::YamlText(member.value, member.key));
  return {};
}

Status CheckSignature(const YamlNode& node) {
  BW_CHECK(formats::YamlOnlyKeys(node, "signature", {"any_of", "all_of"}));
  if (node.members.size() != 1) return YamlError(node, "signature needs any_of or all_of");
  const YamlNode& signers = node.members[0].value;
  if (signers.kind != YamlNode::Kind::kSequence || signers.items.empty()) {
    return YamlError(signers, fmt::format("{} must be a list of signers", node.members[0].key));
  }
  for (const YamlNode& signer : signers.items) BW_CHECK(CheckSigner(signer));
  return {};
}

Status CheckAttestation(const YamlNode& node) {
  BW_CHECK(formats::YamlOnlyKeys(node, "attestation", {"type", "builder", "source", "signature"}));
  if (node.Find("type") == nullptr) return YamlError(node, "attestation needs a type");
  for (const YamlMember& member : node.members) {
    if (member.key == "signature") {
      BW_CHECK(CheckSignature(member.value));
    } else {
      BW_CHECK(formats::YamlText(member.value, member.key));
    }
  }
  return {};
}

Result<Requirement> ReadRequirement(const YamlNode& node, std::string id) {
  BW_CHECK(formats::YamlOnlyKeys(node, "require", {"signature", "attestation"}));
  if (node.members.size() != 1) return YamlError(node, "require needs one of signature, attestation");
  const YamlMember& member = node.members[0];
  BW_CHECK(member.key == "signature" ? CheckSignature(member.value) : CheckAttestation(member.value));
  return Requirement{std::move(id), member.key, formats::YamlCanonical(member.value)};
}

Status ReadRule(const YamlNode& node, Policy& policy) {
  BW_CHECK(formats::YamlOnlyKeys(node, "a rule", {"id", "deny", "warn", "require"}));
  const YamlNode* id = node.Find("id");
  if (id == nullptr) return YamlError(node, "a rule needs an id");
  BW_TRY(std::string name, ReadName(*id, "id"));
  if (node.members.size() != 2) return YamlError(node, "a rule needs an id and one of deny, warn, require");
  if (const YamlNode* require = node.Find("require")) {
    BW_TRY(Requirement requirement, ReadRequirement(*require, std::move(name)));
    policy.requirements.push_back(std::move(requirement));
    return {};
  }
  Rule rule;
  rule.id = std::move(name);
  const YamlNode* deny = node.Find("deny");
  rule.effect = deny != nullptr ? Effect::kDeny : Effect::kWarn;
  BW_CHECK(ReadConditions(deny != nullptr ? *deny : *node.Find("warn"), Name(rule.effect), rule));
  policy.rules.push_back(std::move(rule));
  return {};
}

Status ReadRules(const YamlNode& node, Policy& policy) {
  if (node.kind != YamlNode::Kind::kSequence) return YamlError(node, "rules must be a list");
  if (node.items.size() > kRules) return YamlError(node, "more than 1000 rules");
  // The names that Decide gives to what speaks without a rule.
  std::set<std::string, std::less<>> names = {"unscanned", "unscannable", "gaps",      "stale_data",
                                              "artifacts", "grace",       "exception", "platforms"};
  for (const YamlNode& item : node.items) {
    BW_CHECK(ReadRule(item, policy));
    const std::string& name = item.Find("id")->text;
    if (!names.insert(name).second) return YamlError(item, fmt::format("the rule id {} is taken", name));
  }
  return {};
}

Status ReadUnscanned(const YamlNode& node, Policy& policy) {
  BW_TRY(std::string text, formats::YamlText(node, "unscanned"));
  if (!text.starts_with("hold ")) {
    BW_TRY(policy.unscanned.effect, ReadEffect(node, "unscanned (or hold N s)"));
    return {};
  }
  auto hold = ParseDuration(Trim(std::string_view(text).substr(5)));
  if (!hold.ok() || *hold <= Millis(0) || *hold > kLongestHold) {
    return YamlError(node, "unscanned: hold needs a time from 1s to 10m");
  }
  policy.unscanned = {Effect::kDeny, *hold};
  return {};
}

Status ReadUnscannable(const YamlNode& node, Policy& policy) {
  BW_CHECK(formats::YamlOnlyKeys(node, "unscannable", {"image", "artifact"}));
  if (const YamlNode* image = node.Find("image")) {
    BW_TRY(policy.unscannable_image, ReadEffect(*image, "image"));
  }
  if (const YamlNode* artifact = node.Find("artifact")) {
    BW_TRY(policy.unscannable_artifact, ReadEffect(*artifact, "artifact"));
  }
  return {};
}

Status ReadStaleData(const YamlNode& node, Policy& policy) {
  if (node.kind != YamlNode::Kind::kMapping) return YamlError(node, "stale_data must be a mapping of age: effect");
  for (const YamlMember& member : node.members) {
    auto age = ParseDuration(member.key);
    if (!age.ok()) return YamlError(member.line, fmt::format("{} is not an age such as 72h", Printable(member.key, 64)));
    BW_TRY(Effect effect, ReadEffect(member.value, "stale_data"));
    if (!policy.stale_data.emplace(*age, effect).second) return YamlError(member.line, "the age is repeated");
  }
  Effect before = Effect::kAllow;
  for (const auto& [age, effect] : policy.stale_data) {
    if (effect < before) return YamlError(node, "stale_data: older data must not be judged more mildly");
    before = effect;
  }
  return {};
}

Status ReadArtifacts(const YamlNode& node, Policy& policy) {
  if (node.kind == YamlNode::Kind::kSequence) {
    BW_TRY(policy.artifact_types, formats::YamlTexts(node, "artifacts"));
    if (policy.artifact_types->empty()) return YamlError(node, "artifacts is empty; write deny");
    return {};
  }
  BW_TRY(std::size_t i, formats::YamlChoice(node, "artifacts (or a list of types)", {"deny", "allow"}));
  policy.artifacts_allowed = i == 1;
  return {};
}

Status ReadPlatforms(const YamlNode& node, Policy& policy) {
  BW_TRY(policy.platforms, formats::YamlTexts(node, "platforms"));
  for (const std::string& platform : policy.platforms) {
    auto parts = Split(platform, '/');
    bool whole = std::none_of(parts.begin(), parts.end(), [](std::string_view part) { return part.empty(); });
    if (parts.size() < 2 || parts.size() > 3 || !whole) {
      return YamlError(node, "a platform is os/architecture or os/architecture/variant");
    }
  }
  return {};
}

Status ReadGrace(const YamlNode& node, Policy& policy) {
  BW_CHECK(formats::YamlOnlyKeys(node, "grace", {"running_digests"}));
  if (const YamlNode* running = node.Find("running_digests")) {
    BW_TRY(policy.grace_running, formats::YamlDuration(*running, "running_digests"));
  }
  return {};
}

Status ReadSeverityOfUnknown(const YamlNode& node, Policy& policy) {
  BW_TRY(std::size_t i, formats::YamlChoice(node, "on_unknown", {"none", "low", "medium", "high", "critical"}));
  policy.on_unknown = static_cast<advisory::Severity>(i + 1);
  return {};
}

Status ReadKey(const YamlMember& member, Policy& policy) {
  const std::string& key = member.key;
  const YamlNode& value = member.value;
  if (key == "policy") {
    BW_TRY(policy.name, ReadName(value, "policy"));
  } else if (key == "description") {
    BW_CHECK(formats::YamlText(value, key));
  } else if (key == "mode") {
    BW_TRY(std::size_t i, formats::YamlChoice(value, key, {"audit", "warn", "enforce"}));
    policy.mode = static_cast<Mode>(i + 1);
  } else if (key == "on_push") {
    BW_TRY(std::size_t i, formats::YamlChoice(value, key, {"refuse", "quarantine", "accept"}));
    policy.on_push = i == 0 ? OnPush::kRefuse : i == 1 ? OnPush::kQuarantine : OnPush::kAccept;
  } else if (key == "on_error") {
    BW_TRY(policy.on_error, ReadEffect(value, key));
  } else if (key == "gaps") {
    BW_TRY(policy.gaps, ReadEffect(value, key));
  } else {
    using Reader = Status (*)(const YamlNode&, Policy&);
    static constexpr std::pair<std::string_view, Reader> kReaders[] = {
        {"applies_to", ReadAppliesTo},   {"rules", ReadRules},         {"unscanned", ReadUnscanned},
        {"unscannable", ReadUnscannable}, {"stale_data", ReadStaleData}, {"artifacts", ReadArtifacts},
        {"platforms", ReadPlatforms},    {"grace", ReadGrace},         {"on_unknown", ReadSeverityOfUnknown}};
    for (const auto& [name, read] : kReaders) {
      if (name == key) return read(value, policy);
    }
    return {Errc::kInternal, "a policy key without a reader: " + key};
  }
  return {};
}

}  // namespace

Result<Policy> ReadPolicy(const YamlNode& document) {
  BW_CHECK(formats::YamlOnlyKeys(document, "a policy",
                                 {"policy", "description", "applies_to", "mode", "rules", "unscanned", "unscannable",
                                  "stale_data", "on_error", "on_unknown", "gaps", "platforms", "artifacts", "grace",
                                  "on_push"}));
  Policy policy;
  for (const YamlMember& member : document.members) BW_CHECK(ReadKey(member, policy));
  if (policy.name.empty()) return YamlError(document, "a policy needs a name (policy: NAME)");
  policy.revision = crypto::Sha256(AsBytes(formats::YamlCanonical(document))).str();
  return policy;
}

Result<Policy> ParsePolicy(std::string_view yaml) {
  BW_TRY(YamlNode document, formats::ParseYaml(yaml));
  return ReadPolicy(document);
}

}  // namespace bulwark::policy
