#include "service/manifest_cache.h"

#include "base/limits.h"

namespace bulwark::service {
namespace {

std::string KeyOf(const RepoName& name, const Reference& reference) { return name.str() + "@" + Text(reference); }

}  // namespace

std::shared_ptr<const ManifestCache::Entry> ManifestCache::Find(const RepoName& name, const Reference& reference,
                                                                Time now) const {
  const std::string key = KeyOf(name, reference);
  std::shared_ptr<const Entry> entry;
  {
    MutexLock lock(mutex_);
    auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    entry = found->second;
  }
  if (entry->generation != database_.generation() || now >= entry->until) return nullptr;
  return entry;
}

void ManifestCache::Insert(const RepoName& name, const Reference& reference, Entry entry) {
  const std::string key = KeyOf(name, reference);
  const std::uint64_t size = entry.answer.bytes->size() + key.size();
  if (size > limits::kCachedManifestBytes / 16) return;
  auto shared = std::make_shared<const Entry>(std::move(entry));
  MutexLock lock(mutex_);
  // What is old by now goes with the rest: after a commit nearly all of it is.
  if (bytes_ + size > limits::kCachedManifestBytes || entries_.size() >= limits::kCachedManifests) {
    entries_.clear();
    bytes_ = 0;
  }
  auto& slot = entries_[key];
  if (slot) bytes_ -= slot->answer.bytes->size() + key.size();
  slot = std::move(shared);
  bytes_ += size;
}

}  // namespace bulwark::service
