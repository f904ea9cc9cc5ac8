#include "remote/credentials.h"

#include <gtest/gtest.h>

namespace bulwark::remote {
namespace {

CredentialHelper Never() {
  return [](const std::string&, const std::string&) -> Result<std::string> { return Error{Errc::kInternal, "not to be called"}; };
}

TEST(Credentials, ReadsAuths) {  // Docker's config.json: base64 of user:password
  auto found = CredentialsIn(R"({"auths":{"r.example.com:5000":{"auth":"YWxpY2U6c2VjOnJldA=="},"https://index.docker.io/v1/":{"auth":"Ym9iOng="}}})",
                             "r.example.com:5000", Never());
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ((*found)->username, "alice");
  EXPECT_EQ((*found)->password, "sec:ret");
  EXPECT_EQ((*CredentialsIn(R"({"auths":{"https://index.docker.io/v1/":{"auth":"Ym9iOng="}}})", "docker.io", Never()))->username, "bob");
  EXPECT_FALSE(*CredentialsIn(R"({"auths":{"other.example.com":{"auth":"Ym9iOng="}}})", "r.example.com", Never()));
}

// Docker keeps what it does not know, and reads keys without their case: two that differ in nothing else are no reason to refuse.
TEST(Credentials, ReadsFilesWithOddKeys) {
  auto found = CredentialsIn(R"({"auths":{"r.example.com":{"auth":"YTpi"},"R.example.com":{}},"Detach":1,"detach":2})", "r.example.com", RunCredentialHelper);
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ((*found)->username, "a");
}

TEST(Credentials, AsksTheHelperOfTheHostThenTheStore) {
  CredentialHelper helper = [](const std::string& name, const std::string& host) -> Result<std::string> {
    if (name == "none") return Error{Errc::kNotFound, "no log-in"};
    return R"({"ServerURL":")" + host + R"(","Username":")" + name + R"(","Secret":"s"})";
  };
  std::string config = R"({"credHelpers":{"a.example.com":"pass"},"credsStore":"store"})";
  EXPECT_EQ((*CredentialsIn(config, "a.example.com", helper))->username, "pass");
  EXPECT_EQ((*CredentialsIn(config, "b.example.com", helper))->username, "store");
  EXPECT_FALSE(*CredentialsIn(R"({"credsStore":"none"})", "b.example.com", helper));
}

// RFC 7617 section 2: "a user-id containing a colon character is invalid": it would be read as another name and password.
TEST(Credentials, NamesHaveNoColon) {
  EXPECT_TRUE(CheckUserName("alice@example.com").ok());
  const auto bad = CheckUserName("alice:secret");
  EXPECT_EQ(bad.error().code, Errc::kInvalid);
  EXPECT_EQ(bad.error().message.find("secret"), std::string::npos);
  CredentialHelper helper = [](const std::string&, const std::string&) -> Result<std::string> { return std::string(R"({"Username":"a:b","Secret":"s"})"); };
  EXPECT_EQ(CredentialsIn(R"({"credsStore":"x"})", "h.example.com", helper).error().code, Errc::kInvalid);
}

TEST(Credentials, RefusesDamageAndForeignPrograms) {
  EXPECT_FALSE(CredentialsIn("{", "h", Never()).ok());
  EXPECT_FALSE(CredentialsIn(R"({"auths":{"h.example.com":{"auth":"%%%"}}})", "h.example.com", Never()).ok());
  EXPECT_FALSE(CredentialsIn(R"({"credsStore":"../../bin/x"})", "h.example.com", Never()).ok());
}

}  // namespace
}  // namespace bulwark::remote
