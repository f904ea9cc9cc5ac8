#include "sandbox/frames.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace bulwark::sandbox {
namespace {

constexpr std::size_t kStep = 1 << 20;  // how far a body grows ahead of its bytes

std::array<std::uint8_t, 4> Header(std::uint32_t size) {
  return {static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size >> 16),
          static_cast<std::uint8_t>(size >> 24)};
}

Status WaitForRoom(int socket, int stall_ms) {
  pollfd wait = {socket, POLLOUT, 0};
  int ready = 0;
  do ready = ::poll(&wait, 1, stall_ms);
  while (ready < 0 && errno == EINTR);
  if (ready < 0) return ErrnoError("waiting for a worker");
  if (ready == 0) return {Errc::kUnavailable, "the worker does not read"};
  return {};
}

}  // namespace

Status SendFrame(int socket, ByteSpan message, int fd, int stall_ms) {
  if (message.size() > UINT32_MAX) return {Errc::kLimit, "message above 4 GiB"};
  auto header = Header(static_cast<std::uint32_t>(message.size()));
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  std::size_t sent = 0, total = header.size() + message.size();
  while (sent < total) {
    std::size_t of_header = std::min(sent, header.size()), of_body = sent - of_header;
    iovec parts[2] = {{header.data() + of_header, header.size() - of_header},
                      {const_cast<std::uint8_t*>(message.data()) + of_body, message.size() - of_body}};
    msghdr call{};
    call.msg_iov = parts;
    call.msg_iovlen = 2;
    if (fd >= 0 && sent == 0) {
      call.msg_control = control.data();
      call.msg_controllen = control.size();
      cmsghdr* item = CMSG_FIRSTHDR(&call);
      item->cmsg_level = SOL_SOCKET;
      item->cmsg_type = SCM_RIGHTS;
      item->cmsg_len = CMSG_LEN(sizeof fd);
      std::memcpy(CMSG_DATA(item), &fd, sizeof fd);
    }
    ssize_t n = ::sendmsg(socket, &call, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      BW_CHECK(WaitForRoom(socket, stall_ms));
    } else if (errno != EINTR) {
      return {Errc::kUnavailable, std::string("the other end is gone: ") + std::strerror(errno)};
    }
  }
  return {};
}

Result<std::optional<Bytes>> FrameReader::Read(int socket, std::uint64_t limit, UniqueFd* fd) {
  std::optional<Bytes> none;
  while (header_have_ < header_.size()) {
    BW_TRY(std::size_t n, Take(socket, std::span(header_).subspan(header_have_), fd));
    if (n == 0) return none;
    header_have_ += n;
  }
  std::size_t size = header_[0] | header_[1] << 8 | header_[2] << 16 | static_cast<std::size_t>(header_[3]) << 24;
  if (size > limit) return {Errc::kLimit, "a message of " + std::to_string(size) + " bytes where at most " + std::to_string(limit) + " may come"};
  while (body_.size() < size) {
    std::size_t have = body_.size();
    body_.resize(std::min(size, have + kStep));
    auto n = Take(socket, std::span(body_).subspan(have), fd);
    body_.resize(have + (n.ok() ? *n : 0));
    if (!n.ok()) return n.error();
    if (*n == 0) return none;
  }
  header_have_ = 0;
  return std::optional(std::exchange(body_, {}));
}

Result<std::size_t> FrameReader::Take(int socket, std::span<std::uint8_t> into, UniqueFd* fd) {
  iovec part = {into.data(), into.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr call{};
  call.msg_iov = &part;
  call.msg_iovlen = 1;
  if (fd) {  // without room for them the kernel closes descriptors that come along
    call.msg_control = control.data();
    call.msg_controllen = control.size();
  }
  ssize_t n = 0;
  do n = ::recvmsg(socket, &call, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return std::size_t{0};
  if (n <= 0) return Error{Errc::kCancelled, "the other end closed"};
  for (cmsghdr* item = fd ? CMSG_FIRSTHDR(&call) : nullptr; item; item = CMSG_NXTHDR(&call, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS || item->cmsg_len != CMSG_LEN(sizeof(int))) continue;
    int passed = -1;
    std::memcpy(&passed, CMSG_DATA(item), sizeof passed);
    fd->Reset(passed);
  }
  return static_cast<std::size_t>(n);
}

}  // namespace bulwark::sandbox
