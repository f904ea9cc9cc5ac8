#pragma once
// For tests: a directory of one's own, removed with everything in it. In memory where there is room: the tests are
// about the order of calls, not about the machine's disk.

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace bulwark::storage {

class TestDirectory {
 public:
  TestDirectory() {
    std::string name = Parent() + "/bulwark-storage-XXXXXX";
    const char* made = ::mkdtemp(name.data());
    if (!made) std::abort();
    path_ = made;
  }
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  static std::string Parent() {
    constexpr std::uintmax_t kRoom = 256u << 20;
    std::error_code failed;
    const auto space = std::filesystem::space("/dev/shm", failed);
    if (!failed && space.available >= kRoom && ::access("/dev/shm", W_OK) == 0) return "/dev/shm";
    return std::filesystem::temp_directory_path().string();
  }
  std::string path_;
};

}  // namespace bulwark::storage
