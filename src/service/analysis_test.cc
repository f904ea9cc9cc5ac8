// This binary is its own analysis worker: started with the one argument "worker" it runs AnalysisJob in the sandbox.

#include "service/analysis.h"

#include <array>
#include <atomic>
#include <csignal>
#include <deque>
#include <filesystem>
#include <iostream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/limits.h"
#include "catalog/cataloger.h"
#include "crypto/hash.h"
#include "service/analysis_messages.h"

namespace bulwark::service {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kStatus =
    "Package: nginx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.22.1-9\nDescription: x\n\n";

// One ustar entry (POSIX.1-2017 pax, "ustar Interchange Format").
std::string TarFile(const std::string& path, std::string_view data) {
  std::string header(512, '\0');
  auto put = [&](std::size_t at, std::string_view text) { header.replace(at, text.size(), text); };
  char number[16];
  put(0, path);
  put(100, "0000644");
  std::snprintf(number, sizeof number, "%011zo", data.size());
  put(124, number);
  put(136, "00000000000");
  put(148, "        ");
  put(156, "0");
  put(257, std::string_view("ustar\00000", 8));
  unsigned sum = 0;
  for (unsigned char c : header) sum += c;
  std::snprintf(number, sizeof number, "%06o", sum);
  put(148, std::string_view(number, 7));
  std::string out = header + std::string(data);
  out.resize((out.size() + 511) / 512 * 512, '\0');
  return out;
}

std::string Layer(std::size_t filler) {
  std::string out = TarFile("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n") + TarFile("var/lib/dpkg/status", kStatus);
  std::string noise(std::min<std::size_t>(filler, 1 << 20), '\0');
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * 2654435761u >> 13);
  for (std::size_t i = 0; filler > 0 && i < filler; i += noise.size()) out += TarFile("usr/share/noise" + std::to_string(i), noise);
  return out + std::string(1024, '\0');
}

// A spool: a file that grows and has no name.
class Spool {
 public:
  Spool() {
    std::string name = testing::TempDir() + "bulwark-spool-XXXXXX";
    fd_ = UniqueFd(::mkstemp(name.data()));
    std::filesystem::remove(name);
  }
  void Append(std::string_view bytes) {
    ASSERT_EQ(::write(fd_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    size_ += bytes.size();
  }
  int fd() const { return fd_.get(); }
  std::uint64_t size() const { return size_; }

 private:
  UniqueFd fd_;
  std::uint64_t size_ = 0;
};

std::vector<std::string> PackagesOf(const image::LayerRecord& record) {
  std::vector<std::string> out;
  for (const auto& file : record.files)
    for (const auto& package : file.packages) out.push_back(package.name + " " + package.version);
  return out;
}

void ExpectBlind(const Result<image::LayerRecord>& record, std::string_view reason) {
  ASSERT_TRUE(record.ok()) << record.error().message;
  EXPECT_TRUE(record->is_layer);
  EXPECT_FALSE(record->complete);
  EXPECT_EQ(record->set_version, catalog::kSetVersion);
  EXPECT_EQ(record->limits_version, limits::kLimitsVersion);
  ASSERT_EQ(record->gaps.size(), 1u);
  EXPECT_EQ(record->gaps[0].kind, image::GapKind::kBlind);
  EXPECT_NE(record->gaps[0].reason.find(reason), std::string::npos) << record->gaps[0].reason;
}

// ---- with real workers ----

class AnalysisTest : public testing::Test {
 protected:
  void SetUp() override { Make({}); }
  void Make(const sandbox::WorkerOptions& options) {
    analyzer_.reset();
    auto pool = sandbox::MakeWorkerPool(options);
    if (!pool.ok() && pool.error().code == Errc::kUnsupported) GTEST_SKIP() << pool.error().message;
    ASSERT_TRUE(pool.ok()) << pool.error().message;
    pool_ = *std::move(pool);
    analyzer_ = MakeAnalyzer(*pool_);
  }
  // Returns when all workers that are running now are dead.
  static void KillWorkers(int signal) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::string status = ReadFile(entry.path() / "status", 1 << 16).value_or("");
      if (status.find("\nPPid:\t" + std::to_string(::getpid()) + "\n") == std::string::npos) continue;
      ::kill(static_cast<pid_t>(std::stol(entry.path().filename().string())), signal);
      files.push_back(entry.path() / "status");
    }
    for (const auto& file : files) {
      auto dead = [](const std::string& status) { return status.empty() || status.find("\nState:\tZ") != std::string::npos; };
      while (!dead(ReadFile(file, 1 << 16).value_or(""))) std::this_thread::yield();
    }
  }

  std::unique_ptr<sandbox::WorkerPool> pool_;
  std::unique_ptr<Analyzer> analyzer_;
};

TEST_F(AnalysisTest, ReadsALayer) {
  Spool spool;
  spool.Append(Layer(0));
  auto record = analyzer_->Read(spool.fd(), spool.size());
  ASSERT_TRUE(record.ok()) << record.error().message;
  EXPECT_TRUE(record->is_layer);
  EXPECT_TRUE(record->complete) << (record->gaps.empty() ? "" : record->gaps[0].reason);
  EXPECT_EQ(record->blob_size, spool.size());
  EXPECT_EQ(record->diff_id, crypto::Sha256(AsBytes(Layer(0))));
  EXPECT_EQ(record->entries.size(), 2u);
  EXPECT_EQ(PackagesOf(*record), std::vector<std::string>{"nginx 1.22.1-9"});
}

TEST_F(AnalysisTest, AConfigIsNoLayer) {
  Spool spool;
  spool.Append(R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}})");
  auto begin = std::chrono::steady_clock::now();
  auto record = analyzer_->Read(spool.fd(), spool.size());
  std::cout << "    " << std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count() << " us\n";
  ASSERT_TRUE(record.ok());
  EXPECT_FALSE(record->is_layer);
  EXPECT_TRUE(record->complete);
  EXPECT_TRUE(record->gaps.empty());
  Spool empty;
  EXPECT_TRUE(analyzer_->Read(empty.fd(), 0).ok());
}

TEST_F(AnalysisTest, FollowsWhileItGrows) {
  std::string layer = Layer(8 << 20);
  for (std::size_t step : {std::size_t{1000}, std::size_t{300'000}, layer.size()}) {
    Spool spool;
    auto follower = analyzer_->Follow(spool.fd());
    ASSERT_TRUE(follower.ok());
    for (std::size_t at = 0; at < layer.size(); at += step) {
      spool.Append(std::string_view(layer).substr(at, step));
      (*follower)->Grew(spool.size());
    }
    EXPECT_EQ((*follower)->Wait(0ms).error().code, Errc::kUnavailable);
    (*follower)->Finished(spool.size());
    auto record = (*follower)->Wait(30s);
    ASSERT_TRUE(record.ok()) << record.error().message;
    EXPECT_TRUE(record->complete);
    EXPECT_EQ(record->blob_size, layer.size());
    EXPECT_EQ(record->diff_id, crypto::Sha256(AsBytes(layer)));
    EXPECT_EQ((*follower)->behind(), 0u);
    EXPECT_EQ((*follower)->Wait(0ms).error().code, Errc::kCancelled);  // given once
  }
}

// DESIGN section 6: little is left to do when the last byte arrives. The number is printed, not asserted (no wall clock).
TEST_F(AnalysisTest, HasReadNearlyAllWhenTheEndComes) {
  std::string layer = Layer(64 << 20);
  Spool spool;
  auto follower = analyzer_->Follow(spool.fd());
  ASSERT_TRUE(follower.ok());
  for (std::size_t at = 0; at < layer.size(); at += 1 << 20) {
    spool.Append(std::string_view(layer).substr(at, 1 << 20));
    (*follower)->Grew(spool.size());
    while ((*follower)->behind() > (8u << 20)) std::this_thread::yield();
  }
  EXPECT_LE((*follower)->behind(), 8u << 20);
  auto begin = std::chrono::steady_clock::now();
  (*follower)->Finished(spool.size());
  ASSERT_TRUE((*follower)->Wait(30s).ok());
  std::cout << "    " << std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count()
            << " us after the last byte\n";
}

TEST_F(AnalysisTest, ReadsEntriesAgain) {
  Spool spool;
  std::string layer = TarFile("opt/hidden/status", kStatus) + std::string(1024, '\0');
  spool.Append(layer);
  auto record = analyzer_->Read(spool.fd(), spool.size());
  ASSERT_TRUE(record.ok());
  EXPECT_TRUE(PackagesOf(*record).empty());
  auto more = analyzer_->ReadAgain(spool.fd(), spool.size(), *record, {{0, 0, "var/lib/dpkg/status"}});
  ASSERT_TRUE(more.ok());
  EXPECT_TRUE(more->complete);
  EXPECT_EQ(PackagesOf(*more), std::vector<std::string>{"nginx 1.22.1-9"});
}

// "a crash in a worker (injected)": from outside, because a switch for it would be in every binary.
TEST_F(AnalysisTest, ACrashIsABlindGap) {
  Spool spool;
  auto follower = analyzer_->Follow(spool.fd());
  ASSERT_TRUE(follower.ok());
  std::string layer = Layer(1 << 20);
  spool.Append(std::string_view(layer).substr(0, 600'000));
  (*follower)->Grew(spool.size());
  while ((*follower)->behind() > 0) std::this_thread::yield();
  KillWorkers(SIGABRT);  // sanitizers would catch a SIGSEGV
  spool.Append(std::string_view(layer).substr(600'000));
  (*follower)->Grew(spool.size());
  (*follower)->Finished(spool.size());
  auto record = (*follower)->Wait(30s);
  ExpectBlind(record, "the worker crashed (signal 6");
  EXPECT_EQ(record.value().blob_size, layer.size());
  // And the next ones are fine, although the waiting workers were shot as well.
  for (int i = 0; i < 3; ++i) {
    auto next = analyzer_->Read(spool.fd(), spool.size());
    ASSERT_TRUE(next.ok());
    EXPECT_TRUE(next->complete) << next->gaps[0].reason;
  }
}

TEST_F(AnalysisTest, AShortSpoolIsABlindGap) {
  Spool spool;
  spool.Append(Layer(0));
  auto record = analyzer_->Read(spool.fd(), spool.size() + 512);
  ASSERT_TRUE(record.ok());
  EXPECT_FALSE(record->complete);
  ASSERT_FALSE(record->gaps.empty());
  EXPECT_EQ(record->gaps[0].kind, image::GapKind::kBlind);
}

TEST_F(AnalysisTest, DroppingAFollowerGivesItsWorkerBack) {
  Make({.at_once = 1});
  std::string layer = Layer(1 << 20);
  for (int i = 0; i < 5; ++i) {
    Spool spool;
    auto follower = analyzer_->Follow(spool.fd());
    ASSERT_TRUE(follower.ok());
    spool.Append(std::string_view(layer).substr(0, 700'000));
    (*follower)->Grew(spool.size());
  }
  Spool spool;
  spool.Append(layer);
  EXPECT_TRUE(analyzer_->Read(spool.fd(), spool.size()).value().complete);
}

// Uploads that pause do not keep others from being analysed: with one place, the paused one is read at its end.
TEST_F(AnalysisTest, APausedUploadGivesWay) {
  Make({.at_once = 1});
  std::string layer = Layer(1 << 20);
  Spool slow;
  auto follower = analyzer_->Follow(slow.fd());
  ASSERT_TRUE(follower.ok());
  slow.Append(std::string_view(layer).substr(0, 700'000));
  (*follower)->Grew(slow.size());
  while ((*follower)->behind() > 0) std::this_thread::yield();
  Spool quick;
  quick.Append(layer);
  EXPECT_TRUE(analyzer_->Read(quick.fd(), quick.size()).value().complete);
  slow.Append(std::string_view(layer).substr(700'000));
  (*follower)->Finished(slow.size());
  auto record = (*follower)->Wait(30s);
  ASSERT_TRUE(record.ok());
  EXPECT_TRUE(record->complete);
  EXPECT_EQ(record->diff_id, crypto::Sha256(AsBytes(layer)));
}

TEST_F(AnalysisTest, ManyAtOnce) {
  std::string layer = Layer(1 << 20);
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Spool spool;
      if (t % 2 == 0) {
        spool.Append(layer);
        auto record = analyzer_->Read(spool.fd(), spool.size());
        if (record.ok() && record->complete) ++done;
        return;
      }
      auto follower = analyzer_->Follow(spool.fd());
      for (std::size_t at = 0; at < layer.size(); at += 100'000) {
        spool.Append(std::string_view(layer).substr(at, 100'000));
        (*follower)->Grew(spool.size());
      }
      (*follower)->Finished(spool.size());
      auto record = (*follower)->Wait(60s);
      if (record.ok() && record->complete) ++done;
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(done, 8);
}

TEST_F(AnalysisTest, NoWorkersIsABlindGap) {
  Make({.program = "/nonexistent"});
  Spool spool;
  spool.Append(Layer(0));
  ExpectBlind(analyzer_->Read(spool.fd(), spool.size()), "starting a worker");
}

// ---- with a worker whose answers a test writes (specs/attacks.md, worker-escape: forged results) ----

class ScriptedWorker final : public sandbox::Worker {
 public:
  // Gives the messages that `script` makes from the start message, then an error.
  using Script = std::function<std::vector<Bytes>(const StartMessage&)>;
  explicit ScriptedWorker(Script script) : script_(std::move(script)) {}
  Status Send(ByteSpan message, int) override {
    auto decoded = DecodeFromServer(message);
    if (decoded.ok() && std::holds_alternative<StartMessage>(*decoded)) {
      for (Bytes& answer : script_(std::get<StartMessage>(*decoded))) answers_.push_back(std::move(answer));
    }
    return {};
  }
  Result<Bytes> Receive(std::uint64_t, std::chrono::milliseconds) override {
    if (answers_.empty()) return {Errc::kUnavailable, "the worker ended without an answer (exit code 0)"};
    Bytes out = std::move(answers_.front());
    answers_.pop_front();
    return out;
  }
  std::uint64_t peak_memory() const override { return 0; }

 private:
  Script script_;
  std::deque<Bytes> answers_;
};

class ScriptedPool final : public sandbox::WorkerPool {
 public:
  explicit ScriptedPool(ScriptedWorker::Script script) : script_(std::move(script)) {}
  Result<std::unique_ptr<sandbox::Worker>> Take(const std::function<bool()>&) override {
    return std::unique_ptr<sandbox::Worker>(std::make_unique<ScriptedWorker>(script_));
  }

 private:
  ScriptedWorker::Script script_;
};

Bytes Answer(const FromWorker& message) { return Encode(message); }

image::LayerRecord GoodRecord(std::uint64_t size) {
  image::LayerRecord record;
  record.is_layer = true;
  record.blob_size = size;
  record.set_version = catalog::kSetVersion;
  record.limits_version = limits::kLimitsVersion;
  return record;
}

Result<image::LayerRecord> AnalyzeWith(ScriptedWorker::Script script) {
  ScriptedPool pool(std::move(script));
  auto analyzer = MakeAnalyzer(pool);
  Spool spool;
  spool.Append("0123456789");
  return analyzer->Read(spool.fd(), spool.size());
}

TEST(ForgedAnswers, AreBlindGaps) {
  auto good = [](const StartMessage& s) { return Answer(RecordMessage{s.nonce, image::Encode(GoodRecord(10))}); };
  EXPECT_TRUE(AnalyzeWith([&](const StartMessage& s) { return std::vector<Bytes>{good(s)}; }).value().complete);

  ExpectBlind(AnalyzeWith([](const StartMessage&) { return std::vector<Bytes>(); }), "ended without an answer");
  ExpectBlind(AnalyzeWith([](const StartMessage&) { return std::vector<Bytes>{Answer(RecordMessage{{}, image::Encode(GoodRecord(10))})}; }),
              "answered another job");
  ExpectBlind(AnalyzeWith([](const StartMessage&) { return std::vector<Bytes>{Answer(FailedMessage{{}, "x"})}; }), "answered another job");
  ExpectBlind(AnalyzeWith([](const StartMessage& s) { return std::vector<Bytes>{Answer(FailedMessage{s.nonce, "bad\x1b[31m"})}; }), "bad\\u001b[31m");
  ExpectBlind(AnalyzeWith([](const StartMessage&) { return std::vector<Bytes>{Bytes{}}; }), "does not have its format");
  ExpectBlind(AnalyzeWith([](const StartMessage&) { return std::vector<Bytes>{Bytes{99}}; }), "does not have its format");
  ExpectBlind(AnalyzeWith([](const StartMessage& s) { return std::vector<Bytes>{Answer(RecordMessage{s.nonce, {1, 2, 3}})}; }), "the worker's answer");
  ExpectBlind(AnalyzeWith([](const StartMessage&) { return std::vector<Bytes>{Answer(ProgressMessage{11, false})}; }), "nonsense");
  ExpectBlind(AnalyzeWith([](const StartMessage&) {
                return std::vector<Bytes>{Answer(ProgressMessage{5, false}), Answer(ProgressMessage{4, false})};
              }), "nonsense");
  ExpectBlind(AnalyzeWith([](const StartMessage&) { return std::vector<Bytes>{Answer(ProgressMessage{10, true})}; }), "behind the end");
  ExpectBlind(AnalyzeWith([](const StartMessage& s) { return std::vector<Bytes>{Answer(RecordMessage{s.nonce, image::Encode(GoodRecord(9))})}; }),
              "read 9 of 10 bytes");
  ExpectBlind(AnalyzeWith([](const StartMessage& s) {
                image::LayerRecord old = GoodRecord(10);
                old.set_version = catalog::kSetVersion + 1;
                return std::vector<Bytes>{Answer(RecordMessage{s.nonce, image::Encode(old)})};
              }), "another version");
}

TEST(AnalysisMessages, HaveOneSpelling) {
  StartMessage start;
  start.nonce[3] = 7;
  start.extent = {1ull << 40, true};
  start.again = true;
  start.unread = {{0, 5, "var/lib/dpkg/status"}, {0, 6, ""}};
  start.record = {1, 2, 3};
  for (const FromServer& message : std::vector<FromServer>{start, GrowMessage{{7, false}}}) {
    Bytes bytes = Encode(message);
    auto back = DecodeFromServer(bytes);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(Encode(*back), bytes);
    bool start_message = std::holds_alternative<StartMessage>(message);  // whose end is free
    for (std::size_t n = 0; n + (start_message ? 3 : 0) < bytes.size(); ++n) {
      EXPECT_FALSE(DecodeFromServer(ByteSpan(bytes).first(n)).ok()) << n;
    }
  }
  for (const FromWorker& message : std::vector<FromWorker>{ProgressMessage{9, true}, FailedMessage{start.nonce, "why"}}) {
    Bytes bytes = Encode(message);
    EXPECT_EQ(Encode(DecodeFromWorker(bytes).value()), bytes);
    for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(DecodeFromWorker(ByteSpan(bytes).first(n)).ok()) << n;
    bytes.push_back(0);
    EXPECT_FALSE(DecodeFromWorker(bytes).ok());
  }
  // A count that no bytes follow.
  Bytes lie = Encode(FromServer(StartMessage{}));
  for (std::size_t i = lie.size() - 4; i < lie.size(); ++i) lie[i] = 0xff;
  EXPECT_FALSE(DecodeFromServer(lie).ok());
}

}  // namespace
}  // namespace bulwark::service

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "worker") return bulwark::sandbox::WorkerMain(bulwark::service::AnalysisJob);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
