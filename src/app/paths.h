#pragma once
// Where things are in a data directory.

#include <string>

namespace bulwark::app {

inline std::string DatabasePath(const std::string& data) { return data + "/bulwark.db"; }
inline std::string AdvisoryPath(const std::string& data) { return data + "/advisories.bwa"; }
inline std::string FeedCachePath(const std::string& data) { return data + "/advisories"; }  // downloads of `db update`
// The first administrator's password where there was no terminal to show it (0600); gone once he has set his own.
inline std::string FirstPasswordPath(const std::string& data) { return data + "/first-admin-password"; }

}  // namespace bulwark::app
