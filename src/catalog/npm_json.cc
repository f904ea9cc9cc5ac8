#include "catalog/npm_json.h"

#include "base/strings.h"

namespace bulwark::catalog {

Status Checked(simdjson::error_code code) {
  if (code == simdjson::SUCCESS) return {};
  return {code == simdjson::DEPTH_ERROR ? Errc::kLimit : Errc::kCorrupt, std::string("JSON: ") + simdjson::error_message(code)};
}

Result<JsonText> JsonText::Open(ByteSpan bytes, std::uint64_t limit) {
  std::string_view text = AsText(bytes);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (text.size() > limit) return Error{Errc::kLimit, "larger than " + FormatBytes(limit)};
  JsonText out;
  out.state_ = std::make_unique<State>();
  out.state_->text = simdjson::padded_string(text);
  BW_CHECK(Checked(out.state_->parser.iterate(out.state_->text).get(out.state_->document)));
  return out;
}

bool TextOf(simdjson::ondemand::value value, std::string& into) {
  simdjson::ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS || type != simdjson::ondemand::json_type::string) return false;
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return false;
  into = text;
  return true;
}

bool IsTrue(simdjson::ondemand::value value) {
  bool flag = false;
  return value.get_bool().get(flag) == simdjson::SUCCESS && flag;
}

}  // namespace bulwark::catalog
