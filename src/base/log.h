#pragma once
// The operational log: one line an event, to stderr, control characters escaped. Not the audit log (audit/), and
// never a secret. Text for people; `Log` may be called from any thread.

#include <string>
#include <string_view>

namespace bulwark {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// What is below `level` is dropped. Set once at start, before threads exist.
void SetLogLevel(LogLevel level);
void Log(LogLevel level, std::string_view message);

inline void LogInfo(std::string_view m) { Log(LogLevel::kInfo, m); }
inline void LogWarning(std::string_view m) { Log(LogLevel::kWarning, m); }
inline void LogError(std::string_view m) { Log(LogLevel::kError, m); }

// Text from outside made safe for a terminal or a log line: control characters, C1 and bidi controls and invalid UTF-8
// become \u001b-like escapes; longer than `limit` bytes is cut with "…".
std::string Printable(std::string_view foreign, std::size_t limit = 4096);

}  // namespace bulwark
