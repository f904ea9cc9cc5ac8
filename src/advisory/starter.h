#pragma once
// The starter set: what the binary knows about vulnerabilities before any data was fetched (data/starter).

#include <string_view>

#include "advisory/builder.h"
#include "base/result.h"

namespace bulwark::advisory {

inline constexpr std::string_view kStarterLabel = "starter-";  // how the labels of its sources begin

// The texts as they are in data/starter; their first lines describe their form.
struct StarterTexts {
  std::string_view debian, language, cvss, kev;
};

// kInvalid naming the line.
Status ReadStarterTexts(const StarterTexts& texts, Builder& builder);

// The embedded texts.
StarterTexts EmbeddedStarterTexts();
Status AddStarterSet(Builder& builder);

}  // namespace bulwark::advisory
