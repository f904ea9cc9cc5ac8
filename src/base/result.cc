#include "base/result.h"

namespace bulwark {

std::string_view Name(Errc code) {
  switch (code) {
    case Errc::kInvalid: return "invalid";
    case Errc::kNotFound: return "not found";
    case Errc::kExists: return "exists";
    case Errc::kConflict: return "conflict";
    case Errc::kUnauthenticated: return "unauthenticated";
    case Errc::kDenied: return "denied";
    case Errc::kRange: return "range";
    case Errc::kDigest: return "wrong digest";
    case Errc::kLimit: return "limit reached";
    case Errc::kCorrupt: return "corrupt";
    case Errc::kUnsupported: return "unsupported";
    case Errc::kUnavailable: return "unavailable";
    case Errc::kIo: return "i/o error";
    case Errc::kCancelled: return "cancelled";
    case Errc::kInternal: return "internal error";
  }
  return "internal error";
}

Error Error::Wrap(std::string_view context) const {
  std::string text(context);
  text += ": ";
  text += message;
  return Error{code, std::move(text)};
}

}  // namespace bulwark
