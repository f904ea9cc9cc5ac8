// bulwark version, bulwark version compare

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include <unistd.h>

#include "base/byte_source.h"
#include "base/unique_fd.h"
#include "catalog/cataloger.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/json.h"
#include "versions/compare.h"

namespace bulwark::cli {
namespace {

constexpr std::size_t kLineBytes = 1 << 16;  // two versions

// "<", "=", ">", or "? reason".
std::string Answer(versions::Ecosystem ecosystem, std::string_view a, std::string_view b) {
  auto order = versions::Compare(ecosystem, a, b);
  if (!order) return "? " + order.error().message;
  return *order < 0 ? "<" : *order > 0 ? ">" : "=";
}

// The answer to one line "A B"; empty for a blank line, which asks nothing.
std::string AnswerLine(versions::Ecosystem ecosystem, std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  std::array<std::string_view, 2> parts;
  std::size_t count = 0;
  for (std::size_t at = 0; (at = line.find_first_not_of(kBlanks, at)) != std::string_view::npos; ++count) {
    std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    if (count < parts.size()) parts[count] = line.substr(at, end - at);
    at = end;
  }
  if (count == 0) return {};
  if (count != parts.size()) return "? a line is two versions with blanks between them; this one has " + std::to_string(count) + "\n";
  return Answer(ecosystem, parts[0], parts[1]) + "\n";
}

// Answers every line as soon as it is there, so that a program can ask and wait.
Status CompareLines(versions::Ecosystem ecosystem) {
  std::string waiting;
  Bytes buffer(1 << 16);
  for (bool end = false; !end && !OutputIsUnread();) {
    ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError("read standard input");
    end = n == 0;
    waiting.append(AsText(ByteSpan(buffer).first(static_cast<std::size_t>(n))));
    if (end && !waiting.empty()) waiting += '\n';
    std::string out;
    std::size_t done = 0;
    for (std::size_t stop; (stop = waiting.find('\n', done)) != std::string::npos; done = stop + 1)
      out += AnswerLine(ecosystem, std::string_view(waiting).substr(done, stop - done));
    waiting.erase(0, done);
    if (waiting.size() > kLineBytes) return Error{Errc::kLimit, "a line on standard input is longer than " + std::to_string(kLineBytes) + " bytes"};
    BW_CHECK(WriteOutput("", out));
  }
  return {};
}

int Compare(const VersionArguments& a) {
  auto ecosystem = versions::ParseEcosystem(a.ecosystem);
  if (!ecosystem) return FailUsage({Errc::kInvalid, "no ecosystem '" + a.ecosystem + "'; there are deb, npm, pypi, go and maven"});
  bool both = !a.a.empty() && !a.b.empty(), none = a.a.empty() && a.b.empty();
  if (a.from_stdin ? !none : !both) return FailUsage({Errc::kInvalid, "version compare: give two versions, or --stdin and lines 'A B' there"});
  Status status = a.from_stdin ? CompareLines(*ecosystem) : WriteOutput("", Answer(*ecosystem, a.a, a.b) + "\n");
  return status ? kPass : Fail(status.error());
}

}  // namespace

int RunVersion(const VersionArguments& a) {
  if (a.compare) return Compare(a);
  std::string text = std::string("bulwark ") + BW_VERSION + "\n";
  if (a.format == "json")
    text = formats::JsonWriter().BeginObject().Field("version", BW_VERSION).Field("facts_version", catalog::kSetVersion).EndObject().Take() + "\n";
  auto written = WriteOutput("", text);
  return written ? kPass : Fail(written.error());
}

}  // namespace bulwark::cli
