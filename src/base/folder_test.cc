#include "base/folder.h"

#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/byte_source.h"

namespace bulwark {
namespace {

namespace fs = std::filesystem;

struct Scratch {
  Scratch() { path = ::mkdtemp(name); }
  ~Scratch() { fs::remove_all(path); }
  char name[40] = "/tmp/bulwark-folder-XXXXXX";
  std::string path;
};

void Write(const std::string& path, std::string_view text) { ASSERT_TRUE(WriteFileAtomically(path, text).ok()); }

std::string Show(const Result<UniqueFd>& opened) {
  if (!opened) return std::string(Name(opened.error().code));
  char buffer[20];
  const ssize_t n = ::pread(opened->get(), buffer, sizeof buffer, 0);
  return n < 0 ? "unreadable" : std::string(buffer, static_cast<std::size_t>(n));
}

// A directory "in" with links of every kind beside one "out".
struct Trap : Scratch {
  Trap() {
    fs::create_directories(path + "/in/a/b");
    fs::create_directories(path + "/out");
    Write(path + "/out/secret", "secret");
    Write(path + "/in/a/b/file", "file");
    fs::create_symlink(path + "/out", path + "/in/absolute");
    fs::create_symlink("../out", path + "/in/relative");
    fs::create_symlink("../../../out/secret", path + "/in/a/b/up");
    fs::create_symlink("b/file", path + "/in/a/inside");
    fs::create_symlink("a", path + "/in/folder");
    fs::create_symlink("loop", path + "/in/loop");
    fs::create_symlink("in", path + "/link");
  }
};

TEST(Folder, NothingLeadsOut) {
  Trap trap;
  auto folder = Folder::Open(trap.path + "/link");  // named by the caller: followed
  ASSERT_TRUE(folder.ok());
  for (Links links : {Links::kRefuse, Links::kInside}) {
    EXPECT_EQ(Show(folder->OpenPlain("a/b/file", links)), "file");
    EXPECT_EQ(Show(folder->OpenPlain("a/b/none", links)), "not found");
    for (const char* name : {"absolute/secret", "relative/secret", "a/b/up", "loop", "../out/secret", "a/../../out/secret", "/etc/passwd", "", ".", "a//b/file", "a/b/file/"})
      EXPECT_EQ(Show(folder->OpenPlain(name, links)), "invalid") << name;
  }
  EXPECT_EQ(Show(folder->OpenPlain("a/inside")), "invalid");
  EXPECT_EQ(Show(folder->OpenPlain("folder/b/file")), "invalid");
  for (const char* name : {"relative/new", "absolute/new"}) EXPECT_EQ(Show(folder->OpenAt(name, O_RDWR | O_CREAT, 0600)), "invalid") << name;
  EXPECT_FALSE(folder->MakeBelow("relative").ok());
  EXPECT_FALSE(folder->MakeBelow("a/c").ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(trap.path + "/out"), fs::directory_iterator()), 1);
}

TEST(Folder, NothingLeadsOutWithoutOpenat2) {
  Trap trap;
  auto folder = Folder::Open(trap.path + "/in");
  auto open = [&](const std::string& name) { return Show(folder_detail::OpenByWalking(folder->fd(), name, O_RDONLY | O_CLOEXEC, 0)); };
  EXPECT_EQ(open("a/b/file"), "file");
  EXPECT_EQ(open("a/b/none"), "not found");
  EXPECT_EQ(open("none/file"), "not found");
  for (const char* name : {"absolute/secret", "relative/secret", "a/b/up", "loop", "folder/b/file", "a/inside", "a/b/file/x"}) EXPECT_EQ(open(name), "invalid") << name;
}

TEST(Folder, WaitsForNoPipe) {
  Scratch scratch;
  ASSERT_EQ(::mkfifo((scratch.path + "/pipe").c_str(), 0600), 0);
  auto folder = Folder::Open(scratch.path);
  EXPECT_EQ(folder->Read("pipe", 100).error().code, Errc::kInvalid);
  Write(scratch.path + "/big", "0123456789");
  EXPECT_EQ(folder->Read("big", 9).error().code, Errc::kLimit);
  EXPECT_EQ(*folder->Read("big", 10), "0123456789");
}

TEST(Folder, MakesWhatIsAbove) {
  Scratch scratch;
  const fs::path before = fs::current_path();
  fs::current_path(scratch.path);
  for (const char* path : {"d", "e/f", "./g/h/", "i//j", "k/../l"}) EXPECT_TRUE(Folder::Make(path).ok()) << path;
  EXPECT_TRUE(Folder::Make(scratch.path + "/m/n").ok());
  for (const char* path : {"d", "e/f", "g/h", "i/j", "l", "m/n"}) EXPECT_TRUE(fs::is_directory(path)) << path;
  Write(scratch.path + "/file", "");
  EXPECT_FALSE(Folder::Make("file").ok());
  EXPECT_FALSE(Folder::Make("").ok());
  fs::current_path(before);
}

TEST(Folder, ReplacesLinksNotWhatTheyPointAt) {
  Trap trap;
  fs::create_symlink("../out/secret", trap.path + "/in/index.json");
  auto folder = Folder::Open(trap.path + "/in");
  ASSERT_TRUE(folder->Replace("index.json", "new").ok());
  EXPECT_EQ(*ReadFile(trap.path + "/out/secret", 100), "secret");
  EXPECT_EQ(*folder->Read("index.json", 100), "new");
  for (const auto& entry : fs::directory_iterator(trap.path + "/in")) EXPECT_FALSE(entry.path().filename().string().starts_with(".bulwark-"));
}

TEST(Folder, RemovesOnlyWhatNobodyHasOpen) {
  Scratch scratch;
  auto folder = Folder::Open(scratch.path);
  std::string used, left;
  auto open = folder->MakeTemporary(".part-", used);
  ASSERT_TRUE(open.ok());
  ASSERT_TRUE(folder->MakeTemporary(".part-", left).ok());  // closed at once, as by a crash
  Write(scratch.path + "/other", "x");
  fs::create_symlink("other", scratch.path + "/.part-link");
  const char* others[] = {".part-", ".part-notes", ".part-policy.yaml", ".part-0123456789abcdeF", ".part-0123456789abcdef0", "x.part-0123456789abcdef"};
  for (const char* name : others) Write(scratch.path + "/" + name, "x");  // begins alike, and is somebody's
  folder->RemoveLeft(".part-");
  EXPECT_TRUE(fs::exists(scratch.path + "/" + used));
  EXPECT_FALSE(fs::exists(scratch.path + "/" + left));
  EXPECT_TRUE(fs::exists(scratch.path + "/other"));
  for (const char* name : others) EXPECT_TRUE(fs::exists(scratch.path + "/" + name)) << name;
}

TEST(LockFile, IsOneHoldersAtATime) {
  Scratch scratch;
  Write(scratch.path + "/lock", "");
  auto open = [&] { return UniqueFd(::open((scratch.path + "/lock").c_str(), O_RDONLY | O_CLOEXEC)); };
  UniqueFd first = open(), second = open();
  ASSERT_TRUE(LockFile(first.get(), std::chrono::milliseconds(0)).ok());
  EXPECT_EQ(LockFile(second.get(), std::chrono::milliseconds(30)).error().code, Errc::kConflict);
  std::thread holder([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    first.Reset();
  });
  EXPECT_TRUE(LockFile(second.get(), std::chrono::seconds(20)).ok());
  holder.join();
}

}  // namespace
}  // namespace bulwark
