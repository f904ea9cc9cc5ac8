#pragma once
// What catalogers.cc lists: for each cataloguer which files it wants and how it reads one. Contract: cataloger.h.

#include <cstdint>
#include <string_view>

#include "catalog/cataloger.h"

namespace bulwark::catalog {

// os-release(5): etc/os-release, usr/lib/os-release.
bool IsOsRelease(std::string_view path, std::uint32_t mode);
Result<Facts> ReadOsRelease(const LayerFile& file);

// var/lib/dpkg/status and status.d/* (distroless images).
bool IsDpkgStatus(std::string_view path, std::uint32_t mode);
Result<Facts> ReadDpkgStatus(const LayerFile& file);

// var/lib/dpkg/info/*.list, *.md5sums, status.d/*.md5sums: claims to files, as far as another cataloguer could want them.
bool IsDpkgFileList(std::string_view path, std::uint32_t mode);
Result<Facts> ReadDpkgFileList(const LayerFile& file);

// var/lib/dpkg/updates/NNNN: what an interrupted dpkg had not yet merged into its status.
bool IsDpkgUpdate(std::string_view path, std::uint32_t mode);
Result<Facts> ReadDpkgUpdate(const LayerFile& file);

// lib/apk/db/installed, usr/lib/apk/db/installed: Alpine, Wolfi and others.
bool IsApkInstalled(std::string_view path, std::uint32_t mode);
Result<Facts> ReadApkInstalled(const LayerFile& file);

// Whether a package's claim to a path (cleaned) is kept: as far as another cataloguer could want the file, or it could be a
// program. A full list would be many times larger than all other facts of a layer.
bool IsClaimKept(std::string_view path);

// Package databases that no cataloguer reads yet: an image with one is blind, not clean.
bool IsOtherDatabase(std::string_view path, std::uint32_t mode);
Result<Facts> ReadOtherDatabase(const LayerFile& file);

// Lock files and installed packages of ecosystems that no cataloguer reads yet: unread_packages.h.
bool IsUnreadPackages(std::string_view path, std::uint32_t mode);
Result<Facts> ReadUnreadPackages(const LayerFile& file);

// package.json below node_modules.
bool IsNodePackage(std::string_view path, std::uint32_t mode);
Result<Facts> ReadNodePackage(const LayerFile& file);

// package-lock.json, npm-shrinkwrap.json, lockfileVersion 1 to 3.
bool IsNpmLock(std::string_view path, std::uint32_t mode);
Result<Facts> ReadNpmLock(const LayerFile& file);

// *.dist-info/METADATA, *.egg-info, *.egg-info/PKG-INFO, EGG-INFO/PKG-INFO.
bool IsPythonMetadata(std::string_view path, std::uint32_t mode);
Result<Facts> ReadPythonMetadata(const LayerFile& file);

// Executable files (the runner makes ELF programs executable): Go programs by their build information; packed ones are a gap.
bool IsProgram(std::string_view path, std::uint32_t mode);
Result<Facts> ReadGoProgram(const LayerFile& file);

// jar, war, ear and the like, also inside each other.
bool IsJavaArchive(std::string_view path, std::uint32_t mode);
Result<Facts> ReadJavaArchive(const LayerFile& file);

}  // namespace bulwark::catalog
