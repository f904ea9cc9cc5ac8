#include "advisory/feed_worker.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/unique_fd.h"
#include "formats/json.h"
#include "sandbox/locked_call.h"

namespace bulwark::advisory {
namespace {

constexpr std::uint64_t kLookBytes = 64 << 10;
constexpr int kFirstInput = 16;

sandbox::LockLimits Limits() { return {2 * limits::kFeedMemory, limits::kFeedMemory, limits::kFeedCpu}; }

struct Input {
  UniqueFd fd;
  std::uint64_t size = 0;
};

// The locked process may not ask for the size itself.
Result<Input> OpenInput(const std::string& path) {
  UniqueFd opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!opened) return ErrnoError("open " + path);
  UniqueFd out(::fcntl(opened.get(), F_DUPFD_CLOEXEC, kFirstInput));
  if (!out) return ErrnoError("open " + path);
  struct ::stat info{};
  if (::fstat(out.get(), &info) != 0) return ErrnoError("read the size of " + path);
  if (!S_ISREG(info.st_mode)) return Error{Errc::kInvalid, path + " is no file"};
  return Input{std::move(out), static_cast<std::uint64_t>(info.st_size)};
}

std::string Encode(const SourceReport& r) {
  formats::JsonWriter out;
  out.BeginObject().Field("items", r.items).Field("records", r.records).Field("errors", r.errors);
  out.Field("problem", std::string_view(r.messages.empty() ? "" : r.messages[0]).substr(0, 1000));
  out.Field("date", std::int64_t{r.data_date.time_since_epoch().count()});
  return out.EndObject().Take();
}

Result<FeedLook> Decode(std::string_view text) {
  BW_TRY(auto value, formats::ParseJson(text));
  if (!value.is_object()) return Error{Errc::kCorrupt, "a look at a feed is no object"};
  const auto& object = value.get_object();
  FeedLook out;
  BW_TRY(out.items, formats::JsonUint(object, "items"));
  BW_TRY(out.records, formats::JsonUint(object, "records"));
  BW_TRY(out.errors, formats::JsonUint(object, "errors"));
  BW_TRY(auto problem, formats::JsonString(object, "problem"));
  out.first_problem = problem;
  if (const auto* date = object.if_contains("date"); date && date->is_int64()) out.data_date = Time(Millis(date->get_int64()));
  return out;
}

}  // namespace

Result<FeedLook> LookAtFeed(const std::string& path, const std::string& format, Time now, sandbox::Mode mode) {
  BW_TRY(const Input input, OpenInput(path));
  const SourceSpec spec{"download." + format, "", input.fd.get(), input.size};
  BW_TRY(const Bytes answer, sandbox::CallLocked(mode, Limits(), {spec.fd}, kLookBytes, [&]() -> Result<std::string> {
    BW_TRY(const SourceReport look, LookAtSource(spec, now));
    return Encode(look);
  }));
  return Decode(AsText(answer));
}

Result<std::string> BuildFromFeeds(const std::vector<SourceSpec>& feeds, const Index* before, const BuildOptions& options, sandbox::Mode mode) {
  std::vector<Input> inputs;
  std::vector<SourceSpec> specs = feeds;
  std::vector<int> keep;
  for (SourceSpec& spec : specs) {
    BW_TRY(Input input, OpenInput(spec.path));
    spec.fd = input.fd.get();
    spec.size = input.size;
    keep.push_back(spec.fd);
    inputs.push_back(std::move(input));
  }
  BW_TRY(const Bytes answer, sandbox::CallLocked(mode, Limits(), keep, limits::kAdvisoryFileBytes, [&]() -> Result<std::string> {
    BW_TRY(BuiltFile built, BuildFile(specs, before, options));
    return std::move(built.bytes);
  }));
  return std::string(AsText(answer));
}

}  // namespace bulwark::advisory
