// bulwark version, bulwark version compare

#include <cstdio>
#include <iostream>
#include <string>

#include "base/strings.h"
#include "catalog/cataloger.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"
#include "versions/compare.h"

namespace bulwark::cli {
namespace {

// "<", "=", ">", or "? reason".
std::string Answer(versions::Ecosystem ecosystem, std::string_view a, std::string_view b) {
  auto order = versions::Compare(ecosystem, a, b);
  if (!order) return "? " + order.error().message;
  return *order < 0 ? "<" : *order > 0 ? ">" : "=";
}

int CompareLines(versions::Ecosystem ecosystem) {
  std::string line, out;
  while (std::getline(std::cin, line)) {
    auto parts = Split(Trim(line), ' ');
    out += parts.size() == 2 ? Answer(ecosystem, parts[0], parts[1]) : "? a line is two versions with one space between them";
    out += '\n';
    if (out.size() < (1 << 16)) continue;
    if (auto written = WriteOutput("", out); !written) return Fail(written.error());
    out.clear();
  }
  auto written = WriteOutput("", out);
  return written ? kPass : Fail(written.error());
}

int Compare(const VersionArguments& a) {
  auto ecosystem = versions::ParseEcosystem(a.ecosystem);
  if (!ecosystem) return Fail({Errc::kInvalid, "no ecosystem '" + a.ecosystem + "'; there are deb, npm, pypi, go and maven"});
  if (a.from_stdin) return CompareLines(*ecosystem);
  if (a.a.empty() || a.b.empty()) return Fail({Errc::kInvalid, "give two versions, or --stdin"});
  auto written = WriteOutput("", Answer(*ecosystem, a.a, a.b) + "\n");
  return written ? kPass : Fail(written.error());
}

}  // namespace

int RunVersion(const VersionArguments& a) {
  if (a.compare) return Compare(a);
  std::string text = std::string("bulwark ") + BW_VERSION + "\n";
  if (a.format == "json")
    text = formats::JsonWriter().BeginObject().Field("version", BW_VERSION).Field("facts_version", catalog::kSetVersion).EndObject().Take() + "\n";
  auto written = WriteOutput("", text);
  return written ? kPass : Fail(written.error());
}

}  // namespace bulwark::cli
