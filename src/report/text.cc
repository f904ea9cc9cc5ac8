#include "report/text.h"

namespace bulwark::report {
namespace {

std::string_view Code(Ink ink) {
  switch (ink) {
    case Ink::kPlain: return "";
    case Ink::kBold: return "\x1b[1m";
    case Ink::kRed: return "\x1b[31m";
    case Ink::kBoldRed: return "\x1b[1;31m";
    case Ink::kYellow: return "\x1b[33m";
    case Ink::kGreen: return "\x1b[32m";
    case Ink::kDim: return "\x1b[2m";
  }
  return "";
}

bool StartsCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// The first `columns` code points.
std::string_view Head(std::string_view text, std::size_t columns) {
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (!StartsCodePoint(text[i])) continue;
    if (columns == 0) break;
    --columns;
  }
  return text.substr(0, i);
}

}  // namespace

std::size_t Columns(std::string_view text) {
  std::size_t n = 0;
  for (char c : text) n += StartsCodePoint(c) ? 1 : 0;
  return n;
}

TextWriter& TextWriter::Begin(std::size_t indent) {
  out_.append(indent, ' ');
  column_ = indent;
  return *this;
}

TextWriter& TextWriter::Put(std::string_view text, Ink ink) {
  std::size_t room = width_ > column_ ? width_ - column_ : 0;
  if (room == 0 || text.empty()) return *this;
  std::size_t columns = Columns(text);
  bool cut = columns > room;
  bool inked = colour_ && ink != Ink::kPlain;
  if (inked) out_ += Code(ink);
  out_ += cut ? Head(text, room - 1) : text;
  if (cut) out_ += "…";
  if (inked) out_ += "\x1b[0m";
  column_ += cut ? room : columns;
  return *this;
}

TextWriter& TextWriter::PutPadded(std::string_view text, std::size_t columns, Ink ink) {
  Put(text, ink);
  std::size_t used = Columns(text);
  return Put(std::string(used < columns ? columns - used : 1, ' '));
}

void TextWriter::End() {
  while (!out_.empty() && out_.back() == ' ') out_.pop_back();
  out_ += '\n';
  column_ = 0;
}

void TextWriter::Wrap(std::size_t indent, std::string_view text) {
  bool first = true;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    std::size_t need = Columns(word) + (first ? 0 : 1);
    if (!first && column_ + need > width_) {
      End();
      Begin(indent);
      first = true;
    }
    if (!first) Put(" ");
    // A word longer than a line is broken, not cut: it may be what to type.
    while (Columns(word) > width_ - std::min(column_, width_ - 1)) {
      std::string_view head = Head(word, width_ - std::min(column_, width_ - 1));
      Put(head);
      word.remove_prefix(head.size());
      End();
      Begin(indent);
    }
    Put(word);
    first = false;
  }
  End();
}

}  // namespace bulwark::report
