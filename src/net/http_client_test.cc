// The client against servers that only a hostile person runs: bytes that drip, addresses that are somebody else's.
#include "net/http_client.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace bulwark::net {
namespace {

// Answers every request with `head`, then with `piece` every 20 ms, `pieces` times.
class DrippingServer {
 public:
  DrippingServer(std::string head, std::string piece, int pieces) : head_(std::move(head)), piece_(std::move(piece)), pieces_(pieces) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_.get(), 16);
    socklen_t length = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~DrippingServer() {
    stop_ = true;
    thread_.join();
    for (auto& session : sessions_) session.join();
  }
  std::string port() const { return std::to_string(port_); }
  int connections() const { return connections_; }
  int answered() const { return answered_; }

 private:
  bool Readable(int fd) const {
    pollfd one{fd, POLLIN, 0};
    while (!stop_)
      if (::poll(&one, 1, 20) > 0) return true;
    return false;
  }
  void Run() {
    while (Readable(listener_.get())) {
      const int fd = ::accept(listener_.get(), nullptr, nullptr);
      ++connections_;
      sessions_.emplace_back([this, fd] {
        const UniqueFd open(fd);
        while (Answer(fd)) {}
      });
    }
  }
  bool Answer(int fd) {
    std::string got;
    char bytes[4096];
    while (got.find("\r\n\r\n") == std::string::npos) {
      if (!Readable(fd)) return false;
      const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
      if (n <= 0) return false;
      got.append(bytes, static_cast<std::size_t>(n));
    }
    ++answered_;
    if (!Write(fd, head_)) return false;
    for (int i = 0; i < pieces_ && !stop_; ++i) {
      ::poll(nullptr, 0, 20);
      if (!Write(fd, piece_)) return false;
    }
    return true;
  }
  static bool Write(int fd, const std::string& text) { return text.empty() || ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()); }

  std::string head_, piece_;
  int pieces_;
  std::uint16_t port_ = 0;
  UniqueFd listener_;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0}, answered_{0};
  std::vector<std::thread> sessions_;  // of the other thread until it ended
  std::thread thread_;
};

HttpClientRequest Get(const DrippingServer& server, const std::string& host = "127.0.0.1") {
  HttpClientRequest request;
  request.url = "http://" + host + ":" + server.port() + "/";
  return request;
}

// 50 bytes a second are not nothing, and yet a blob would take years.
TEST(HttpClient, GivesUpOnBytesThatDrip) {
  DrippingServer server("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "x", 500);
  HttpClientOptions options;
  options.stall_timeout_s = 1;
  std::uint64_t seen = 0;
  HttpClientRequest request = Get(server);
  request.sink = [&](ByteSpan bytes) {
    seen += bytes.size();
    return Status();
  };
  const auto got = MakeHttpClient(options)->Send(request);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Errc::kUnavailable);
  EXPECT_GT(seen, 0u);
}

// Fast enough to be no stall; too long for what is small. Also if each hop alone is quick.
TEST(HttpClient, BoundsACallByItsWholeTime) {
  DrippingServer slow("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n", std::string(1000, 'x'), 500);
  HttpClientRequest request = Get(slow);
  request.total_timeout_s = 1;
  EXPECT_EQ(MakeHttpClient()->Send(request).error().code, Errc::kUnavailable);

  DrippingServer hops("HTTP/1.1 302 X\r\nLocation: /next\r\nContent-Length: 20\r\n\r\n", "x", 20);
  HttpClientRequest redirected = Get(hops);
  redirected.total_timeout_s = 1;
  const auto got = MakeHttpClient()->Send(redirected);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().message.find("redirected"), std::string::npos) << got.error().message;
}

// What takes its time to send has no whole time; its answer has. Also one that comes before all was sent.
TEST(HttpClient, BoundsTheAnswerToWhatIsSent) {
  struct Endless final : ByteSource {
    Result<std::size_t> Read(std::span<std::uint8_t> into) override {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::fill(into.begin(), into.end(), 'x');
      return into.size();
    }
  } endless;
  for (const bool early : {false, true}) {
    DrippingServer slow("HTTP/1.1 202 X\r\nContent-Length: 500000\r\n\r\n", std::string(1000, 'x'), 500);
    HttpClientRequest request = Get(slow);
    MemorySource body(AsBytes("body"));
    request.method = "PATCH";
    request.body_source = early ? static_cast<ByteSource*>(&endless) : &body;
    request.body_size = early ? std::uint64_t{1} << 40 : 4;
    request.answer_timeout_s = 1;
    const auto got = MakeHttpClient()->Send(request);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().code, Errc::kUnavailable);
    EXPECT_EQ(got.error().message, "not answered within 1 seconds");
  }
}

// attacks: challenge-realm-theft. What counts is the address that is connected to, not the name; that of an old connection too.
TEST(HttpClient, AsksBeforeItConnects) {
  DrippingServer server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "x", 1);
  auto client = MakeHttpClient();
  HttpClientRequest request = Get(server, "localhost");
  std::string asked;
  bool may = false;
  request.may_connect = [&](const Destination& to) -> Status {
    asked += to.url + " " + to.address + to.first_address + "\n";
    return may ? Status() : Status(Errc::kUnauthenticated, "not there");
  };
  EXPECT_EQ(client->Send(request).error().code, Errc::kUnauthenticated);
  EXPECT_NE(asked.find("http://localhost:" + server.port() + "/ 127.0.0.1\n"), std::string::npos) << asked;
  EXPECT_EQ(server.connections(), 0);
  may = true;
  const auto first = client->Send(request);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->address, "127.0.0.1");
  EXPECT_TRUE(client->Send(request).ok());
  EXPECT_EQ(server.connections(), 1) << "the connection is kept";
  asked.clear();
  may = false;
  EXPECT_EQ(client->Send(request).error().code, Errc::kUnauthenticated);
  EXPECT_NE(asked.find("http://localhost:" + server.port() + "/ 127.0.0.1\n"), std::string::npos) << asked;
  EXPECT_EQ(server.answered(), 2);
}

TEST(HttpClient, AsksWhereARedirectLeads) {
  DrippingServer inside("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "x", 1);
  DrippingServer outside("HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:" + inside.port() + "/\r\nContent-Length: 0\r\n\r\n", "", 0);
  HttpClientRequest request = Get(outside);
  request.may_connect = [&](const Destination& to) -> Status {
    if (to.first_address.empty()) return {};
    return Status(Errc::kUnauthenticated, to.url + " from " + to.first_address);
  };
  const auto got = MakeHttpClient()->Send(request);
  ASSERT_EQ(got.error().code, Errc::kUnauthenticated);
  EXPECT_EQ(got.error().message, "http://127.0.0.1:" + inside.port() + "/ from 127.0.0.1");
  EXPECT_EQ(inside.connections(), 0);
}

// A proxy is of this network: the host behind it has another address, which nobody here knows. Also one with the host's port.
TEST(HttpClient, DoesNotTakeAProxyForTheHost) {
  DrippingServer proxy("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "x", 1);
  ::setenv("http_proxy", ("http://127.0.0.1:" + proxy.port()).c_str(), 1);
  for (const std::string& port : {std::string(), ":" + proxy.port()}) {
    HttpClientRequest request;
    request.url = "http://registry.invalid" + port + "/";
    std::string asked;
    bool may = true;
    request.may_connect = [&](const Destination& to) -> Status {
      asked += to.url + "|" + to.address;
      return may ? Status() : Status(Errc::kUnauthenticated, "not there");
    };
    const auto got = MakeHttpClient()->Send(request);
    ASSERT_TRUE(got.ok()) << got.error().message;
    EXPECT_EQ(got->address, "");
    EXPECT_EQ(asked, request.url + "|");
    may = false;
    const int before = proxy.answered();
    EXPECT_EQ(MakeHttpClient()->Send(request).error().code, Errc::kUnauthenticated);
    EXPECT_EQ(proxy.answered(), before);
  }
  ::unsetenv("http_proxy");
}

}  // namespace
}  // namespace bulwark::net
