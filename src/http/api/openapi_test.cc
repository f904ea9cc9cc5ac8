// docs/openapi.yaml and the routes say the same: every path, method and access right, both ways.

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "base/byte_source.h"
#include "base/strings.h"
#include "formats/yaml.h"
#include "http/api/api.h"
#include "http/registry/registry.h"

namespace bulwark::http {
namespace {

std::string AccessName(Access access) {
  switch (access) {
    case Access::kPublic: return "public";
    case Access::kAuthenticated: return "authenticated";
    case Access::kPasswordOnly: return "password";
    case Access::kSelf: return "self";
    default: return std::string(auth::Name(*VerbOf(access)));
  }
}

std::set<std::string> Documented() {
  auto text = ReadFile(std::string(BW_SOURCE_DIR) + "/docs/openapi.yaml", 1 << 20);
  EXPECT_TRUE(text);
  auto root = formats::ParseYaml(*text);
  EXPECT_TRUE(root) << root.error().message;
  std::set<std::string> out;
  for (const auto& path : root->Find("paths")->members)
    for (const auto& method : path.value.members)
      out.insert(method.key + " " + path.key + " " + method.value.Find("x-access")->text);
  return out;
}

std::set<std::string> Routed() {
  // Handlers only keep references: nothing here is called.
  alignas(ApiDeps) static unsigned char no_api[sizeof(ApiDeps)];
  alignas(RegistryDeps) static unsigned char no_registry[sizeof(RegistryDeps)];
  std::set<std::string> out;
  for (const auto& routes : {ApiRoutes(reinterpret_cast<ApiDeps&>(no_api)), RegistryRoutes(reinterpret_cast<RegistryDeps&>(no_registry))})
    for (const Route& route : routes) out.insert(ToLower(net::Name(route.method)) + " " + route.pattern + " " + AccessName(route.access));
  return out;
}

TEST(OpenApi, DocumentAndRoutesAgree) {
  std::set<std::string> documented = Documented(), routed = Routed();
  for (const std::string& row : documented) EXPECT_TRUE(routed.contains(row)) << "documented, but no route: " << row;
  for (const std::string& row : routed) EXPECT_TRUE(documented.contains(row)) << "a route, but not documented: " << row;
  EXPECT_GE(routed.size(), 45u);
}

}  // namespace
}  // namespace bulwark::http
