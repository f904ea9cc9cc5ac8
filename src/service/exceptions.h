#pragma once
// Accepted risks (DESIGN section 4): asked for by one person, approved by another, with an end.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "policy/facts.h"
#include "service/service.h"
#include "storage/content.h"

namespace bulwark::service {

struct ExceptionState {
  policy::Exception exception;  // approver empty: not in force
  std::optional<Time> approved, revoked;
};

class Exceptions {
 public:
  explicit Exceptions(Service& service) : service_(service) {}
  // Those the caller asked for or whose repositories he may read reports of; by id.
  Result<storage::Page<ExceptionState>> List(const Caller& caller, const storage::PageRequest& page);
  // `id`, author and dates are set here. kInvalid: no expiry, in the past or further than limits::kExceptionLifetime,
  // unknown reason code.
  Result<ExceptionState> Request(const Caller& caller, policy::Exception exception);
  // By another person than the author, with the right to approve there.
  Result<ExceptionState> Approve(const Caller& caller, std::int64_t id);
  // By its author or who may approve it.
  Status Revoke(const Caller& caller, std::int64_t id);

 private:
  struct Row;
  Result<Row> Find(const storage::ReadTx& tx, std::int64_t id) const;
  Result<bool> Sees(const Caller& caller, const Row& row);
  Status RequireSight(const Caller& caller, const Row& row);  // kNotFound, as for one that never was
  Result<bool> Holds(const Caller& caller, auth::Verb verb, const std::string& repositories);
  Status Change(const Caller& caller, const policy::Exception& exception, const std::string& action,
                const std::function<Status(storage::Tx&)>& change);
  Service& service_;
};

}  // namespace bulwark::service
