#pragma once
// What every BlobDriver must do. A driver's test defines a harness
//   struct MyHarness { BlobDriver& driver(); void Restart(); };   // Restart: a new driver over the same store
// and says INSTANTIATE_TYPED_TEST_SUITE_P(My, BlobDriverSuite, MyHarness);

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "crypto/hash.h"
#include "storage/blob/driver.h"

namespace bulwark::storage {

template <typename Harness>
class BlobDriverSuite : public ::testing::Test {
 protected:
  BlobDriver& driver() { return harness_.driver(); }

  static BlobKey KeyOf(std::string_view bytes) { return {0, crypto::Sha256(AsBytes(bytes))}; }
  BlobKey Store(const std::string& id, std::string_view bytes) {
    auto writer = driver().Upload(id);
    EXPECT_TRUE(writer) << writer.error().message;
    EXPECT_TRUE((*writer)->Append(AsBytes(bytes)));
    Status committed = (*writer)->Commit(KeyOf(bytes).digest);
    EXPECT_TRUE(committed) << committed.error().message;
    return KeyOf(bytes);
  }
  std::string Load(const BlobKey& key) {
    auto reader = driver().Open(key);
    if (!reader) return std::string(Name(reader.error().code));
    std::string out((*reader)->size(), '\0');
    EXPECT_TRUE((*reader)->ReadAt(0, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()}));
    return out;
  }
  std::set<std::string> Uploads() {
    std::set<std::string> out;
    EXPECT_TRUE(driver().EachUpload([&](const std::string& id) { return out.insert(id), true; }));
    return out;
  }
  std::vector<BlobInfo> Blobs() {
    std::vector<BlobInfo> out;
    EXPECT_TRUE(driver().Each([&](const BlobInfo& b) { return out.push_back(b), true; }));
    return out;
  }

  Harness harness_;
};
TYPED_TEST_SUITE_P(BlobDriverSuite);

TYPED_TEST_P(BlobDriverSuite, StoresAndReads) {
  const BlobKey key = this->Store("aa", "hello");
  EXPECT_EQ(this->Load(key), "hello");
  EXPECT_EQ(this->driver().Stat(key)->size, 5u);
  auto reader = this->driver().Open(key);
  std::uint8_t two[2];
  EXPECT_TRUE((*reader)->ReadAt(3, two));
  EXPECT_EQ(AsText(two), "lo");
  EXPECT_EQ((*reader)->ReadAt(4, two).error().code, Errc::kRange);
  if ((*reader)->fd() >= 0) {
    char bytes[8];
    EXPECT_EQ(::pread((*reader)->fd(), bytes, sizeof bytes, 0), 5);
  }
  EXPECT_TRUE(this->Uploads().empty());
}

TYPED_TEST_P(BlobDriverSuite, EmptyBlob) {
  auto writer = this->driver().Upload("aa");
  EXPECT_TRUE((*writer)->Commit(this->KeyOf("").digest));
  EXPECT_EQ(this->Load(this->KeyOf("")), "");
}

TYPED_TEST_P(BlobDriverSuite, AbsentBlob) {
  const BlobKey key = this->KeyOf("nothing");
  EXPECT_EQ(this->driver().Stat(key).error().code, Errc::kNotFound);
  EXPECT_EQ(this->driver().Open(key).error().code, Errc::kNotFound);
  EXPECT_TRUE(this->driver().Remove(key));
}

TYPED_TEST_P(BlobDriverSuite, Sha512) {
  const std::string bytes(300'000, 'x');
  const Digest digest = crypto::HashWith(DigestAlgorithm::kSha512, AsBytes(bytes));
  auto writer = this->driver().Upload("aa");
  ASSERT_TRUE((*writer)->Append(AsBytes(bytes)));
  ASSERT_TRUE((*writer)->Commit(digest));
  EXPECT_EQ(this->Load({0, digest}), bytes);
  EXPECT_EQ(this->Blobs().size(), 1u);
}

TYPED_TEST_P(BlobDriverSuite, WrongDigestKeepsTheSpool) {
  auto writer = this->driver().Upload("aa");
  ASSERT_TRUE((*writer)->Append(AsBytes("hel")));
  EXPECT_EQ((*writer)->Commit(this->KeyOf("hello").digest).error().code, Errc::kDigest);
  EXPECT_EQ((*writer)->Commit(crypto::HashWith(DigestAlgorithm::kSha512, AsBytes("x"))).error().code, Errc::kDigest);
  EXPECT_EQ(this->driver().Stat(this->KeyOf("hel")).error().code, Errc::kNotFound);
  ASSERT_TRUE((*writer)->Append(AsBytes("lo")));
  EXPECT_EQ((*writer)->size(), 5u);
  EXPECT_TRUE((*writer)->Commit(this->KeyOf("hello").digest));
  EXPECT_EQ(this->Load(this->KeyOf("hello")), "hello");
  EXPECT_EQ((*writer)->Append(AsBytes("more")).error().code, Errc::kConflict);
  EXPECT_EQ((*writer)->Commit(this->KeyOf("hello").digest).error().code, Errc::kConflict);
  (*writer)->Cancel();
  EXPECT_EQ(this->Load(this->KeyOf("hello")), "hello");
}

TYPED_TEST_P(BlobDriverSuite, ResumesAfterRestart) {
  {
    auto writer = this->driver().Upload("ab12");
    ASSERT_TRUE((*writer)->Append(AsBytes("hel")));
  }
  this->harness_.Restart();
  EXPECT_EQ(this->Uploads(), std::set<std::string>{"ab12"});
  auto writer = this->driver().Upload("ab12");
  EXPECT_EQ((*writer)->size(), 3u);
  ASSERT_TRUE((*writer)->Append(AsBytes("lo")));
  EXPECT_TRUE((*writer)->Commit(this->KeyOf("hello").digest));
  EXPECT_EQ(this->Load(this->KeyOf("hello")), "hello");
}

TYPED_TEST_P(BlobDriverSuite, ResumedSpoolCanBeCommittedAsItIs) {
  {
    auto writer = this->driver().Upload("ab");
    ASSERT_TRUE((*writer)->Append(AsBytes("hello")));
  }
  this->harness_.Restart();
  auto writer = this->driver().Upload("ab");
  EXPECT_TRUE((*writer)->Commit(this->KeyOf("hello").digest));
}

TYPED_TEST_P(BlobDriverSuite, OneWriterForAnUpload) {
  auto first = this->driver().Upload("ab");
  ASSERT_TRUE(first);
  EXPECT_EQ(this->driver().Upload("ab").error().code, Errc::kConflict);
  EXPECT_TRUE(this->driver().Upload("cd"));
  first->reset();
  EXPECT_TRUE(this->driver().Upload("ab"));
}

TYPED_TEST_P(BlobDriverSuite, RefusesIdsThatAreNoHex) {
  for (const char* id : {"", "..", "a/b", "../../etc/passwd", "AB", "xyz", "a b"})
    EXPECT_EQ(this->driver().Upload(id).error().code, Errc::kInvalid) << id;
  EXPECT_EQ(this->driver().Upload(std::string(65, 'a')).error().code, Errc::kInvalid);
}

TYPED_TEST_P(BlobDriverSuite, CancelRemovesTheSpool) {
  auto writer = this->driver().Upload("ab");
  ASSERT_TRUE((*writer)->Append(AsBytes("x")));
  (*writer)->Cancel();
  EXPECT_TRUE(this->Uploads().empty());
  EXPECT_EQ((*writer)->Append(AsBytes("x")).error().code, Errc::kConflict);
}

TYPED_TEST_P(BlobDriverSuite, SpoolCanBeReadWhileItGrows) {
  auto writer = this->driver().Upload("ab");
  ASSERT_TRUE((*writer)->Append(AsBytes("abc")));
  char bytes[8];
  ASSERT_EQ(::pread((*writer)->spool_fd(), bytes, sizeof bytes, 0), 3);
  ASSERT_TRUE((*writer)->Append(AsBytes("def")));
  EXPECT_EQ(::pread((*writer)->spool_fd(), bytes, sizeof bytes, 3), 3);
  EXPECT_EQ(std::string_view(bytes, 3), "def");
}

TYPED_TEST_P(BlobDriverSuite, OpenReaderOutlivesRemove) {
  const BlobKey key = this->Store("ab", "hello");
  auto reader = this->driver().Open(key);
  ASSERT_TRUE(this->driver().Remove(key));
  EXPECT_EQ(this->driver().Stat(key).error().code, Errc::kNotFound);
  std::uint8_t bytes[5];
  EXPECT_TRUE((*reader)->ReadAt(0, bytes));
}

TYPED_TEST_P(BlobDriverSuite, StoringTwiceIsOnce) {
  const BlobKey key = this->Store("ab", "hello");
  this->Store("cd", "hello");
  EXPECT_EQ(this->Load(key), "hello");
  EXPECT_EQ(this->Blobs().size(), 1u);
}

TYPED_TEST_P(BlobDriverSuite, EachListsAllAndStops) {
  std::set<BlobKey> want;
  for (int i = 0; i < 20; ++i) want.insert(this->Store("ab", "blob " + std::to_string(i)));
  std::set<BlobKey> got;
  for (const BlobInfo& b : this->Blobs()) {
    got.insert(b.key);
    EXPECT_EQ(b.size, this->driver().Stat(b.key)->size);
  }
  EXPECT_EQ(got, want);
  int seen = 0;
  EXPECT_TRUE(this->driver().Each([&](const BlobInfo&) { return ++seen < 3; }));
  EXPECT_EQ(seen, 3);
}

TYPED_TEST_P(BlobDriverSuite, ManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([this, t] {
      const std::string id(1, static_cast<char>('a' + t));
      for (int i = 0; i < 20; ++i) {
        // Half of the blobs are the same in all threads.
        const std::string bytes = i % 2 ? "shared " + std::to_string(i) : id + std::to_string(i);
        const BlobKey key = this->Store(id, bytes);
        EXPECT_EQ(this->Load(key), bytes);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(this->Blobs().size(), 10u + 6 * 10u);
}

REGISTER_TYPED_TEST_SUITE_P(BlobDriverSuite, StoresAndReads, EmptyBlob, AbsentBlob, Sha512, WrongDigestKeepsTheSpool,
                            ResumesAfterRestart, ResumedSpoolCanBeCommittedAsItIs, OneWriterForAnUpload,
                            RefusesIdsThatAreNoHex, CancelRemovesTheSpool, SpoolCanBeReadWhileItGrows,
                            OpenReaderOutlivesRemove, StoringTwiceIsOnce, EachListsAllAndStops, ManyThreads);

}  // namespace bulwark::storage
