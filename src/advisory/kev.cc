// CISA's catalogue of known exploited vulnerabilities (JSON; kev_schema.json).

#include "advisory/feed_json.h"
#include "advisory/feeds.h"

namespace bulwark::advisory {

bool IsKnownExploited(const Document& first) {
  dom::parser parser;
  if (first.syntax != Syntax::kJson) return false;
  const auto root = ParseFeedJson(parser, first.text);
  return root && root->is_object() && OptionalText(*root, "catalogVersion").ok() &&
         !(*root)["catalogVersion"].error() && !(*root)["vulnerabilities"].error();
}

namespace {

Result<KnownExploited> ReadEntry(dom::element entry) {
  if (!entry.is_object()) return Malformed("not an object");
  BW_TRY(const std::string_view cve, RequiredText(entry, "cveID"));
  BW_TRY(const std::string_view added, RequiredText(entry, "dateAdded"));
  if (!cve.starts_with("CVE-")) return Malformed("cveID is no CVE");
  BW_TRY(const Time time, ParseTime(added));
  return KnownExploited{std::string(cve), time};
}

}  // namespace

Status ReadKnownExploited(const Document& document, FeedOutput& out) {
  dom::parser parser;
  BW_TRY(const dom::element root, ParseFeedJson(parser, document.text));
  if (!root.is_object()) return Malformed("not an object");
  BW_TRY(const auto released, OptionalText(root, "dateReleased"));
  if (released) {
    if (auto time = ParseTime(*released)) out.SawDate(*time);
  }
  BW_TRY(const auto entries, OptionalArray(root, "vulnerabilities"));
  if (!entries) return Malformed("vulnerabilities is missing");
  for (dom::element element : *entries) {
    out.CountItems(1);
    auto entry = ReadEntry(element);
    if (!entry) {
      out.CountError(document.name, entry.error());
      continue;
    }
    BW_CHECK(out.Add(*std::move(entry)));
  }
  return {};
}

}  // namespace bulwark::advisory
