#pragma once
// What a request says and what an answer holds (RFC 9110), free of sockets.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"

namespace bulwark::net {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions, kOther };
Method ParseMethod(std::string_view token);  // case matters; what is not listed is kOther
std::string_view Name(Method method);        // "GET", …; "OTHER"

// Fields in the order received, names compared without case, values without surrounding blanks.
class Headers {
 public:
  void Add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  // The first field of that name.
  std::optional<std::string_view> Find(std::string_view name) const;
  // Its value, or "".
  std::string_view Get(std::string_view name) const { return Find(name).value_or(std::string_view()); }
  std::size_t Count(std::string_view name) const;
  const HeaderList& fields() const { return fields_; }

 private:
  HeaderList fields_;
};

// "a=1&b=2" decoded as forms are (RFC 3986 percent-encoding, "+" is a space), in order, repetitions kept.
class QueryParameters {
 public:
  static Result<QueryParameters> Parse(std::string_view query);  // kInvalid: a bad percent-encoding
  // nullopt if absent; kInvalid if it is there twice (attacks: list-n-huge, jwt-scope-widening).
  Result<std::optional<std::string_view>> One(std::string_view key) const;
  std::vector<std::string_view> All(std::string_view key) const;
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

// The path of a request target, split and decoded. `canonical` is false for every spelling that another server might
// take for a different path: empty segments (but the last), "." and "..", encoded letters, digits or "-._~", encoded
// controls, backslashes, bad encodings. Such a path matches no route.
struct Path {
  bool canonical = false;
  bool encoded = false;                // a "%" stood in it
  std::vector<std::string> segments;   // "/v2/" gives "v2", ""
};
Path ParsePath(std::string_view raw);  // what stands before "?"
// Percent-encodes all but unreserved characters (RFC 3986 section 2.3), for links and query values.
std::string PercentEncode(std::string_view text);

// A part of a file or other random source. `fd` >= 0: a plain file whose bytes are the source's; it is sent by the kernel.
struct FileBody {
  std::shared_ptr<const RandomSource> source;  // owned by the answer until it is sent
  int fd = -1;                                 // stays open as long as `source`
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Response {
  int status = 200;
  HeaderList headers;  // Content-Length, Date and Connection are the server's
  // A shared string is one that a cache owns too.
  std::variant<std::monostate, std::string, std::shared_ptr<const std::string>, FileBody> body;
  std::optional<std::uint64_t> head_length;  // Content-Length of a HEAD answer without its body at hand
  bool close = false;                        // end the connection after it

  Response& Set(std::string name, std::string value) &;  // replaces fields of that name
  Response& Add(std::string name, std::string value) &;
  Response&& With(std::string name, std::string value) &&;
  std::string_view Header(std::string_view name) const;  // or ""
  std::uint64_t BodyLength() const;

  static Response Empty(int status);
  static Response Text(int status, std::string text);                       // text/plain; charset=utf-8
  static Response Json(int status, std::string json, std::string_view type = "application/json");
};

std::string_view ReasonPhrase(int status);

}  // namespace bulwark::net
