#include "net/test_text.h"

#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/byte_source.h"
#include "base/strings.h"

namespace bulwark::net {

std::vector<TextCase> ReadCases(const std::string& path) {
  auto text = ReadFile(path, 1 << 20);
  if (!text.ok()) std::abort();
  std::vector<TextCase> out;
  for (std::string_view line : Split(*text, '\n')) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t tab = line.find('\t');
    if (tab == line.npos) std::abort();
    out.push_back({std::string(line.substr(0, tab)), std::string(line.substr(tab + 1))});
  }
  return out;
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r': out += '\r'; break;
      case 'n': out += '\n'; break;
      case 'R': out += "\r\n"; break;
      case 't': out += '\t'; break;
      case '0': out += '\0'; break;
      case 'x':
        out += static_cast<char>(std::strtoul(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16));
        i += 2;
        break;
      default: out += text[i];
    }
  }
  return out;
}

RawClient::RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
}

void RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

bool RawClient::More() {
  pollfd wait{fd_.get(), POLLIN, 0};
  if (::poll(&wait, 1, 10'000) != 1) return false;
  char buffer[64 << 10];
  const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  if (n > 0) pending_.append(buffer, static_cast<std::size_t>(n));
  return n > 0;
}

std::string RawClient::Take(std::size_t n) {
  std::string out = pending_.substr(0, n);
  pending_.erase(0, n);
  return out;
}

std::string RawClient::ReadUntil(std::string_view mark) {
  for (;;) {
    if (const std::size_t at = pending_.find(mark); at != pending_.npos) return Take(at + mark.size());
    if (!More()) return Take(pending_.size());
  }
}

std::string RawClient::ReadExactly(std::size_t n) {
  while (pending_.size() < n && More()) {
  }
  return Take(n);
}

std::string RawClient::ReadAll() {
  while (More()) {
  }
  return Take(pending_.size());
}

std::string RawClient::ReadAnswer(bool head_only) {
  std::string head = ReadUntil("\r\n\r\n");
  const std::size_t at = ToLower(head).find("\r\ncontent-length: ");
  if (head_only || at == head.npos) return head;
  const std::size_t n = std::strtoull(head.c_str() + at + 18, nullptr, 10);
  return head + ReadExactly(n);
}

void RawClient::Reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd_.Reset();
}

void RawClient::FinishSending() { ::shutdown(fd_.get(), SHUT_WR); }

}  // namespace bulwark::net
