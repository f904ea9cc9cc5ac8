#pragma once
// For tests: a registry in memory over TestServer, as OCI Distribution 1.1 says, that can be made to misbehave.

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "crypto/hash.h"
#include "formats/oci.h"
#include "remote/test_server.h"

namespace bulwark::remote {

class TestRegistry {
 public:
  explicit TestRegistry(bool referrers_api = true)
      : referrers_api_(referrers_api), server_([this](const TestRequest& r) { return Answer(r); }, [this](const TestRequest& r) { return Cut(r); }) {}

  const std::string& host() const { return server_.host(); }
  std::vector<TestRequest> asked() const { return server_.asked(); }
  std::size_t Count(const std::string& method, const std::string& part) const {
    std::size_t n = 0;
    for (const auto& request : asked()) n += request.method == method && request.target.find(part) != std::string::npos;
    return n;
  }

  // Content, by repository.
  std::map<std::string, std::map<std::string, std::string>> blobs, manifests;  // manifests also under tags
  std::map<std::string, std::string> uploads;
  // Misbehaviour; each counts down to 0.
  int cut_downloads = 0, cut_uploads = 0, busy = 0;
  bool corrupt_downloads = false, ignores_ranges = false, mounts = true, forgets_uploads = false;
  std::string refuses;     // the digest or tag of a manifest that is answered with 403
  std::size_t cut_at = 0;  // bytes
  std::map<std::string, int> received;  // bytes of uploads by method

 private:
  static TestAnswer NotFound(const std::string& code) { return {404, {}, R"({"errors":[{"code":")" + code + R"(","message":"no such thing"}]})", {}}; }

  std::optional<std::size_t> Cut(const TestRequest& request) {
    std::lock_guard lock(mutex_);
    if ((request.method != "PATCH" && request.method != "PUT") || request.target.find("/uploads/") == std::string::npos || cut_uploads == 0) return std::nullopt;
    if (request.Header("content-length") == "0" || request.Header("content-length").empty()) return std::nullopt;
    --cut_uploads;
    return cut_at;
  }

  TestAnswer Answer(const TestRequest& request) {
    std::lock_guard lock(mutex_);
    if (busy > 0) {
      --busy;
      return {429, {{"Retry-After", "7"}}, "", {}};
    }
    if (request.target == "/v2/") return {200, {}, "{}", {}};
    for (const char* kind : {"/manifests/", "/blobs/uploads/", "/blobs/", "/referrers/"}) {
      auto at = request.target.find(kind);
      if (at == std::string::npos) continue;
      const std::string repository = request.target.substr(4, at - 4), rest = request.target.substr(at + std::string(kind).size());
      const std::string which = kind;
      if (which == "/manifests/") return Manifest(request, repository, rest);
      if (which == "/blobs/") return Blob(request, repository, rest);
      if (which == "/referrers/") return Referrers(repository, rest);
      return Upload(request, repository, rest);
    }
    return NotFound("NAME_UNKNOWN");
  }

  TestAnswer Manifest(const TestRequest& request, const std::string& repository, const std::string& reference) {
    auto& kept = manifests[repository];
    if (request.method == "PUT") {
      kept[reference] = request.body;
      kept[crypto::Sha256(AsBytes(request.body)).str()] = request.body;
      auto document = formats::ParseOciDocument(request.Header("content-type"), request.body);
      TestAnswer out{201, {}, "", {}};
      if (referrers_api_ && document && document->subject) out.headers["OCI-Subject"] = document->subject->digest.str();
      return out;
    }
    if (reference == refuses) return {403, {}, R"({"errors":[{"code":"DENIED","message":"CVE-2024-0001 is fixed in 2.0"}]})", {}};
    auto found = kept.find(reference);
    if (found == kept.end()) return NotFound("MANIFEST_UNKNOWN");
    const bool index = found->second.find("\"manifests\"") != std::string::npos;
    return {200, {{"Content-Type", std::string(index ? formats::kOciIndex : formats::kOciManifest)}}, found->second, {}};
  }

  TestAnswer Blob(const TestRequest& request, const std::string& repository, const std::string& digest) {
    auto found = blobs[repository].find(digest);
    if (found == blobs[repository].end()) return NotFound("BLOB_UNKNOWN");
    TestAnswer out{200, {}, found->second, {}};
    if (request.method == "HEAD") return out;
    if (corrupt_downloads) out.body[0] = static_cast<char>(out.body[0] ^ 1);
    const std::string range = request.Header("range");
    if (range.starts_with("bytes=") && !ignores_ranges) {
      auto from = ParseUint(range.substr(6, range.size() - 7)).value_or(0);
      out.status = 206;
      out.headers["Content-Range"] = "bytes " + std::to_string(from) + "-" + std::to_string(out.body.size() - 1) + "/" + std::to_string(out.body.size());
      out.body = out.body.substr(from);
    }
    if (cut_downloads > 0) {
      --cut_downloads;
      out.cut_after = std::min(cut_at, out.body.size() - 1);
    }
    return out;
  }

  TestAnswer Referrers(const std::string& repository, const std::string& subject) {
    if (!referrers_api_) return NotFound("UNSUPPORTED");
    std::string entries;
    for (const auto& [key, bytes] : manifests[repository]) {
      auto document = formats::ParseOciDocument("", bytes);
      if (!key.starts_with("sha256:") || !document || !document->subject || document->subject->digest.str() != subject) continue;
      entries += std::string(entries.empty() ? "" : ",") + R"({"mediaType":")" + document->media_type + R"(","digest":")" + key + R"(","size":)" + std::to_string(bytes.size()) + "}";
    }
    return {200, {{"Content-Type", std::string(formats::kOciIndex)}}, R"({"schemaVersion":2,"mediaType":")" + std::string(formats::kOciIndex) + R"(","manifests":[)" + entries + "]}", {}};
  }

  TestAnswer Upload(const TestRequest& request, const std::string& repository, const std::string& rest) {
    if (request.method == "POST") {
      auto mount = rest.find("mount=sha256%3A"), from = rest.find("&from=");
      if (mounts && mount != std::string::npos && from != std::string::npos) {
        const std::string digest = "sha256:" + rest.substr(mount + 15, 64);
        std::string source = rest.substr(from + 6);
        if (auto slash = source.find("%2F"); slash != std::string::npos) source.replace(slash, 3, "/");
        if (blobs[source].contains(digest)) {
          blobs[repository][digest] = blobs[source][digest];
          return {201, {}, "", {}};
        }
      }
      const std::string id = "u" + std::to_string(++last_upload_);
      uploads[id] = "";
      return {202, {{"Location", "/v2/" + repository + "/blobs/uploads/" + id + "?state=1"}}, "", {}};
    }
    const std::string id = rest.substr(0, rest.find('?'));
    if (!uploads.contains(id)) return NotFound("BLOB_UPLOAD_UNKNOWN");
    std::string& bytes = uploads[id];
    std::map<std::string, std::string> state = {{"Location", "/v2/" + repository + "/blobs/uploads/" + id + "?state=2"}};
    if (request.method != "GET") {
      if (auto range = request.Header("content-range"); !range.empty() && range.substr(0, range.find('-')) != std::to_string(bytes.size()))
        return {416, state, "", {}};
      bytes += request.body;
      received[request.method] += static_cast<int>(request.body.size());
    }
    if (!request.whole && forgets_uploads) uploads.erase(id);
    if (request.method == "PUT" && request.whole) {
      const std::string digest = "sha256:" + request.target.substr(request.target.find("digest=sha256%3A") + 16);
      if (crypto::Sha256(AsBytes(bytes)).str() != digest) return {400, {}, R"({"errors":[{"code":"DIGEST_INVALID","message":"wrong digest"}]})", {}};
      blobs[repository][digest] = bytes;
      uploads.erase(id);
      return {201, {}, "", {}};
    }
    if (!uploads.contains(id)) return NotFound("BLOB_UPLOAD_UNKNOWN");
    state["Range"] = "0-" + std::to_string(bytes.empty() ? 0 : bytes.size() - 1);
    return {request.method == "GET" ? 204 : 202, state, "", {}};
  }

  bool referrers_api_;
  std::mutex mutex_;
  int last_upload_ = 0;
  TestServer server_;  // last: its threads use the rest
};

}  // namespace bulwark::remote
