// The hash of a row covers every field and the hash of the row before it (docs/formats/audit.md). Fields are framed by their
// length: no field can be read as part of another, so two different rows never have the same encoding.

#include "audit/audit.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/log.h"
#include "crypto/hash.h"

namespace bulwark::audit {
namespace {

constexpr std::string_view kContext = "bulwark audit row 1";  // a hash made here fits nowhere else
constexpr std::size_t kActionBytes = 64;

constexpr std::string_view kTable = R"sql(
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  actor_id INTEGER NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  outcome INTEGER NOT NULL,
  reason TEXT NOT NULL,
  remote TEXT NOT NULL,
  previous_hash BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
)sql";
constexpr std::string_view kColumns =
    "sequence, at, actor, actor_id, action, object, outcome, reason, remote, previous_hash, hash";

struct Link {
  std::int64_t sequence = 0;
  Digest hash;  // 32 zero bytes before the first row
};

void AddNumber(Bytes& out, std::int64_t number) {
  auto bits = static_cast<std::uint64_t>(number);
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<std::uint8_t>(bits >> shift));
}

void AddText(Bytes& out, std::string_view text) {
  AddNumber(out, static_cast<std::int64_t>(text.size()));
  out.insert(out.end(), text.begin(), text.end());
}

Digest HashOf(const Event& event, const Digest& previous) {
  Bytes bytes;
  AddText(bytes, kContext);
  AddText(bytes, AsText(previous.bytes()));
  AddNumber(bytes, event.sequence);
  AddNumber(bytes, event.at.time_since_epoch().count());
  AddText(bytes, event.actor);
  AddNumber(bytes, event.actor_id);
  AddText(bytes, event.action);
  AddText(bytes, event.object);
  AddNumber(bytes, static_cast<std::int64_t>(event.outcome));
  AddText(bytes, event.reason);
  AddText(bytes, event.remote);
  return crypto::Sha256(bytes);
}

Event ReadEvent(const storage::Row& row) {
  Event event;
  event.sequence = row.Int(0);
  event.at = row.TimeAt(1);
  event.actor = row.Text(2);
  event.actor_id = row.Int(3);
  event.action = row.Text(4);
  event.object = row.Text(5);
  event.outcome = static_cast<Outcome>(row.Int(6));
  event.reason = row.Text(7);
  event.remote = row.Text(8);
  return event;
}

Result<Link> LastLink(const storage::ReadTx& tx) {
  Link last;
  bool damaged = false;
  BW_CHECK(tx.Each("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1", {}, [&](const storage::Row& row) {
    damaged = row.Blob(1).size() != last.hash.bytes().size();
    if (!damaged) last = {row.Int(0), Digest::FromBytes(DigestAlgorithm::kSha256, row.Blob(1))};
    return false;
  }));
  if (damaged) return {Errc::kCorrupt, "the last audit row has no valid hash"};
  return last;
}

bool IsAction(std::string_view text) {
  return !text.empty() && text.size() <= kActionBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '_'; });
}

// Empty if the row follows `last`, else what is wrong with it.
std::string Misfit(const storage::Row& row, const Event& event, const Link& last) {
  if (event.sequence != last.sequence + 1) return fmt::format("is not preceded by row {}", event.sequence - 1);
  if (!std::ranges::equal(row.Blob(9), last.hash.bytes())) return "does not continue the row before it";
  if (!std::ranges::equal(row.Blob(10), HashOf(event, last.hash).bytes())) return "was changed";
  return {};
}

}  // namespace

std::span<const storage::Migration> Migrations() {
  static constexpr std::array<storage::Migration, 1> kMigrations = {{{"audit", 1, kTable}}};
  return kMigrations;
}

Status Record(storage::Tx& tx, Event event) {
  if (!IsAction(event.action)) return {Errc::kInternal, "audit action '" + Printable(event.action, kActionBytes) + "' is not a name"};
  // Parts of it come from clients; what is stored is what every reader may print.
  for (std::string* text : {&event.actor, &event.object, &event.reason, &event.remote}) {
    *text = Printable(*text, limits::kAuditFieldBytes);
  }
  BW_TRY(Link last, LastLink(tx));
  event.sequence = last.sequence + 1;
  Digest hash = HashOf(event, last.hash);
  BW_CHECK(tx.Exec("INSERT INTO audit (sequence, at, actor, actor_id, action, object, outcome, reason, remote, previous_hash, hash) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                   {event.sequence, event.at, event.actor, event.actor_id, event.action, event.object, event.outcome, event.reason,
                    event.remote, last.hash.bytes(), hash.bytes()}));
  return {};
}

Result<std::vector<Event>> List(const storage::ReadTx& tx, std::int64_t after, std::size_t limit) {
  std::vector<Event> out;
  std::string sql = fmt::format("SELECT {} FROM audit WHERE sequence > ?1 ORDER BY sequence LIMIT ?2", kColumns);
  BW_CHECK(tx.Each(sql, {after, std::min<std::uint64_t>(limit, limits::kPageMaximum)}, [&](const storage::Row& row) {
    out.push_back(ReadEvent(row));
    return true;
  }));
  return out;
}

Result<std::optional<Time>> LastTime(const storage::ReadTx& tx) {
  std::optional<Time> last;
  BW_CHECK(tx.Each("SELECT at FROM audit ORDER BY sequence DESC LIMIT 1", {}, [&](const storage::Row& row) {
    last = row.TimeAt(0);
    return false;
  }));
  return last;
}

Status Verify(const storage::ReadTx& tx) {
  Link last;
  std::string misfit;
  BW_CHECK(tx.Each(fmt::format("SELECT {} FROM audit ORDER BY sequence", kColumns), {}, [&](const storage::Row& row) {
    Event event = ReadEvent(row);
    misfit = Misfit(row, event, last);
    if (!misfit.empty()) {
      misfit = fmt::format("audit row {} {}", event.sequence, misfit);
      return false;
    }
    last = {event.sequence, Digest::FromBytes(DigestAlgorithm::kSha256, row.Blob(10))};
    return true;
  }));
  if (!misfit.empty()) return {Errc::kCorrupt, std::move(misfit)};
  return {};
}

}  // namespace bulwark::audit
