#pragma once
// The server's TLS context: TLS 1.2 and 1.3, forward secret AEAD suites, ALPN http/1.1.

#include <memory>

#include "base/result.h"
#include "net/http_server.h"

struct ssl_ctx_st;
struct ssl_st;

namespace bulwark::net {

// Shared by the server and the connections that began under it.
using TlsContext = std::shared_ptr<ssl_ctx_st>;
using TlsSession = std::unique_ptr<ssl_st, void (*)(ssl_st*)>;

// kInvalid naming the file that does not fit (unreadable, not PEM, key of another certificate).
Result<TlsContext> LoadTlsContext(const TlsFiles& files);
// A server-side session on a connected, non-blocking socket, which outlives it.
Result<TlsSession> NewTlsSession(const TlsContext& context, int fd);

}  // namespace bulwark::net
