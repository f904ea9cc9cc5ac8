#include "advisory/feed_state.h"

#include "advisory/sources.h"
#include "base/byte_source.h"
#include "base/log.h"
#include "formats/json.h"

namespace bulwark::advisory {
namespace {

constexpr std::uint64_t kStateBytes = 256 << 10;
constexpr std::uint64_t kTextBytes = 2048;

std::string StatePath(const std::string& cache, std::string_view name) { return cache + "/" + std::string(name) + ".state"; }
std::string BuildPath(const std::string& cache) { return cache + "/build.json"; }

void TimeOf(formats::JsonWriter& out, std::string_view key, Time time) { out.Field(key, std::int64_t{time.time_since_epoch().count()}); }

// Reads what WriteFeedState wrote; what is missing or of another type stays as it is.
class Fields {
 public:
  explicit Fields(const formats::json::object& object) : object_(object) {}
  void Text(std::string_view key, std::string& into) const {
    if (const auto* v = object_.if_contains(key); v && v->is_string()) into = std::string_view(v->get_string());
  }
  void Count(std::string_view key, std::uint64_t& into) const {
    if (auto v = formats::JsonUint(object_, key); v.ok()) into = *v;
  }
  void When(std::string_view key, Time& into) const {
    if (const auto* v = object_.if_contains(key); v && v->is_int64()) into = Time(Millis(v->get_int64()));
  }

 private:
  const formats::json::object& object_;
};

std::optional<formats::json::value> ReadObject(const std::string& path) {
  auto text = ReadFile(path, kStateBytes);
  if (!text.ok()) return std::nullopt;
  auto value = formats::ParseJson(*text);
  if (value.ok() && value->is_object()) return *std::move(value);
  LogWarning(path + " is damaged: its source is fetched anew");
  return std::nullopt;
}

}  // namespace

FeedState ReadFeedState(const std::string& cache, const std::string& name) {
  FeedState out;
  out.name = name;
  const auto value = ReadObject(StatePath(cache, name));
  if (!value) return out;
  const Fields fields(value->get_object());
  fields.Text("url", out.validators.url);
  fields.Text("etag", out.validators.etag);
  fields.Text("last_modified", out.validators.last_modified);
  fields.Text("format", out.format);
  fields.Text("sha256", out.sha256);
  fields.Count("bytes", out.bytes);
  fields.Count("records", out.records);
  fields.When("data_date", out.data_date);
  fields.When("fetched", out.fetched);
  fields.When("checked", out.checked);
  fields.Count("failures", out.failures);
  fields.Text("error", out.error);
  fields.When("failed", out.failed);
  fields.When("next_try", out.next_try);
  if (out.format.find('/') != std::string::npos) out.format.clear();
  return out;
}

Status WriteFeedState(const std::string& cache, const FeedState& state) {
  formats::JsonWriter out(formats::JsonWriter::Layout::kIndented);
  out.BeginObject().Field("url", state.validators.url).Field("etag", state.validators.etag).Field("last_modified", state.validators.last_modified);
  out.Field("format", state.format).Field("sha256", state.sha256).Field("bytes", state.bytes).Field("records", state.records);
  TimeOf(out, "data_date", state.data_date);
  TimeOf(out, "fetched", state.fetched);
  TimeOf(out, "checked", state.checked);
  out.Field("failures", state.failures).Field("error", Printable(state.error, kTextBytes));
  TimeOf(out, "failed", state.failed);
  TimeOf(out, "next_try", state.next_try);
  return WriteFileAtomically(StatePath(cache, state.name), out.EndObject().Take() + "\n", 0600);
}

BuildState ReadBuildState(const std::string& cache) {
  BuildState out;
  const auto value = ReadObject(BuildPath(cache));
  if (!value) return out;
  const Fields fields(value->get_object());
  fields.Text("error", out.error);
  fields.When("at", out.at);
  if (auto inputs = formats::JsonArray(value->get_object(), "inputs"); inputs.ok()) {
    for (const auto& input : **inputs)
      if (input.is_string()) out.inputs.emplace_back(std::string_view(input.get_string()));
  }
  return out;
}

Status WriteBuildState(const std::string& cache, const BuildState& state) {
  formats::JsonWriter out(formats::JsonWriter::Layout::kIndented);
  out.BeginObject().Key("inputs").BeginArray();
  for (const std::string& input : state.inputs) out.String(input);
  out.EndArray().Field("error", Printable(state.error, kTextBytes));
  TimeOf(out, "at", state.at);
  return WriteFileAtomically(BuildPath(cache), out.EndObject().Take() + "\n", 0600);
}

std::string FeedPath(const std::string& cache, const FeedState& state) { return cache + "/" + state.name + "." + state.format; }

}  // namespace bulwark::advisory
