// Tags of content.h.

#include "storage/content.h"
#include "storage/content_rows.h"

namespace bulwark::storage {

Result<std::optional<Tag>> FindTag(const ReadTx& tx, RepositoryId repository, const TagName& name) {
  std::optional<Tag> found;
  BW_CHECK(EachRow(tx,
                   "SELECT t.name, m.digest, t.updated FROM tags t JOIN manifests m ON m.id = t.manifest_id "
                   "JOIN repositories r ON r.id = t.repository_id AND r.name IS NOT NULL "
                   "WHERE t.repository_id = ?1 AND t.name = ?2",
                   {repository, name.str()}, [&](const Row& row) -> Result<bool> {
                     BW_TRY(Digest digest, StoredDigest(row.Text(1)));
                     found = Tag{std::string(row.Text(0)), digest, row.TimeAt(2)};
                     return false;
                   }));
  return found;
}

Result<Page<Tag>> ListTags(const ReadTx& tx, RepositoryId repository, const PageRequest& request) {
  const std::int64_t limit = ClampedLimit(request);
  Page<Tag> page;
  BW_CHECK(EachRow(tx,
                   "SELECT t.name, m.digest, t.updated FROM tags t JOIN manifests m ON m.id = t.manifest_id "
                   "JOIN repositories r ON r.id = t.repository_id AND r.name IS NOT NULL "
                   "WHERE t.repository_id = ?1 AND t.name > ?2 ORDER BY t.name LIMIT ?3",
                   {repository, request.after, limit + 1}, [&](const Row& row) -> Result<bool> {
                     if (page.items.size() == static_cast<std::size_t>(limit)) {
                       page.next = page.items.back().name;
                       return false;
                     }
                     BW_TRY(Digest digest, StoredDigest(row.Text(1)));
                     page.items.push_back({std::string(row.Text(0)), digest, row.TimeAt(2)});
                     return true;
                   }));
  return page;
}

Result<std::vector<std::string>> TagsOf(const ReadTx& tx, ManifestId id) {
  std::vector<std::string> out;
  BW_CHECK(tx.Each("SELECT name FROM tags WHERE manifest_id = ?1 ORDER BY name", {id}, [&](const Row& row) {
    out.emplace_back(row.Text(0));
    return true;
  }));
  return out;
}

Result<std::optional<Digest>> SetTag(Tx& tx, RepositoryId repository, const TagName& name, const Digest& digest,
                                     Time now) {
  BW_TRY(auto manifest, FindManifest(tx, repository, digest));
  if (!manifest) return Error{Errc::kNotFound, "the repository has no manifest " + digest.str()};
  BW_TRY(auto before, FindTag(tx, repository, name));
  BW_CHECK(Run(
      tx,
      "INSERT INTO tags (repository_id, name, manifest_id, updated) VALUES (?1, ?2, ?3, ?4) "
      "ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id, updated = excluded.updated",
      {repository, name.str(), manifest->id, now}));
  return before ? std::optional(before->digest) : std::nullopt;
}

Result<Digest> DeleteTag(Tx& tx, RepositoryId repository, const TagName& name) {
  BW_TRY(auto there, FindTag(tx, repository, name));
  if (!there) return Error{Errc::kNotFound, "the repository has no tag " + name.str()};
  BW_CHECK(Run(tx, "DELETE FROM tags WHERE repository_id = ?1 AND name = ?2", {repository, name.str()}));
  return there->digest;
}

}  // namespace bulwark::storage
