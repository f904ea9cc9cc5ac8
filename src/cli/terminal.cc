#include "cli/terminal.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/byte_source.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace bulwark::cli {
namespace {

Status WriteAllTo(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("write the output");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

void ErrorText(std::string_view text) { (void)WriteAllTo(STDERR_FILENO, text).ok(); }

constexpr std::string_view kEraseLine = "\r\x1b[K";

}  // namespace

bool OutIsTerminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool ErrorIsTerminal() { return ::isatty(STDERR_FILENO) == 1; }

bool UseColour(bool terminal) {
  const char* no = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return terminal && !(no && *no) && !(term && std::strcmp(term, "dumb") == 0);
}

int TerminalWidth() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
  return 100;
}

void ErrorLine(std::string_view message) {
  bool colour = UseColour(ErrorIsTerminal());
  ErrorText(std::string(colour ? "\x1b[31;1mbulwark:\x1b[0m " : "bulwark: ") + Printable(message) + "\n");
}

void NoteLine(std::string_view message) { ErrorText("bulwark: " + Printable(message) + "\n"); }

Status WriteOutput(const std::string& path, std::string_view text) {
  if (path.empty() || path == "-") {
    Status written = WriteAllTo(STDOUT_FILENO, text);
    return OutputIsUnread() ? Status() : written;
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) return WriteFileAtomically(path, text);
  // A device or pipe such as /dev/null or /dev/stderr is written to, never replaced.
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return ErrnoError("open " + path);
  return WriteAllTo(fd.get(), text);
}

bool OutputIsUnread() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

Result<std::string> ReadLine() {
  std::string out;
  for (char c; ::read(STDIN_FILENO, &c, 1) == 1;) {
    if (c == '\n') return out;
    out.push_back(c);
    if (out.size() > 4096) return Error{Errc::kLimit, "the line on standard input is too long"};
  }
  if (out.empty()) return Error{Errc::kInvalid, "nothing on standard input"};
  return out;
}

Result<std::string> ReadPassword(const std::string& prompt) {
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0) return ReadLine();
  ErrorText(prompt);
  termios quiet = before;
  quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  auto line = ReadLine();
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  ErrorText("\n");
  return line;
}

Progress::Progress(std::string title) : title_(std::move(title)), on_(ErrorIsTerminal() && UseColour(true)) {}
Progress::~Progress() { Done(); }

void Progress::Update(std::uint64_t done, std::uint64_t total, std::string_view what) {
  if (!on_) return;
  auto now = std::chrono::steady_clock::now();
  if (shown_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  shown_ = true;
  std::string line = title_ + " " + FormatBytes(done);
  if (total) line += " of " + FormatBytes(total) + " (" + std::to_string(done * 100 / total) + " %)";
  ErrorText(std::string(kEraseLine) + line + " " + Printable(what, 60));
}

void Progress::Done() {
  if (shown_) ErrorText(kEraseLine);
  shown_ = false;
}

}  // namespace bulwark::cli
