// How a request comes to a principal, and what that principal may do.
//
// Every refusal of a log-in (unknown, disabled, locked, wrong password) takes the same way through Verify: one look-up, one
// argon2 call, one answer. Rights are read when they are used; a token only narrows them.

#include <algorithm>

#include "auth/auth.h"
#include "auth/lockout.h"
#include "auth/login_cache.h"
#include "auth/password.h"
#include "auth/rights.h"
#include "auth/scope.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "crypto/hash.h"
#include "storage/names.h"

namespace bulwark::auth {
namespace {

constexpr std::size_t kTokenBytes = 32, kTokenCharacters = 43;

Error WrongLogin() { return {Errc::kUnauthenticated, "user name or password is wrong, or the account is locked"}; }
Error WrongToken() { return {Errc::kUnauthenticated, "the token is unknown, expired or revoked"}; }

// RFC 4648 section 5, without padding.
std::string Base64Url(ByteSpan bytes) {
  std::string out = Base64Encode(AsText(bytes));
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  while (out.ends_with('=')) out.pop_back();
  return out;
}

Principal PrincipalOf(const User& user) {
  Principal out;
  out.kind = user.kind;
  out.id = user.id;
  out.name = user.name;
  out.must_change_password = user.must_change_password;
  return out;
}

bool ScopesHold(const std::vector<Scope>& scopes, Verb verb, std::string_view repository) {
  return std::any_of(scopes.begin(), scopes.end(), [&](const Scope& s) {
    return s.repository == repository && std::find(s.verbs.begin(), s.verbs.end(), verb) != s.verbs.end();
  });
}

struct Token {
  std::int64_t user_id = 0;
  std::vector<Scope> scopes;
  Time expires{};
};

Result<std::optional<Token>> LoadToken(const storage::ReadTx& tx, const Digest& hash) {
  std::optional<Token> out;
  std::string scopes;
  BW_CHECK(tx.Each("SELECT user_id, scopes, expires FROM tokens WHERE hash = ?1", {hash.bytes()}, [&](const storage::Row& row) {
    scopes = row.Text(1);
    out = Token{row.Int(0), {}, row.TimeAt(2)};
    return false;
  }));
  if (out) {
    BW_TRY(out->scopes, DecodeScopes(scopes));
  }
  return out;
}

// Tokens seen within limits::kRightsLease. Any thread.
class TokenCache {
 public:
  TokenCache(storage::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  Result<std::optional<Token>> Of(const Digest& hash) {
    Time now = clock_.Now();
    std::uint64_t generation = 0;
    {
      MutexLock lock(mutex_);
      auto found = entries_.find(hash);
      if (found != entries_.end() && now >= found->second.loaded && now - found->second.loaded < limits::kRightsLease) {
        return std::optional(found->second.token);
      }
      generation = generation_;
    }
    BW_TRY(auto token, database_.Read([&](const storage::ReadTx& tx) { return LoadToken(tx, hash); }));
    MutexLock lock(mutex_);
    if (token && generation == generation_) {  // unknown ones are not kept: they are an attacker's to invent
      if (entries_.size() >= limits::kCachedLogins) entries_.clear();
      entries_.insert_or_assign(hash, Entry{*token, now});
    }
    return token;
  }
  std::optional<Token> AtHand(const Digest& hash) {
    Time now = clock_.Now();
    MutexLock lock(mutex_);
    auto found = entries_.find(hash);
    if (found == entries_.end() || now < found->second.loaded || now - found->second.loaded >= limits::kRightsLease) return std::nullopt;
    return found->second.token;
  }
  void Forget() {
    MutexLock lock(mutex_);
    ++generation_;
    entries_.clear();
  }

 private:
  struct Entry {
    Token token;
    Time loaded{};
  };
  storage::Database& database_;
  const Clock& clock_;
  Mutex mutex_;
  std::uint64_t generation_ BW_GUARDED_BY(mutex_) = 0;
  std::unordered_map<Digest, Entry> entries_ BW_GUARDED_BY(mutex_);
};

class DatabaseAuthenticator final : public Authenticator {
 public:
  DatabaseAuthenticator(storage::Database& database, const Clock& clock)
      : database_(database), clock_(clock), rights_(database, clock), tokens_(database, clock), lockout_(limits::kLockoutEntries) {}

  Result<Principal> Password(std::string_view user, std::string_view password, std::string_view remote) override {
    const bool signs = user.ends_with(kSignSuffix);
    if (signs) user.remove_suffix(kSignSuffix.size());
    auto principal = LogIn(user, password, remote);
    if (principal.ok()) principal->signs = signs;
    return principal;
  }

  Result<Principal> LogIn(std::string_view user, std::string_view password, std::string_view remote) {
    // Names that no account can have share one account here, and cost what the others cost.
    std::string account = NormaliseUserName(user).value_or("");
    std::string network = NetworkOf(remote);
    Digest key = logins_.KeyOf(account, network, password);
    if (!lockout_.Locked(account, network, clock_.Now())) {
      BW_TRY(auto known, Known(key));
      if (known) return *std::move(known);
    }
    return logins_.Once(key, [&] { return Verify(account, network, password, key); });
  }

  Result<Principal> Bearer(std::string_view token) override {
    if (token.size() != kTokenCharacters) return WrongToken();
    BW_TRY(auto found, tokens_.Of(crypto::Sha256(AsBytes(token))));
    if (!found || clock_.Now() >= found->expires) return WrongToken();
    BW_TRY(auto rights, rights_.Of(found->user_id));
    if (!rights || rights->user.disabled) return WrongToken();
    Principal out = PrincipalOf(rights->user);
    out.scopes = std::move(found->scopes);
    return out;
  }

  std::optional<Principal> BearerAtHand(std::string_view token) override {
    if (token.size() != kTokenCharacters) return std::nullopt;
    auto found = tokens_.AtHand(crypto::Sha256(AsBytes(token)));
    if (!found || clock_.Now() >= found->expires) return std::nullopt;
    auto rights = rights_.AtHand(found->user_id);
    if (!rights || rights->user.disabled) return std::nullopt;
    Principal out = PrincipalOf(rights->user);
    out.scopes = std::move(found->scopes);
    return out;
  }

  bool AllowedAtHand(const Principal& principal, Verb verb, std::string_view repository) override {
    if (!principal.scopes || !ScopesHold(*principal.scopes, verb, repository)) return false;
    auto rights = rights_.AtHand(principal.id);
    return rights && !rights->user.disabled && !rights->user.must_change_password && rights->Holds(verb, repository);
  }

  Result<IssuedToken> Issue(const Principal& principal, const std::vector<std::string>& scopes) override {
    BW_TRY(auto asked, ParseScopes(scopes));
    if (principal.signs) AddSign(asked);  // what is not held goes with the rest below
    BW_TRY(auto rights, RightsOf(principal));
    if (!rights) return Error{Errc::kUnauthenticated, "tokens are given to accounts only"};
    if (rights->user.must_change_password) return Error{Errc::kDenied, "set a new password first"};
    IssuedToken out;
    out.granted = Intersect(std::move(asked), principal, *rights);
    out.token = Base64Url(crypto::RandomBytes(kTokenBytes));
    Time now = clock_.Now();
    out.expires = now + limits::kTokenLifetime;
    Digest hash = crypto::Sha256(AsBytes(out.token));
    std::string stored = EncodeScopes(out.granted);
    BW_CHECK(database_.Write([&](storage::Tx& tx) -> Status {
      BW_CHECK(tx.Exec("DELETE FROM tokens WHERE expires <= ?1", {now}));
      // Who asks without end pushes out his own: tokens never fill the disk, nor lock their owner out.
      BW_TRY(auto live, tx.Int("SELECT COUNT(*) FROM tokens WHERE user_id = ?1", {rights->user.id}));
      const std::int64_t excess = live.value_or(0) + 1 - static_cast<std::int64_t>(limits::kTokensPerUser);
      if (excess > 0)
        BW_CHECK(tx.Exec("DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE user_id = ?1 ORDER BY expires LIMIT ?2)",
                         {rights->user.id, excess}));
      BW_CHECK(tx.Exec("INSERT INTO tokens (hash, user_id, scopes, expires) VALUES (?1, ?2, ?3, ?4)",
                       {hash.bytes(), rights->user.id, stored, out.expires}));
      return {};
    }));
    return out;
  }

  Result<bool> Allowed(const Principal& principal, Verb verb, std::string_view repository) override {
    if (principal.kind == PrincipalKind::kSystem) return true;
    // Globs are over names of repositories only: "team-a/../team-b/x" fits "team-a/**".
    if (!storage::RepoName::Parse(repository).ok()) return false;
    if (principal.scopes && !ScopesHold(*principal.scopes, verb, repository)) return false;
    BW_TRY(auto rights, RightsOf(principal));
    return rights && !rights->user.must_change_password && rights->Holds(verb, repository);
  }

  Result<bool> AllowedAnywhere(const Principal& principal, Verb verb) override {
    if (principal.kind == PrincipalKind::kSystem) return true;
    if (principal.scopes) return false;
    BW_TRY(auto rights, RightsOf(principal));
    return rights && !rights->user.must_change_password && rights->HoldsEverywhere(verb);
  }

  Result<bool> AllowedThroughout(const Principal& principal, Verb verb, std::string_view glob) override {
    if (principal.kind == PrincipalKind::kSystem) return true;
    if (principal.scopes) return false;
    BW_TRY(auto rights, RightsOf(principal));
    return rights && !rights->user.must_change_password && rights->HoldsThroughout(verb, glob);
  }

  void Forget() override {
    rights_.Forget();
    tokens_.Forget();
    logins_.Forget();
  }

 private:
  // Null: anonymous, gone or disabled.
  Result<std::shared_ptr<const Rights>> RightsOf(const Principal& principal) {
    std::shared_ptr<const Rights> none;
    if (principal.id <= 0 || principal.kind == PrincipalKind::kAnonymous || principal.kind == PrincipalKind::kSystem) return none;
    BW_TRY(auto rights, rights_.Of(principal.id));
    return rights && !rights->user.disabled ? rights : none;
  }

  // The principal of a credential that was verified within limits::kLoginCache and still is the account's.
  Result<std::optional<Principal>> Known(const Digest& key) {
    std::optional<Principal> none;
    auto login = logins_.Find(key, clock_.Now());
    if (!login) return none;
    BW_TRY(auto rights, rights_.Of(login->user_id));
    if (!rights || rights->user.disabled || rights->password_hash != login->password_hash) return none;
    return std::optional(PrincipalOf(rights->user));
  }

  Result<Principal> Verify(const std::string& account, const std::string& network, std::string_view password, const Digest& key) {
    std::uint64_t generation = logins_.generation();
    bool may_try = lockout_.Begin(account, network, clock_.Now());
    auto rights = database_.Read([&](const storage::ReadTx& tx) { return LoadRightsByName(tx, account); });
    if (!rights.ok()) {
      if (may_try) lockout_.Withdraw(account, network);
      return rights.error();
    }
    bool usable = *rights && !(*rights)->user.disabled && !(*rights)->password_hash.empty();
    auto fits = VerifyPassword(usable ? std::string_view((*rights)->password_hash) : NobodysHash(), password);
    if (!fits.ok() && fits.error().code == Errc::kUnavailable) {
      if (may_try) lockout_.Withdraw(account, network);
      return fits.error();
    }
    if (!fits.ok()) LogError("log-in: " + fits.error().message);
    if (!may_try || !usable || !fits.ok() || !*fits) return WrongLogin();
    lockout_.Succeeded(account, network);
    logins_.Insert(key, {(*rights)->user.id, (*rights)->password_hash, clock_.Now() + limits::kLoginCache}, generation);
    return PrincipalOf((*rights)->user);
  }

  static std::vector<Scope> Intersect(std::vector<Scope> asked, const Principal& principal, const Rights& rights) {
    for (Scope& scope : asked) {
      if (scope.repository == kCatalogScope) {  // a list of what the account may pull: its rights say what that is
        if (!principal.lists_catalog()) scope.verbs.clear();
        continue;
      }
      std::erase_if(scope.verbs, [&](Verb verb) {
        return !rights.Holds(verb, scope.repository) ||
               (principal.scopes && !ScopesHold(*principal.scopes, verb, scope.repository));
      });
    }
    std::erase_if(asked, [](const Scope& s) { return s.verbs.empty(); });
    return asked;
  }

  storage::Database& database_;
  const Clock& clock_;
  RightsCache rights_;
  TokenCache tokens_;
  LoginCache logins_;
  Lockout lockout_;
};

}  // namespace

std::unique_ptr<Authenticator> MakeAuthenticator(storage::Database& database, const Clock& clock) {
  return std::make_unique<DatabaseAuthenticator>(database, clock);
}

}  // namespace bulwark::auth
