#pragma once
// Bodies, pages and answers of the product API.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "formats/json.h"
#include "http/router.h"
#include "service/names.h"
#include "storage/content.h"

namespace bulwark::http {

// A JSON object with no other keys than `known`; kInvalid naming the first other one.
Result<formats::json::object> ParseBody(const Call& call, std::string_view body,
                                        std::initializer_list<std::string_view> known);

// `limit` (1 to limits::kPageMaximum, else kInvalid) and `after` of the query.
Result<storage::PageRequest> PageOf(const Call& call);

// {"items": […], "next": "…"}; no `next` at the end.
net::Response PageAnswer(const std::function<void(formats::JsonWriter&)>& items,
                         const std::optional<std::string>& next);
// One object, written by `fields` between its braces.
net::Response ObjectAnswer(int status, const std::function<void(formats::JsonWriter&)>& fields);

Result<service::RepoName> RepositoryOf(const Call& call);  // {name}
Result<service::Reference> ReferenceOf(const Call& call);  // {reference}
Result<std::int64_t> IdOf(const Call& call);               // {id}

// Field of RFC 3339; left out for kNever.
void TimeField(formats::JsonWriter& out, std::string_view key, Time time);

}  // namespace bulwark::http
