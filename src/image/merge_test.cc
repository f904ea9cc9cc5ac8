#include "image/merge.h"

#include <algorithm>
#include <deque>

#include <gtest/gtest.h>

#include "base/byte_source.h"
#include "base/limits.h"
#include "base/strings.h"
#include "image/file_tree.h"

namespace bulwark::image {
namespace {

bool IsDatabase(std::string_view path) {
  return path == "var/lib/dpkg/status" || path.starts_with("var/lib/dpkg/status.d/");
}
bool Wants(std::string_view path) {
  return IsDatabase(path) || path == "etc/os-release" || path == "usr/lib/os-release" || path.ends_with(".jar") ||
         path.ends_with(".dist-info/METADATA") || path.ends_with("/package.json");
}

void AddFacts(LayerRecord& record, std::string_view text) {
  FileFacts facts;
  facts.entry = static_cast<std::uint32_t>(record.entries.size() - 1);
  std::string_view who = text.substr(0, text.find('='));
  facts.cataloger = who.substr(0, who.find('@'));
  if (who.find('@') != std::string_view::npos) facts.read_as = who.substr(who.find('@') + 1);
  for (auto name : Split(text.substr(text.find('=') + 1), ','))
    if (!name.empty()) facts.packages.emplace_back().name = name;
  record.files.push_back(facts);
}

void AddEntry(LayerRecord& record, std::string_view line) {
  static constexpr std::string_view kLetters = " fdlh pwo";  // by EntryType
  Entry& entry = record.entries.emplace_back();
  entry.type = static_cast<EntryType>(kLetters.find(line[0]));
  line.remove_prefix(std::min<std::size_t>(2, line.size()));
  if (std::size_t arrow = line.find(" -> "); arrow != std::string_view::npos) {
    entry.link = line.substr(arrow + 4);
    entry.path = line.substr(0, arrow);
    return;
  }
  auto words = Split(line, ' ');
  entry.path = words[0];
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "x") entry.mode = 0755;
    else AddFacts(record, words[i]);
  }
}

std::string Names(const FileFacts& facts) {
  std::string out;
  for (const Package& p : facts.packages) out += (out.empty() ? "" : ",") + p.name;
  return out;
}

std::vector<std::string> Told(const Merged& merged, const std::deque<LayerRecord>& layers) {
  std::vector<std::string> out;
  for (const MergedFile& f : merged.files)
    out.push_back("file " + std::to_string(f.layer + 1) + " " + f.path + " " + f.facts->cataloger + " " +
                  Names(*f.facts));
  for (const Unread& u : merged.unread)
    out.push_back("unread " + std::to_string(u.layer + 1) + " " + layers[u.layer].entries[u.entry].path + " as " +
                  u.path);
  for (const MergedFile& f : merged.hidden_databases)
    out.push_back("hidden " + std::to_string(f.layer + 1) + " " + f.path);
  for (const Gap& g : merged.gaps)
    out.push_back("gap " + std::string(g.kind == GapKind::kBlind ? "blind " : "partial ") + g.path + ": " + g.reason);
  if (merged.has_executables) out.push_back("executables");
  return out;
}

TEST(MergeTest, Cases) {
  std::string text = ReadFile(std::string(BW_SOURCE_DIR) + "/src/image/testdata/merge.txt", 1 << 20).value_or("");
  std::string name;
  std::deque<LayerRecord> layers;
  std::vector<std::string> want;
  bool in_want = false;
  int cases = 0;
  auto check = [&] {
    if (name.empty()) return;
    ++cases;
    std::vector<const LayerRecord*> pointers;
    for (const LayerRecord& r : layers) pointers.push_back(&r);
    auto merged = Merge(pointers, Wants, IsDatabase);
    ASSERT_TRUE(merged.ok()) << name;
    auto told = Told(*merged, layers);
    std::sort(told.begin(), told.end());
    std::sort(want.begin(), want.end());
    EXPECT_EQ(told, want) << name;
  };
  for (std::string_view line : Split(text, '\n')) {
    if (line.starts_with("#") || line.empty()) continue;
    if (line.starts_with("== ")) {
      check();
      name = line.substr(3);
      layers.clear();
      want.clear();
      in_want = false;
    } else if (line == "layer") {
      layers.emplace_back().is_layer = true;
    } else if (line == "want") {
      in_want = true;
    } else if (in_want) {
      want.emplace_back(line);
    } else {
      AddEntry(layers.back(), line);
    }
  }
  check();
  EXPECT_GE(cases, 40);
}

LayerRecord Layer() {
  LayerRecord r;
  r.is_layer = true;
  return r;
}

TEST(MergeTest, LayersThatCannotBeReadAreBlind) {
  LayerRecord json, cut = Layer(), damaged = Layer();
  cut.complete = false;
  damaged.gaps.push_back({GapKind::kBlind, "", "layer", "gzip: truncated"});
  auto merged = Merge({&json, &cut, &damaged}, Wants, IsDatabase);
  ASSERT_TRUE(merged.ok());
  ASSERT_EQ(merged->gaps.size(), 3u);
  for (const Gap& gap : merged->gaps) EXPECT_EQ(gap.kind, GapKind::kBlind);
}

TEST(MergeTest, HopsAreCounted) {
  for (int links : {39, 40, 41}) {
    LayerRecord r = Layer();
    for (int i = 0; i < links; ++i)
      r.entries.push_back(
          {.type = EntryType::kSymlink, .path = "l" + std::to_string(i), .link = "l" + std::to_string(i + 1)});
    r.entries.push_back({.type = EntryType::kDirectory, .path = "l" + std::to_string(links)});
    r.entries.push_back({.path = "l0/one.jar"});
    auto merged = Merge({&r}, Wants, IsDatabase);
    ASSERT_TRUE(merged.ok());
    EXPECT_EQ(merged->gaps.empty(), links <= 40) << links;
  }
}

TEST(MergeTest, ManyProblemsAreSummedUp) {
  LayerRecord r = Layer();
  for (int i = 0; i < 1000; ++i)
    r.entries.push_back({.type = EntryType::kHardlink, .path = "h" + std::to_string(i), .link = "none"});
  auto merged = Merge({&r}, Wants, IsDatabase);
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->gaps.size(), limits::kMergeGaps + 1);
}

// Each of these costs a square, or a great tree, without its defence.
TEST(MergeTest, HostileTreesStayCheap) {
  LayerRecord low = Layer(), high = Layer();
  low.entries.push_back({.path = "a/low"});
  for (int i = 0; i < 50000; ++i) high.entries.push_back({.path = "a/f" + std::to_string(i)});
  for (int i = 0; i < 50000; ++i) high.entries.push_back({.type = EntryType::kOpaque, .path = "a"});
  for (int i = 0; i < 50000; ++i) high.entries.push_back({.type = EntryType::kWhiteout, .path = "a"});
  EXPECT_TRUE(Merge({&low, &high}, Wants, IsDatabase).ok());

  LayerRecord deep = Layer();
  std::string path;
  for (int i = 0; i < 2000; ++i) path += "a/";
  for (int i = 0; i < 300; ++i) deep.entries.push_back({.path = std::to_string(i) + "/" + path + "f"});
  std::vector<const LayerRecord*> layers{&deep};
  FileTree tree(layers, [](const std::string&, std::string) {}, 100'000);
  Status applied = tree.Apply(0);  // 600,000 folders
  ASSERT_FALSE(applied.ok());
  EXPECT_EQ(applied.error().code, Errc::kLimit);

  // A path that grows through links beyond what a kernel takes.
  LayerRecord grow = Layer();
  for (int i = 0; i < 10; ++i) {
    grow.entries.push_back(
        {.type = EntryType::kDirectory, .path = "l" + std::to_string(i) + "/" + path.substr(0, 1000)});
    grow.entries.push_back({.type = EntryType::kSymlink,
                            .path = "l" + std::to_string(i + 1),
                            .link = "l" + std::to_string(i) + "/" + path.substr(0, 999)});
  }
  auto merged = Merge({&grow}, Wants, IsDatabase);
  ASSERT_TRUE(merged.ok());
  EXPECT_FALSE(merged->gaps.empty());
}

TEST(MergeTest, LinkFarmsEnd) {
  LayerRecord r = Layer();
  for (int i = 0; i < 2000; ++i) {
    r.entries.push_back({.path = "d/f" + std::to_string(i)});
    r.entries.push_back({.type = EntryType::kSymlink, .path = "s/l" + std::to_string(i), .link = "/d"});
  }
  auto merged = Merge({&r}, Wants, IsDatabase);
  ASSERT_TRUE(merged.ok());
  ASSERT_EQ(merged->gaps.size(), 1u);  // 4 million names: not all were looked at
  EXPECT_EQ(merged->gaps[0].kind, GapKind::kPartial);
}

TEST(FileTreeTest, IsLean) {
  LayerRecord r = Layer();
  for (int i = 0; i < 100000; ++i)
    r.entries.push_back({.path = "usr/share/d" + std::to_string(i / 50) + "/f" + std::to_string(i)});
  std::vector<const LayerRecord*> layers{&r};
  FileTree tree(layers, [](const std::string&, std::string) { FAIL(); });
  ASSERT_TRUE(tree.Apply(0).ok());
  EXPECT_LT(tree.memory() / 100000, 100u);
  FileTree::Id count = 0;
  tree.Each([&](FileTree::Id id, const std::string& path) {
    ++count;
    EXPECT_EQ(tree.PathOf(id), path);
  });
  EXPECT_EQ(count, 100000u + 2000 + 2);
}

}  // namespace
}  // namespace bulwark::image
