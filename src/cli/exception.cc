// bulwark exception add|approve|revoke|list

#include <string>

#include <boost/json/object.hpp>

#include "base/clock.h"
#include "cli/exit_code.h"
#include "cli/item_table.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"

namespace bulwark::cli {
namespace {

// A duration from now, a date or a time; the API takes times.
Result<std::string> Expiry(const std::string& text) {
  auto duration = ParseDuration(text);
  if (duration) return FormatTime(SystemClock().Now() + *duration);
  BW_TRY(Time time, ParseTime(text));
  return FormatTime(time);
}

Status Add(const ExceptionArguments& a, remote::RegistryClient& client) {
  BW_TRY(std::string expires, Expiry(a.expires));
  formats::JsonWriter body;
  body.BeginObject().Field("vulnerability", a.vulnerability).Field("package", a.package).Field("repository", a.repository);
  body.Field("reference", a.reference).Field("reason", a.reason).Field("note", a.note).Field("expires", expires).EndObject();
  BW_TRY(auto response, client.Api("POST", "/api/v1/exceptions", body.Take()));
  BW_TRY(auto value, formats::ParseJson(response.body));
  if (!value.if_object()) return Error{Errc::kInvalid, "the registry's answer is not an object"};
  BW_TRY(auto id, formats::JsonUint(*value.if_object(), "id"));
  NoteLine("exception " + std::to_string(id) + " waits for the approval of another person (bulwark exception approve " + a.registry + " " + std::to_string(id) + ")");
  return WriteOutput("", std::to_string(id) + "\n");
}

Status Run(const ExceptionArguments& a) {
  using Verb = ExceptionArguments::Verb;
  BW_TRY(auto session, OpenApi(a.registry, a.login));
  std::string one = "/api/v1/exceptions/" + std::to_string(a.id);
  switch (a.verb) {
    case Verb::kAdd: return Add(a, session->client);
    case Verb::kApprove: {
      BW_CHECK(session->client.Api("POST", one + "/approve", ""));
      NoteLine("exception " + std::to_string(a.id) + " is in force; images are judged again");
      return {};
    }
    case Verb::kRevoke: {
      BW_CHECK(session->client.Api("DELETE", one, ""));
      NoteLine("exception " + std::to_string(a.id) + " is revoked; images are judged again");
      return {};
    }
    case Verb::kList: break;
  }
  BW_TRY(auto response, session->client.Api("GET", "/api/v1/exceptions", ""));
  if (a.format == "json" || (a.format.empty() && !OutIsTerminal())) return WriteOutput("", response.body + "\n");
  BW_TRY(auto table, ItemTable(response.body, {"id", "vulnerability", "package", "repository", "reference", "reason", "author", "approver", "expires", "revoked"}));
  return WriteOutput("", table);
}

}  // namespace

int RunException(const ExceptionArguments& a) {
  auto status = Run(a);
  return status ? kPass : Fail(status.error());
}

}  // namespace bulwark::cli
