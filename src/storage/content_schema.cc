// The tables of content.h, uploads.h and collector.h. docs/formats/database.md explains them. Digests are text
// ("sha256:…"), times are signed milliseconds since 1970, ids are never re-used.

#include "storage/content.h"

namespace bulwark::storage {
namespace {

constexpr Migration kMigrations[] = {
    {"storage", 1, R"sql(
CREATE TABLE projects (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  created INTEGER NOT NULL
) STRICT;

-- name is null from deletion until the collector has removed the rows that hang on the repository.
CREATE TABLE repositories (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  name TEXT UNIQUE,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX repositories_project ON repositories(project_id, name);
CREATE INDEX repositories_deleted ON repositories(id) WHERE name IS NULL;

-- A row that is not dead promises a durable file.
CREATE TABLE blobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  domain INTEGER NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
  dead INTEGER NOT NULL DEFAULT 0,
  UNIQUE (digest, domain)
) STRICT;
CREATE INDEX blobs_dead ON blobs(id) WHERE dead = 1;

CREATE TABLE manifests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repositories(id),
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  artifact_type TEXT NOT NULL,
  config_media_type TEXT NOT NULL,
  annotations TEXT NOT NULL,
  subject TEXT,
  size INTEGER NOT NULL,
  created INTEGER NOT NULL,
  pushed_by INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  UNIQUE (repository_id, digest)
) STRICT;
CREATE INDEX manifests_page ON manifests(repository_id, id);
CREATE INDEX manifests_subject ON manifests(repository_id, subject, id) WHERE subject IS NOT NULL;

CREATE TABLE tags (
  repository_id INTEGER NOT NULL REFERENCES repositories(id),
  name TEXT NOT NULL,
  manifest_id INTEGER NOT NULL REFERENCES manifests(id),
  updated INTEGER NOT NULL,
  PRIMARY KEY (repository_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_manifest ON tags(manifest_id);

-- kind: 1 blob, 2 child, 3 subject. size: null where the descriptor's was not recorded.
CREATE TABLE edges (
  manifest_id INTEGER NOT NULL REFERENCES manifests(id),
  kind INTEGER NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER,
  repository_id INTEGER NOT NULL REFERENCES repositories(id),
  PRIMARY KEY (manifest_id, kind, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX edges_target ON edges(digest, repository_id, kind, manifest_id);
CREATE INDEX edges_repository ON edges(repository_id);

-- has_bytes: the principal sent or mounted the bytes, and may read them back while no manifest refers to them.
CREATE TABLE leases (
  repository_id INTEGER NOT NULL REFERENCES repositories(id),
  digest TEXT NOT NULL,
  principal_id INTEGER NOT NULL,
  until INTEGER NOT NULL,
  has_bytes INTEGER NOT NULL,
  PRIMARY KEY (repository_id, digest, principal_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_digest ON leases(digest, until);
CREATE INDEX leases_until ON leases(until);

CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  repository_id INTEGER NOT NULL REFERENCES repositories(id),
  principal_id INTEGER NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_principal ON uploads(principal_id);
CREATE INDEX uploads_repository ON uploads(repository_id);
CREATE INDEX uploads_expires ON uploads(expires);

-- A finishing upload's hold on a digest against the collector; no right of anybody.
CREATE TABLE reservations (
  digest TEXT NOT NULL,
  upload_id TEXT NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (digest, upload_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_until ON reservations(until);

-- Digests that may have lost their last edge or lease; the collector looks at them from `since` on.
CREATE TABLE loose_blobs (
  digest TEXT PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX loose_blobs_since ON loose_blobs(since);

CREATE TABLE pulls (
  repository_id INTEGER NOT NULL REFERENCES repositories(id),
  digest TEXT NOT NULL,
  principal_id INTEGER NOT NULL,
  day INTEGER NOT NULL,
  count INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (repository_id, digest, principal_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX pulls_last ON pulls(repository_id, last);
)sql"},
    {"storage", 2, R"sql(
-- What a sparse manifest names and its repository did not hold when it was pushed.
CREATE TABLE absent_blobs (
  repository_id INTEGER NOT NULL REFERENCES repositories(id),
  digest TEXT NOT NULL,
  manifest_id INTEGER NOT NULL REFERENCES manifests(id),
  size INTEGER,
  PRIMARY KEY (repository_id, digest, manifest_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX absent_blobs_manifest ON absent_blobs(manifest_id);
)sql"},
};

}  // namespace

std::span<const Migration> ContentMigrations() { return kMigrations; }

}  // namespace bulwark::storage
