// bulwark why IMAGE: the decision, its reasons and revisions, and the report behind it.

#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/log.h"
#include "cli/answer.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"

namespace bulwark::cli {
namespace {

using formats::json::object;

std::string Coloured(const std::string& decision, bool colour) {
  if (!colour) return decision;
  const char* code = decision == "allow" ? "32" : decision == "warn" ? "33" : decision == "pending" ? "36" : "31";
  return std::string("\x1b[1;") + code + "m" + decision + "\x1b[0m";
}

std::string Reasons(const object& verdict, bool colour) {
  std::string out;
  auto reasons = formats::JsonOptionalArray(verdict, "reasons");
  if (!reasons || !*reasons) return out;
  for (const auto& entry : **reasons)
    if (const auto* reason = entry.if_object()) out += "    " + Coloured(Text(*reason, "effect"), colour) + "  " + Text(*reason, "message") + "\n";
  return out;
}

std::string Children(const object& why, bool colour) {
  std::string out;
  auto children = formats::JsonOptionalArray(why, "children");
  if (!children || !*children) return out;
  for (const auto& entry : **children) {
    const auto* child = entry.if_object();
    if (!child) continue;
    auto present = formats::JsonOptionalBool(*child, "present"), runnable = formats::JsonOptionalBool(*child, "runnable");
    std::string state = present && *present == false ? "missing" : runnable && *runnable == false ? "attestation" : Coloured(Text(*child, "decision"), colour);
    out += "  child " + Text(*child, "digest") + "  " + Text(*child, "platform") + "  " + state + "\n";
  }
  return out;
}

Result<std::string> Table(std::string_view json, const std::string& image, bool colour) {
  BW_TRY(auto value, formats::ParseJson(json));
  const auto* why = value.if_object();
  if (!why) return Error{Errc::kInvalid, "the registry's answer is not an object"};
  std::string out = Printable(image) + "\n  digest " + Text(*why, "digest") + "\n";
  BW_TRY(const auto* points, formats::JsonObject(*why, "points"));
  for (const auto& [at, entry] : *points) {
    const auto* verdict = entry.if_object();
    if (!verdict) continue;
    out += "  " + Printable(std::string_view(at)) + ": " + Coloured(Text(*verdict, "decision"), colour) + " (judged " + Text(*verdict, "judged") + ", " + Text(*verdict, "state") +
           ", valid until " + Text(*verdict, "valid_until") + ")\n" + Reasons(*verdict, colour);
  }
  out += Children(*why, colour);
  BW_TRY(const auto* revisions, formats::JsonObject(*why, "revisions"));
  for (const auto& [name, revision] : *revisions) {
    if (revision.is_string()) out += "  " + Printable(std::string_view(name)) + " revision " + Printable(std::string_view(revision.get_string())) + "\n";
  }
  return out;
}

Status Explain(const WhyArguments& a) {
  BW_TRY(auto reference, remote::ParseImageReference(a.image));
  BW_TRY(auto session, OpenSession(reference, a.login));
  std::string base = "/api/v1/repositories/" + reference.repository + "/images/" + reference.api_reference();
  BW_TRY(auto why, session->client.Api("GET", base + "/why", ""));
  bool json = a.format.empty() ? !OutIsTerminal() : a.format == "json";
  if (json) return WriteOutput("", why.body + "\n");
  BW_TRY(std::string text, Table(why.body, reference.str(), UseColour(OutIsTerminal())));
  BW_CHECK(WriteOutput("", text));
  auto report = session->client.Api("GET", base + "/report?format=table", "");
  // An index has no report of its own, and facts may not be there yet: the decision above stands.
  if (!report && report.error().code != Errc::kInvalid && report.error().code != Errc::kConflict) return report.error();
  return report ? WriteOutput("", "\n" + report->body) : Status();
}

}  // namespace

int RunWhy(const WhyArguments& a) {
  auto status = Explain(a);
  return status ? kPass : Fail(status.error());
}

}  // namespace bulwark::cli
