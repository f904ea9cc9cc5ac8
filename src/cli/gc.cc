// bulwark gc run|why

#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "cli/answer.h"
#include "cli/exit_code.h"
#include "cli/login.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"

namespace bulwark::cli {
namespace {

using formats::json::object;

std::uint64_t Number(const object& from, std::string_view key) {
  auto value = formats::JsonUint(from, key);
  return value ? *value : 0;
}

std::string Count(const object& from, std::string_view key, const std::string& what) {
  return std::to_string(Number(from, key)) + " " + what;
}

// Calls `each` for every object of the array, if it is there.
template <typename F>
void EachOf(const object& from, std::string_view key, F each) {
  auto items = formats::JsonOptionalArray(from, key);
  if (!items || !*items) return;
  for (const auto& item : **items)
    if (const auto* entry = item.if_object()) each(*entry);
}

std::string Removed(const object& report) {
  std::string out = Count(report, "blobs", "blobs, ") + FormatBytes(Number(report, "bytes"));
  if (Number(report, "manifests") > 0) out += "; " + Count(report, "manifests", "manifests of deleted repositories");
  if (Number(report, "uploads") > 0) out += "; " + Count(report, "uploads", "uploads that nobody finished");
  return out + "\n";
}

std::string PreviewTable(const object& preview) {
  std::string out = "a collection would remove now: " + Removed(preview);
  EachOf(preview, "largest", [&](const object& blob) {
    out += "  " + Text(blob, "digest") + "  " + FormatBytes(Number(blob, "size")) + "\n";
  });
  out += "kept by leases alone: " + Count(preview, "waiting_blobs", "blobs, ") +
         FormatBytes(Number(preview, "waiting_bytes")) + "\n";
  EachOf(preview, "waiting", [&](const object& waiting) {
    out += "  " + Text(waiting, "repository") + "  " + Count(waiting, "blobs", "blobs, ") +
           FormatBytes(Number(waiting, "bytes")) + ", from " + Text(waiting, "first") + " to " + Text(waiting, "last") + "\n";
  });
  if (Number(preview, "grace") > 0)
    out += Count(preview, "grace", "digests are looked at again later, the last at ") + Text(preview, "grace_until") + "\n";
  return out;
}

std::string ReferenceLine(const object& reference) {
  const std::string role = Text(reference, "role");
  std::string out = "  " + (role.empty() ? "is the manifest" : role + " of") + " " + Text(reference, "repository") + "@" +
                    Text(reference, "manifest");
  auto tags = formats::JsonOptionalArray(reference, "tags");
  if (!tags || !*tags || (*tags)->empty()) return out + "\n";
  out += "  tagged";
  for (const auto& tag : **tags)
    if (tag.is_string()) out += " " + Printable(std::string_view(tag.get_string()));
  return out + "\n";
}

std::string WhyTable(const object& why) {
  const std::string until = Text(why, "until");
  std::string out = Text(why, "digest") + "  " + FormatBytes(Number(why, "size")) + "\n  " + Text(why, "state") +
                    (until.empty() ? "" : " until " + until) + "\n";
  EachOf(why, "references", [&](const object& reference) { out += ReferenceLine(reference); });
  if (auto more = formats::JsonOptionalBool(why, "more_references"); more && *more == true) out += "  and more\n";
  EachOf(why, "leases", [&](const object& lease) {
    out += "  lease of " + Text(lease, "user") + " in " + Text(lease, "repository") + " until " + Text(lease, "until") + "\n";
  });
  if (Number(why, "uploads") > 0) out += "  " + Count(why, "uploads", "uploads are finishing with it") + "\n";
  return out;
}

Result<object> ParseObject(std::string_view json) {
  BW_TRY(auto value, formats::ParseJson(json));
  if (auto* answer = value.if_object()) return std::move(*answer);
  return Error{Errc::kInvalid, "the registry's answer is not an object"};
}

using Sums = std::array<std::pair<const char*, std::uint64_t>, 4>;

std::string ToJson(const Sums& sums) {
  formats::JsonWriter out;
  out.BeginObject();
  for (const auto& [key, sum] : sums) out.Field(key, sum);
  return out.EndObject().Take();
}

// Adds what one answer says was removed; whether that is all.
Result<bool> CollectSome(remote::RegistryClient& client, Sums& sums) {
  BW_TRY(auto response, client.Api("POST", "/api/v1/gc", ""));
  BW_TRY(const object report, ParseObject(response.body));
  bool removed = false;
  for (auto& [key, sum] : sums) {
    removed = removed || Number(report, key) > 0;
    sum += Number(report, key);
  }
  BW_TRY(auto said, formats::JsonOptionalBool(report, "complete"));
  const bool complete = said.value_or(true);  // older ones answer at the end alone
  // Another's pass is waited for; and no registry is asked without a pause, whatever it says.
  if (!complete) std::this_thread::sleep_for(removed ? std::chrono::milliseconds(200) : std::chrono::seconds(1));
  return complete;
}

// The registry answers within seconds with what it removed by then: asked until nothing is left. The sum, as JSON; what was removed
// before an error is said with it.
Result<std::string> Collect(remote::RegistryClient& client) {
  Sums sums{{{"blobs", 0}, {"bytes", 0}, {"manifests", 0}, {"uploads", 0}}};
  client.SetPatience(kPatience);
  Progress progress("collecting: removed");
  for (bool begun = false;; begun = true) {
    auto complete = CollectSome(client, sums);
    if (!complete && begun) {
      BW_TRY(const object before, ParseObject(ToJson(sums)));
      const std::string removed(Trim(Removed(before)));
      return Error{complete.error().code, complete.error().message + "; removed before: " + removed};
    }
    if (!complete) return complete.error();
    progress.Update(sums[1].second, 0, std::to_string(sums[0].second) + " blobs");
    if (*complete) return ToJson(sums);
  }
}

Result<std::string> Answer(remote::RegistryClient& client, const GcArguments& a) {
  if (a.verb == GcArguments::Verb::kRun && !a.dry_run) return Collect(client);
  const std::string path = a.verb == GcArguments::Verb::kWhy ? "why/" + a.digest : "preview";
  BW_TRY(auto response, client.Api("GET", "/api/v1/gc/" + path, ""));
  return std::move(response.body);
}

Status Run(const GcArguments& a) {
  using Verb = GcArguments::Verb;
  BW_TRY(auto session, OpenApi(a.registry, a.login));
  BW_TRY(std::string json, Answer(session->client, a));
  if (a.format == "json" || (a.format.empty() && !OutIsTerminal())) return WriteOutput("", json + "\n");
  BW_TRY(const object answer, ParseObject(json));
  if (a.verb == Verb::kWhy) return WriteOutput("", WhyTable(answer));
  return WriteOutput("", a.dry_run ? PreviewTable(answer) : "removed: " + Removed(answer));
}

}  // namespace

int RunGc(const GcArguments& a) {
  if (auto chosen = WithScheme(a.registry, a.login); !chosen) return FailUsage(chosen.error());
  auto status = Run(a);
  return status ? kPass : Fail(status.error());
}

}  // namespace bulwark::cli
