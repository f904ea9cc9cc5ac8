// The referrers API (distribution-spec 1.1, "Listing Referrers").
#include "base/limits.h"
#include "remote/registry_client.h"
#include "remote/web_address.h"

namespace bulwark::remote {
namespace {

// The address of `<…>; rel="next"` (RFC 8288); empty if there is none.
std::string_view NextOf(std::string_view link) {
  auto open = link.find('<'), close = link.find('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  if (link.find("next", close) == std::string_view::npos) return {};
  return link.substr(open + 1, close - open - 1);
}

}  // namespace

Result<std::optional<std::vector<Digest>>> RegistryClient::Referrers(const Digest& subject, std::uint64_t most) {
  std::vector<Digest> out;
  const std::string doing = "list what refers to " + subject.short_str();
  net::HttpClientRequest request;
  request.headers = {{"Accept", std::string(formats::kOciIndex)}};
  request.url = Url("referrers/" + subject.str());
  request.limit = limits::kManifestBytes;
  request.total_timeout_s = kAnswerTime.count();
  for (std::uint64_t page = 0; page < limits::kReferrerPages; ++page) {
    BW_TRY(auto response, Send(request, Want::kPull));
    // Registries that are older than the API answer in many ways; only the specification's 404 is promised.
    const bool unknown = response.status == 404 || response.status == 400 || response.status == 405;
    if (unknown && page == 0) return std::optional<std::vector<Digest>>();
    if (response.status != 200) return ToError(doing, response);
    auto index = formats::ParseOciDocument(formats::kOciIndex, response.body);
    if (!index) return index.error().Wrap(doing);
    if (out.size() + index->manifests.size() > most) return Error{Errc::kLimit, doing + ": more than " + std::to_string(most) + " manifests"};
    for (const auto& d : index->manifests) out.push_back(d.digest);
    std::string_view next = NextOf(response.Header("link").value_or(""));
    if (next.empty()) return std::optional(std::move(out));
    auto url = SameOriginUrl(base_, next);
    if (!url) return Error{Errc::kInvalid, doing + ": the next page is on another host; not followed"};
    request.url = *url;
  }
  return Error{Errc::kLimit, doing + ": more than " + std::to_string(limits::kReferrerPages) + " pages"};
}

}  // namespace bulwark::remote
