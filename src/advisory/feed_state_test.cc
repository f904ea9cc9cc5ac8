#include "advisory/feed_state.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/byte_source.h"

namespace bulwark::advisory {
namespace {

class FeedStates : public ::testing::Test {
 protected:
  FeedStates() : folder_(std::filesystem::temp_directory_path() / ("bulwark-feeds-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~FeedStates() override { std::filesystem::remove_all(folder_); }
  std::string cache() const { return folder_.string(); }
  void Write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  std::filesystem::path folder_;
};

TEST_F(FeedStates, AreReadAsWritten) {
  FeedState state;
  state.name = "npm";
  state.validators = {"https://a.example/x", "W/\"1\"", "Fri, 02 Jan 2026 00:00:00 GMT"};
  state.format = "zip";
  state.sha256 = "sha256:00";
  state.bytes = 1;
  state.records = 2;
  state.fetched = state.checked = state.next_try = Time(Millis(5));
  state.failures = 4;
  state.error = "a \"b\"\n";
  ASSERT_TRUE(WriteFeedState(cache(), state).ok());
  const FeedState read = ReadFeedState(cache(), "npm");
  EXPECT_EQ(read.validators.etag, state.validators.etag);
  EXPECT_EQ(read.validators.url + read.validators.last_modified, state.validators.url + state.validators.last_modified);
  EXPECT_EQ(read.format + read.sha256, "zipsha256:00");
  EXPECT_EQ(read.bytes + read.records * 10 + read.failures * 100, 421u);
  EXPECT_EQ(read.data_date, kNever);
  EXPECT_EQ(read.failed, kNever);
  EXPECT_EQ(read.fetched, Time(Millis(5)));
  EXPECT_EQ(read.next_try, Time(Millis(5)));
  EXPECT_TRUE(read.error.starts_with("a \"b\""));
}

TEST_F(FeedStates, DamagedOnesAreThoseOfNoDownload) {
  const char* damaged[] = {"", "{", "[]", "null", "{\"sha256\":1,\"bytes\":-1,\"fetched\":\"x\",\"etag\":[]}", "{\"format\":\"../../etc/passwd\",\"sha256\":\"\"}"};
  for (const char* text : damaged) {
    Write("npm.state", text);
    const FeedState read = ReadFeedState(cache(), "npm");
    EXPECT_EQ(read.name, "npm");
    EXPECT_EQ(read.sha256 + read.format + read.validators.etag, "") << text;
    EXPECT_EQ(read.bytes, 0u);
    EXPECT_EQ(read.fetched, kNever);
  }
  EXPECT_EQ(ReadFeedState(cache(), "absent").sha256, "");
}

TEST_F(FeedStates, OfTheBuild) {
  ASSERT_TRUE(WriteBuildState(cache(), {{"a 1", "b 2"}, "why", Time(Millis(7))}).ok());
  const BuildState read = ReadBuildState(cache());
  EXPECT_EQ(read.inputs, (std::vector<std::string>{"a 1", "b 2"}));
  EXPECT_EQ(read.error, "why");
  EXPECT_EQ(read.at, Time(Millis(7)));
}

}  // namespace
}  // namespace bulwark::advisory
