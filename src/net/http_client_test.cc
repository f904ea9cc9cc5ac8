// The client against servers that only a hostile person runs: bytes that drip, addresses that are somebody else's.
#include "net/http_client.h"

#include <atomic>
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
  bool Answer(int fd) const {
    std::string got;
    char bytes[4096];
    while (got.find("\r\n\r\n") == std::string::npos) {
      if (!Readable(fd)) return false;
      const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
      if (n <= 0) return false;
      got.append(bytes, static_cast<std::size_t>(n));
    }
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
  std::atomic<int> connections_{0};
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

// attacks: challenge-realm-theft. What counts is the address that is connected to, not the name; and an old connection is none.
TEST(HttpClient, AsksBeforeItConnects) {
  DrippingServer server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "x", 1);
  auto client = MakeHttpClient();
  HttpClientRequest request = Get(server, "localhost");
  const auto first = client->Send(request);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->address, "127.0.0.1");
  const int before = server.connections();
  std::string asked;
  request.may_connect = [&](const std::string& address) -> Status {
    asked += address + " ";
    return {Errc::kUnauthenticated, "not there"};
  };
  const auto forbidden = client->Send(request);
  ASSERT_FALSE(forbidden.ok());
  EXPECT_EQ(forbidden.error().code, Errc::kUnauthenticated);
  EXPECT_NE(asked.find("127.0.0.1 "), std::string::npos) << asked;
  EXPECT_EQ(server.connections(), before);
  request.may_connect = [](const std::string&) { return Status(); };
  EXPECT_TRUE(client->Send(request).ok());
}

TEST(HttpClient, AsksWhereARedirectLeads) {
  DrippingServer inside("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "x", 1);
  DrippingServer outside("HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:" + inside.port() + "/\r\nContent-Length: 0\r\n\r\n", "", 0);
  HttpClientRequest request = Get(outside);
  int asked = 0;
  request.may_connect = [&](const std::string&) -> Status { return ++asked == 1 ? Status() : Status(Errc::kUnauthenticated, "not there"); };
  EXPECT_EQ(MakeHttpClient()->Send(request).error().code, Errc::kUnauthenticated);
  EXPECT_EQ(inside.connections(), 0);
}

// A proxy is of this network: the host behind it has another address, which nobody here knows.
TEST(HttpClient, DoesNotTakeAProxyForTheHost) {
  DrippingServer proxy("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "x", 1);
  ::setenv("http_proxy", ("http://127.0.0.1:" + proxy.port()).c_str(), 1);
  HttpClientRequest request;
  request.url = "http://registry.invalid/";
  request.may_connect = [](const std::string&) { return Status(Errc::kUnauthenticated, "not there"); };
  const auto got = MakeHttpClient()->Send(request);
  ::unsetenv("http_proxy");
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->address, "");
}

}  // namespace
}  // namespace bulwark::net
