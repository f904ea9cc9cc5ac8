#pragma once
// Result<T>: a value or an Error. What can happen returns a Result; exceptions are for bugs and exhausted memory.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace bulwark {

// What kind of failure. http/errors.cc maps it to an HTTP status and an OCI code, cli/exit_code.cc to an exit code.
enum class Errc {
  kInvalid,          // the caller's input is malformed
  kNotFound,         // no such object, or the caller may not know of it
  kExists,           // an object of that name is there already
  kConflict,         // the state does not allow it now
  kUnauthenticated,  // no or wrong credentials
  kDenied,           // known caller without the right, or refused by policy
  kRange,            // an offset or range that does not fit
  kDigest,           // bytes do not have the digest that was promised
  kLimit,            // a limit of base/limits.h was reached
  kCorrupt,          // foreign or stored bytes that break their format
  kUnsupported,      // well-formed, but not something this program reads or does
  kUnavailable,      // a dependency is down or overloaded; trying again may help
  kIo,               // the operating system failed a file or socket operation
  kCancelled,        // stopped on request
  kInternal,         // a broken invariant; always a bug
};

std::string_view Name(Errc code);  // "invalid", "not found", …

// A failure. `message` says what was being done and to what, for a person; never a secret.
struct Error {
  Errc code = Errc::kInternal;
  std::string message;

  // The same error with "context: " put in front of its message.
  Error Wrap(std::string_view context) const;
};

// Value or Error. Reading the wrong one is a bug and aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}       // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}   // NOLINT
  Result(Errc code, std::string message) : state_(std::in_place_index<1>, Error{code, std::move(message)}) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }
  T value_or(T fallback) const& { return ok() ? value() : std::move(fallback); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT
  Result(Errc code, std::string message) : error_(Error{code, std::move(message)}) {}
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  void operator*() const {}
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace bulwark

#define BW_CAT2(a, b) a##b
#define BW_CAT(a, b) BW_CAT2(a, b)
#define BW_TRY_IMPL(tmp, decl, expr, ret)   \
  auto tmp = (expr);                        \
  if (!tmp.ok()) ret std::move(tmp).error(); \
  decl = *std::move(tmp)
#define BW_CHECK_IMPL(tmp, expr, ret) \
  if (auto tmp = (expr); !tmp.ok()) ret std::move(tmp).error()

// BW_TRY(auto x, F());  declares x from the value, or returns the error. A statement, not an expression.
#define BW_TRY(decl, expr) BW_TRY_IMPL(BW_CAT(bw_try_, __LINE__), decl, expr, return)
// BW_CHECK(F());  returns the error of a Result<void> (or drops a value that is not needed).
#define BW_CHECK(expr) BW_CHECK_IMPL(BW_CAT(bw_check_, __LINE__), expr, return)
// The same in coroutines.
#define BW_CO_TRY(decl, expr) BW_TRY_IMPL(BW_CAT(bw_try_, __LINE__), decl, expr, co_return)
#define BW_CO_CHECK(expr) BW_CHECK_IMPL(BW_CAT(bw_check_, __LINE__), expr, co_return)
