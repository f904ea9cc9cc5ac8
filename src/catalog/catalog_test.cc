// Cataloguers on files: every folder of testdata/ with a want.json is a case. `layer/` is the input tree (executable bits
// count), want.json says which files were read and what came out. An empty list or false may be left out. A case needs
// no rebuild; BW_SHOW=1 prints what each case gives. Where the expectations come from is in each want.json ("oracle").
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "catalog/cataloger.h"
#include "catalog/go_program.h"
#include "catalog/runner.h"

namespace bulwark::catalog {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

fs::path Cases() { return fs::path(BW_SOURCE_DIR) / "src/catalog/testdata"; }

std::string Slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

struct Ran {
  std::vector<std::string> read;  // "cataloguer path"
  image::LayerRecord record;
};

Ran RunCatalogers(const fs::path& root) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Ran out;
  Runner runner;
  for (const fs::path& file : files) {
    image::Entry entry;
    entry.path = fs::relative(file, root).string();
    entry.mode = static_cast<std::uint32_t>(fs::status(file).permissions()) & 0777;
    entry.size = fs::file_size(file);
    std::string bytes = Slurp(file);
    ByteSpan start = AsBytes(bytes).first(std::min(bytes.size(), Runner::kStartBytes));
    const std::uint32_t mode = StartsProgram(entry.path, start) ? entry.mode | 0111 : entry.mode;
    for (const Cataloger& c : Catalogers()) {
      if (c.wants(entry.path, mode)) out.read.push_back(std::string(c.name) + " " + entry.path);
    }
    if (runner.Wants(entry) || runner.WantsStart(entry, start)) runner.OnFile(static_cast<std::uint32_t>(out.record.entries.size()), entry, AsBytes(bytes));
    out.record.entries.push_back(std::move(entry));
  }
  runner.AddTo(out.record);
  return out;
}

json::object ToJson(const image::Package& p) {
  json::object o{{"purl", std::string(versions::PurlType(p.ecosystem)) + " " + p.name + " " + p.version}, {"path", p.path}};
  if (!p.arch.empty()) o["arch"] = p.arch;
  if (!p.source_name.empty()) o["source"] = p.source_name + " " + p.source_version;
  if (!p.license.empty()) o["license"] = p.license;
  if (p.development) o["development"] = true;
  if (p.locked_only) o["locked_only"] = true;
  return o;
}

json::object ToJson(const Ran& ran) {
  json::object out;
  auto add = [&out](const char* key, json::value value) {
    if (!out.contains(key)) out[key] = json::array();
    out[key].as_array().push_back(std::move(value));
  };
  for (const std::string& read : ran.read) add("read", json::value(read));
  for (const image::FileFacts& file : ran.record.files) {
    for (const image::Package& p : file.packages) add("packages", ToJson(p));
    for (const image::OwnedFile& o : file.owned) add("owned", json::value(o.package + " " + o.path + " " + o.md5));
    for (const image::Gap& g : file.gaps) {
      add("gaps", json::value((g.kind == image::GapKind::kBlind ? "blind " : "partial ") + g.cataloger + " " + g.path + ": " + g.reason));
    }
    if (!file.os) continue;
    json::array like;
    for (const std::string& id : file.os->id_like) like.emplace_back(id);
    add("os", json::object{{"id", file.os->id}, {"version_id", file.os->version_id}, {"codename", file.os->codename},
                           {"pretty_name", file.os->pretty_name}, {"id_like", like}});
  }
  return out;
}

// One element a line, so that a difference is seen at once.
std::string Lines(const json::object& object) {
  std::ostringstream out;
  for (const char* key : {"read", "packages", "owned", "os", "gaps"}) {
    const json::value* values = object.if_contains(key);
    if (!values) continue;
    out << key << ":\n";
    for (const json::value& value : values->as_array()) out << "  " << value << "\n";
  }
  return out.str();
}

class CatalogCase : public ::testing::TestWithParam<std::string> {};

TEST_P(CatalogCase, GivesWhatItShould) {
  Ran ran = RunCatalogers(Cases() / GetParam() / "layer");
  json::object got = ToJson(ran);
  if (std::getenv("BW_SHOW")) std::cout << json::serialize(got) << "\n";
  boost::system::error_code code;
  json::value want = json::parse(Slurp(Cases() / GetParam() / "want.json"), code);
  ASSERT_FALSE(code) << "want.json: " << code.message();
  EXPECT_EQ(Lines(got), Lines(want.as_object()));
}

std::vector<std::string> CaseNames() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(Cases())) {
    if (fs::exists(entry.path() / "layer")) out.push_back(entry.path().filename().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

INSTANTIATE_TEST_SUITE_P(Folders, CatalogCase, ::testing::ValuesIn(CaseNames()), [](const auto& param) {
  std::string name = param.param;
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

// Each row has its case folder (STYLE section 2).
TEST(Catalogers, EachHasACase) {
  for (const Cataloger& c : Catalogers()) EXPECT_TRUE(fs::exists(Cases() / c.name / "want.json")) << c.name;
}

}  // namespace
}  // namespace bulwark::catalog
