#include "sbom/cyclonedx.h"

#include <gtest/gtest.h>

#include <set>

#include <boost/json/value.hpp>

#include "crypto/hash.h"
#include "formats/json.h"

namespace bulwark::sbom {
namespace {

using versions::Ecosystem;

image::Package Package(Ecosystem ecosystem, std::string name, std::string version) {
  image::Package p;
  p.ecosystem = ecosystem;
  p.name = std::move(name);
  p.version = std::move(version);
  return p;
}

// Forms of the purl-spec's type definitions; `upstream` as Syft writes it.
TEST(PackageUrl, PerEcosystem) {
  image::Package deb = Package(Ecosystem::kDeb, "libssl3", "1:3.0.11-1~deb12u1");
  deb.arch = "amd64";
  deb.source_name = "openssl";
  deb.source_version = deb.version;
  EXPECT_EQ(PackageUrl(deb, "Debian:12"), "pkg:deb/debian/libssl3@1:3.0.11-1~deb12u1?arch=amd64&distro=debian-12&upstream=openssl");
  EXPECT_EQ(PackageUrl(deb, ""), "");
  EXPECT_EQ(PackageUrl(Package(Ecosystem::kNpm, "@acme/x", "1.0.0"), ""), "pkg:npm/%40acme/x@1.0.0");
  EXPECT_EQ(PackageUrl(Package(Ecosystem::kNpm, "left-pad", "1.0.0"), ""), "pkg:npm/left-pad@1.0.0");
  EXPECT_EQ(PackageUrl(Package(Ecosystem::kPyPI, "Django_Rest", "3.1"), ""), "pkg:pypi/django-rest@3.1");
  EXPECT_EQ(PackageUrl(Package(Ecosystem::kGo, "golang.org/x/crypto", "v0.1.0"), ""), "pkg:golang/golang.org/x/crypto@v0.1.0");
  EXPECT_EQ(PackageUrl(Package(Ecosystem::kMaven, "org.acme:lib", "1.0"), ""), "pkg:maven/org.acme/lib@1.0");
  EXPECT_EQ(PackageUrl(Package(Ecosystem::kMaven, "lib", "1.0"), ""), "");
  EXPECT_EQ(PackageUrl(Package(Ecosystem::kNpm, "", "1.0"), ""), "");
}

struct World {
  Subject subject;
  catalog::Inventory inventory;
  match::Findings findings;
  World() {
    subject.reference = "registry.example.com/prod/app:v1";
    subject.digest = crypto::Sha256(AsBytes("image"));
    subject.platform = "linux/amd64";
    inventory.os = image::OsRelease{"debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", {}};
    inventory.distribution = "Debian:12";
    catalog::InventoryPackage p;
    p.package = Package(Ecosystem::kDeb, "libssl3", "3.0.11-1~deb12u1");
    p.package.source_name = "openssl";
    p.package.source_version = "3.0.11-1~deb12u1";
    p.package.path = "var/lib/dpkg/status";
    p.package.license = "Apache-2.0";
    p.layer = crypto::Sha256(AsBytes("layer"));
    p.cataloger = "dpkg";
    inventory.packages.push_back(p);
    inventory.packages.push_back(p);  // twice: references stay unique
    p.package = Package(Ecosystem::kNpm, "evil\x1b\xff", "1.0");
    p.package.development = true;
    inventory.packages.push_back(p);
    match::Finding f;
    f.key = "0123456789abcdef";
    f.id = "CVE-2024-1";
    f.aliases = {"GHSA-aaaa-bbbb-cccc"};
    f.package = "libssl3";
    f.version = "3.0.11-1~deb12u1";
    f.source_package = "openssl";
    f.path = "var/lib/dpkg/status";
    f.fixed_version = "3.0.15-1~deb12u1";
    f.severity = advisory::Severity::kHigh;
    f.score = 7.5;
    f.vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H";
    f.known_exploited = true;
    f.source = "debian";
    f.url = "https://security-tracker.debian.org/tracker/CVE-2024-1";
    findings.findings.push_back(f);
    f.key = "fedcba9876543210";
    f.answer = match::Answer::kUnknown;
    f.comparison = "no order: bad epoch";
    f.score = -1;
    f.severity = advisory::Severity::kUnknown;
    f.vector.clear();
    findings.findings.push_back(f);
  }
  std::string Write(Time timestamp = Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 31))) const {
    Bom bom{subject, inventory, &findings, {}, timestamp};
    return WriteCycloneDx(bom);
  }
};

TEST(CycloneDx, EqualInputsEqualBytes) {
  World w;
  EXPECT_EQ(w.Write(), w.Write());
  World other;
  other.subject.reference = "other";
  EXPECT_NE(w.Write(), other.Write());
}

TEST(CycloneDx, HasWhatTheSchemaRequires) {
  World w;
  auto parsed = formats::ParseJson(w.Write());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const auto& root = parsed->get_object();
  EXPECT_EQ(*formats::JsonString(root, "bomFormat"), "CycloneDX");
  EXPECT_EQ(*formats::JsonString(root, "specVersion"), "1.6");
  std::string_view serial = *formats::JsonString(root, "serialNumber");
  EXPECT_EQ(serial.size(), 45u);
  EXPECT_EQ(serial.find("0000-0000"), std::string_view::npos);
  std::set<std::string_view> refs;
  const auto& components = **formats::JsonArray(root, "components");
  ASSERT_EQ(components.size(), 4u);
  for (const auto& c : components) EXPECT_TRUE(refs.insert(*formats::JsonString(c.get_object(), "bom-ref")).second);
  const auto& vulnerabilities = **formats::JsonArray(root, "vulnerabilities");
  ASSERT_EQ(vulnerabilities.size(), 2u);
  for (const auto& v : vulnerabilities) {
    for (const auto& a : **formats::JsonArray(v.get_object(), "affects")) {
      EXPECT_TRUE(refs.count(*formats::JsonString(a.get_object(), "ref")));
    }
  }
  const auto& unknown = vulnerabilities[1].get_object();
  EXPECT_EQ(*formats::JsonString(**formats::JsonObject(unknown, "analysis"), "state"), "in_triage");
}

TEST(CycloneDx, GapsMakeItIncomplete) {
  World w;
  EXPECT_NE(w.Write().find("\"aggregate\": \"complete\""), std::string::npos);
  w.findings.gaps.push_back({image::GapKind::kPartial, "", "match", "no data"});
  EXPECT_NE(w.Write().find("\"aggregate\": \"incomplete\""), std::string::npos);
}

// An SBOM without findings, of something that has no digest.
TEST(CycloneDx, OfAFolder) {
  World w;
  w.subject = {"./rootfs", {}, "", false};
  std::string text = WriteCycloneDx({w.subject, w.inventory, nullptr, {}, kNever});
  EXPECT_EQ(text.find("vulnerabilities"), std::string::npos);
  EXPECT_EQ(text.find("timestamp"), std::string::npos);
  EXPECT_NE(text.find("\"type\": \"file\""), std::string::npos);
  EXPECT_TRUE(formats::ParseJson(text).ok());
}

// For people who have the schema of the specification at hand: BW_CYCLONEDX_OUT=FILE writes the text for a validator.
TEST(CycloneDx, WritesForAValidator) {
  const char* path = std::getenv("BW_CYCLONEDX_OUT");
  if (path == nullptr) GTEST_SKIP() << "BW_CYCLONEDX_OUT is not set";
  ASSERT_TRUE(WriteFileAtomically(path, World().Write()).ok());
}

}  // namespace
}  // namespace bulwark::sbom
