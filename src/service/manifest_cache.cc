#include "service/manifest_cache.h"

#include <iterator>
#include <utility>

#include "base/limits.h"

namespace bulwark::service {
namespace {

std::string KeyOf(const RepoName& name, const Reference& reference) { return name.str() + "@" + Text(reference); }

std::uint64_t SizeOf(const std::string& key, const ManifestCache::Entry& entry) { return entry.answer.bytes->size() + key.size(); }

}  // namespace

std::shared_ptr<const ManifestCache::Entry> ManifestCache::Find(const RepoName& name, const Reference& reference, Time now) {
  const std::string key = KeyOf(name, reference);
  MutexLock lock(mutex_);
  auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  if (found->second->generation == database_.generation() && now < found->second->until) return found->second;
  Drop(found);
  return nullptr;
}

void ManifestCache::Insert(const RepoName& name, const Reference& reference, Entry entry) {
  const std::uint64_t generation = database_.generation();
  const std::string key = KeyOf(name, reference);
  const std::uint64_t size = SizeOf(key, entry);
  if (size > limits::kCachedManifestBytes / 16 || entry.generation != generation) return;
  auto shared = std::make_shared<const Entry>(std::move(entry));
  MutexLock lock(mutex_);
  if (auto before = entries_.find(key); before != entries_.end()) Drop(before);
  MakeRoom(size, generation);
  entries_.emplace(key, std::move(shared));
  bytes_ += size;
}

ManifestCache::Entries::iterator ManifestCache::Drop(Entries::iterator entry) {
  bytes_ -= SizeOf(entry->first, *entry->second);
  return entries_.erase(entry);
}

bool ManifestCache::HasRoom(std::uint64_t size) const {
  return bytes_ + size <= limits::kCachedManifestBytes && entries_.size() < limits::kCachedManifests;
}

// What is of another generation goes first; if that is not enough, all.
void ManifestCache::MakeRoom(std::uint64_t size, std::uint64_t generation) {
  if (HasRoom(size)) return;
  for (auto entry = entries_.begin(); entry != entries_.end();)
    entry = entry->second->generation == generation ? std::next(entry) : Drop(entry);
  if (HasRoom(size)) return;
  entries_.clear();
  bytes_ = 0;
}

}  // namespace bulwark::service
