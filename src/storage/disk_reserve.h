#pragma once
// Space that is given back when others have filled the disk: with none left at all nobody could log in, delete and
// collect, for each of these is written down first.

#include <string>

#include "base/result.h"

namespace bulwark::storage {

class DiskReserve {
 public:
  explicit DiskReserve(std::string directory);
  // To be called every few seconds: makes the file where there is plenty of space, removes it where there is none. One
  // thread.
  Status Keep();

 private:
  const std::string directory_, path_;
};

}  // namespace bulwark::storage
