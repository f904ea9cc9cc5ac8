#include "cli/login.h"

#include <gtest/gtest.h>

namespace bulwark::cli {
namespace {

// An address says itself whether there is TLS; a bare host leaves it to what kind of host it is.
TEST(Login, TheSchemeDecides) {
  Login plain;
  plain.plain_http = true;
  EXPECT_TRUE(WithScheme("https://localhost:5000", {})->tls);
  EXPECT_FALSE(WithScheme("https://localhost:5000", {})->plain_http);
  EXPECT_TRUE(WithScheme("http://r.example.com", {})->plain_http);
  EXPECT_TRUE(WithScheme("HTTPS://r.example.com", {})->tls);
  EXPECT_EQ(ParseRegistryHost("HTTPS://r.example.com/")->host, "r.example.com");
  EXPECT_FALSE(ParseRegistryHost("ftp://r.example.com").ok());
  EXPECT_FALSE(WithScheme("https", {})->tls);
  EXPECT_FALSE(WithScheme("localhost:5000", {})->tls);
  EXPECT_FALSE(WithScheme("r.example.com", {})->plain_http);
  EXPECT_TRUE(WithScheme("r.example.com", plain)->plain_http);
  EXPECT_EQ(WithScheme("https://r.example.com", plain).error().code, Errc::kInvalid);
}

TEST(Login, NamesHaveNoColon) {
  Login login;
  login.username = "alice:secret";
  const auto read = ReadLoginPassword(login);  // nothing to read is an error too
  EXPECT_EQ(read.error().code, Errc::kInvalid);
  EXPECT_NE(read.error().message.find("':'"), std::string::npos) << read.error().message;
}

}  // namespace
}  // namespace bulwark::cli
