#pragma once
// For tests of net and http: tables of text with escapes, and a raw client that sends bytes as they are.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace bulwark::net {

struct TextCase {
  std::string want, input;  // columns, split at the first tab
};
// Lines of a file below the source directory without comments ("#" first) and blank lines; aborts if it cannot be read.
std::vector<TextCase> ReadCases(const std::string& path);
// \r \n \t \0 \\ \xHH, and \R for \r\n.
std::string Unescape(std::string_view text);

// A connected loopback socket.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  void Send(std::string_view bytes);            // errors are ignored: the server may have closed
  std::string ReadUntil(std::string_view mark); // what came up to and with the mark, or until the end (10 s at most)
  std::string ReadExactly(std::size_t n);       // fewer at the end
  std::string ReadAll();                        // until the server closes
  // One answer: head and the body its Content-Length tells. `head_only` for answers to HEAD.
  std::string ReadAnswer(bool head_only = false);
  void Reset();                                 // drops the connection hard
  void FinishSending();

 private:
  std::string Take(std::size_t n);
  bool More();

  UniqueFd fd_;
  std::string pending_;
};

}  // namespace bulwark::net
