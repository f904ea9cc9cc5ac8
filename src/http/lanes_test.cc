// What waits for an analysis, or fills the common threads, keeps neither probes nor other requests from an answer.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "http/fakes.h"
#include "http/router.h"
#include "net/test_text.h"

namespace bulwark::http {
namespace {

class LanesTest : public testing::Test {
 protected:
  void SetUp() override {
    router_.Add(OperationalRoutes([] { return Status(); }, [this] { return router_.Metrics(); }));
    const auto wait = BlockingHandler([this](Call&) -> Result<net::Response> {
      ++waiting_;
      while (!released_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return net::Response::Text(200, "waited\n");
    });
    router_.Add({net::Method::kGet, "/test/slow", Access::kPublic, wait, 0, Lane::kSlow});
    router_.Add({net::Method::kGet, "/test/common", Access::kPublic, wait});
    net::HttpServerOptions options;
    options.listen = {{"127.0.0.1", 0, false}};
    options.pool = &pool_;
    server_ = net::StartHttpServer(std::move(options), router_.Handler()).value();
  }
  void TearDown() override {
    released_ = true;
    for (std::thread& thread : threads_) thread.join();
    server_.reset();
  }

  std::string Get(const std::string& path) {
    net::RawClient client(server_->endpoints()[0].port);
    client.Send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    return client.ReadAnswer(false);
  }
  // Starts a request that stays until the end of the test.
  void Occupy(const std::string& path) {
    const int before = waiting_;
    threads_.emplace_back([this, path] { Get(path); });
    while (waiting_ == before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  std::atomic<int> waiting_{0};
  std::atomic<bool> released_{false};
  ThreadPool pool_{"common", 1};
  FakeAuthenticator authenticator_;
  Router router_{authenticator_, pool_, {}};
  std::unique_ptr<net::HttpServer> server_;
  std::vector<std::thread> threads_;
};

TEST_F(LanesTest, ProbesAnswerWhileTheCommonThreadsAreBusy) {
  Occupy("/test/common");
  EXPECT_EQ(Get("/healthz").substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(Get("/readyz").substr(0, 12), "HTTP/1.1 200");
}

// Checking passwords would keep the probes waiting.
TEST_F(LanesTest, NoProbeAsksWhoAsks) {
  for (const Route& route : OperationalRoutes([] { return Status(); }, [this] { return router_.Metrics(); }))
    EXPECT_TRUE(route.lane != Lane::kProbe || route.access == Access::kPublic) << route.pattern;
}

TEST_F(LanesTest, WhatWaitsLongLeavesTheCommonThreadsFree) {
  Occupy("/test/slow");
  std::thread other([this] { Get("/test/common"); });
  while (waiting_ < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // it runs: the thread was free
  released_ = true;
  other.join();
}

}  // namespace
}  // namespace bulwark::http
