#pragma once
// An inventory with its findings as CycloneDX 1.6 JSON (ECMA-424).

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "catalog/inventory.h"
#include "match/finding.h"

namespace bulwark::sbom {

// What is described: an image, or a folder, archive or program.
struct Subject {
  std::string reference;   // "registry.example.com/prod/app:v1", a path
  Digest digest;           // of the manifest; empty() when there is none
  std::string platform;    // "linux/amd64" or empty
  bool image = true;       // a container, else a file
};

// Why a finding does not count, in the words of CycloneDX (vulnerabilities[].analysis).
struct Analysis {
  std::string state;          // "exploitable", "in_triage", "not_affected", "false_positive", …
  std::string justification;  // "code_not_reachable", …; empty if none
  std::string detail;
};

// Everything that the text is a function of. References live until Write returns.
struct Bom {
  const Subject& subject;
  const catalog::Inventory& inventory;
  const match::Findings* findings = nullptr;     // without them an SBOM only
  std::map<std::string, Analysis> analyses;      // by finding key
  Time timestamp = kNever;                       // kNever: left out
};

// Deterministic: the serial number is derived from the content. Never fails: a package that no purl can name goes without one.
std::string WriteCycloneDx(const Bom& bom);

// The purl of a package in a distribution ("Debian:12"); empty if no purl can name it.
std::string PackageUrl(const image::Package& package, const std::string& distribution);

}  // namespace bulwark::sbom
