#include "remote/credentials.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/object.hpp>

#include "base/byte_source.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "formats/json.h"

extern char** environ;

namespace bulwark::remote {
namespace {

constexpr std::size_t kHelperInput = 32 << 10;     // fits a pipe: nobody has to read while it is written
constexpr std::size_t kHelperSentence = 500;
constexpr std::chrono::seconds kHelperPatience{60};

Result<std::optional<Credentials>> FromAuth(const formats::json::object& entry) {
  BW_TRY(auto auth, formats::JsonOptionalString(entry, "auth"));
  if (!auth || auth->empty()) return std::optional<Credentials>();
  auto text = Base64Decode(*auth);
  auto colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return Error{Errc::kInvalid, "an `auth` entry is not base64 of user:password"};
  return std::optional<Credentials>({text->substr(0, colon), text->substr(colon + 1)});
}

Result<std::optional<Credentials>> FromHelper(const std::string& name, const std::string& host, const CredentialHelper& helper) {
  BW_CHECK(CheckHelperName(name));
  auto answer = helper(name, CredentialKey(host));
  if (!answer) return answer.error().code == Errc::kNotFound ? Result<std::optional<Credentials>>(std::nullopt) : answer.error();
  BW_TRY(auto value, formats::ParseJson(*answer));
  const auto* object = value.if_object();
  if (!object) return Error{Errc::kInvalid, "docker-credential-" + name + " did not answer with an object"};
  BW_TRY(auto user, formats::JsonString(*object, "Username"));
  BW_TRY(auto secret, formats::JsonString(*object, "Secret"));
  if (user.find(':') != user.npos)
    return Error{Errc::kInvalid, "docker-credential-" + name + " keeps a user name with a ':', which a log-in to a registry cannot carry; log in to " +
                                     host + " again"};
  return std::optional<Credentials>({std::string(user), std::string(secret)});
}

// What a helper says when it fails, for a person; nothing if it may be a log-in.
std::string Sentence(const std::string& text, const std::string& input) {
  const std::string_view said = Trim(text);
  const bool may_be_secret = said.find('{') != std::string_view::npos || (input.starts_with("{") && !said.empty() && input.find(said) != std::string::npos);
  if (said.empty() || may_be_secret) return {};
  return ": " + Printable(said.substr(0, said.find('\n')), kHelperSentence);
}

struct Child {
  pid_t pid = 0;
  UniqueFd in, out;  // its standard input and output
};

// A parent may have left it ignored: then no child's end can be asked for.
void HearOfChildren() {
  struct sigaction now {};
  if (::sigaction(SIGCHLD, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) ::signal(SIGCHLD, SIG_DFL);
}

Result<Child> StartHelper(std::string program, std::string verb) {
  HearOfChildren();
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return ErrnoError("pipe");
  UniqueFd in_read(in[0]), in_write(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) return ErrnoError("pipe");
  UniqueFd out_read(out[0]), out_write(out[1]);
  char* argv[] = {program.data(), verb.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in_read.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out_write.get(), 1);
  // This program ignores SIGPIPE: a helper whose answer nobody reads shall end.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  Child child;
  const int failed = ::posix_spawnp(&child.pid, program.c_str(), &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed) return Error{Errc::kUnavailable, program + " cannot be started; is it installed?"};
  child.in = std::move(in_write);
  child.out = std::move(out_read);
  return child;
}

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{20};
constexpr int kNoStatus = 0xff00;  // as of exit(255)

// Also of one whose end nobody can be told any more.
bool HasEnded(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid == pid : errno == ECHILD;
}

// Whether there is something to read, or the end. What a helper started may hold its output open: when itself has ended, only what is
// there by then counts.
enum class Said { kSome, kAll, kNothing };
Said Await(const Child& child, Clock::time_point until) {
  for (;;) {
    const bool ended = HasEnded(child.pid);
    pollfd one{child.out.get(), POLLIN, 0};
    const int ready = ::poll(&one, 1, ended ? 0 : static_cast<int>(kLook.count()));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return Said::kSome;
    if (ready == 0 && ended) return Said::kAll;
    if (Clock::now() >= until) return Said::kNothing;
  }
}

// All that it says, as long as that is not more than limits::kLoginFileBytes; false: it goes on after `until`.
bool ReadAnswer(const Child& child, Clock::time_point until, std::string& text) {
  char bytes[4096];
  while (text.size() <= limits::kLoginFileBytes) {
    const Said said = Await(child, until);
    if (said != Said::kSome) return said == Said::kAll;
    const ssize_t n = ::read(child.out.get(), bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    text.append(bytes, static_cast<std::size_t>(n));
    if (Clock::now() >= until) return false;
  }
  return true;
}

// nullopt: it had not ended, and was killed. What it started itself may live on; nobody waits for that.
std::optional<int> StatusBefore(pid_t pid, Clock::time_point until) {
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return status;
    if (ended < 0 && errno != EINTR) return kNoStatus;  // how it ended is not known: not well
    if (Clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return std::nullopt;
}

}  // namespace

std::vector<std::string> LoginFiles() {
  auto value = [](const char* variable) {
    const char* text = std::getenv(variable);
    return std::string(text ? text : "");
  };
  std::vector<std::string> out;
  if (auto file = value("REGISTRY_AUTH_FILE"); !file.empty()) out.push_back(file);
  if (auto folder = value("DOCKER_CONFIG"); !folder.empty()) out.push_back(folder + "/config.json");
  else if (auto home = value("HOME"); !home.empty()) out.push_back(home + "/.docker/config.json");
  if (auto run = value("XDG_RUNTIME_DIR"); !run.empty()) out.push_back(run + "/containers/auth.json");
  return out;
}

std::string CredentialKey(const std::string& host) { return host == "docker.io" ? "https://index.docker.io/v1/" : host; }

Status CheckHelperName(const std::string& name) {
  bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
  if (plain) return {};
  return {Errc::kInvalid, "a credential helper's name has other characters than letters, digits, '-', '_', '.'"};
}

Status CheckUserName(const std::string& name) {
  if (name.find(':') == std::string::npos) return {};
  return {Errc::kInvalid, "the user name has a ':', which a log-in to a registry cannot carry; its password is asked for, or read with --password-stdin"};
}

Result<std::string> RunCredentialHelper(const std::string& name, const std::string& host) { return AskCredentialHelper(name, "get", host); }

Result<std::string> AskCredentialHelper(const std::string& name, const std::string& verb, const std::string& input) {
  return AskCredentialHelperFor(kHelperPatience, name, verb, input);
}

Result<std::string> AskCredentialHelperFor(std::chrono::milliseconds patience, const std::string& name, const std::string& verb, const std::string& input) {
  const std::string program = "docker-credential-" + name;
  if (input.size() > kHelperInput) return Error{Errc::kLimit, "the log-in is too long for " + program};
  const auto until = Clock::now() + patience;
  BW_TRY(Child child, StartHelper(program, verb));
  const Status written = WriteAll(child.in.get(), input);
  child.in.Reset();
  std::string text;
  const bool said = ReadAnswer(child, until, text);
  child.out.Reset();
  const bool endless = text.size() > limits::kLoginFileBytes;
  const auto status = StatusBefore(child.pid, said && !endless ? until : Clock::now());
  if (endless) return Error{Errc::kLimit, program + " " + verb + " answers more than " + FormatBytes(limits::kLoginFileBytes)};
  if (!said || !status) return Error{Errc::kLimit, program + " " + verb + " was not done after " + FormatDuration(patience) + " and was stopped"};
  const bool done = WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
  if (done && written) return text;
  if (done) return Error{Errc::kUnavailable, program + " " + verb + " did not read what it was given"};
  // The helpers' protocol: failure with this text means that there is no log-in.
  if (text.find("credentials not found") != std::string::npos) return Error{Errc::kNotFound, "no log-in stored"};
  return Error{Errc::kUnavailable, program + " " + verb + " failed" + Sentence(text, input)};
}

Result<std::optional<Credentials>> CredentialsIn(std::string_view config_json, const std::string& host, const CredentialHelper& helper) {
  BW_TRY(auto value, formats::ParseJson(config_json, {.case_twins = formats::CaseTwins::kAllow}));
  const auto* config = value.if_object();
  if (!config) return Error{Errc::kInvalid, "not a JSON object"};
  BW_TRY(const auto* helpers, formats::JsonOptionalObject(*config, "credHelpers"));
  if (helpers && helpers->contains(host)) {
    BW_TRY(auto name, formats::JsonString(*helpers, host));
    return FromHelper(std::string(name), host, helper);
  }
  BW_TRY(const auto* auths, formats::JsonOptionalObject(*config, "auths"));
  if (auths) {
    for (const std::string& key : {CredentialKey(host), host, "https://" + host, "http://" + host}) {
      const auto* entry = auths->if_contains(key);
      if (!entry || !entry->if_object()) continue;
      BW_TRY(auto found, FromAuth(*entry->if_object()));
      if (found) return found;
    }
  }
  BW_TRY(auto store, formats::JsonOptionalString(*config, "credsStore"));
  if (store && !store->empty()) return FromHelper(std::string(*store), host, helper);
  return std::optional<Credentials>();
}

Result<std::optional<Credentials>> FindCredentials(const std::string& host, const CredentialHelper& helper) {
  for (const std::string& path : LoginFiles()) {
    auto text = ReadFile(path, limits::kLoginFileBytes);
    if (!text && text.error().code == Errc::kNotFound) continue;
    if (!text) return text.error();
    auto found = CredentialsIn(*text, host, helper);
    if (!found) return found.error().Wrap(path);
    if (*found) return found;
  }
  return std::optional<Credentials>();
}

}  // namespace bulwark::remote
