#pragma once
// The file tree that layers make when they are extracted one over the other (containerd archive/tar.go applyNaive,
// image-spec layer.md): parents resolved through links inside the root, whiteouts, folders and links replacing each
// other, hard links. Knows names and where contents came from, no data.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "image/layer_record.h"

namespace bulwark::image {

class FileTree {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = UINT32_MAX;
  static constexpr Id kRoot = 0;

  enum class Kind : std::uint8_t { kDirectory, kFile, kSymlink, kOther };

  // 40 bytes; names point into the entries.
  struct Node {
    const char* name = nullptr;
    Id parent = kNone, first_child = kNone, next = kNone, previous = kNone;
    std::uint32_t entry = kNone;  // where the content stands: index into its layer's entries; kNone for implied folders
    std::uint16_t layer = 0;      // whose entry that is
    std::uint16_t owner = 0;      // the layer that last wrote this name
    std::uint16_t cleared = 0;    // 1 + the layer since which nothing of lower layers lies below
    std::uint16_t name_bytes = 0, path_bytes = 0;
    Kind kind = Kind::kDirectory;
  };

  // Something that a runtime could not extract.
  using OnProblem = std::function<void(const std::string& path, std::string reason)>;

  // `layers` outlive the tree.
  FileTree(const std::vector<const LayerRecord*>& layers, OnProblem on_problem,
           std::uint64_t most_nodes = limits::kTreeNodes);

  // Applies layer `layer`; call in order. kLimit above `most_nodes` or limits::kTreeSteps.
  Status Apply(std::uint16_t layer);

  const Node& node(Id id) const { return nodes_[id]; }
  std::string PathOf(Id id) const;
  std::string_view NameOf(Id id) const { return {nodes_[id].name, nodes_[id].name_bytes}; }
  const Entry& EntryOf(Id id) const { return layers_[nodes_[id].layer]->entries[nodes_[id].entry]; }
  Id Child(Id folder, std::string_view name) const;

  enum class Outcome { kFound, kMissing, kLoop, kNotFolder };
  struct Place {
    Outcome outcome = Outcome::kMissing;
    Id id = kNone;
  };
  // Follows `path` from `from` and every link on it, the last one included. Never leaves the root.
  Place Follow(std::string_view path, Id from = kRoot) const;
  // Where a symlink leads to.
  Place Target(Id symlink) const;

  // Every node but the root, parents before their children; `path` is valid during the call.
  void Each(const std::function<void(Id id, const std::string& path)>& visit) const;

  std::uint64_t memory() const { return nodes_.capacity() * sizeof(Node) + slots_.capacity() * sizeof(Id); }

 private:
  enum class Last { kFollow, kKeep };
  enum class Missing { kStop, kCreate };

  Place Resolve(std::string_view path, Id from, Last last, std::vector<std::string_view>* missing) const;
  Place MakeFolders(std::string_view path);
  Place Parent(std::string_view path, Missing missing);
  Status ApplyEntry(std::uint32_t index);
  Status Put(std::uint32_t index, const Entry& entry);
  void PutHardlink(const Entry& entry, Id parent, std::string_view name);
  Id Add(Id parent, std::string_view name, Kind kind);
  void RemoveAll(Id id);
  void RemoveLower(Id id);
  void Unlink(Id id);
  std::uint64_t Hash(Id parent, std::string_view name) const;
  void Index(Id id);
  void Grow();
  void Problem(const Entry& entry, std::string reason) { on_problem_(entry.path, std::move(reason)); }

  const std::vector<const LayerRecord*>& layers_;
  OnProblem on_problem_;
  std::uint64_t most_nodes_;
  std::vector<Node> nodes_;
  std::vector<Id> free_;
  std::vector<Id> slots_;       // open addressing over (parent, name)
  std::size_t used_slots_ = 0;  // tombstones included
  std::array<std::uint64_t, 2> key_;
  std::uint16_t layer_ = 0;
  mutable std::uint64_t steps_ = 0;
  // The folder of the entry before: layers are written folder by folder.
  std::string_view last_folder_;
  Id last_parent_ = kNone;
};

}  // namespace bulwark::image
