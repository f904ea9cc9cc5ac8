// bulwark policy test|default (here), list|apply|remove (at a registry)

#include <string>

#include "base/byte_source.h"
#include "base/log.h"
#include "cli/exit_code.h"
#include "cli/item_table.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"
#include "policy/policy.h"
#include "policy/tester.h"

namespace bulwark::cli {
namespace {

constexpr std::uint64_t kPolicyBytes = 1 << 20;

Result<policy::Policy> LoadPolicy(const std::string& path, std::string* text = nullptr) {
  BW_TRY(std::string yaml, ReadFile(path, kPolicyBytes));
  auto policy = policy::ParsePolicy(yaml);
  if (!policy) return policy.error().Wrap(path);
  if (text) *text = std::move(yaml);
  return policy;
}

int Test(const PolicyArguments& a) {
  auto policy = LoadPolicy(a.file);
  if (!policy) return Fail(policy.error());
  if (a.cases.empty()) {
    NoteLine(a.file + " is a valid policy (" + policy->name + "); no cases were given");
    return kPass;
  }
  auto report = policy::TestPolicy(std::span(&*policy, 1), a.cases);
  if (!report) return Fail(report.error());
  std::string out;
  for (const auto& result : report->cases) {
    out += (result.passed ? "pass  " : "FAIL  ") + Printable(result.file) + ":" + std::to_string(result.line) + "  " + Printable(result.name) + "\n";
    for (const auto& failure : result.failures) out += "      " + Printable(failure) + "\n";
  }
  out += std::to_string(report->cases.size() - report->failed) + " passed, " + std::to_string(report->failed) + " failed\n";
  auto written = WriteOutput("", out);
  if (!written) return Fail(written.error());
  return report->failed ? kPolicyFailed : kPass;
}

Status AtRegistry(const PolicyArguments& a) {
  using Verb = PolicyArguments::Verb;
  std::string yaml, name = a.name;
  if (a.verb == Verb::kApply) {
    BW_TRY(auto policy, LoadPolicy(a.file, &yaml));  // a mistake is found before anything is sent
    name = policy.name;
  }
  BW_TRY(auto session, OpenApi(a.registry, a.login));
  if (a.verb == Verb::kApply) {
    BW_CHECK(session->client.Api("PUT", "/api/v1/policies/" + name, formats::JsonWriter().BeginObject().Field("yaml", yaml).EndObject().Take()));
    NoteLine("policy " + name + " is in force at " + a.registry + "; images are judged again");
    return {};
  }
  if (a.verb == Verb::kRemove) {
    BW_CHECK(session->client.Api("DELETE", "/api/v1/policies/" + name, ""));
    NoteLine("policy " + name + " is gone from " + a.registry);
    return {};
  }
  BW_TRY(auto response, session->client.Api("GET", "/api/v1/policies", ""));
  if (a.format == "json" || (a.format.empty() && !OutIsTerminal())) return WriteOutput("", response.body + "\n");
  BW_TRY(auto table, ItemTable(response.body, {"name", "source", "revision", "changed_by"}));
  return WriteOutput("", table);
}

}  // namespace

int RunPolicy(const PolicyArguments& a) {
  if (a.verb == PolicyArguments::Verb::kTest) return Test(a);
  Status status = a.verb == PolicyArguments::Verb::kDefault ? WriteOutput("", policy::DefaultPolicyYaml()) : AtRegistry(a);
  return status ? kPass : Fail(status.error());
}

}  // namespace bulwark::cli
