#pragma once
// For tests: an HTTP server on a loopback port that answers by a function and can cut connections. Not for anything else.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace bulwark::remote {

struct TestRequest {
  std::string method, target;  // target with its query
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool whole = true;           // false: the connection was cut inside the body, at the wish of `cut_body_after`
  std::string Header(const std::string& name) const {
    auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

struct TestAnswer {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<std::size_t> cut_after;  // bytes of the body, then the connection ends
};

class TestServer {
 public:
  using Handler = std::function<TestAnswer(const TestRequest&)>;
  // How many bytes of a request's body to read before cutting the connection; nullopt: all.
  using Cutter = std::function<std::optional<std::size_t>(const TestRequest&)>;

  explicit TestServer(Handler handler, Cutter cutter = nullptr) : handler_(std::move(handler)), cutter_(std::move(cutter)) {
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_.get(), 64);
    socklen_t length = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    host_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    accepter_ = std::thread([this] { Accept(); });
  }
  ~TestServer() {
    stop_ = true;
    accepter_.join();
    for (auto& thread : sessions_) thread.join();
  }

  const std::string& host() const { return host_; }
  std::vector<TestRequest> asked() const {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  bool Readable(int fd) const {
    pollfd one{fd, POLLIN, 0};
    while (!stop_)
      if (::poll(&one, 1, 20) > 0) return true;
    return false;
  }

  void Accept() {
    while (Readable(listener_.get())) {
      int fd = ::accept(listener_.get(), nullptr, nullptr);
      if (fd >= 0) sessions_.emplace_back([this, fd] { Serve(UniqueFd(fd)); });
    }
  }

  void Serve(UniqueFd fd) {
    std::string buffer;
    while (One(fd.get(), buffer)) {}
    ::shutdown(fd.get(), SHUT_RDWR);
  }

  bool More(int fd, std::string& buffer) const {
    char bytes[65536];
    if (!Readable(fd)) return false;
    ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
    if (n > 0) buffer.append(bytes, static_cast<std::size_t>(n));
    return n > 0;
  }

  static TestRequest Parse(std::string_view head) {
    TestRequest out;
    auto lines = Split(head, '\n');
    auto first = Split(Trim(lines[0]), ' ');
    out.method = first[0];
    out.target = first.size() > 1 ? first[1] : "";
    for (std::size_t i = 1; i < lines.size(); ++i) {
      auto colon = lines[i].find(':');
      if (colon != std::string_view::npos) out.headers[ToLower(lines[i].substr(0, colon))] = Trim(lines[i].substr(colon + 1));
    }
    return out;
  }

  bool One(int fd, std::string& buffer) {
    std::size_t end;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos)
      if (!More(fd, buffer)) return false;
    TestRequest request = Parse(std::string_view(buffer).substr(0, end));
    buffer.erase(0, end + 4);
    auto stated = ParseUint(request.Header("content-length"));
    std::size_t length = stated ? static_cast<std::size_t>(*stated) : 0;
    if (request.Header("expect") == "100-continue") Write(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    if (auto cut = cutter_ ? cutter_(request) : std::nullopt) {
      request.whole = false;
      length = std::min(length, *cut);
    }
    while (buffer.size() < length)
      if (!More(fd, buffer)) return false;
    request.body = buffer.substr(0, length);
    buffer.erase(0, length);
    {
      std::lock_guard lock(mutex_);
      asked_.push_back(request);
    }
    TestAnswer answer = handler_(request);
    if (!request.whole) return false;
    std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " X\r\n";
    for (const auto& [name, value] : answer.headers) text += name + ": " + value + "\r\n";
    const bool bodiless = request.method == "HEAD" || answer.status == 204;
    if (answer.status != 204) text += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    text += "\r\n";
    if (!bodiless) text += answer.body.substr(0, answer.cut_after.value_or(answer.body.size()));
    return Write(fd, text) && !answer.cut_after;
  }

  static bool Write(int fd, std::string_view text) {
    while (!text.empty()) {
      ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  Handler handler_;
  Cutter cutter_;
  UniqueFd listener_;
  std::string host_;
  std::atomic<bool> stop_{false};
  std::thread accepter_;
  std::vector<std::thread> sessions_;  // of the accepting thread until it ended
  mutable std::mutex mutex_;
  std::vector<TestRequest> asked_;
};

}  // namespace bulwark::remote
