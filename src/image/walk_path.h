#pragma once
// Names in tars, cleaned as runtimes clean them before extracting (containerd archive/tar.go applyNaive: Clean, then
// RootPath keeps what climbs above the root inside it).

#include <string>
#include <string_view>

#include "image/layer_record.h"

namespace bulwark::image {

// No leading "/", no ".", no "..", no empty component; "" is the root.
std::string CleanPath(std::string_view name);

// Sets entry.path, odd_name and, for whiteouts, type, from the name as written. False for whiteouts that name nothing
// ("dir/.wh.", "dir/.wh..", "dir/.wh..."), which runtimes refuse, and for the metadata of AUFS (".wh..wh.*"), which
// they skip; `refused` tells which.
bool NameEntry(std::string_view name, Entry& entry, bool& refused);

}  // namespace bulwark::image
