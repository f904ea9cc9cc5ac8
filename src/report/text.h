#pragma once
// Lines for a terminal of a given width. Inner header of the folder.

#include <string>
#include <string_view>

#include "report/render.h"

namespace bulwark::report {

enum class Ink : std::uint8_t { kPlain, kBold, kRed, kBoldRed, kYellow, kGreen, kDim };

// Builds the text line by line; colours only when the style asks for them. Callers make foreign text printable first.
class TextWriter {
 public:
  explicit TextWriter(const Style& style) : colour_(style.colour == Colour::kYes), width_(style.width < 60 ? 60 : style.width) {}

  TextWriter& Begin(std::size_t indent);                 // of a line
  TextWriter& Put(std::string_view text, Ink ink = Ink::kPlain);  // cut with "…" where the line is full
  TextWriter& PutPadded(std::string_view text, std::size_t columns, Ink ink = Ink::kPlain);
  void End();
  // Words over as many lines as they need, each beginning at `indent`; the first line goes on where Begin left off.
  void Wrap(std::size_t indent, std::string_view text);
  void Blank() { out_ += '\n'; }
  std::string Take() { return std::move(out_); }

 private:
  bool colour_;
  std::size_t width_;
  std::size_t column_ = 0;
  std::string out_;
};

std::size_t Columns(std::string_view text);  // code points: near enough for names and versions

}  // namespace bulwark::report
