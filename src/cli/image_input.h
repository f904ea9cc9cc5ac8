#pragma once
// The image that `scan` and `sbom` are given, read into an inventory wherever it lies.

#include <optional>
#include <string>

#include "advisory/index.h"
#include "base/digest.h"
#include "base/result.h"
#include "catalog/inventory.h"
#include "cli/arguments.h"
#include "service/analysis.h"

namespace bulwark::cli {

struct ImageInput {
  std::string name;          // as the user called it
  std::string repository;    // of a registry reference, else empty
  std::string tag;
  Digest digest;             // of the manifest; of the config in docker archives; empty() for files and directories
  std::string platform;      // "linux/amd64"; empty for files and directories
  catalog::Inventory inventory;
};

// Stages: find the image, read its layers (two at once, registry layers while they arrive), merge.
Result<ImageInput> ReadImage(const ScanArguments& arguments, service::Analyzer& analyzer);

}  // namespace bulwark::cli
