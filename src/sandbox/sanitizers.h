#pragma once
// Sanitizers need system calls and address space that a worker does not get: only their builds are let off.

namespace bulwark::sandbox {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitizers = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
inline constexpr bool kSanitizers = true;
#else
inline constexpr bool kSanitizers = false;
#endif
#else
inline constexpr bool kSanitizers = false;
#endif

}  // namespace bulwark::sandbox
