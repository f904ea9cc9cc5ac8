#pragma once
// The terminal: colour and progress on one, plain text in a pipe. Everything foreign goes through Printable.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bulwark::cli {

bool OutIsTerminal();    // standard output
bool ErrorIsTerminal();  // standard error
bool UseColour(bool terminal);  // NO_COLOR and TERM=dumb turn it off
int TerminalWidth();     // columns; 100 where it cannot be told

// "bulwark: message" on standard error, in red on a terminal.
void ErrorLine(std::string_view message);
void NoteLine(std::string_view message);

// Writes to standard output or to `path`; kIo when the disk is full. A reader of standard output that went away ("| head")
// has what it wanted: no error.
Status WriteOutput(const std::string& path, std::string_view text);
bool OutputIsUnread();  // that reader went away: no need to go on
// One line from standard input without its end; kInvalid at the end of input.
Result<std::string> ReadLine();
// A password: from the terminal without echo, else the next line of standard input.
Result<std::string> ReadPassword(const std::string& prompt);

// One line that is rewritten a few times a second on a terminal, and nothing in a pipe.
class Progress {
 public:
  explicit Progress(std::string title);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Update(std::uint64_t done, std::uint64_t total, std::string_view what);  // total 0: unknown
  void Done();

 private:
  std::string title_;
  bool on_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace bulwark::cli
