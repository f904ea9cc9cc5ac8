#pragma once
// Records -> the bytes of an advisory file. Deterministic: the same content gives the same bytes, in whatever order and
// however often it was added.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "advisory/file_format.h"
#include "advisory/index.h"
#include "advisory/model.h"
#include "base/result.h"

namespace bulwark::advisory {

class Builder {
 public:
  // kInvalid for a record that could not be found or reported: without id, package or source, with neither ranges nor
  // versions although its state needs them, with text beyond limits::kAdvisoryTextBytes. kLimit for too many.
  // Records of one (package, source, id) are joined: whatever any of them calls affected is affected.
  Status Add(Record record);
  Status AddKnownExploited(KnownExploited entry);
  // kInvalid for what is no CVE or no score. Only those of CVEs that some record names get into the file.
  Status AddEpss(Epss entry);
  // Of one name: counts are added up. The file's date is the newest of sources that say what is affected (what says how
  // often something is exploited today makes no old records fresh).
  enum class Says { kAffected, kBesides };
  void AddSource(SourceInfo source, Says says = Says::kAffected);
  void Cover(std::string_view ecosystem);     // a source covers it, even if there is no record
  void Complete(std::string_view ecosystem);  // a source covers it wholly; without that it is a choice of records

  std::size_t size() const { return records_.size(); }
  std::vector<Record>& records() { return records_; }  // to adjust before Finish

  // The file. The builder is spent. kLimit if a table outgrows the format.
  Result<std::string> Finish();

 private:
  std::vector<Record> records_;
  std::vector<KnownExploited> exploited_;
  std::vector<file::Epss> epss_;
  std::vector<SourceInfo> sources_;
  Time date_ = kNever;
  std::map<std::string, bool, std::less<>> covered_;  // ecosystem -> wholly
};

// Sorts by the ecosystem's order where all bounds can be compared, else by text; removes repetitions.
void SortRanges(std::string_view ecosystem, std::vector<Range>& ranges);

}  // namespace bulwark::advisory
