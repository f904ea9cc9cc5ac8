#pragma once
// Rules of the package URL types (purl-spec/types/*-definition.json). Internal to the purl parser.

#include "formats/purl.h"

namespace bulwark::formats {

// Normalizes the parts as the type says and checks what it requires or forbids; types without a row are left alone.
Status ApplyTypeRules(Purl& p);

}  // namespace bulwark::formats
