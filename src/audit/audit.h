#pragma once
// The audit log: what was done or refused, by whom, to what; written in the transaction of what it records (DESIGN 2.25).
// Rows are chained by hash; the full form (segments, sinks) comes later and keeps this table's meaning.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "storage/db/database.h"

namespace bulwark::audit {

enum class Outcome : std::uint8_t { kDone = 1, kRefused = 2, kFailed = 3 };

struct Event {
  std::int64_t sequence = 0;  // assigned by Record
  Time at{};
  std::string actor;          // principal name; "anonymous", "system"
  std::int64_t actor_id = 0;
  std::string action;         // "manifest.push", "manifest.pull", "user.create", "policy.change", … (docs/formats/audit.md lists them)
  std::string object;         // "project/app@sha256:…", "user:alice"
  Outcome outcome = Outcome::kDone;
  std::string reason;         // why refused, or what changed; never a secret
  std::string remote;         // address of the client's socket
};

std::span<const storage::Migration> Migrations();
// Appends; the hash of each row covers the one before it.
Status Record(storage::Tx& tx, Event event);
// Events after `after`, oldest first, at most `limit`.
Result<std::vector<Event>> List(const storage::ReadTx& tx, std::int64_t after, std::size_t limit);
// When the last event was, in the order of their numbers; nullopt: none yet. A clock before that goes wrong, or went.
Result<std::optional<Time>> LastTime(const storage::ReadTx& tx);
// Recomputes the chain: kCorrupt naming the first row that does not fit.
Status Verify(const storage::ReadTx& tx);

}  // namespace bulwark::audit
