// Digests are text ("sha256:…"), times are milliseconds since 1970, enumerations the numbers of their C++ types.

#include "service/tables.h"

namespace bulwark::service {
namespace {

constexpr storage::Migration kMigrations[] = {
    {"service", 1, R"sql(
-- What was read from one layer blob (DESIGN 2.8); the newest complete versions win.
CREATE TABLE layer_records (
  digest TEXT NOT NULL,
  set_version INTEGER NOT NULL,
  limits_version INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (digest, set_version, limits_version)
) STRICT;

-- What one manifest holds: a function of its bytes, its layer records and its config.
CREATE TABLE image_facts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  digest TEXT NOT NULL UNIQUE,
  kind INTEGER NOT NULL,
  artifact_type TEXT NOT NULL,
  platform TEXT NOT NULL,
  set_version INTEGER NOT NULL,
  limits_version INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  revision TEXT NOT NULL,
  inventory BLOB NOT NULL
) STRICT;

-- Reverse index for new advisories (DESIGN 2.11): hash of a package key -> images. Derived; rebuilt with image_facts.
CREATE TABLE package_images (
  package_key INTEGER NOT NULL,
  image INTEGER NOT NULL,
  PRIMARY KEY (package_key, image)
) STRICT;
CREATE INDEX package_images_image ON package_images (image);

-- One row a stored manifest: who brought it, whether it is held back, what was found.
CREATE TABLE subjects (
  repository INTEGER NOT NULL,
  digest TEXT NOT NULL,
  kind INTEGER NOT NULL,
  pushed_by INTEGER NOT NULL,
  pushed INTEGER NOT NULL,
  quarantined INTEGER NOT NULL,
  evidence INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  summary TEXT NOT NULL,
  PRIMARY KEY (repository, digest)
) STRICT;
CREATE INDEX subjects_digest ON subjects (digest);

-- DESIGN 2.1.
CREATE TABLE verdicts (
  repository INTEGER NOT NULL,
  digest TEXT NOT NULL,
  point INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  decision TEXT NOT NULL,
  facts_revision TEXT NOT NULL,
  data_revision TEXT NOT NULL,
  policy_revision TEXT NOT NULL,
  trust_revision TEXT NOT NULL,
  exceptions_revision TEXT NOT NULL,
  findings_revision TEXT NOT NULL,
  as_of INTEGER NOT NULL,
  valid_until INTEGER NOT NULL,
  held_until INTEGER NOT NULL,
  denied_since INTEGER,
  pending INTEGER NOT NULL,
  PRIMARY KEY (repository, digest, point)
) STRICT;
CREATE INDEX verdicts_pending ON verdicts (pending) WHERE pending <> 0;
CREATE INDEX verdicts_due ON verdicts (valid_until);
CREATE INDEX verdicts_digest ON verdicts (digest);

-- The one row that says on what verdicts are judged now; a judge that finds it changed starts anew.
CREATE TABLE judging (
  id INTEGER PRIMARY KEY,
  policy_epoch INTEGER NOT NULL,
  exception_epoch INTEGER NOT NULL,
  data_revision TEXT NOT NULL,
  configured TEXT NOT NULL
) STRICT;
INSERT INTO judging (id, policy_epoch, exception_epoch, data_revision, configured) VALUES (1, 0, 0, '', '');

CREATE TABLE policies (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  yaml TEXT NOT NULL,
  revision TEXT NOT NULL,
  changed INTEGER NOT NULL,
  changed_by TEXT NOT NULL
) STRICT;
CREATE TABLE policy_versions (
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  yaml TEXT NOT NULL,
  changed INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  PRIMARY KEY (name, version)
) STRICT;

CREATE TABLE exceptions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  vulnerability TEXT NOT NULL,
  package TEXT NOT NULL,
  repository TEXT NOT NULL,
  reference TEXT NOT NULL,
  reason TEXT NOT NULL,
  note TEXT NOT NULL,
  author_id INTEGER NOT NULL,
  author TEXT NOT NULL,
  approver_id INTEGER NOT NULL,
  approver TEXT NOT NULL,
  created INTEGER NOT NULL,
  approved INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  revoked INTEGER NOT NULL
) STRICT;

-- Children of an index that were proven to be attestations of a sibling (DESIGN 2.3); a function of the bytes alone.
CREATE TABLE attestations (
  index_digest TEXT NOT NULL,
  child TEXT NOT NULL,
  PRIMARY KEY (index_digest, child)
) STRICT;

-- Reported through the API to be running (DESIGN 2.23).
CREATE TABLE running_reports (
  repository INTEGER NOT NULL,
  digest TEXT NOT NULL,
  principal INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (repository, digest, principal)
) STRICT;

-- Work that survives a restart; a worker takes a job by a lease.
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  priority INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  problem TEXT NOT NULL,
  UNIQUE (kind, key)
) STRICT;
CREATE INDEX jobs_due ON jobs (not_before, priority);
)sql"},
};

}  // namespace

std::span<const storage::Migration> Migrations() { return kMigrations; }

std::vector<std::string_view> QuietTables() {
  return {"audit", "blobs", "jobs", "layer_records", "leases", "loose_blobs", "package_images", "pulls", "reservations",
          "running_reports", "tokens", "uploads"};
}

}  // namespace bulwark::service
