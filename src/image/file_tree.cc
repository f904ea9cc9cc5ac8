#include "image/file_tree.h"

#include <bit>
#include <cstring>
#include <random>

#include "base/limits.h"

namespace bulwark::image {
namespace {

constexpr FileTree::Id kEmpty = FileTree::kNone, kTombstone = FileTree::kNone - 1;

std::string_view Folder(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}
std::string_view Base(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Takes the first component off; slashes in a row count as one.
std::string_view TakeComponent(std::string_view& path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  std::string_view part = path.substr(0, path.find('/'));
  path.remove_prefix(part.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return part;
}

FileTree::Kind KindOf(EntryType type) {
  switch (type) {
    case EntryType::kFile: return FileTree::Kind::kFile;
    case EntryType::kDirectory: return FileTree::Kind::kDirectory;
    case EntryType::kSymlink: return FileTree::Kind::kSymlink;
    default: return FileTree::Kind::kOther;
  }
}

std::string Describe(FileTree::Outcome outcome) {
  switch (outcome) {
    case FileTree::Outcome::kLoop: return "its folder lies behind too many links";
    case FileTree::Outcome::kNotFolder: return "its folder is no folder";
    default: return "its folder is missing";
  }
}

}  // namespace

static_assert(sizeof(FileTree::Node) == 40);

FileTree::FileTree(const std::vector<const LayerRecord*>& layers, OnProblem on_problem, std::uint64_t most_nodes)
    : layers_(layers), on_problem_(std::move(on_problem)), most_nodes_(most_nodes), nodes_(1), slots_(1024, kEmpty) {
  // Names come from strangers: without a secret key they could be chosen to collide.
  std::random_device random;
  for (auto& k : key_) k = std::uint64_t{random()} << 32 | random();
}

Status FileTree::Apply(std::uint16_t layer) {
  layer_ = layer;
  last_parent_ = kNone;
  const auto& entries = layers_[layer]->entries;
  for (std::uint32_t i = 0; i < entries.size(); ++i) BW_CHECK(ApplyEntry(i));
  return {};
}

Status FileTree::ApplyEntry(std::uint32_t index) {
  const Entry& entry = layers_[layer_]->entries[index];
  if (nodes_.size() - free_.size() > most_nodes_)
    return Error{Errc::kLimit, "the image has more than " + std::to_string(most_nodes_) + " files and folders"};
  if (steps_ > limits::kTreeSteps) return Error{Errc::kLimit, "the image's links take too long to follow"};
  if (entry.type == EntryType::kOpaque) {
    Place place = Follow(entry.path);
    auto mark = static_cast<std::uint16_t>(layer_ + 1);
    if (place.outcome == Outcome::kFound && nodes_[place.id].kind == Kind::kDirectory &&
        nodes_[place.id].cleared != mark) {
      for (Id child = nodes_[place.id].first_child; child != kNone;) {
        Id next = nodes_[child].next;
        RemoveLower(child);
        child = next;
      }
      nodes_[place.id].cleared = mark;
    }
    return {};
  }
  if (entry.type == EntryType::kWhiteout) {
    Place parent = Parent(entry.path, Missing::kStop);
    Id id = parent.outcome == Outcome::kFound ? Child(parent.id, Base(entry.path)) : kNone;
    if (id != kNone) RemoveLower(id);
    return {};
  }
  return Put(index, entry);
}

Status FileTree::Put(std::uint32_t index, const Entry& entry) {
  if (entry.path.empty()) {
    if (entry.type != EntryType::kDirectory) Problem(entry, "the root itself is replaced");
    return {};
  }
  Place parent = Parent(entry.path, Missing::kCreate);
  if (parent.outcome != Outcome::kFound)
    return Problem(entry, "cannot be extracted: " + Describe(parent.outcome)), Status();
  std::string_view name = Base(entry.path);
  if (nodes_[parent.id].path_bytes + name.size() + 1 > limits::kPathBytes)
    return Problem(entry, "cannot be extracted: its path behind links is too long"), Status();
  Id id = Child(parent.id, name);
  bool keep = id != kNone && entry.type == EntryType::kDirectory && nodes_[id].kind == Kind::kDirectory;
  if (id != kNone && !keep) RemoveAll(id);
  if (entry.type == EntryType::kHardlink) return PutHardlink(entry, parent.id, name), Status();
  if (!keep) id = Add(parent.id, name, KindOf(entry.type));
  nodes_[id].entry = index;
  nodes_[id].layer = nodes_[id].owner = layer_;
  return {};
}

// The last component of the target is not followed: link(2) makes another name of the link itself.
void FileTree::PutHardlink(const Entry& entry, Id parent, std::string_view name) {
  Place folder = Parent(entry.link, Missing::kStop);
  Id target = folder.outcome == Outcome::kFound ? Child(folder.id, Base(entry.link)) : kNone;
  if (target == kNone) return Problem(entry, "is a hard link to nothing: " + entry.link);
  if (nodes_[target].kind == Kind::kDirectory) return Problem(entry, "is a hard link to a folder: " + entry.link);
  Id id = Add(parent, name, nodes_[target].kind);
  nodes_[id].entry = nodes_[target].entry;
  nodes_[id].layer = nodes_[target].layer;
  nodes_[id].owner = layer_;
}

FileTree::Place FileTree::Parent(std::string_view path, Missing missing) {
  std::string_view folder = Folder(path);
  if (last_parent_ != kNone && folder == last_folder_) return {Outcome::kFound, last_parent_};
  Place place = missing == Missing::kCreate ? MakeFolders(folder) : Follow(folder);
  if (place.outcome != Outcome::kFound) return place;
  if (nodes_[place.id].kind != Kind::kDirectory) return {Outcome::kNotFolder, kNone};
  last_folder_ = folder;  // a view of an entry, which outlives the tree
  last_parent_ = place.id;
  return place;
}

FileTree::Place FileTree::Follow(std::string_view path, Id from) const {
  return Resolve(path, from, Last::kFollow, nullptr);
}

FileTree::Place FileTree::Target(Id symlink) const {
  const std::string& link = EntryOf(symlink).link;
  return Follow(link, link.starts_with('/') ? kRoot : nodes_[symlink].parent);
}

// What is missing of the path is made, as mkdir -p does.
FileTree::Place FileTree::MakeFolders(std::string_view path) {
  std::vector<std::string_view> missing;
  Place place = Resolve(path, kRoot, Last::kFollow, &missing);
  if (place.outcome != Outcome::kMissing) return place;
  while (!missing.empty()) {
    std::string_view part = TakeComponent(missing.back());
    if (missing.back().empty()) missing.pop_back();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (place.id != kRoot) place.id = nodes_[place.id].parent;
      continue;
    }
    Id child = Child(place.id, part);
    ++steps_;
    if (child != kNone && nodes_[child].kind != Kind::kDirectory) return {Outcome::kNotFolder, kNone};
    if (child == kNone && nodes_[place.id].path_bytes + part.size() + 1 > limits::kPathBytes)
      return {Outcome::kLoop, kNone};
    place.id = child != kNone ? child : Add(place.id, part, Kind::kDirectory);
  }
  return {Outcome::kFound, place.id};
}

// With `missing`, a missing component leaves the folder reached so far in the place and the rest, that component
// first, in *missing (last element first).
FileTree::Place FileTree::Resolve(std::string_view path, Id from, Last last,
                                  std::vector<std::string_view>* missing) const {
  std::vector<std::string_view> rest{path};
  Id at = from;
  std::uint64_t hops = 0;
  while (!rest.empty()) {
    std::string_view before = rest.back();
    std::string_view part = TakeComponent(rest.back());
    bool spent = rest.back().empty();
    if (spent) rest.pop_back();
    if (part.empty() || part == ".") continue;
    if (nodes_[at].kind != Kind::kDirectory) return {Outcome::kNotFolder, kNone};
    ++steps_;
    if (part == "..") {
      if (at != kRoot) at = nodes_[at].parent;
      continue;
    }
    Id child = Child(at, part);
    if (child == kNone) {
      if (!missing) return {Outcome::kMissing, kNone};
      if (!spent) rest.pop_back();
      rest.push_back(before);
      *missing = std::move(rest);
      return {Outcome::kMissing, at};
    }
    if (nodes_[child].kind == Kind::kSymlink && (last == Last::kFollow || !rest.empty())) {
      if (++hops > limits::kLinkHops) return {Outcome::kLoop, kNone};
      std::string_view link = EntryOf(child).link;
      if (link.starts_with('/')) at = kRoot;
      rest.push_back(link);
      continue;
    }
    at = child;
  }
  return {Outcome::kFound, at};
}

FileTree::Id FileTree::Child(Id folder, std::string_view name) const {
  std::size_t mask = slots_.size() - 1;
  for (std::size_t i = Hash(folder, name) & mask;; i = (i + 1) & mask) {
    Id id = slots_[i];
    if (id == kEmpty) return kNone;
    if (id != kTombstone && nodes_[id].parent == folder && NameOf(id) == name) return id;
  }
}

FileTree::Id FileTree::Add(Id parent, std::string_view name, Kind kind) {
  Id id;
  if (free_.empty()) {
    id = static_cast<Id>(nodes_.size());
    nodes_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
    nodes_[id] = {};
  }
  Node& n = nodes_[id];
  n.name = name.data();
  n.name_bytes = static_cast<std::uint16_t>(name.size());
  n.path_bytes = static_cast<std::uint16_t>(nodes_[parent].path_bytes + 1 + name.size());
  n.parent = parent;
  n.kind = kind;
  n.layer = n.owner = layer_;
  n.cleared = static_cast<std::uint16_t>(layer_ + 1);
  n.next = nodes_[parent].first_child;
  if (n.next != kNone) nodes_[n.next].previous = id;
  nodes_[parent].first_child = id;
  if ((used_slots_ + 1) * 5 > slots_.size() * 3) Grow();
  Index(id);
  return id;
}

void FileTree::Index(Id id) {
  std::size_t mask = slots_.size() - 1;
  std::size_t i = Hash(nodes_[id].parent, NameOf(id)) & mask;
  while (slots_[i] != kEmpty) i = (i + 1) & mask;
  slots_[i] = id;
  ++used_slots_;
}

// To twice the size if it is full of nodes, or to the same if it is full of tombstones.
void FileTree::Grow() {
  std::size_t live = nodes_.size() - free_.size();
  std::vector<Id> old(std::bit_ceil(live * 5 / 2 + 1024), kEmpty);
  old.swap(slots_);
  used_slots_ = 0;
  for (Id id : old)
    if (id != kEmpty && id != kTombstone) Index(id);
}

// The node, which has no children any more, leaves its folder and the index.
void FileTree::Unlink(Id id) {
  Node& n = nodes_[id];
  std::size_t mask = slots_.size() - 1;
  for (std::size_t i = Hash(n.parent, NameOf(id)) & mask;; i = (i + 1) & mask) {
    if (slots_[i] != id) continue;
    slots_[i] = kTombstone;
    break;
  }
  if (n.previous != kNone) nodes_[n.previous].next = n.next;
  else nodes_[n.parent].first_child = n.next;
  if (n.next != kNone) nodes_[n.next].previous = n.previous;
  free_.push_back(id);
  last_parent_ = kNone;
}

void FileTree::RemoveAll(Id id) {
  std::vector<Id> order{id};
  for (std::size_t i = 0; i < order.size(); ++i)
    for (Id child = nodes_[order[i]].first_child; child != kNone; child = nodes_[child].next) order.push_back(child);
  for (std::size_t i = order.size(); i > 0; --i) Unlink(order[i - 1]);
}

// Removes what lower layers put at and below `id`. What this layer wrote stays, whatever the order of its entries
// (image-spec: whiteouts apply to lower layers only), and so do the folders above it.
void FileTree::RemoveLower(Id id) {
  std::vector<Id> order{id};
  auto mark = static_cast<std::uint16_t>(layer_ + 1);
  for (std::size_t i = 0; i < order.size(); ++i) {
    Node& n = nodes_[order[i]];
    if (n.cleared == mark) continue;  // visited in this layer already: without this, many whiteouts cost a square
    n.cleared = mark;
    for (Id child = n.first_child; child != kNone; child = nodes_[child].next) order.push_back(child);
  }
  for (std::size_t i = order.size(); i > 0; --i) {
    const Node& n = nodes_[order[i - 1]];
    if (n.owner != layer_ && n.first_child == kNone) Unlink(order[i - 1]);
  }
}

std::string FileTree::PathOf(Id id) const {
  std::string out(nodes_[id].path_bytes > 0 ? nodes_[id].path_bytes - 1u : 0u, '/');
  for (std::size_t end = out.size(); id != kRoot; id = nodes_[id].parent) {
    std::string_view name = NameOf(id);
    std::memcpy(out.data() + end - name.size(), name.data(), name.size());
    end -= std::min(end, name.size() + 1);
  }
  return out;
}

void FileTree::Each(const std::function<void(Id, const std::string&)>& visit) const {
  std::string path;
  Id id = nodes_[kRoot].first_child;
  while (id != kNone) {
    const Node& n = nodes_[id];
    path.resize(n.path_bytes - n.name_bytes - 1u);
    if (!path.empty()) path.back() = '/';
    path.append(n.name, n.name_bytes);
    visit(id, path);
    if (n.first_child != kNone) {
      id = n.first_child;
      path += '/';
      continue;
    }
    while (id != kRoot && nodes_[id].next == kNone) id = nodes_[id].parent;
    id = id == kRoot ? kNone : nodes_[id].next;
  }
}

// SipHash-1-3 (https://www.aumasson.jp/siphash/siphash.pdf) of the name, keyed with a secret and the parent.
std::uint64_t FileTree::Hash(Id parent, std::string_view name) const {
  std::uint64_t k0 = key_[0] ^ parent, k1 = key_[1];
  std::uint64_t a = k0 ^ 0x736f6d6570736575, b = k1 ^ 0x646f72616e646f6d, c = k0 ^ 0x6c7967656e657261,
                d = k1 ^ 0x7465646279746573;
  auto round = [&] {
    a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
    c += d, d = std::rotl(d, 16) ^ c;
    a += d, d = std::rotl(d, 21) ^ a;
    c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
  };
  std::size_t size = name.size();
  for (; name.size() >= 8; name.remove_prefix(8)) {
    std::uint64_t word;
    std::memcpy(&word, name.data(), 8);
    d ^= word;
    round();
    a ^= word;
  }
  std::uint64_t word = std::uint64_t{size} << 56;
  for (std::size_t i = 0; i < name.size(); ++i) word |= std::uint64_t{static_cast<std::uint8_t>(name[i])} << 8 * i;
  d ^= word;
  round();
  a ^= word;
  c ^= 0xff;
  for (int i = 0; i < 3; ++i) round();
  return a ^ b ^ c ^ d;
}

}  // namespace bulwark::image
