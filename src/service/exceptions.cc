#include "service/exceptions.h"

#include <algorithm>
#include <array>
#include <functional>

#include "audit/audit.h"
#include "base/limits.h"
#include "base/strings.h"
#include "service/inputs.h"
#include "service/rights.h"
#include "service/verdict_rows.h"

namespace bulwark::service {
namespace {

using auth::Verb;

// OpenVEX justifications, and the one for a risk that is taken knowingly.
constexpr std::array<std::string_view, 6> kReasons = {"component_not_present",
                                                      "vulnerable_code_not_present",
                                                      "vulnerable_code_not_in_execute_path",
                                                      "vulnerable_code_cannot_be_controlled_by_adversary",
                                                      "inline_mitigations_already_exist",
                                                      "risk_accepted"};

constexpr std::string_view kColumns =
    "SELECT id, vulnerability, package, repository, reference, reason, note, author, approver, created, expires, "
    "approved, revoked, author_id FROM exceptions ";

Status CheckText(std::string_view what, std::string_view text, std::size_t limit) {
  if (text.empty() || text.size() > limit || !IsUtf8(text))
    return {Errc::kInvalid, std::string(what) + ": 1 to " + std::to_string(limit) + " bytes of text"};
  bool control = std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control) return {Errc::kInvalid, std::string(what) + ": control characters"};
  return {};
}

Status Check(const policy::Exception& e, Time now) {
  BW_CHECK(CheckText("vulnerability", e.vulnerability, 128));
  BW_CHECK(CheckText("package", e.package, 512));
  BW_CHECK(CheckText("repository", e.repository, limits::kNameBytes));
  BW_CHECK(CheckText("reference", e.reference, 256));
  if (std::find(kReasons.begin(), kReasons.end(), e.reason) == kReasons.end())
    return {Errc::kInvalid, "reason: not a VEX justification or risk_accepted"};
  if (e.note.size() > 4096) return {Errc::kInvalid, "note: more than 4096 bytes"};
  if (e.reason == "risk_accepted") BW_CHECK(CheckText("note", e.note, 4096));
  if (e.expires == kNever || e.expires <= now) return {Errc::kInvalid, "expires: a date in the future is needed"};
  if (e.expires > now + limits::kExceptionLifetime)
    return {Errc::kInvalid, "expires: at most " + FormatDuration(limits::kExceptionLifetime) + " from now"};
  return {};
}

ExceptionState FromRow(const storage::Row& row) {
  ExceptionState out;
  out.exception = {row.Int(0),
                   std::string(row.Text(1)),
                   std::string(row.Text(2)),
                   std::string(row.Text(3)),
                   std::string(row.Text(4)),
                   std::string(row.Text(5)),
                   std::string(row.Text(6)),
                   std::string(row.Text(7)),
                   std::string(row.Text(8)),
                   row.TimeAt(9),
                   row.TimeAt(10)};
  if (row.Int(11) != 0) out.approved = row.TimeAt(11);
  if (row.Int(12) != 0) out.revoked = row.TimeAt(12);
  return out;
}

std::string ObjectOf(const policy::Exception& e) {
  return "exception:" + std::to_string(e.id) + " " + e.vulnerability + " in " + e.package + " at " + e.repository +
         ":" + e.reference;
}

bool IsGlob(const std::string& repositories) { return repositories.find_first_of("*?") != std::string::npos; }

}  // namespace

struct Exceptions::Row {
  ExceptionState state;
  std::int64_t author_id = 0;
};

Result<Exceptions::Row> Exceptions::Find(const storage::ReadTx& tx, std::int64_t id) const {
  std::optional<Row> out;
  BW_CHECK(tx.Each(std::string(kColumns) + "WHERE id = ?1", {id}, [&](const storage::Row& row) {
    out = Row{FromRow(row), row.Int(13)};
    return false;
  }));
  if (!out) return Error{Errc::kNotFound, "no exception " + std::to_string(id)};
  return *std::move(out);
}

// What reaches several repositories needs the right on all, those to come included.
Result<bool> Exceptions::Holds(const Caller& caller, Verb verb, const std::string& repositories) {
  if (caller.principal.must_change_password) return false;
  if (IsGlob(repositories)) return service_.parts().authenticator.AllowedThroughout(caller.principal, verb, repositories);
  return service_.rights().Holds(caller.principal, verb, repositories);
}

Result<bool> Exceptions::Sees(const Caller& caller, const Row& row) {
  if (row.author_id == caller.principal.id && caller.principal.kind != auth::PrincipalKind::kAnonymous) return true;
  return Holds(caller, Verb::kReadReport, row.state.exception.repository);
}

Status Exceptions::RequireSight(const Caller& caller, const Row& row) {
  BW_TRY(bool sees, Sees(caller, row));
  if (!sees) return {Errc::kNotFound, "no exception " + std::to_string(row.state.exception.id)};
  return {};
}

Result<storage::Page<ExceptionState>> Exceptions::List(const Caller& caller, const storage::PageRequest& page) {
  auto after = page.after.empty() ? std::optional<std::uint64_t>(0) : ParseUint(page.after);
  if (!after || *after > INT64_MAX) return Error{Errc::kInvalid, "after: not a cursor of this list"};
  const std::size_t limit = std::clamp<std::size_t>(page.limit, 1, limits::kPageMaximum);
  storage::Page<ExceptionState> out;
  std::int64_t next = static_cast<std::int64_t>(*after);
  while (true) {  // a page at a time, until as many of them are the caller's to see
    std::vector<Row> rows;
    BW_CHECK(service_.parts().database.Read([&](const storage::ReadTx& tx) {
      rows.clear();
      return tx.Each(std::string(kColumns) + "WHERE id > ?1 ORDER BY id LIMIT ?2", {next, limits::kPageMaximum},
                     [&](const storage::Row& row) {
                       rows.push_back({FromRow(row), row.Int(13)});
                       return true;
                     });
    }));
    for (Row& row : rows) {
      next = row.state.exception.id;
      BW_TRY(bool visible, Sees(caller, row));
      if (!visible) continue;
      if (out.items.size() == limit) {
        out.next = std::to_string(out.items.back().exception.id);
        return out;
      }
      out.items.push_back(std::move(row.state));
    }
    if (rows.size() < limits::kPageMaximum) return out;
  }
}

Status Exceptions::Change(const Caller& caller, const policy::Exception& exception, const std::string& action,
                          const std::function<Status(storage::Tx&)>& change) {
  BW_CHECK(service_.inputs().ChangeExceptions([&](storage::Tx& tx) -> Status {
    BW_CHECK(change(tx));
    storage::PageRequest page;
    page.limit = limits::kPageMaximum;
    while (true) {
      BW_TRY(auto repositories, storage::ListRepositories(tx, std::nullopt, page));
      for (const storage::Repository& repository : repositories.items)
        if (GlobMatch(exception.repository, repository.name))
          BW_CHECK(MarkRepositoryPending(tx, repository.id, Pending::kException));
      if (!repositories.next) break;
      page.after = *repositories.next;
    }
    return audit::Record(tx, service_.rights().Event(caller, action, ObjectOf(exception)));
  }));
  service_.Wake();
  return {};
}

Result<ExceptionState> Exceptions::Request(const Caller& caller, policy::Exception exception) {
  if (caller.principal.kind == auth::PrincipalKind::kAnonymous) return Error{Errc::kUnauthenticated, "log in first"};
  BW_TRY(bool may, Holds(caller, Verb::kRequestException, exception.repository));
  if (!may)
    return service_.rights().Refuse(caller, "exception.request", ObjectOf(exception),
                                    {Errc::kDenied, "DENIED: no right to ask for exceptions there"});
  exception.author = caller.principal.name;
  exception.approver.clear();
  exception.created = service_.parts().clock.Now();
  BW_CHECK(Check(exception, exception.created));
  BW_CHECK(service_.parts().database.Write([&](storage::Tx& tx)
                                               -> Status {  // nothing is in force yet: nothing to judge
    BW_CHECK(tx.Exec(
        "INSERT INTO exceptions (vulnerability, package, repository, reference, reason, note, author_id, author, "
        "approver_id, "
        "approver, created, approved, expires, revoked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, '', ?9, 0, ?10, 0)",
        {exception.vulnerability, exception.package, exception.repository, exception.reference, exception.reason,
         exception.note, caller.principal.id, exception.author, exception.created, exception.expires}));
    exception.id = tx.last_insert_id();
    return audit::Record(tx, service_.rights().Event(caller, "exception.request", ObjectOf(exception)));
  }));
  return ExceptionState{std::move(exception), std::nullopt, std::nullopt};
}

Result<ExceptionState> Exceptions::Approve(const Caller& caller, std::int64_t id) {
  BW_TRY(Row row, service_.parts().database.Read([&](const storage::ReadTx& tx) { return Find(tx, id); }));
  policy::Exception& exception = row.state.exception;
  BW_CHECK(RequireSight(caller, row));
  BW_TRY(bool may, Holds(caller, Verb::kApproveException, exception.repository));
  if (!may)
    return service_.rights().Refuse(caller, "exception.approve", ObjectOf(exception),
                                    {Errc::kDenied, "DENIED: no right to approve exceptions there"});
  if (row.author_id == caller.principal.id || EqualsIgnoreCase(exception.author, caller.principal.name))
    return service_.rights().Refuse(caller, "exception.approve", ObjectOf(exception),
                                    {Errc::kDenied, "DENIED: another person than the author approves"});
  Time now = service_.parts().clock.Now();
  if (row.state.revoked || exception.expires <= now)
    return Error{Errc::kConflict, "the exception is revoked or has expired"};
  if (row.state.approved) return row.state;
  exception.approver = caller.principal.name;
  row.state.approved = now;
  BW_CHECK(Change(caller, exception, "exception.approve", [&](storage::Tx& tx) -> Status {
    BW_TRY(std::int64_t changed, tx.Exec("UPDATE exceptions SET approver_id = ?1, approver = ?2, approved = ?3 WHERE "
                                         "id = ?4 AND revoked = 0 AND approved = 0",
                                         {caller.principal.id, exception.approver, now, id}));
    if (changed == 0) return {Errc::kConflict, "the exception was changed meanwhile"};
    return {};
  }));
  return row.state;
}

Status Exceptions::Revoke(const Caller& caller, std::int64_t id) {
  BW_TRY(Row row, service_.parts().database.Read([&](const storage::ReadTx& tx) { return Find(tx, id); }));
  const policy::Exception& exception = row.state.exception;
  BW_CHECK(RequireSight(caller, row));
  BW_TRY(bool may, Holds(caller, Verb::kApproveException, exception.repository));
  may = may || (row.author_id == caller.principal.id && caller.principal.kind != auth::PrincipalKind::kAnonymous);
  if (!may)
    return service_.rights().Refuse(caller, "exception.revoke", ObjectOf(exception),
                                    {Errc::kDenied, "DENIED: no right to revoke it"});
  return Change(caller, exception, "exception.revoke", [&](storage::Tx& tx) -> Status {
    BW_TRY(std::int64_t changed, tx.Exec("UPDATE exceptions SET revoked = ?1 WHERE id = ?2 AND revoked = 0",
                                         {service_.parts().clock.Now(), id}));
    if (changed == 0) return {Errc::kConflict, "the exception is revoked already"};
    return {};
  });
}

}  // namespace bulwark::service
