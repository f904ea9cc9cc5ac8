#include "remote/credential_store.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/byte_source.h"

namespace bulwark::remote {
namespace {

// A DOCKER_CONFIG of its own, and a helper that remembers what it was asked.
class CredentialStore : public testing::Test {
 protected:
  CredentialStore() {
    folder_ = ::mkdtemp(name_);
    ::setenv("DOCKER_CONFIG", folder_.c_str(), 1);
    for (const char* variable : {"REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"}) ::unsetenv(variable);
  }
  ~CredentialStore() override {
    ::unsetenv("DOCKER_CONFIG");
    std::filesystem::remove_all(folder_);
  }
  void Write(std::string_view text) { ASSERT_TRUE(WriteFileAtomically(folder_ + "/config.json", text).ok()); }
  std::string Config() { return ReadFile(folder_ + "/config.json", 1 << 20).value_or("none"); }
  HelperCall Helper() {
    return [this](const std::string& name, const std::string& verb, const std::string& input) -> Result<std::string> {
      asked_ += name + " " + verb + " " + input + "\n";
      if (answer_) return *answer_;
      return std::string();
    };
  }

  char name_[40] = "/tmp/bulwark-store-XXXXXX";
  std::string folder_, asked_;
  std::optional<Error> answer_;
};

TEST_F(CredentialStore, KeepsInTheFileAndTouchesNothingElse) {
  Write(R"({"HttpHeaders":{"X":"y"},"auths":{"other.example.com":{"auth":"YTpi"}},"detachKeys":"ctrl-e","n":1.5,"nested":{"Auths":[1,null,true]}})");
  auto kept = KeepLogin("r.example.com", {"alice", "s3cret:with colon"}, Helper());
  ASSERT_TRUE(kept.ok()) << kept.error().message;
  EXPECT_TRUE(kept->clear_text);
  EXPECT_EQ(kept->where, std::filesystem::canonical(folder_).string() + "/config.json");
  struct stat info {};
  ASSERT_EQ(::stat((folder_ + "/config.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const std::string text = Config();
  for (const char* part : {R"("detachKeys": "ctrl-e")", R"("other.example.com")", R"("X": "y")", "1.5"}) EXPECT_NE(text.find(part), std::string::npos) << part << text;
  EXPECT_EQ(text.find("s3cret"), std::string::npos);
  auto found = CredentialsIn(text, "r.example.com", RunCredentialHelper);
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ((*found)->password, "s3cret:with colon");
  EXPECT_EQ(asked_, "");
  auto forgot = ForgetLogin("r.example.com", Helper());
  ASSERT_TRUE(forgot.ok());
  EXPECT_EQ(*forgot, std::vector<std::string>{kept->where});
  EXPECT_FALSE(*CredentialsIn(Config(), "r.example.com", RunCredentialHelper));
  EXPECT_TRUE(*CredentialsIn(Config(), "other.example.com", RunCredentialHelper));
  EXPECT_TRUE(ForgetLogin("r.example.com", Helper())->empty());
}

TEST_F(CredentialStore, GivesItToTheHelper) {  // docker-credential-helpers: store takes JSON, erase the address
  Write(R"({"credHelpers":{"r.example.com":"mine"},"credsStore":"all","auths":{"r.example.com":{"auth":"b2xkOm9sZA=="}}})");
  auto kept = KeepLogin("r.example.com", {"alice", "secret"}, Helper());
  ASSERT_TRUE(kept.ok());
  EXPECT_FALSE(kept->clear_text);
  EXPECT_EQ(asked_, "mine store {\"ServerURL\":\"r.example.com\",\"Username\":\"alice\",\"Secret\":\"secret\"}\n");
  EXPECT_EQ(Config().find("b2xkOm9sZA"), std::string::npos);  // the old password would be found first
  asked_.clear();
  ASSERT_TRUE(KeepLogin("docker.io", {"bob", "x"}, Helper()).ok());
  EXPECT_EQ(asked_.substr(0, 58), "all store {\"ServerURL\":\"https://index.docker.io/v1/\",\"User");
  asked_.clear();
  EXPECT_EQ(*ForgetLogin("r.example.com", Helper()), std::vector<std::string>{"docker-credential-mine"});
  EXPECT_EQ(asked_, "mine erase r.example.com\n");
  answer_ = Error{Errc::kNotFound, "no log-in stored"};
  EXPECT_TRUE(ForgetLogin("r.example.com", Helper())->empty());
}

TEST_F(CredentialStore, AFailingHelperLeavesNoPasswordInTheFile) {
  Write(R"({"credsStore":"all"})");
  answer_ = Error{Errc::kUnavailable, "docker-credential-all failed"};
  EXPECT_FALSE(KeepLogin("r.example.com", {"alice", "secret"}, Helper()).ok());
  EXPECT_EQ(Config(), R"({"credsStore":"all"})");
}

TEST_F(CredentialStore, AMissingHelperKeepsNoPasswordInTheFile) {
  Write(R"({"credsStore":"desktop","auths":{"r.example.com":{"auth":"b2xkOm9sZA=="}}})");
  answer_ = Error{Errc::kUnavailable, "docker-credential-desktop is not installed"};
  EXPECT_FALSE(ForgetLogin("r.example.com", Helper()).ok());  // told, and still
  EXPECT_EQ(Config().find("b2xkOm9sZA"), std::string::npos);
}

TEST_F(CredentialStore, RefusesAFileThatIsNone) {
  for (const char* text : {"[]", "{", "{\"credsStore\":1}", "{\"credsStore\":\"../x\"}"}) {
    Write(text);
    EXPECT_FALSE(KeepLogin("r.example.com", {"alice", "secret"}, Helper()).ok()) << text;
    EXPECT_EQ(Config(), text);
  }
}

TEST_F(CredentialStore, MakesTheFileAndKeepsALink) {
  ASSERT_TRUE(KeepLogin("r.example.com", {"a", "b"}, Helper()).ok());
  std::filesystem::rename(folder_ + "/config.json", folder_ + "/real.json");
  std::filesystem::create_symlink("real.json", folder_ + "/config.json");
  ASSERT_TRUE(KeepLogin("s.example.com", {"c", "d"}, Helper()).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ + "/config.json"));
  EXPECT_TRUE(*CredentialsIn(Config(), "s.example.com", RunCredentialHelper));
}

// Log-ins that podman stored neither hide what is kept here, nor stay when it is forgotten.
TEST_F(CredentialStore, PodmansFileHidesNothing) {
  ::setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1);
  std::filesystem::create_directories(folder_ + "/containers");
  const std::string podmans = folder_ + "/containers/auth.json", theirs = R"({"auths":{"r.example.com":{"auth":"b2xkOm9sZA=="}}})";
  ASSERT_TRUE(WriteFileAtomically(podmans, theirs).ok());
  EXPECT_EQ((*FindCredentials("r.example.com"))->username, "old");
  ASSERT_TRUE(KeepLogin("r.example.com", {"alice", "new"}, Helper()).ok());
  EXPECT_EQ((*FindCredentials("r.example.com"))->username, "alice");
  auto forgot = ForgetLogin("r.example.com", Helper());
  ASSERT_TRUE(forgot.ok());
  EXPECT_EQ(forgot->size(), 2u);
  EXPECT_FALSE(*FindCredentials("r.example.com"));
  // A file that was named on purpose comes first for all three.
  ::setenv("REGISTRY_AUTH_FILE", (folder_ + "/named.json").c_str(), 1);
  ASSERT_TRUE(KeepLogin("r.example.com", {"bob", "x"}, Helper()).ok());
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/named.json"));
  EXPECT_EQ((*FindCredentials("r.example.com"))->username, "bob");
  EXPECT_EQ(ForgetLogin("r.example.com", Helper())->size(), 1u);
  ::unsetenv("REGISTRY_AUTH_FILE");
  ::unsetenv("XDG_RUNTIME_DIR");
}

TEST_F(CredentialStore, ForgettingMakesNothing) {
  ::setenv("DOCKER_CONFIG", (folder_ + "/absent").c_str(), 1);
  EXPECT_TRUE(ForgetLogin("r.example.com", Helper())->empty());
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/absent"));
}

TEST_F(CredentialStore, LogInsAtOnceAreAllKept) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([this, i] { EXPECT_TRUE(KeepLogin("r" + std::to_string(i) + ".example.com", {"a", "b"}, Helper()).ok()); });
  for (auto& thread : threads) thread.join();
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(*CredentialsIn(Config(), "r" + std::to_string(i) + ".example.com", RunCredentialHelper)) << i;
}

// Programs named docker-credential-NAME in a PATH of their own.
class Helpers : public CredentialStore {
 protected:
  Helpers() : path_(std::getenv("PATH")) {
    ::setenv("PATH", (folder_ + ":" + path_).c_str(), 1);
    ::signal(SIGPIPE, SIG_IGN);  // as the program does
  }
  ~Helpers() override { ::setenv("PATH", path_.c_str(), 1); }
  void Program(const std::string& name, const std::string& script) {
    const std::string file = folder_ + "/docker-credential-" + name;
    ASSERT_TRUE(WriteFileAtomically(file, "#!/bin/sh\n" + script + "\n", 0700).ok());
  }
  std::string path_;
};

TEST_F(Helpers, ThatTalkWithoutEndAreStopped) {
  Program("endless", "exec 2> /dev/null; trap '' PIPE; while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done");
  EXPECT_EQ(AskCredentialHelper("endless", "get", "r.example.com").error().code, Errc::kLimit);
}

TEST_F(Helpers, ThatNeverEndAreStopped) {
  Program("asleep", "exec sleep 1000");
  Program("closed", "exec 1>&- 0<&-; exec sleep 1000");          // its answer ended, itself it did not
  Program("dripping", "while :; do echo a; sleep 0.01; done");    // something always comes
  for (const std::string name : {"asleep", "closed", "dripping"}) {
    const auto before = std::chrono::steady_clock::now();
    auto answer = AskCredentialHelperFor(std::chrono::milliseconds(300), name, "get", "r.example.com");
    EXPECT_EQ(answer.error().code, Errc::kLimit) << name;
    EXPECT_NE(answer.error().message.find("docker-credential-" + name + " get"), std::string::npos) << answer.error().message;
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20)) << name;
  }
  Program("quick", "cat");
  EXPECT_EQ(*AskCredentialHelperFor(std::chrono::seconds(20), "quick", "get", "r.example.com"), "r.example.com");
}

// Its child has the pipe: the answer was whole when the helper ended.
TEST_F(Helpers, ThatLeaveSomethingBehindHaveAnswered) {
  Program("parent", "echo answer; sleep 20 & exit 0");
  const auto before = std::chrono::steady_clock::now();
  const auto answer = AskCredentialHelperFor(std::chrono::seconds(15), "parent", "get", "r.example.com");
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(*answer, "answer\n");
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
}

// A parent that ignores SIGCHLD hands that on, and then the kernel tells nobody how a child ended.
TEST_F(Helpers, ThatFailDoSoUnderAnyParent) {
  ::signal(SIGCHLD, SIG_IGN);
  Program("failing", "cat > /dev/null; echo no; exit 1");
  EXPECT_EQ(AskCredentialHelper("failing", "store", "{}").error().code, Errc::kUnavailable);
  ::signal(SIGCHLD, SIG_IGN);
  Program("good", "cat");
  const auto good = AskCredentialHelper("good", "get", "r.example.com");
  ::signal(SIGCHLD, SIG_DFL);
  EXPECT_TRUE(good.ok());
}

TEST_F(Helpers, SayWhatIsWrong) {
  Program("locked", "cat > /dev/null; printf 'the keyring is \\033[31mlocked\\n'; exit 1");
  auto locked = AskCredentialHelper("locked", "store", "{}");
  EXPECT_EQ(locked.error().code, Errc::kUnavailable);
  EXPECT_EQ(locked.error().message, "docker-credential-locked store failed: the keyring is \\u001b[31mlocked");
  Program("talks", "cat; exit 1");
  auto echoed = AskCredentialHelper("talks", "store", R"({"Secret":"pass word"})");
  EXPECT_EQ(echoed.error().message.find("pass word"), std::string::npos);
  Program("absent", "cat > /dev/null; echo 'credentials not found in native keychain'; exit 1");
  EXPECT_EQ(AskCredentialHelper("absent", "get", "x").error().code, Errc::kNotFound);
}

TEST_F(Helpers, ThatDoNotReadHaveKeptNothing) {
  Program("deaf", "exec <&-; exit 0");
  for (int i = 0; i < 20; ++i) {
    // Whether the pipe is closed before or after it is written is a matter of luck; a text larger than a pipe is not taken at all.
    auto kept = AskCredentialHelper("deaf", "store", std::string(20'000, 'x'));
    if (!kept) {
      EXPECT_EQ(kept.error().code, Errc::kUnavailable);
    }
  }
  EXPECT_EQ(AskCredentialHelper("deaf", "store", std::string(100'000, 'x')).error().code, Errc::kLimit);
}

}  // namespace
}  // namespace bulwark::remote
