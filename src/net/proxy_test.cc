#include "net/proxy.h"

#include <map>

#include <gtest/gtest.h>

namespace bulwark::net {
namespace {

// The oracle is libcurl 7.88: its documents, and tests/unit/unit1614.c for what no_proxy names.
TEST(Proxy, IsTheOneThatLibcurlWouldTake) {
  using Variables = std::map<std::string, std::string>;
  struct Row { Variables set; const char *scheme, *host, *want; };
  const Variables web{{"http_proxy", "p"}, {"https_proxy", "s"}};
  const auto but = [&](const std::string& hosts) {
    Variables out = web;
    out["no_proxy"] = hosts;
    return out;
  };
  for (const Row& row : {
           Row{{}, "http", "a.example", ""}, Row{web, "http", "a.example", "p"}, Row{web, "https", "a.example", "s"},
           Row{{{"HTTP_PROXY", "p"}}, "http", "a.example", ""}, Row{{{"HTTPS_PROXY", "s"}}, "https", "a.example", "s"},
           Row{{{"https_proxy", ""}, {"HTTPS_PROXY", "s"}}, "https", "a.example", "s"}, Row{{{"https_proxy", "s"}}, "http", "a.example", ""},
           Row{{{"all_proxy", "x"}, {"ALL_PROXY", "y"}}, "http", "a.example", "x"}, Row{{{"ALL_PROXY", "y"}}, "https", "a.example", "y"},
           Row{{{"all_proxy", "x"}, {"https_proxy", "s"}}, "https", "a.example", "s"},
           Row{{{"http_proxy", "p"}, {"NO_PROXY", "a.example"}}, "http", "a.example", ""},
           Row{{{"http_proxy", "p"}, {"NO_PROXY", "a.example"}, {"no_proxy", "b.example"}}, "http", "a.example", "p"},
           Row{but("*"), "http", "a.example", ""}, Row{but("a.example"), "http", "A.Example.", ""}, Row{but("b.example, .example"), "http", "a.example", ""},
           Row{but("b.example example."), "http", "a.example", ""}, Row{but("ample"), "http", "a.example", "p"}, Row{but("a.example.net"), "http", "a.example", "p"},
           Row{but("*.example"), "http", "a.example", "p"}, Row{but("10.1.2.3"), "http", "10.1.2.3", ""}, Row{but("10.0.0.0/8"), "http", "10.1.2.3", ""},
           Row{but("10.0.0.0/9"), "http", "10.128.0.1", "p"}, Row{but("192.168.0.0/33"), "http", "192.168.0.1", "p"}, Row{but("0.0.0.0/0"), "http", "8.8.8.8", ""},
           Row{but("1.2.3"), "http", "10.1.2.3", "p"}, Row{but("fd00::/8"), "http", "[fd12::1]", ""}, Row{but("[fd12::1]"), "http", "[fd12::1]", ""},
           Row{but("fd00::/8"), "http", "fe00::1", "p"}, Row{but(", ,"), "http", "a.example", "p"}, Row{but("."), "http", "a.example", "p"}}) {
    const auto environment = [&](const char* name) {
      const auto found = row.set.find(name);
      return found == row.set.end() ? std::nullopt : std::optional(found->second);
    };
    EXPECT_EQ(ProxyFor(row.scheme, row.host, environment), row.want) << row.scheme << " " << row.host << " " << (row.set.contains("no_proxy") ? row.set.at("no_proxy") : "");
  }
}

}  // namespace
}  // namespace bulwark::net
