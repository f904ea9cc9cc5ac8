#include "image/merge.h"

// First the tree of names, then the facts whose files it still holds. A file counts once, under the path where it lies;
// names behind links only decide whether somebody should have read it differently (Unread).

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/limits.h"
#include "image/file_tree.h"
#include "image/merge_names.h"

namespace bulwark::image {
namespace {

using Id = FileTree::Id;

std::string_view Base(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The content of a file: an entry of a layer, which may have several names.
struct Content {
  std::uint32_t layer, entry;
  auto operator<=>(const Content&) const = default;
};

class Merger {
 public:
  Merger(const std::vector<const LayerRecord*>& layers, WantsPath wants, IsDatabasePath is_database)
      : layers_(layers),
        wants_(wants),
        is_database_(is_database),
        tree_(layers, [this](const std::string& path, std::string reason) {
          Report(GapKind::kBlind, path, std::move(reason));
        }) {}

  Result<Merged> Run() {
    if (layers_.size() > limits::kManifestDescriptors) return Error{Errc::kLimit, "the image has too many layers"};
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      StreamGaps(i);
      BW_CHECK(tree_.Apply(static_cast<std::uint16_t>(i)));
    }
    // From here on the tree is what a container would see.
    IndexFacts();
    FindNames();
    Aliases();
    PickFacts();
    HiddenDatabases();
    return Finish();
  }

 private:
  // Facts of one content, and the names of it that are left.
  struct Known {
    std::vector<const FileFacts*> facts;
    std::string path;             // where it lies; empty: nowhere any more
    bool read_again = false;      // some facts have a name of their own; only then the names are kept
    std::set<std::string> names;  // all wanted names that lead to it, its paths included
  };

  void StreamGaps(std::size_t layer) {
    const LayerRecord& record = *layers_[layer];
    std::string number = "layer " + std::to_string(layer + 1);
    for (const Gap& gap : record.gaps) out_.gaps.push_back(gap);
    if (!record.is_layer) Report(GapKind::kBlind, "", number + " is no tar archive");
    else if (!record.complete && record.gaps.empty()) Report(GapKind::kBlind, "", number + " was not read to its end");
  }

  void IndexFacts() {
    for (std::uint32_t layer = 0; layer < layers_.size(); ++layer) {
      const LayerRecord& record = *layers_[layer];
      for (const FileFacts& f : record.files) {
        if (f.entry >= record.entries.size()) continue;
        Known& known = known_[{layer, f.entry}];
        known.facts.push_back(&f);
        known.read_again = known.read_again || !f.read_as.empty();
      }
    }
  }

  static Content ContentOf(const FileTree::Node& node) { return {node.layer, node.entry}; }

  void FindNames() {
    tree_.Each([&](Id id, const std::string& path) {
      const FileTree::Node& node = tree_.node(id);
      if (node.kind != FileTree::Kind::kFile) return;
      const Entry& entry = tree_.EntryOf(id);
      out_.has_executables = out_.has_executables || (entry.mode & 0111);
      bool own = path == entry.path;
      auto known = known_.find(ContentOf(node));
      if (known != known_.end()) {
        std::string& place = known->second.path;
        if (place.empty() || own || (place != entry.path && path < place)) place = path;
        if (known->second.read_again) known->second.names.insert(path);
      }
      if (!own && wants_(path)) NeedsReading(path, id);
    });
  }

  void Aliases() {
    Names names;
    names.alias = [&](const std::string& name, Id file) {
      auto known = known_.find(ContentOf(tree_.node(file)));
      if (known != known_.end() && known->second.read_again) known->second.names.insert(name);
      NeedsReading(name, file);
    };
    names.broken = [&](const std::string& name, FileTree::Outcome outcome) {
      Report(is_database_(name) ? GapKind::kBlind : GapKind::kPartial, name,
             outcome == FileTree::Outcome::kLoop ? "lies behind too many links"
                                                 : "is a link to what the image does not hold");
    };
    if (!FindAliases(tree_, wants_, names))
      Report(GapKind::kPartial, "", "too many names lie behind links to look at all");
  }

  // Unless the file was catalogued as `name` already: it was written under that name, or it was wanted under its own
  // and is called the same, or it was read again as `name`.
  void NeedsReading(const std::string& name, Id file) {
    const FileTree::Node& node = tree_.node(file);
    const Entry& entry = tree_.EntryOf(file);
    if (name == entry.path || (Base(name) == Base(entry.path) && wants_(entry.path))) return;
    auto known = known_.find(ContentOf(node));
    if (known != known_.end())
      for (const FileFacts* f : known->second.facts)
        if (f->read_as == name) return;
    if (out_.unread.size() < limits::kUnreadFiles) out_.unread.push_back({node.layer, node.entry, name});
    else Report(GapKind::kBlind, name, "too many files would have to be read once more");
  }

  // One set of facts a content and cataloguer: what was read under its own path, else under a name that still exists.
  void PickFacts() {
    for (auto& [content, known] : known_) {
      if (known.path.empty()) continue;
      std::sort(known.facts.begin(), known.facts.end(), [](const FileFacts* a, const FileFacts* b) {
        return std::tie(a->cataloger, a->read_as) < std::tie(b->cataloger, b->read_as);
      });
      const FileFacts* last = nullptr;
      for (const FileFacts* f : known.facts) {
        bool again = last && last->cataloger == f->cataloger;
        if (again || f->cataloger.empty() || (!f->read_as.empty() && !known.names.contains(f->read_as))) continue;
        last = f;
        Take(content, *f, f->read_as.empty() ? known.path : f->read_as);
      }
    }
  }

  void Take(Content content, const FileFacts& facts, const std::string& path) {
    out_.files.push_back({content.layer, path, &facts});
    out_.gaps.insert(out_.gaps.end(), facts.gaps.begin(), facts.gaps.end());
    for (const Package& p : facts.packages) live_[facts.cataloger].insert(p.name);
    if (layers_[content.layer]->entries[content.entry].odd_name)
      Report(GapKind::kPartial, path,
             "the layer writes this name in an odd form, which some programs read differently");
  }

  // The newest database at each path, where the final tree has no other with packages in it and some of its packages
  // are known from nowhere else. Older ones were replaced in the ordinary way.
  void HiddenDatabases() {
    std::set<std::string> seen;
    for (std::size_t i = layers_.size(); i > 0; --i) {
      auto layer = static_cast<std::uint32_t>(i - 1);
      const LayerRecord& record = *layers_[layer];
      for (const FileFacts& f : record.files) {
        if (f.entry >= record.entries.size()) continue;
        const std::string& path = record.entries[f.entry].path;
        // What was read under another name says that some image has such a link, not that this one had it.
        if (!f.read_as.empty() || f.packages.empty() || !is_database_(path) || !known_[{layer, f.entry}].path.empty())
          continue;
        if (!seen.insert(path + '\0' + f.cataloger).second || Replaced(path, f)) continue;
        out_.hidden_databases.push_back({layer, path, &f});
        Report(GapKind::kBlind, path,
               "evidence removed: a lower layer holds this package database, the image does not");
      }
    }
  }

  bool Replaced(const std::string& path, const FileFacts& hidden) const {
    FileTree::Place place = tree_.Follow(path);
    if (place.outcome == FileTree::Outcome::kFound && tree_.node(place.id).kind == FileTree::Kind::kFile) {
      auto known = known_.find(ContentOf(tree_.node(place.id)));
      if (known != known_.end())
        for (const FileFacts* f : known->second.facts)
          if (f->cataloger == hidden.cataloger && !f->packages.empty()) return true;
    }
    auto live = live_.find(hidden.cataloger);
    return live != live_.end() && std::all_of(hidden.packages.begin(), hidden.packages.end(),
                                              [&](const Package& p) { return live->second.contains(p.name); });
  }

  Merged Finish() {
    std::sort(out_.files.begin(), out_.files.end(), [](const MergedFile& a, const MergedFile& b) {
      return std::tie(a.path, a.facts->cataloger, a.layer) < std::tie(b.path, b.facts->cataloger, b.layer);
    });
    auto order = [](const Unread& u) { return std::tie(u.layer, u.entry, u.path); };
    std::sort(out_.unread.begin(), out_.unread.end(), [&](auto& a, auto& b) { return order(a) < order(b); });
    auto same = [&](auto& a, auto& b) { return order(a) == order(b); };
    out_.unread.erase(std::unique(out_.unread.begin(), out_.unread.end(), same), out_.unread.end());
    if (own_gaps_ > limits::kMergeGaps)
      out_.gaps.push_back({GapKind::kBlind, "", "merge",
                           std::to_string(own_gaps_ - limits::kMergeGaps) + " more files cannot be extracted or read"});
    std::sort(out_.gaps.begin(), out_.gaps.end());
    out_.gaps.erase(std::unique(out_.gaps.begin(), out_.gaps.end()), out_.gaps.end());
    return std::move(out_);
  }

  void Report(GapKind kind, const std::string& path, std::string reason) {
    if (++own_gaps_ <= limits::kMergeGaps) out_.gaps.push_back({kind, path, "merge", std::move(reason)});
  }

  const std::vector<const LayerRecord*>& layers_;
  WantsPath wants_;
  IsDatabasePath is_database_;
  FileTree tree_;
  std::map<Content, Known> known_;
  std::map<std::string, std::set<std::string_view>> live_;  // cataloguer -> names of packages that survive
  std::uint64_t own_gaps_ = 0;
  Merged out_;
};

}  // namespace

Result<Merged> Merge(const std::vector<const LayerRecord*>& layers, WantsPath wants, IsDatabasePath is_database) {
  return Merger(layers, wants, is_database).Run();
}

}  // namespace bulwark::image
