#include "sandbox/locked_call.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "sandbox/sanitizers.h"

namespace bulwark::sandbox {
namespace {

Result<Bytes> Call(const std::function<Result<std::string>()>& call, const std::vector<int>& keep = {}, std::uint64_t limit = 1 << 20) {
  return CallLocked(Mode::kRequired, {}, keep, limit, call);
}

class LockedCall : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!SeccompAvailable()) GTEST_SKIP() << "this kernel cannot filter system calls";
  }
};

TEST_F(LockedCall, AnswersBytesAndErrors) {
  EXPECT_EQ(AsText(Call([] { return Result<std::string>(std::string("a\0b", 3)); }).value()), std::string_view("a\0b", 3));
  EXPECT_EQ(Call([] { return Result<std::string>(""); })->size(), 0u);
  const auto error = Call([] { return Result<std::string>(Errc::kConflict, "why"); });
  ASSERT_FALSE(error.ok());
  EXPECT_EQ(error.error().code, Errc::kConflict);
  EXPECT_EQ(error.error().message, "why");
  EXPECT_EQ(Call([] { return Result<std::string>(std::string(2 << 20, 'x')); }).error().code, Errc::kLimit);
}

TEST_F(LockedCall, ReadsOnlyWhatItWasGiven) {
  const UniqueFd first(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const UniqueFd given(::fcntl(first.get(), F_DUPFD_CLOEXEC, 20)), other(::fcntl(first.get(), F_DUPFD_CLOEXEC, 21));
  const auto read = [&] {
    char c = 0, d = 0;
    const bool kept = ::pread(given.get(), &c, 1, 1) == 1 && c == 'E';
    return Result<std::string>(kept && ::pread(other.get(), &d, 1, 1) < 0 ? "good" : "bad");
  };
  EXPECT_EQ(AsText(Call(read, {given.get()}).value()), "good");
}

TEST_F(LockedCall, DiesOfWhatIsForbidden) {
  if (kSanitizers) GTEST_SKIP() << "sanitizers need what is forbidden";
  EXPECT_EQ(Call([] { return Result<std::string>(std::to_string(::open("/etc/passwd", O_RDONLY))); }).error().code, Errc::kUnavailable);
  EXPECT_EQ(Call([] { return Result<std::string>(std::to_string(::socket(AF_INET, SOCK_STREAM, 0))); }).error().code, Errc::kUnavailable);
  EXPECT_EQ(Call([]() -> Result<std::string> { std::abort(); }).error().code, Errc::kUnavailable);
  const auto greedy = Call([] { return Result<std::string>(std::string(1ull << 40, 'x').substr(0, 1)); });
  ASSERT_FALSE(greedy.ok());
  EXPECT_EQ(greedy.error().code, Errc::kLimit);
}

}  // namespace
}  // namespace bulwark::sandbox
