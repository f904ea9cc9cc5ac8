#pragma once
// What is known and decided about stored images: lists, the proof of a decision, the full report.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"
#include "service/service.h"
#include "service/verdict_rows.h"
#include "storage/content.h"

namespace bulwark::service {

struct ImageRow {
  Digest digest;
  std::string media_type;
  SubjectKind kind = SubjectKind::kImage;
  std::vector<std::string> tags;
  std::uint64_t size = 0;  // of the manifest
  Time pushed{};
  bool quarantined = false;  // and held back now
  std::string summary;       // JSON
  std::array<policy::Outcome, kPoints.size()> outcomes{};
};

struct ChildRow {
  Digest digest;
  std::string platform;
  bool present = true, runnable = true;
  policy::Outcome pull = policy::Outcome::kDeny;
};

// DESIGN: `bulwark why IMAGE` prints the proof.
struct Why {
  ImageRow image;
  std::string repository;
  Verdicts verdicts;
  std::vector<ChildRow> children;
};

// All need the right to read reports there; kNotFound otherwise, as for what does not exist.
class Images {
 public:
  explicit Images(Service& service) : service_(service) {}
  Result<storage::Page<ImageRow>> List(const Caller& caller, const RepoName& name, const storage::PageRequest& page);
  Result<Why> Explain(const Caller& caller, const RepoName& name, const Reference& reference);
  // Computed from the stored facts and the data of now; `as_of` defaults to the data's date. kConflict: the facts are
  // not there yet; kInvalid: an index (ask for a child).
  Result<report::Report> Report(const Caller& caller, const RepoName& name, const Reference& reference,
                                std::optional<Time> as_of);

 private:
  struct Found;
  Result<Found> Find(const Caller& caller, const RepoName& name, const Reference& reference);
  Service& service_;
};

}  // namespace bulwark::service
