#pragma once
// Feeds: foreign documents -> records (STYLE section 1: "feeds.cc" is the list). Adding one: one file, one row, its cases.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisory/builder.h"
#include "advisory/documents.h"
#include "base/result.h"

namespace bulwark::advisory {

// Where a feed puts what it reads, and what it met.
class FeedOutput {
 public:
  FeedOutput(Builder& builder, std::string source) : builder_(builder), source_(std::move(source)) {}

  // The record's source is set. A record the builder refuses is a malformed item; only kLimit is returned.
  Status Add(Record record);
  Status Add(KnownExploited entry);
  Status Add(Epss entry);
  void Skip() { ++skipped_; }               // well-formed, but nothing to report (withdrawn, other ecosystems)
  void CountItems(std::uint64_t n) { items_ += n; }
  void CountError(std::string_view where, const Error& error);
  void Tell(std::string_view where, std::string_view what);  // no error: the item was taken
  void SawDate(Time date);                  // a date the source states; the newest is kept

  std::uint64_t items() const { return items_; }
  std::uint64_t records() const { return records_; }
  std::uint64_t skipped() const { return skipped_; }
  std::uint64_t errors() const { return errors_; }
  const std::vector<std::string>& messages() const { return messages_; }  // the first errors and the first notes
  Time data_date() const { return data_date_; }

 private:
  // Of what was given to the builder.
  Status Count(std::string_view where, Status added, bool reports);
  void Show(std::string_view where, std::string_view what);

  Builder& builder_;
  std::string source_;
  std::uint64_t items_ = 0, records_ = 0, skipped_ = 0, errors_ = 0, notes_ = 0;
  std::vector<std::string> messages_;
  Time data_date_ = kNever;
};

struct Feed {
  std::string_view name;                      // also the label of its records unless the caller gives another
  bool (*recognizes)(const Document& first);  // by the first document of a source
  // kInvalid: the document is malformed and counts as one error; kLimit ends the source.
  Status (*read)(const Document& document, FeedOutput& out);
  bool says_affected = true;  // false: it tells more of what others say is affected
};

std::span<const Feed> Feeds();  // the list, feeds.cc

// The rows' functions.
bool IsOsv(const Document& first);
Status ReadOsv(const Document& document, FeedOutput& out);
bool IsDebianFacts(const Document& first);
Status ReadDebianFacts(const Document& document, FeedOutput& out);
bool IsKnownExploited(const Document& first);
Status ReadKnownExploited(const Document& document, FeedOutput& out);
bool IsSecdb(const Document& first);
Status ReadSecdb(const Document& document, FeedOutput& out);
bool IsDebianTracker(const Document& first);
Status ReadDebianTracker(const Document& document, FeedOutput& out);
bool IsEpss(const Document& first);
Status ReadEpss(const Document& document, FeedOutput& out);

// "Thu, 15 Aug 2024 16:54:36 +0200" (RFC 2822, section 3.3, without the obsolete forms). kInvalid otherwise.
Result<Time> ParseMailDate(std::string_view text);

}  // namespace bulwark::advisory
