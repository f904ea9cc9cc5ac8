#pragma once
// A report as text. Equal reports give equal bytes; no clock, no locale, no environment.

#include <string>

#include "report/report.h"

namespace bulwark::report {

enum class Colour : bool { kNo, kYes };
struct Style {
  Colour colour = Colour::kNo;
  int width = 100;  // columns; longer lines are cut or wrapped; at least 60 is assumed
};

// For people: grouped by what to do (known exploited, fixable by source package, no fix, unknown and gaps), then the
// decisions. Everything foreign is made printable.
std::string RenderTable(const Report& report, const Style& style);
// docs/report.schema.json; indented, ends with a line feed.
std::string RenderJson(const Report& report);
// CycloneDX 1.6 with vulnerabilities; exceptions become their analysis.
std::string RenderCycloneDx(const Report& report);

}  // namespace bulwark::report
