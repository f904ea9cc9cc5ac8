#include "remote/credential_store.h"

#include <cstdlib>
#include <filesystem>

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
  EXPECT_TRUE(*forgot);
  EXPECT_FALSE(*CredentialsIn(Config(), "r.example.com", RunCredentialHelper));
  EXPECT_TRUE(*CredentialsIn(Config(), "other.example.com", RunCredentialHelper));
  EXPECT_FALSE(*ForgetLogin("r.example.com", Helper()));
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
  EXPECT_TRUE(*ForgetLogin("r.example.com", Helper()));
  EXPECT_EQ(asked_, "mine erase r.example.com\n");
  answer_ = Error{Errc::kNotFound, "no log-in stored"};
  EXPECT_FALSE(*ForgetLogin("r.example.com", Helper()));
}

TEST_F(CredentialStore, AFailingHelperLeavesNoPasswordInTheFile) {
  Write(R"({"credsStore":"all"})");
  answer_ = Error{Errc::kUnavailable, "docker-credential-all failed"};
  EXPECT_FALSE(KeepLogin("r.example.com", {"alice", "secret"}, Helper()).ok());
  EXPECT_EQ(Config(), R"({"credsStore":"all"})");
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

}  // namespace
}  // namespace bulwark::remote
