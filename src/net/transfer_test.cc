// Bodies on the wire: files by sendfile, other sources, TLS; and the client against the server.
#include <atomic>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sync.h"
#include "base/unique_fd.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/test_text.h"

namespace bulwark::net {
namespace {

using boost::asio::awaitable;

// 5 MB that differ at every offset, in an anonymous file.
class TestFile final : public RandomSource {
 public:
  TestFile() : fd_(::memfd_create("body", MFD_CLOEXEC)) {
    for (std::uint32_t i = 0; i < 1'250'000; ++i) bytes_.append(reinterpret_cast<const char*>(&i), 4);
    std::size_t done = 0;
    while (done < bytes_.size()) done += static_cast<std::size_t>(std::max<ssize_t>(0, ::write(fd_.get(), bytes_.data() + done, bytes_.size() - done)));
  }
  std::uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    return MemorySource(AsBytes(bytes_)).ReadAt(offset, into);
  }
  int fd() const { return fd_.get(); }
  const std::string& bytes() const { return bytes_; }

 private:
  UniqueFd fd_;
  std::string bytes_;
};

struct FileServer {
  explicit FileServer(bool with_tls) {
    HttpServerOptions options;
    options.listen = {{"127.0.0.1", 0, with_tls}};
    options.threads = 2;
    options.pool = &pool;
    if (with_tls) options.tls = TlsFiles{"src/net/testdata/tls/test_cert.pem", "src/net/testdata/tls/test_key.pem"};
    server = StartHttpServer(std::move(options), [this](Request& request) { return Answer(request); }).value();
    base = std::string(with_tls ? "https" : "http") + "://127.0.0.1:" + std::to_string(port());
    HttpClientOptions trust;
    if (with_tls) trust.ca_file = "src/net/testdata/tls/test_cert.pem";
    client = MakeHttpClient(trust);
  }
  std::uint16_t port() const { return server->endpoints()[0].port; }

  awaitable<Response> Answer(Request& request) {
    Response response = Response::Empty(200);
    if (request.target == "/file") response.body = FileBody{file, file->fd(), 0, file->size()};
    if (request.target == "/part") response.body = FileBody{file, file->fd(), 1'000'001, 2'000'003};
    if (request.target == "/source") response.body = FileBody{file, -1, 1'000'001, 2'000'003};
    if (request.target == "/beyond") response.body = FileBody{file, file->fd(), file->size() - 10, 100};
    if (request.target == "/string") response.body = file->bytes();
    if (request.target == "/count") {
      std::vector<std::uint8_t> buffer(100'000);
      std::uint64_t total = 0;
      for (;;) {
        auto got = co_await request.ReadBody(buffer);
        if (!got.ok() || *got == 0) break;
        total += *got;
      }
      response.body = request.method_text + " " + std::to_string(total) + " " + std::string(request.headers.Get("Transfer-Encoding"));
    }
    co_return response;
  }
  Result<HttpClientResponse> Get(const std::string& path) {
    HttpClientRequest request;
    request.url = base + path;
    return client->Send(request);
  }

  ThreadPool pool{"test", 2};
  std::shared_ptr<const TestFile> file = std::make_shared<TestFile>();
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpClient> client;
  std::string base;
};

class Transfer : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, Transfer, ::testing::Values(false, true));

TEST_P(Transfer, SendsFilesPartsAndSources) {
  FileServer server(GetParam());
  for (int round = 0; round < 2; ++round) {
    auto whole = server.Get("/file");
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    EXPECT_EQ(whole->body, server.file->bytes());
    EXPECT_EQ(server.Get("/part")->body, server.file->bytes().substr(1'000'001, 2'000'003));
    EXPECT_EQ(server.Get("/source")->body, server.file->bytes().substr(1'000'001, 2'000'003));
    EXPECT_EQ(server.Get("/string")->body, server.file->bytes());
  }
  EXPECT_FALSE(server.Get("/beyond").ok());  // the file is shorter than promised: broken off, not padded
  EXPECT_TRUE(server.Get("/file").ok());
}

TEST_P(Transfer, ReceivesBodies) {
  FileServer server(GetParam());
  HttpClientRequest request;
  request.url = server.base + "/count";
  request.method = "PUT";
  request.body = server.file->bytes();
  EXPECT_EQ(server.client->Send(request)->body, "PUT 5000000 ");
  MemorySource source(AsBytes(server.file->bytes()));
  request.body.clear();
  request.method = "PATCH";
  request.body_source = &source;
  EXPECT_EQ(server.client->Send(request)->body, "PATCH 5000000 chunked");
  MemorySource again(AsBytes(server.file->bytes()));
  request.body_source = &again;
  request.body_size = server.file->size();
  EXPECT_EQ(server.client->Send(request)->body, "PATCH 5000000 ");
}

TEST(Transfer, OutlivesClientsThatGoAway) {
  FileServer server(false);
  for (int i = 0; i < 20; ++i) {
    RawClient client(server.port());
    client.Send(i % 2 ? "GET /file HTTP/1.1\r\nHost: x\r\n\r\n" : "PUT /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
    if (i % 2) client.ReadExactly(1000);
    client.Reset();
  }
  EXPECT_TRUE(server.Get("/file").ok());
}

TEST(Tls, IsVerifiedByTheClientAndReloadable) {
  FileServer server(true);
  server.client = MakeHttpClient();
  auto untrusted = server.Get("/file");
  ASSERT_FALSE(untrusted.ok());
  EXPECT_EQ(untrusted.error().code, Errc::kUnavailable);
  EXPECT_TRUE(server.server->ReloadTls().ok());
  HttpClientOptions trusting;
  trusting.verify_tls = false;
  server.client = MakeHttpClient(trusting);
  EXPECT_TRUE(server.Get("/file").ok());
  RawClient plain(server.port());  // no TLS at all
  plain.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(plain.ReadAll().find("HTTP"), std::string::npos);
}

TEST(Tls, NeedsFilesThatFit) {
  const auto handler = [](Request&) -> awaitable<Response> { co_return Response::Empty(200); };
  const std::string dir = "src/net/testdata/tls/";
  const TlsFiles bad[] = {{dir + "absent.pem", dir + "test_key.pem"}, {dir + "test_cert.pem", dir + "other_key.pem"}, {dir + "README", dir + "test_key.pem"}};
  for (const TlsFiles& files : bad) {
    HttpServerOptions options;
    options.listen = {{"127.0.0.1", 0, true}};
    options.tls = files;
    auto server = StartHttpServer(std::move(options), handler);
    ASSERT_FALSE(server.ok());
    EXPECT_EQ(server.error().code, Errc::kInvalid);
  }
}

// ---- the client ----

// Two servers: the first redirects to where the path says, the second tells which credentials came.
struct RedirectServers {
  RedirectServers() {
    HttpServerOptions options;
    options.listen = {{"127.0.0.1", 0, false}};
    options.threads = 1;
    auto other_options = options;
    other = StartHttpServer(std::move(other_options), [](Request& request) -> awaitable<Response> {
              co_return Response::Text(200, std::string(request.headers.Get("Authorization")) + std::string(request.headers.Get("Cookie")) +
                                                "|" + std::string(request.headers.Get("X-Plain")));
            }).value();
    first = StartHttpServer(std::move(options), [this](Request& request) -> awaitable<Response> {
              const std::string_view path = request.target;
              std::string to = "http://127.0.0.1:" + std::to_string(other->endpoints()[0].port) + "/";
              if (path == "/here") co_return Response::Text(200, std::string(request.headers.Get("Authorization")));
              if (path == "/same") to = "/here";
              if (path == "/loop") to = "/loop";
              if (path == "/file") to = "file:///etc/passwd";
              if (path == "/login") to = "http://a:b@127.0.0.1/";
              if (path == "/back") to = "http://127.0.0.1:" + std::to_string(other->endpoints()[0].port) + "/";
              co_return Response::Empty(path == "/post" ? 302 : 307).With("Location", to);
            }).value();
    base = "http://127.0.0.1:" + std::to_string(first->endpoints()[0].port);
  }
  Result<HttpClientResponse> Send(const std::string& path, const std::string& method = "GET") {
    HttpClientRequest request;
    request.method = method;
    request.url = base + path;
    request.headers = {{"Authorization", "Basic secret"}, {"Cookie", "s=1"}, {"X-Plain", "p"}};
    return MakeHttpClient()->Send(request);
  }
  std::unique_ptr<HttpServer> other, first;
  std::string base;
};

TEST(HttpClient, KeepsCredentialsAtHome) {
  RedirectServers servers;
  EXPECT_EQ(servers.Send("/away")->body, "|p");
  EXPECT_EQ(servers.Send("/same")->body, "Basic secret");
  EXPECT_FALSE(servers.Send("/loop").ok());
  EXPECT_FALSE(servers.Send("/file").ok());
  EXPECT_FALSE(servers.Send("/login").ok());
  EXPECT_EQ(servers.Send("/post", "POST")->status, 302);  // not followed
  EXPECT_EQ(servers.Send("/away")->url.find(servers.base), std::string::npos);
}

TEST(HttpClient, LeavesAnOriginForTlsOnlyWhereAsked) {
  RedirectServers servers;
  HttpClientRequest request;
  request.redirects = Redirects::kTlsOrSameOrigin;
  request.url = servers.base + "/same";
  EXPECT_EQ(MakeHttpClient()->Send(request)->status, 200);
  request.url = servers.base + "/away";
  const auto away = MakeHttpClient()->Send(request);
  ASSERT_FALSE(away.ok());
  EXPECT_EQ(away.error().code, Errc::kUnavailable);
}

TEST(HttpClient, ShowsTheHeadBeforeTheSinkGetsABody) {
  FileServer server(false);
  HttpClientRequest request;
  request.url = server.base + "/part";
  std::uint64_t seen = 0, heads = 0;
  request.sink = [&](ByteSpan bytes) {
    seen += bytes.size();
    return Status();
  };
  request.before_sink = [&](const HttpClientResponse& head) {
    ++heads;
    EXPECT_EQ(seen, 0u);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.Header("content-length"), "2000003");
    return Status();
  };
  ASSERT_TRUE(server.client->Send(request).ok());
  EXPECT_EQ(heads, 1u);
  EXPECT_EQ(seen, 2'000'003u);
  request.before_sink = [](const HttpClientResponse&) { return Status(Errc::kConflict, "not this one"); };
  EXPECT_EQ(server.client->Send(request).error().message, "not this one");
  EXPECT_EQ(seen, 2'000'003u);
}

TEST(HttpClient, LimitsAndStreamsAnswers) {
  FileServer server(false);
  HttpClientRequest request;
  request.url = server.base + "/file";
  request.limit = 1000;
  EXPECT_EQ(server.client->Send(request).error().code, Errc::kLimit);
  std::uint64_t seen = 0;
  request.sink = [&](ByteSpan bytes) {
    seen += bytes.size();
    return Status();
  };
  EXPECT_EQ(server.client->Send(request)->body, "");
  EXPECT_EQ(seen, server.file->size());
  request.sink = [](ByteSpan) { return Status(Errc::kCorrupt, "enough"); };
  EXPECT_EQ(server.client->Send(request).error().message, "enough");
  request.url = "ftp://127.0.0.1/";
  EXPECT_EQ(server.client->Send(request).error().code, Errc::kInvalid);
  request.url = "http://a:b@127.0.0.1/";
  EXPECT_EQ(server.client->Send(request).error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace bulwark::net
