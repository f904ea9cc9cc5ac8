#include "cli/copy_logins.h"

#include <gtest/gtest.h>

namespace bulwark::cli {
namespace {

CopyPlace Place(const std::string& text) {
  CopyPlace out;
  if (text.starts_with("/")) out.path = text;
  else out.image = *remote::ParseImageReference(text);
  return out;
}

std::string Show(const Login& login) {
  return login.username + ":" + login.password + (login.plain_http ? " plain" : "") + (login.ca_file.empty() ? "" : " " + login.ca_file) + (login.token_host.empty() ? "" : " " + login.token_host);
}

std::string Show(const TransferArguments& a, const std::string& from, const std::string& to) {
  auto logins = LoginsFor(a, Place(from), Place(to));
  return logins ? Show(logins->from) + " -> " + Show(logins->to) : "error";
}

TEST(CopyLogins, WhatIsForOneEndIsForThatAlone) {
  TransferArguments both;
  both.login.username = "alice";
  both.login.password = "a";
  both.login.plain_http = true;
  both.login.ca_file = "to.pem";
  both.login.token_host = "t.example";
  EXPECT_EQ(Show(both, "one.example/x", "two.example/x"), ": -> alice:a plain to.pem t.example");
  EXPECT_EQ(Show(both, "one.example/x", "one.example/y"), "alice:a plain to.pem t.example -> alice:a plain to.pem t.example");
  EXPECT_EQ(Show(both, "one.example/x", "/layout"), "alice:a plain to.pem t.example -> :");
  EXPECT_EQ(Show(both, "/layout", "one.example/x"), ": -> alice:a plain to.pem t.example");
  EXPECT_EQ(Show(both, "/layout", "/other"), "error");
  both.from_login.username = "bob";
  both.from_login.password = "b";
  both.from_login.ca_file = "from.pem";
  EXPECT_EQ(Show(both, "one.example/x", "two.example/x"), "bob:b from.pem -> alice:a plain to.pem t.example");
  EXPECT_EQ(Show(both, "/layout", "two.example/x"), "error");
  TransferArguments source;
  source.from_login.plain_http = true;
  source.from_login.token_host = "t.example";
  EXPECT_EQ(Show(source, "one.example/x", "two.example/x"), ": plain t.example -> :");
  TransferArguments nobody;
  nobody.login.password_stdin = true;
  EXPECT_EQ(Show(nobody, "one.example/x", "two.example/x"), "error");
}

}  // namespace
}  // namespace bulwark::cli
