#include "auth/scope.h"

#include <algorithm>

#include "base/limits.h"
#include "base/strings.h"
#include "storage/names.h"

namespace bulwark::auth {
namespace {

constexpr std::size_t kUserNameBytes = 64;
constexpr Verb kLastVerb = Verb::kAdmin;

std::vector<Verb> VerbsOfAction(std::string_view action) {
  if (action == "push") return {Verb::kPush, Verb::kCreate, Verb::kSign, Verb::kPullBlocked};
  if (action == "*") {
    std::vector<Verb> all;
    for (int v = 0; v <= static_cast<int>(kLastVerb); ++v) all.push_back(static_cast<Verb>(v));
    return all;
  }
  if (auto verb = ParseVerb(action)) return {*verb};
  return {};
}

void AddVerb(std::vector<Verb>& verbs, Verb verb) {
  auto at = std::lower_bound(verbs.begin(), verbs.end(), verb);
  if (at == verbs.end() || *at != verb) verbs.insert(at, verb);
}

Scope& ScopeOf(std::vector<Scope>& scopes, std::string_view repository) {
  auto at = std::find_if(scopes.begin(), scopes.end(), [&](const Scope& s) { return s.repository == repository; });
  if (at != scopes.end()) return *at;
  return scopes.emplace_back(Scope{std::string(repository), {}});
}

void AddScope(std::vector<Scope>& scopes, std::string_view part) {
  constexpr std::string_view kType = "repository:", kCatalog = "registry:catalog:";
  if (part.starts_with(kCatalog)) {  // the action is "*"; there is one thing to do with a catalog
    const auto actions = Split(part.substr(kCatalog.size()), ',');
    if (std::find(actions.begin(), actions.end(), "*") != actions.end()) AddVerb(ScopeOf(scopes, kCatalogScope).verbs, Verb::kPull);
    return;
  }
  if (!part.starts_with(kType)) return;
  part.remove_prefix(kType.size());
  std::size_t colon = part.rfind(':');
  if (colon == std::string_view::npos) return;
  std::string_view repository = part.substr(0, colon);
  if (!storage::RepoName::Parse(repository).ok()) return;
  Scope& scope = ScopeOf(scopes, repository);
  for (std::string_view action : Split(part.substr(colon + 1), ',')) {
    for (Verb verb : VerbsOfAction(action)) AddVerb(scope.verbs, verb);
  }
}

bool IsGlobComponent(std::string_view component) {
  if (component.empty() || component == "." || component == "..") return false;
  if (component == "**") return true;
  return component.find("**") == std::string_view::npos &&
         std::all_of(component.begin(), component.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '?' || c == '*';
         });
}

}  // namespace

Result<std::vector<Scope>> ParseScopes(const std::vector<std::string>& asked) {
  std::vector<Scope> scopes;
  std::size_t parts = 0;
  for (const std::string& text : asked) {
    for (std::string_view part : Split(text, ' ')) {
      if (part.empty()) continue;
      if (++parts > limits::kTokenScopes) return {Errc::kLimit, "more than 64 scopes asked for"};
      if (part.size() > limits::kScopeBytes) return {Errc::kInvalid, "a scope is longer than 1024 bytes"};
      if (std::any_of(part.begin(), part.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; })) {
        return {Errc::kInvalid, "a scope holds a character that is not printable ASCII"};
      }
      AddScope(scopes, part);
    }
  }
  std::erase_if(scopes, [](const Scope& s) { return s.verbs.empty(); });
  return scopes;
}

void AddSign(std::vector<Scope>& scopes) {
  for (Scope& scope : scopes)
    if (scope.repository != kCatalogScope) AddVerb(scope.verbs, Verb::kSign);
}

std::string EncodeScopes(const std::vector<Scope>& scopes) {
  std::string out;
  for (const Scope& scope : scopes) {
    if (!out.empty()) out.push_back(' ');
    out.append(scope.repository).push_back(':');
    for (std::size_t i = 0; i < scope.verbs.size(); ++i) {
      if (i > 0) out.push_back(',');
      out.append(Name(scope.verbs[i]));
    }
  }
  return out;
}

Result<std::vector<Scope>> DecodeScopes(std::string_view stored) {
  std::vector<Scope> scopes;
  if (stored.empty()) return scopes;
  for (std::string_view part : Split(stored, ' ')) {
    std::size_t colon = part.find(':');
    if (colon == std::string_view::npos) return {Errc::kCorrupt, "the stored scopes of a token do not parse"};
    Scope scope{std::string(part.substr(0, colon)), {}};
    for (std::string_view name : Split(part.substr(colon + 1), ',')) {
      auto verb = ParseVerb(name);
      if (!verb) return {Errc::kCorrupt, "a stored scope names an unknown verb"};
      AddVerb(scope.verbs, *verb);
    }
    scopes.push_back(std::move(scope));
  }
  return scopes;
}

Status CheckRepositoryGlob(std::string_view glob) {
  auto components = Split(glob, '/');
  if (glob.size() <= limits::kNameBytes && std::all_of(components.begin(), components.end(), IsGlobComponent)) return {};
  return {Errc::kInvalid, "repositories of a grant are a pattern such as \"team-a/**\" or \"team-a/app\", lower case, with \"**\" only as a whole component"};
}

bool Covers(std::string_view outer, std::string_view inner) {
  if (outer == "**" || outer == inner) return true;
  if (!outer.ends_with("/**")) return false;
  // All that `inner` matches begins with what stands before its first wildcard.
  const std::string_view subtree = outer.substr(0, outer.size() - 2);  // "team-a/"
  return subtree.find_first_of("*?") == std::string_view::npos && inner.starts_with(subtree);
}

std::optional<std::string> NormaliseUserName(std::string_view name) {
  std::string out = ToLower(Trim(name));
  if (out.empty() || out.size() > kUserNameBytes) return std::nullopt;
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!plain(out[0]) || !std::all_of(out.begin(), out.end(), [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; })) {
    return std::nullopt;
  }
  return out;
}

}  // namespace bulwark::auth
