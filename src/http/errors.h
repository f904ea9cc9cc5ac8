#pragma once
// The one table from errors to HTTP answers: OCI error documents under /v2 (distribution-spec 1.1, "Error Codes"), problem
// documents elsewhere (RFC 9457).

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"

namespace bulwark::http {

enum class ErrorStyle { kOci, kProblem };
// /v2 and below: OCI.
ErrorStyle StyleOf(std::string_view raw_path);

int StatusOf(const Error& error);
// The code in front of the message if there is one ("BLOB_UNKNOWN: …"), else what the Errc says.
std::string OciCodeOf(const Error& error);
// The same error under an OCI code, unless it carries one.
Error WithOciCode(Error error, std::string_view code);

net::Response ErrorResponse(const Error& error, ErrorStyle style);
net::Response ErrorResponse(int status, std::string_view oci_code, std::string_view message, ErrorStyle style);

}  // namespace bulwark::http
