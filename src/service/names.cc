#include "service/names.h"

namespace bulwark::service {

Result<Reference> ParseReference(std::string_view text) {
  if (text.find(':') != std::string_view::npos) {  // no tag has a colon
    BW_TRY(Digest digest, Digest::Parse(text));
    return Reference(digest);
  }
  BW_TRY(TagName tag, TagName::Parse(text));
  return Reference(std::move(tag));
}

std::string Text(const Reference& reference) {
  if (const auto* tag = std::get_if<TagName>(&reference)) return tag->str();
  return std::get<Digest>(reference).str();
}

}  // namespace bulwark::service
