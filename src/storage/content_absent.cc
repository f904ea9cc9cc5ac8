// Blobs that sparse manifests lack, of content.h.

#include "storage/content.h"
#include "storage/content_rows.h"

namespace bulwark::storage {

Status InsertAbsent(Tx& tx, RepositoryId repository, ManifestId manifest, const Edge& edge) {
  return Run(tx,
             "INSERT INTO absent_blobs (repository_id, digest, manifest_id, size) VALUES (?1, ?2, ?3, ?4) "
             "ON CONFLICT DO NOTHING",
             {repository, edge.digest.str(), manifest, edge.size ? Param(*edge.size) : Param(nullptr)});
}

Result<std::vector<Digest>> AbsentBlobs(const ReadTx& tx, RepositoryId repository, const Digest& manifest) {
  std::vector<Digest> out;
  BW_CHECK(EachRow(tx,
                   "SELECT a.digest FROM absent_blobs a JOIN manifests m ON m.id = a.manifest_id "
                   "WHERE m.repository_id = ?1 AND m.digest = ?2 ORDER BY a.digest",
                   {repository, manifest.str()}, [&](const Row& row) -> Result<bool> {
                     BW_TRY(Digest digest, StoredDigest(row.Text(0)));
                     out.push_back(digest);
                     return true;
                   }));
  return out;
}

Result<std::vector<Digest>> BlobArrived(Tx& tx, RepositoryId repository, const Digest& blob, Time now) {
  std::vector<Digest> completed;
  std::vector<ManifestId> manifests;
  BW_TRY(auto held, HeldBlobSize(tx, repository, blob, now));
  if (!held) return completed;
  BW_CHECK(EachRow(tx,
                   "SELECT m.id, m.digest FROM absent_blobs a JOIN manifests m ON m.id = a.manifest_id "
                   "WHERE a.repository_id = ?1 AND a.digest = ?2 AND (a.size IS NULL OR a.size = ?3)",
                   {repository, blob.str(), *held}, [&](const Row& row) -> Result<bool> {
                     BW_TRY(Digest manifest, StoredDigest(row.Text(1)));
                     manifests.push_back(ManifestId{row.Int(0)});
                     completed.push_back(manifest);
                     return true;
                   }));
  for (ManifestId manifest : manifests) {
    BW_CHECK(Run(tx,
                 "INSERT INTO edges (manifest_id, kind, digest, size, repository_id) VALUES (?1, ?2, ?3, ?4, ?5) "
                 "ON CONFLICT DO NOTHING",
                 {manifest, EdgeKind::kBlob, blob.str(), *held, repository}));
    BW_CHECK(Run(tx, "DELETE FROM absent_blobs WHERE repository_id = ?1 AND digest = ?2 AND manifest_id = ?3",
                 {repository, blob.str(), manifest}));
  }
  return completed;
}

}  // namespace bulwark::storage
