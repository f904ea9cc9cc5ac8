#pragma once
// Names from outside, parsed once at the edge (distribution-spec 1.1, "Pulling manifests"). The grammar is storage's.

#include <string_view>
#include <variant>

#include "base/digest.h"
#include "base/result.h"
#include "storage/names.h"

namespace bulwark::service {

using storage::RepoName;  // "project/app", at most 255 bytes; a one-component name belongs to project `library`
using storage::TagName;   // [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}

// A tag or a digest, as the last part of /v2/<name>/manifests/<reference>.
using Reference = std::variant<TagName, Digest>;
Result<Reference> ParseReference(std::string_view text);  // kInvalid
std::string Text(const Reference& reference);

}  // namespace bulwark::service
