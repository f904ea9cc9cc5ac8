#include "service/inputs.h"

#include <algorithm>

#include "base/strings.h"
#include "crypto/hash.h"
#include "service/index_change.h"

namespace bulwark::service {
namespace {

constexpr int kIndexAttempts = 5;

std::string ShortHash(const std::string& text) { return crypto::Sha256(AsBytes(text)).hex().substr(0, 16); }

Result<std::vector<policy::Policy>> LoadPolicies(const storage::ReadTx& tx,
                                                 const std::vector<policy::Policy>& configured) {
  std::vector<policy::Policy> out = configured;
  auto has = [&](std::string_view name) {
    return std::any_of(out.begin(), out.end(), [&](const policy::Policy& p) { return p.name == name; });
  };
  bool default_replaced = has("default");
  Status parsed;
  BW_CHECK(tx.Each("SELECT name, enabled, yaml FROM policies ORDER BY name", {}, [&](const storage::Row& row) {
    if (row.Text(0) == "default") default_replaced = true;
    if (row.Int(1) == 0 || has(row.Text(0))) return true;
    auto policy = policy::ParsePolicy(row.Text(2));
    if (!policy) {
      parsed = Error{Errc::kCorrupt, "stored policy " + std::string(row.Text(0)) + ": " + policy.error().message};
      return false;
    }
    out.push_back(*std::move(policy));
    return true;
  }));
  BW_CHECK(parsed);
  if (!default_replaced) out.push_back(policy::DefaultPolicy());
  return out;
}

Result<std::vector<policy::Exception>> LoadExceptions(const storage::ReadTx& tx) {
  std::vector<policy::Exception> out;
  BW_CHECK(tx.Each(
      "SELECT id, vulnerability, package, repository, reference, reason, note, author, approver, approved, expires "
      "FROM exceptions WHERE approved <> 0 AND revoked = 0 ORDER BY id",
      {}, [&](const storage::Row& row) {
        out.push_back({row.Int(0), std::string(row.Text(1)), std::string(row.Text(2)), std::string(row.Text(3)),
                       std::string(row.Text(4)), std::string(row.Text(5)), std::string(row.Text(6)),
                       std::string(row.Text(7)), std::string(row.Text(8)), row.TimeAt(9), row.TimeAt(10)});
        return true;
      }));
  return out;
}

}  // namespace

std::vector<policy::Exception> Inputs::ExceptionsFor(const std::string& repository,
                                                     const std::vector<std::string>& tags, const Digest& digest) const {
  std::vector<policy::Exception> out;
  for (const policy::Exception& exception : exceptions) {
    bool here = exception.reference == "*" || exception.reference == digest.str() ||
                std::find(tags.begin(), tags.end(), exception.reference) != tags.end();
    if (here && GlobMatch(exception.repository, repository)) out.push_back(exception);
  }
  return out;
}

std::string Inputs::PolicyRevision(const std::string& repository) const {
  std::vector<std::string> parts;
  for (const policy::Policy& policy : policies) {
    bool speaks = std::any_of(kPoints.begin(), kPoints.end(),
                              [&](policy::PointOfUse at) { return policy::Applies(policy, repository, at); });
    if (speaks) parts.push_back(policy.name + "@" + policy.revision);
  }
  std::sort(parts.begin(), parts.end());
  std::string all;
  for (const std::string& part : parts) all += part + "\n";
  return ShortHash(all);
}

std::string RevisionOf(const std::vector<policy::Exception>& exceptions) {
  if (exceptions.empty()) return "none";
  std::string all;
  for (const policy::Exception& exception : exceptions)
    all += std::to_string(exception.id) + " " + std::to_string(exception.expires.time_since_epoch().count()) + "\n";
  return ShortHash(all);
}

namespace {

// What a database was judged with besides itself: the file's policies and this program's own.
std::string RevisionOfConfigured(const std::vector<policy::Policy>& configured) {
  std::string all = "default@" + policy::DefaultPolicy().revision + "\n";
  for (const policy::Policy& policy : configured) all += policy.name + "@" + policy.revision + "\n";
  return ShortHash(all);
}

// Whether that was another one; then everything is judged again, and counts as unscanned until then.
Result<bool> TakeConfigured(storage::Tx& tx, const std::string& revision) {
  BW_TRY(auto judged_with, tx.Text("SELECT configured FROM judging WHERE id = 1", {}));
  if (judged_with == revision) return false;
  BW_CHECK(tx.Exec("UPDATE judging SET configured = ?1, policy_epoch = policy_epoch + 1 WHERE id = 1", {revision}));
  BW_CHECK(tx.Exec("UPDATE verdicts SET pending = ?1", {Pending::kPolicy}));
  return true;
}

}  // namespace

InputStore::InputStore(storage::Database& database, std::vector<policy::Policy> configured)
    : database_(database), configured_(std::move(configured)) {}

Status InputStore::Open(std::shared_ptr<const advisory::Index> index) {
  MutexLock lock(mutex_);
  std::string revision = index->revision();
  const std::string configured = RevisionOfConfigured(configured_);
  BW_CHECK(database_.Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(TakeConfigured(tx, configured));
    BW_TRY(Epochs before, CurrentEpochs(tx));
    if (before.data == revision) return {};
    // The file of before is not here to compare with: everything is judged again, old verdicts serve.
    BW_CHECK(tx.Exec("UPDATE judging SET data_revision = ?1 WHERE id = 1", {revision}));
    return MarkAffected(tx, std::nullopt);
  }));
  return Publish(std::move(index));
}

std::shared_ptr<const Inputs> InputStore::Current() const {
  MutexLock lock(mutex_);
  return current_;
}

std::vector<policy::Policy> InputStore::configured() const {
  MutexLock lock(mutex_);
  return configured_;
}

Result<bool> InputStore::Configure(std::vector<policy::Policy> configured,
                                   const std::function<Status(storage::Tx&)>& record) {
  MutexLock lock(mutex_);
  BW_TRY(bool changed, database_.Write([&](storage::Tx& tx) -> Result<bool> {
    BW_TRY(bool other, TakeConfigured(tx, RevisionOfConfigured(configured)));
    if (other) BW_CHECK(record(tx));
    return other;
  }));
  if (!changed) return false;
  configured_ = std::move(configured);
  BW_CHECK(Publish(current_->index));
  return true;
}

Status InputStore::ChangePolicies(const std::function<Status(storage::Tx&)>& change) {
  return Change("UPDATE judging SET policy_epoch = policy_epoch + 1 WHERE id = 1", change);
}

Status InputStore::ChangeExceptions(const std::function<Status(storage::Tx&)>& change) {
  return Change("UPDATE judging SET exception_epoch = exception_epoch + 1 WHERE id = 1", change);
}

Status InputStore::Change(std::string_view raise, const std::function<Status(storage::Tx&)>& change) {
  MutexLock lock(mutex_);
  BW_CHECK(database_.Write([&](storage::Tx& tx) -> Status {
    BW_CHECK(tx.Exec(raise));
    return change(tx);
  }));
  return Publish(current_->index);
}

Status InputStore::ChangeIndex(std::shared_ptr<const advisory::Index> index,
                               const std::function<Status(storage::Tx&)>& record) {
  const std::string revision = index->revision();
  for (int attempt = 0; attempt < kIndexAttempts; ++attempt) {
    const std::shared_ptr<const advisory::Index> before = Current()->index;
    auto affected = AffectedKeys(*before, *index);
    MutexLock lock(mutex_);
    if (current_->index != before) continue;  // another file came meanwhile: the difference is not to that one
    BW_CHECK(database_.Write([&](storage::Tx& tx) -> Status {
      BW_CHECK(tx.Exec("UPDATE judging SET data_revision = ?1 WHERE id = 1", {revision}));
      BW_CHECK(MarkAffected(tx, affected));
      return record(tx);
    }));
    return Publish(std::move(index));
  }
  return {Errc::kConflict, "the advisory data changes faster than it can be compared"};
}

Status InputStore::Publish(std::shared_ptr<const advisory::Index> index) {
  auto next = std::make_shared<Inputs>();
  const std::vector<policy::Policy> configured = configured_;
  BW_CHECK(database_.Read([&](const storage::ReadTx& tx) -> Status {
    BW_TRY(next->epochs, CurrentEpochs(tx));
    BW_TRY(next->policies, LoadPolicies(tx, configured));
    BW_TRY(next->exceptions, LoadExceptions(tx));
    return {};
  }));
  next->index = std::move(index);
  current_ = std::move(next);
  return {};
}

}  // namespace bulwark::service
