#pragma once
// Which Maven package a Java archive is, from what it says about itself.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulwark::catalog {

struct JavaCoordinates {
  std::string group, artifact, version;
  std::string name() const { return group + ":" + artifact; }
};

// META-INF/maven/GROUP/ARTIFACT/pom.properties; what the text lacks is taken from the path. nullopt without a version.
std::optional<JavaCoordinates> ParsePomProperties(std::string_view entry_path, std::string_view text);

// Main attributes of META-INF/MANIFEST.MF (JAR file specification, "Name-Value pairs and Sections"); names in lower case.
std::map<std::string, std::string> ParseManifest(std::string_view text);

// "log4j-core-2.14.1.jar" -> "log4j-core", "2.14.1"; the version is empty if the name has none.
struct JavaFileName {
  std::string artifact, version;
};
JavaFileName ParseJavaFileName(std::string_view file_name);

// The group of an artifact whose builds carry no pom.properties, from a curated list; empty if it is not there.
std::string KnownJavaGroup(std::string_view artifact, std::string_view version);

// What is known about one archive besides its pom.properties.
struct JavaEvidence {
  std::string file_name;
  std::map<std::string, std::string> manifest;
  std::vector<JavaCoordinates> pom_paths;  // META-INF/maven/GROUP/ARTIFACT/ folders, without versions
};
struct JavaIdentity {
  JavaCoordinates coordinates;
  bool guessed = false;  // the group is only likely: advisories may be missed
};
// nullopt if it tells no version or nothing like a group.
std::optional<JavaIdentity> IdentifyJavaArchive(const JavaEvidence& evidence);

// Whether the coordinates are the archive's own by its file name ("a-1.jar", "g.a-1.jar") or by its manifest's bundle or
// module name. The manifest may still be empty.
bool NamesArchive(const JavaCoordinates& pom, const JavaEvidence& evidence);

// Parts of a Java runtime: no package of any ecosystem.
bool IsPartOfJdk(const std::map<std::string, std::string>& manifest);

}  // namespace bulwark::catalog
