#include "policy/tester.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/byte_source.h"
#include "formats/yaml.h"
#include "policy/facts_yaml.h"

namespace bulwark::policy {
namespace {

using formats::YamlError;
using formats::YamlNode;

constexpr std::uint64_t kCaseFileBytes = 1 << 20;

// What a case expects; what it leaves out is not compared.
struct Expected {
  std::optional<std::string> outcome;
  std::optional<std::vector<std::string>> reasons;  // "deny fixable-high", in order
  std::vector<std::string> messages;                // each part of some reason's message
  std::optional<Time> valid_until;
  std::optional<Millis> hold;
  std::optional<bool> quarantine;
};

struct Case {
  CaseResult result;
  std::vector<Policy> policies;
  PointOfUse at = PointOfUse::kPull;
  Time as_of{};
  Expected expected;
};

Result<Expected> ReadExpected(const YamlNode& node) {
  BW_CHECK(formats::YamlOnlyKeys(node, "expect", {"outcome", "reasons", "messages", "valid_until", "hold", "quarantine"}));
  Expected expected;
  for (const formats::YamlMember& m : node.members) {
    if (m.key == "outcome") {
      BW_CHECK(formats::YamlChoice(m.value, m.key, {"allow", "warn", "deny", "pending"}));
      expected.outcome = m.value.text;
    } else if (m.key == "reasons") {
      BW_TRY(expected.reasons, formats::YamlTexts(m.value, m.key));
    } else if (m.key == "messages") {
      BW_TRY(expected.messages, formats::YamlTexts(m.value, m.key));
    } else if (m.key == "valid_until" && m.value.text == "never") {
      expected.valid_until = kNever;
    } else if (m.key == "valid_until") {
      BW_TRY(expected.valid_until, formats::YamlTime(m.value, m.key));
    } else if (m.key == "hold") {
      BW_TRY(expected.hold, formats::YamlDuration(m.value, m.key));
    } else {
      BW_TRY(expected.quarantine, formats::YamlBool(m.value, m.key));
    }
  }
  if (!expected.outcome) return YamlError(node, "expect needs an outcome");
  return expected;
}

Result<std::vector<Policy>> ReadPolicies(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kSequence) return YamlError(node, "policies must be a list");
  std::vector<Policy> policies;
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlNode::Kind::kScalar && item.text == "default") {
      policies.push_back(DefaultPolicy());
      continue;
    }
    BW_TRY(Policy policy, ReadPolicy(item));
    policies.push_back(std::move(policy));
  }
  return policies;
}

// `children:` of an index, each with facts of its own that are judged first.
Result<Decision> JudgeIndex(const YamlNode& node, const Case& c, const std::string& repository) {
  if (node.kind != YamlNode::Kind::kSequence) return YamlError(node, "children must be a list");
  std::vector<ChildDecision> children;
  for (const YamlNode& item : node.items) {
    BW_CHECK(formats::YamlOnlyKeys(item, "a child", {"platform", "present", "runnable", "facts"}));
    ChildDecision child;
    for (const formats::YamlMember& m : item.members) {
      if (m.key == "platform") {
        BW_TRY(child.platform, formats::YamlText(m.value, m.key));
      } else if (m.key == "present") {
        BW_TRY(child.present, formats::YamlBool(m.value, m.key));
      } else if (m.key == "runnable") {
        BW_TRY(child.runnable, formats::YamlBool(m.value, m.key));
      } else {
        BW_TRY(Facts facts, ReadFacts(m.value));
        facts.repository = repository;
        child.digest = facts.digest;
        child.decision = Decide(facts, c.policies, c.at, c.as_of);
      }
    }
    if (child.present && item.Find("facts") == nullptr) return YamlError(item, "a child that is present needs facts");
    children.push_back(std::move(child));
  }
  return DecideIndex(children, c.policies, repository, c.at, c.as_of);
}

template <typename T>
void Compare(CaseResult& result, std::string_view what, const T& want, const T& got) {
  if (want != got) result.failures.push_back(fmt::format("{}: expected {}, got {}", what, want, got));
}

void Check(const Expected& expected, const Decision& decision, CaseResult& result) {
  Compare(result, "outcome", *expected.outcome, std::string(Name(decision.outcome)));
  std::vector<std::string> reasons, messages;
  for (const Reason& reason : decision.reasons) {
    reasons.push_back(fmt::format("{} {}", Name(reason.effect), reason.rule));
    messages.push_back(reason.message);
  }
  if (expected.reasons && *expected.reasons != reasons) {
    result.failures.push_back(fmt::format("reasons: expected [{}], got [{}]", fmt::join(*expected.reasons, ", "), fmt::join(reasons, ", ")));
  }
  for (const std::string& part : expected.messages) {
    bool said = std::any_of(messages.begin(), messages.end(), [&](const std::string& m) { return m.find(part) != std::string::npos; });
    if (!said) result.failures.push_back(fmt::format("no message says \"{}\"; they are [{}]", part, fmt::join(messages, "; ")));
  }
  if (expected.valid_until) Compare(result, "valid_until", FormatTime(*expected.valid_until), FormatTime(decision.valid_until));
  if (expected.hold) Compare(result, "hold", FormatDuration(*expected.hold), FormatDuration(decision.hold));
  if (expected.quarantine) Compare(result, "quarantine", *expected.quarantine, decision.quarantine);
  result.passed = result.failures.empty();
}

Result<CaseResult> RunCase(const YamlNode& document, std::span<const Policy> given, const std::string& file) {
  BW_CHECK(formats::YamlOnlyKeys(document, "a case", {"case", "policies", "at", "as_of", "facts", "children", "repository", "expect"}));
  for (const char* key : {"case", "at", "as_of", "expect"}) {
    if (document.Find(key) == nullptr) return YamlError(document, fmt::format("a case needs {}", key));
  }
  const YamlNode *facts = document.Find("facts"), *children = document.Find("children");
  if ((facts == nullptr) == (children == nullptr)) return YamlError(document, "a case needs facts or children");
  Case c;
  c.result.file = file;
  c.result.line = document.line;
  BW_TRY(c.result.name, formats::YamlText(*document.Find("case"), "case"));
  c.policies.assign(given.begin(), given.end());
  if (const YamlNode* policies = document.Find("policies")) {
    BW_TRY(c.policies, ReadPolicies(*policies));
  }
  BW_TRY(std::size_t at, formats::YamlChoice(*document.Find("at"), "at", {"push", "pull", "admission"}));
  c.at = static_cast<PointOfUse>(at + 1);
  BW_TRY(c.as_of, formats::YamlTime(*document.Find("as_of"), "as_of"));
  BW_TRY(c.expected, ReadExpected(*document.Find("expect")));
  if (facts != nullptr) {
    BW_TRY(Facts image, ReadFacts(*facts));
    Check(c.expected, Decide(image, c.policies, c.at, c.as_of), c.result);
    return c.result;
  }
  const YamlNode* repository = document.Find("repository");
  BW_TRY(Decision decision, JudgeIndex(*children, c, repository == nullptr ? "library/app" : repository->text));
  Check(c.expected, decision, c.result);
  return c.result;
}

}  // namespace

Result<TestReport> TestPolicyText(std::span<const Policy> policies, const std::string& file, std::string_view text) {
  auto documents = formats::ParseYamlDocuments(text);
  if (!documents.ok()) return documents.error().Wrap(file);
  TestReport report;
  for (const YamlNode& document : *documents) {
    auto result = RunCase(document, policies, file);
    if (!result.ok()) return result.error().Wrap(file);
    report.failed += result->passed ? 0 : 1;
    report.cases.push_back(*std::move(result));
  }
  return report;
}

Result<TestReport> TestPolicy(std::span<const Policy> policies, std::span<const std::string> files) {
  TestReport all;
  for (const std::string& file : files) {
    BW_TRY(std::string text, ReadFile(file, kCaseFileBytes));
    BW_TRY(TestReport one, TestPolicyText(policies, file, text));
    all.failed += one.failed;
    std::move(one.cases.begin(), one.cases.end(), std::back_inserter(all.cases));
  }
  if (all.cases.empty()) return {Errc::kInvalid, "no test case was found"};
  return all;
}

}  // namespace bulwark::policy
