// Oracles: the System V gABI; this test program itself as the system's linker made it.
#include "formats/elf.h"

#include <gtest/gtest.h>

#include "base/byte_source.h"

namespace bulwark::formats {
namespace {

std::string Self() {
  auto bytes = ReadFile("/proc/self/exe", std::uint64_t{1} << 30);
  return bytes.ok() ? *bytes : std::string();
}

TEST(Elf, ReadsThisProgram) {
  std::string self = Self();
  auto elf = ReadElf(AsBytes(self));
  ASSERT_TRUE(elf.ok()) << elf.error().message;
  EXPECT_EQ(elf->wide, sizeof(void*) == 8);
  EXPECT_FALSE(elf->sections_damaged);
  EXPECT_FALSE(elf->segments_damaged);
  const ElfSection* interpreter = elf->Section(".interp");
  ASSERT_TRUE(interpreter);
  EXPECT_TRUE(AsText(interpreter->bytes).starts_with("/lib"));
  auto same = elf->AtAddress(interpreter->address);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->data(), interpreter->bytes.data());
  EXPECT_FALSE(elf->Section(".none"));
}

// Header only; e_shoff, e_shentsize, e_shnum and e_shstrndx as given.
std::string Header(std::uint64_t section_offset, unsigned entry, unsigned count, unsigned names) {
  std::string out("\x7f" "ELF\x02\x01\x01", 7);
  out.resize(64);
  for (int i = 0; i < 8; ++i) out[40 + i] = static_cast<char>(section_offset >> (8 * i));
  out[58] = static_cast<char>(entry);
  out[60] = static_cast<char>(count & 0xff), out[61] = static_cast<char>(count >> 8);
  out[62] = static_cast<char>(names & 0xff), out[63] = static_cast<char>(names >> 8);
  return out;
}

TEST(Elf, LyingCountsAreDamageNotMemory) {
  std::string bytes = Header(64, 64, 65535, 1) + std::string(64, '\0');
  auto elf = ReadElf(AsBytes(bytes));
  ASSERT_TRUE(elf.ok());
  EXPECT_TRUE(elf->sections_damaged);
  EXPECT_TRUE(elf->sections.empty());
}

TEST(Elf, ExtendedCountThatOverflows) {
  std::string bytes = Header(64, 64, 0, 0xffff) + std::string(64, '\xff');  // sh_size of section 0 = 2^64-1
  auto elf = ReadElf(AsBytes(bytes));
  ASSERT_TRUE(elf.ok());
  EXPECT_TRUE(elf->sections_damaged);
}

TEST(Elf, SectionsOutsideAreMarked) {
  std::string bytes = Header(64, 64, 1, 0) + std::string(64, '\xff');
  auto elf = ReadElf(AsBytes(bytes));
  ASSERT_TRUE(elf.ok());
  ASSERT_EQ(elf->sections.size(), 1u);
  EXPECT_TRUE(elf->sections[0].outside);
  EXPECT_TRUE(elf->sections[0].bytes.empty());
  EXPECT_TRUE(elf->sections[0].name.empty());
}

TEST(Elf, EntriesSmallerThanTheFormatAreDamage) {
  std::string bytes = Header(64, 1, 64, 0) + std::string(64, '\0');
  auto elf = ReadElf(AsBytes(bytes));
  ASSERT_TRUE(elf.ok());
  EXPECT_TRUE(elf->sections_damaged);
}

TEST(Elf, CutAnywhere) {
  std::string self = Self().substr(0, 4096);
  for (std::size_t n = 0; n < self.size(); n += 7) (void)ReadElf(AsBytes(std::string_view(self).substr(0, n)));
  EXPECT_FALSE(ReadElf(AsBytes("\x7f" "ELF")).ok());
  EXPECT_FALSE(ReadElf(AsBytes("MZ")).ok());
}

}  // namespace
}  // namespace bulwark::formats
