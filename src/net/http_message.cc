#include "net/http_message.h"

#include "base/strings.h"

namespace bulwark::net {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' || c == '~';
}

// The byte behind text[at] == '%', or -1.
int EncodedByte(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size()) return -1;
  const int high = HexValue(text[at + 1]), low = HexValue(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

std::optional<std::string> DecodeFormText(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      const int byte = EncodedByte(text, i);
      if (byte < 0) return std::nullopt;
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Only one spelling of a segment is accepted: see Path.
std::optional<std::string> DecodeSegment(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const auto plain = static_cast<unsigned char>(raw[i]);
    if (plain == '\\' || plain < 0x20 || plain == 0x7f) return std::nullopt;
    if (plain != '%') {
      out += raw[i];
      continue;
    }
    const int byte = EncodedByte(raw, i);
    if (byte < 0x20 || byte == 0x7f || byte == '\\' || IsUnreserved(static_cast<char>(byte))) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  if (out == "." || out == "..") return std::nullopt;
  return out;
}

}  // namespace

Method ParseMethod(std::string_view token) {
  if (token == "GET") return Method::kGet;
  if (token == "HEAD") return Method::kHead;
  if (token == "POST") return Method::kPost;
  if (token == "PUT") return Method::kPut;
  if (token == "PATCH") return Method::kPatch;
  if (token == "DELETE") return Method::kDelete;
  if (token == "OPTIONS") return Method::kOptions;
  return Method::kOther;
}

std::string_view Name(Method method) {
  switch (method) {
    case Method::kGet: return "GET";
    case Method::kHead: return "HEAD";
    case Method::kPost: return "POST";
    case Method::kPut: return "PUT";
    case Method::kPatch: return "PATCH";
    case Method::kDelete: return "DELETE";
    case Method::kOptions: return "OPTIONS";
    case Method::kOther: break;
  }
  return "OTHER";
}

std::optional<std::string_view> Headers::Find(std::string_view name) const {
  for (const auto& [n, value] : fields_)
    if (EqualsIgnoreCase(n, name)) return value;
  return std::nullopt;
}

std::size_t Headers::Count(std::string_view name) const {
  std::size_t n = 0;
  for (const auto& field : fields_) n += EqualsIgnoreCase(field.first, name);
  return n;
}

Result<QueryParameters> QueryParameters::Parse(std::string_view query) {
  QueryParameters out;
  for (std::string_view pair : Split(query, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto key = DecodeFormText(pair.substr(0, equals));
    auto value = DecodeFormText(equals == pair.npos ? std::string_view() : pair.substr(equals + 1));
    if (!key || !value) return Error{Errc::kInvalid, "malformed percent-encoding in the query"};
    out.pairs_.emplace_back(*std::move(key), *std::move(value));
  }
  return out;
}

Result<std::optional<std::string_view>> QueryParameters::One(std::string_view key) const {
  std::optional<std::string_view> found;
  for (const auto& [k, value] : pairs_) {
    if (k != key) continue;
    if (found) return Error{Errc::kInvalid, "query parameter \"" + std::string(key) + "\" stands twice"};
    found = value;
  }
  return found;
}

std::vector<std::string_view> QueryParameters::All(std::string_view key) const {
  std::vector<std::string_view> out;
  for (const auto& [k, value] : pairs_)
    if (k == key) out.push_back(value);
  return out;
}

Path ParsePath(std::string_view raw) {
  Path path;
  path.encoded = raw.find('%') != raw.npos;
  if (!raw.starts_with('/')) return path;
  const std::vector<std::string_view> parts = Split(raw.substr(1), '/');
  path.segments.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto segment = DecodeSegment(parts[i]);
    if (!segment || (segment->empty() && i + 1 < parts.size())) return path;
    path.segments.push_back(*std::move(segment));
  }
  path.canonical = true;
  return path;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (IsUnreserved(c)) {
      out += c;
      continue;
    }
    const auto u = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[u >> 4];
    out += kDigits[u & 15];
  }
  return out;
}

Response& Response::Set(std::string name, std::string value) & {
  std::erase_if(headers, [&](const auto& field) { return EqualsIgnoreCase(field.first, name); });
  return Add(std::move(name), std::move(value));
}

Response& Response::Add(std::string name, std::string value) & {
  headers.emplace_back(std::move(name), std::move(value));
  return *this;
}

Response&& Response::With(std::string name, std::string value) && {
  Set(std::move(name), std::move(value));
  return std::move(*this);
}

std::string_view Response::Header(std::string_view name) const {
  for (const auto& [n, value] : headers)
    if (EqualsIgnoreCase(n, name)) return value;
  return {};
}

std::uint64_t Response::BodyLength() const {
  if (const auto* text = std::get_if<std::string>(&body)) return text->size();
  if (const auto* shared = std::get_if<std::shared_ptr<const std::string>>(&body)) return (*shared)->size();
  if (const auto* file = std::get_if<FileBody>(&body)) return file->length;
  return 0;
}

Response Response::Empty(int status) {
  Response response;
  response.status = status;
  return response;
}

Response Response::Text(int status, std::string text) {
  Response response = Empty(status);
  response.body = std::move(text);
  response.Add("Content-Type", "text/plain; charset=utf-8");
  return response;
}

Response Response::Json(int status, std::string json, std::string_view type) {
  Response response = Empty(status);
  response.body = std::move(json);
  response.Add("Content-Type", std::string(type));
  return response;
}

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Status";
  }
}

}  // namespace bulwark::net
