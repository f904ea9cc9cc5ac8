#include "service/collection.h"

#include <algorithm>
#include <optional>

#include "audit/audit.h"
#include "base/limits.h"
#include "base/log.h"
#include "formats/oci.h"
#include "service/rights.h"

namespace bulwark::service {
namespace {

using auth::Verb;

constexpr std::string_view kObject = "storage";
constexpr std::int64_t kShown = 100;  // rows of a list

std::string Summary(const storage::CollectorReport& report) {
  return std::to_string(report.blobs) + " blobs of " + std::to_string(report.bytes) + " bytes, " +
         std::to_string(report.manifests) + " manifests of deleted repositories, " + std::to_string(report.uploads) +
         " uploads" + (report.complete ? "" : "; more may be due");
}

Result<std::string> UserName(const storage::ReadTx& tx, storage::PrincipalId id) {
  const auto number = static_cast<std::int64_t>(id);
  if (number == 0) return std::string("system");
  BW_TRY(auto users, auth::ListUsers(tx, number - 1, 1));
  if (!users.empty() && users.front().id == number) return users.front().name;
  return "#" + std::to_string(number);
}

// What the manifest calls the blob. One that cannot be read any more says no more than that it refers to it.
Result<std::string> RoleOf(const storage::ReadTx& tx, const storage::BlobHolds::Edge& edge, const Digest& blob) {
  BW_TRY(Bytes bytes, storage::ManifestBytes(tx, edge.manifest_id));
  auto document = formats::ParseOciDocument(edge.media_type, AsText(bytes));
  const bool config = document && document->config && document->config->digest == blob;
  return std::string(config ? "config" : "layer");
}

Result<KeptBecause> Explain(const storage::ReadTx& tx, const Digest& digest, const storage::BlobHolds& holds) {
  KeptBecause out;
  out.state = Name(holds.fate);
  out.size = holds.size;
  out.created = holds.created;
  if (holds.until != Time{}) out.until = holds.until;
  out.more_references = holds.more_edges;
  out.uploads = holds.reservations;
  for (const auto& edge : holds.edges) {
    BW_TRY(std::string role, RoleOf(tx, edge, digest));
    out.references.push_back({edge.repository, edge.manifest, std::move(role), edge.tags});
  }
  for (const auto& lease : holds.leases) {
    BW_TRY(std::string user, UserName(tx, lease.principal));
    out.leases.push_back({lease.repository, std::move(user), lease.until});
  }
  return out;
}

// A manifest is kept until somebody deletes it; who names it is told, but holds nothing.
Result<std::optional<KeptBecause>> ExplainManifest(const storage::ReadTx& tx, const Digest& digest) {
  std::optional<KeptBecause> out;
  struct Place {
    storage::RepositoryId repository;
    storage::ManifestId id;
  };
  std::vector<Place> places;
  BW_CHECK(tx.Each("SELECT m.repository_id, m.id FROM repositories r JOIN manifests m ON m.repository_id = r.id "
                   "AND m.digest = ?1 WHERE r.name IS NOT NULL ORDER BY m.id LIMIT ?2",
                   {digest.str(), kShown}, [&](const storage::Row& row) {
                     places.push_back({storage::RepositoryId{row.Int(0)}, storage::ManifestId{row.Int(1)}});
                     return true;
                   }));
  for (const Place& place : places) {
    BW_TRY(auto manifest, storage::FindManifest(tx, place.id));
    BW_TRY(auto repository, storage::FindRepository(tx, place.repository));
    if (!manifest || !repository) continue;
    if (!out) {
      out.emplace();
      out->state = "manifest";
      out->size = static_cast<std::int64_t>(manifest->size);
      out->created = manifest->created;
    }
    BW_TRY(auto tags, storage::TagsOf(tx, place.id));
    out->references.push_back({repository->name, digest, "", std::move(tags)});
    for (auto [kind, role] : {std::pair(storage::EdgeKind::kChild, "child"), std::pair(storage::EdgeKind::kSubject, "subject")}) {
      BW_CHECK(storage::EachReferencing(tx, place.repository, kind, digest,
                                        [&, role = role](storage::ManifestId, const Digest& by) {
                                          out->references.push_back({repository->name, by, role, {}});
                                          out->more_references = static_cast<std::int64_t>(out->references.size()) >= kShown;
                                          return !out->more_references;
                                        }));
    }
  }
  return out;
}

}  // namespace

std::string_view Name(storage::Fate fate) {
  switch (fate) {
    case storage::Fate::kReferenced: return "referenced";
    case storage::Fate::kLeased: return "leased";
    case storage::Fate::kUploading: return "uploading";
    case storage::Fate::kGrace: return "grace";
    case storage::Fate::kDue: return "due";
    case storage::Fate::kRemoved: return "being removed";
  }
  return "?";
}

// Ends the pass that its maker began.
class Collection::Turn {
 public:
  explicit Turn(Collection& owner) : owner_(owner) {}
  ~Turn() {
    {
      MutexLock lock(owner_.mutex_);
      owner_.busy_ = false;
    }
    owner_.changed_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Collection& owner_;
};

void Collection::Stop() {
  MutexLock lock(mutex_);
  stop_.request_stop();
  chore_.request_stop();
  changed_.notify_all();
}

std::optional<std::stop_token> Collection::BeginChore() {
  MutexLock lock(mutex_);
  // Files without a row are looked for once, whoever asks for passes meanwhile.
  while (!adopted_ && busy_ && !stop_.stop_requested()) changed_.wait(mutex_);
  if (busy_ || (adopted_ && waiting_ > 0) || stop_.stop_requested()) return std::nullopt;
  busy_ = true;
  chore_ = std::stop_source();
  return chore_.get_token();
}

bool Collection::WaitForTurn(Moment until) {
  MutexLock lock(mutex_);
  chore_.request_stop();
  ++waiting_;
  while (busy_ && !stop_.stop_requested())
    if (changed_.wait_until(mutex_, until) == std::cv_status::timeout) break;
  --waiting_;
  if (busy_) return false;
  busy_ = true;
  return true;
}

void Collection::AdoptOnce() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(adopted_, true)) return;  // a file that cannot be looked at must not keep the rest from being collected
  }
  auto report = collector_.AdoptOrphans(stop_.get_token());
  if (!report) LogError("collection: files without a row: " + report.error().message);
  else if (report->adopted > 0)
    LogInfo("collection: " + std::to_string(report->adopted) + " files without a row were adopted; they go in " +
            FormatDuration(limits::kBlobLease) + " unless a push takes them");
}

Status Collection::RunDue() {
  const auto stop = BeginChore();
  if (!stop) return {};
  const Turn turn(*this);
  AdoptOnce();
  BW_CHECK(collector_.Run({*stop}));
  return {};
}

Result<storage::CollectorReport> Collection::RunUntil(Moment end) {
  storage::CollectorReport nothing;
  nothing.complete = false;
  if (!WaitForTurn(end)) return nothing;
  const Turn turn(*this);
  return collector_.Run({stop_.get_token(), end});
}

Result<storage::CollectorReport> Collection::Run(const Caller& caller, std::chrono::milliseconds most) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "collection.run", kObject));
  auto report = RunUntil(std::chrono::steady_clock::now() + most);
  audit::Event event = service_.rights().Event(caller, "collection.run", std::string(kObject));
  event.outcome = report ? audit::Outcome::kDone : audit::Outcome::kFailed;
  event.reason = report ? Summary(*report) : report.error().message;
  Status recorded = service_.parts().database.Write([&](storage::Tx& tx) { return audit::Record(tx, event); });
  if (report && !recorded) return std::move(recorded).error();
  return report;
}

Result<storage::CollectionPreview> Collection::Preview(const Caller& caller) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "collection.preview", kObject));
  return service_.parts().database.Read([&](const storage::ReadTx& tx) {
    return storage::PreviewCollection(tx, service_.parts().clock.Now(), kShown);
  });
}

Result<KeptBecause> Collection::Why(const Caller& caller, const Digest& digest) {
  BW_CHECK(service_.rights().RequireAnywhere(caller, Verb::kAdmin, "collection.why", digest.str()));
  return service_.parts().database.Read([&](const storage::ReadTx& tx) -> Result<KeptBecause> {
    BW_TRY(auto holds, storage::WhyKept(tx, digest, service_.parts().clock.Now(), kShown));
    if (holds) return Explain(tx, digest, *holds);
    BW_TRY(auto manifest, ExplainManifest(tx, digest));
    if (manifest) return *std::move(manifest);
    return Error{Errc::kNotFound, "neither a blob nor a manifest " + digest.str() + " is here"};
  });
}

}  // namespace bulwark::service
