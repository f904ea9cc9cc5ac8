#include "net/tls.h"

#include <cstring>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace bulwark::net {
namespace {

// AES-128 first: 1.4x the speed of AES-256 for the bulk of image layers, and no weaker in practice.
constexpr const char* kSuites12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kSuites13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

Error TlsError(std::string text) {
  if (const unsigned long code = ERR_get_error()) {
    char reason[160];
    ERR_error_string_n(code, reason, sizeof reason);
    text += std::string(": ") + reason;
  }
  ERR_clear_error();
  return Error{Errc::kInvalid, std::move(text)};
}

int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in, unsigned in_length, void*) {
  static constexpr unsigned char kProtocols[] = "\x08http/1.1";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_length, kProtocols, sizeof kProtocols - 1, in, in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;  // an h2-only client fails by itself
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

void Configure(SSL_CTX* context, bool only_tls13) {
  SSL_CTX_set_min_proto_version(context, only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A buffer that moves between tries, and memory given back while a connection idles.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);  // one read(2) a record instead of two
  SSL_CTX_set_alpn_select_cb(context, SelectProtocol, nullptr);
}

}  // namespace

Result<TlsContext> LoadTlsContext(const TlsFiles& files) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return TlsError("TLS is not available");
  Configure(context.get(), files.only_tls13);
  if (SSL_CTX_set_cipher_list(context.get(), kSuites12) != 1 || SSL_CTX_set_ciphersuites(context.get(), kSuites13) != 1)
    return TlsError("TLS cipher suites are not available");
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    return TlsError("certificate file " + files.certificate + " cannot be used");
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return TlsError("key file " + files.key + " cannot be used");
  if (SSL_CTX_check_private_key(context.get()) != 1)
    return TlsError("key file " + files.key + " does not belong to certificate file " + files.certificate);
  return context;
}

Result<TlsSession> NewTlsSession(const TlsContext& context, int fd) {
  ERR_clear_error();
  TlsSession session(SSL_new(context.get()), SSL_free);
  if (!session || SSL_set_fd(session.get(), fd) != 1) return TlsError("TLS session cannot be made");
  SSL_set_accept_state(session.get());
  return session;
}

}  // namespace bulwark::net
