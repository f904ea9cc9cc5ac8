#pragma once
// The one table of the keys of bulwark.yaml: the reader, the JSON schema and docs/config.md follow it. Inner header.

#include <span>
#include <string_view>

#include "config/config.h"

namespace bulwark::config {

enum class KeyType : std::uint8_t { kText, kPath, kDuration, kCount, kChoice, kTexts, kPolicies };

struct Key {
  std::string_view path;      // "storage.directory"; "listeners[].tls.cert" is a key of every item of a list
  KeyType type = KeyType::kText;
  std::string_view fallback;  // as it would be written; empty: none
  std::string_view about;     // one sentence
  // Of a choice: the words, joined by "|". Of a count: "least..most".
  std::string_view range;
  // Sets the value, which has the type. For list items the last of its list is the one being read.
  Status (*set)(const formats::YamlNode& value, Config& config);
};

std::span<const Key> Keys();

// A list of mappings, whose keys begin with "path[]." in the table.
struct List {
  std::string_view path;
  void (*clear)(Config& config);
  void (*add)(std::uint32_t line, Config& config);
};
std::span<const List> Lists();

}  // namespace bulwark::config
