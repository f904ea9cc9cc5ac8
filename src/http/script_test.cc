// Plays tests/http/*.script (see the README there) against a real server on a loopback port.
#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "base/strings.h"
#include "http/fakes.h"
#include "http/registry/registry.h"
#include "http/router.h"
#include "net/test_text.h"

namespace bulwark::http {
namespace {

struct ScriptServer {
  ScriptServer() {
    router.Add(RegistryRoutes(deps));
    router.Add(OperationalRoutes([] { return Status(); }, [this] { return router.Metrics(); }));
    net::HttpServerOptions options;
    options.listen = {{"127.0.0.1", 0, false}};
    options.threads = 2;
    options.pool = &pool;
    options.on_exchange = router.Observer();
    server = net::StartHttpServer(std::move(options), router.Handler()).value();
  }
  std::uint16_t port() const { return server->endpoints()[0].port; }

  ThreadPool pool{"script", 2};
  FakeAuthenticator authenticator;
  FakeRegistry registry;
  FakeClock clock{Time(std::chrono::seconds(1000))};
  RegistryDeps deps{registry, authenticator, pool, clock};
  Router router{authenticator, pool, {}};
  std::unique_ptr<net::HttpServer> server;
};

class Player {
 public:
  explicit Player(ScriptServer& server) : server_(server) { variables_["PORT"] = std::to_string(server.port()); }

  void Play(const std::vector<std::string>& block) {
    const std::string where = Expand(block.front());
    std::size_t at = 1;
    const std::string request = BuildRequest(where, block, at);
    net::RawClient client(server_.port());
    client.Send(request);
    const std::string answer = client.ReadAnswer(where.starts_with("HEAD "));
    ASSERT_LT(at, block.size()) << "no status wanted: " << where;
    EXPECT_EQ(answer.substr(0, 13), "HTTP/1.1 " + block[at] + " ") << where << "\n" << answer;
    for (++at; at < block.size(); ++at) Check(Expand(block[at]), answer, where);
  }

 private:
  static bool IsStatus(const std::string& line) {
    return line.size() == 3 && std::all_of(line.begin(), line.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  // ${NAME}, ${sha256:text} (up to the last "}" of the line's token, so that JSON fits in).
  std::string Expand(std::string line) const {
    for (std::size_t begin; (begin = line.find("${")) != line.npos;) {
      std::size_t end = begin + 2;
      for (int depth = 1; end < line.size() && depth > 0; ++end) depth += line[end] == '{' ? 1 : line[end] == '}' ? -1 : 0;
      const std::string name = line.substr(begin + 2, end - begin - 3);
      std::string value;
      if (name.starts_with("sha256:")) value = crypto::Sha256(AsBytes(name.substr(7))).str();
      else if (name.starts_with("sha512:")) value = crypto::HashWith(DigestAlgorithm::kSha512, AsBytes(name.substr(7))).str();
      else if (auto found = variables_.find(name); found != variables_.end()) value = found->second;
      else ADD_FAILURE() << "unknown variable " << name;
      line.replace(begin, end - begin, value);
    }
    return line;
  }

  std::string Authorization(std::string_view who) {
    const std::size_t space = who.find(' ');
    const std::string user(who.substr(0, space)), password = user + "-password";
    if (space == who.npos) return "Basic " + Base64Encode(user + ":" + password);
    auto principal = server_.authenticator.Password(user, password, "");
    return "Bearer " + server_.authenticator.Issue(*principal, {std::string(who.substr(space + 1))})->token;
  }

  std::string BuildRequest(const std::string& where, const std::vector<std::string>& block, std::size_t& at) {
    std::string headers, body;
    bool has_body = false, chunked = false;
    for (; at < block.size() && !IsStatus(block[at]); ++at) {
      const std::string line = Expand(block[at]);
      if (line.front() == '@') {
        headers += "Authorization: " + Authorization(std::string_view(line).substr(1)) + "\r\n";
      } else if (line.front() == '>' || line.front() == '+') {
        has_body = true;
        chunked = line.front() == '+';
        const std::string bytes = net::Unescape(line.substr(1));
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
        body += chunked ? size + bytes + "\r\n" : bytes;
      } else {
        headers += line + "\r\n";
      }
    }
    if (ToLower(headers).find("host: ") == std::string::npos) headers += "Host: 127.0.0.1:" + std::to_string(server_.port()) + "\r\n";
    if (chunked) headers += "Transfer-Encoding: chunked\r\n";
    else if (has_body) headers += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return where + " HTTP/1.1\r\n" + headers + "\r\n" + body + (chunked ? "0\r\n\r\n" : "");
  }

  static std::optional<std::string> HeaderOf(const std::string& answer, const std::string& name) {
    const std::string head = answer.substr(0, answer.find("\r\n\r\n") + 2);
    const std::size_t at = ToLower(head).find("\r\n" + ToLower(name) + ": ");
    if (at == head.npos) return std::nullopt;
    const std::size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }

  void Check(const std::string& line, const std::string& answer, const std::string& where) {
    const std::string body = answer.substr(std::min(answer.size(), answer.find("\r\n\r\n") + 4));
    const std::string text = net::Unescape(line.substr(1));
    if (line.front() == '=') {
      EXPECT_EQ(body, text) << where;
    } else if (line.front() == '~') {
      EXPECT_NE(body.find(text), body.npos) << where << "\n" << answer;
    } else if (line.front() == '!') {
      EXPECT_EQ(body.find(text), body.npos) << where << "\n" << answer;
    } else if (const std::size_t keep = line.find(" < "); keep != line.npos) {
      variables_[line.substr(0, keep)] = HeaderOf(answer, line.substr(keep + 3)).value_or("");
    } else {
      CheckHeader(line, answer, where);
    }
  }

  static void CheckHeader(const std::string& line, const std::string& answer, const std::string& where) {
    const std::size_t colon = line.find(": ");
    ASSERT_NE(colon, line.npos) << line;
    const std::string name = line.substr(0, colon), want = line.substr(colon + 2);
    const auto have = HeaderOf(answer, name);
    if (want == "-") EXPECT_FALSE(have) << where << ": " << name << ": " << *have;
    else if (want == "*") EXPECT_TRUE(have) << where << ": no " << name;
    else EXPECT_EQ(have.value_or("(none)"), want) << where << ": " << name;
  }

  ScriptServer& server_;
  std::map<std::string, std::string> variables_;
};

std::vector<std::vector<std::string>> ReadBlocks(const std::string& path) {
  const std::string text = ReadFile(path, 1 << 20).value();
  std::vector<std::vector<std::string>> blocks(1);
  for (std::string_view line : Split(text, '\n')) {
    if (line.starts_with('#')) continue;
    if (!line.empty()) blocks.back().emplace_back(line);
    else if (!blocks.back().empty()) blocks.emplace_back();
  }
  if (blocks.back().empty()) blocks.pop_back();
  return blocks;
}

TEST(Scripts, Play) {
  std::set<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(BW_SOURCE_DIR "/tests/http"))
    if (entry.path().extension() == ".script") paths.insert(entry.path().string());
  ASSERT_GE(paths.size(), 6u);
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    ScriptServer server;
    Player player(server);
    for (const auto& block : ReadBlocks(path)) player.Play(block);
  }
}

// Every row but the listed ones is closed to strangers, whatever its handler would do.
TEST(Routes, AreClosedToStrangers) {
  const std::set<std::string> open = {"GET /healthz", "GET /readyz", "POST /v2/token"};
  ScriptServer server;
  std::set<std::string> found_open;
  for (const Route& route : server.router.routes()) {
    std::string path = route.pattern;
    for (std::string_view parameter : {"{name}", "{digest}", "{reference}", "{id}"})
      if (const std::size_t at = path.find(parameter); at != path.npos) path.replace(at, parameter.size(), "x");
    const std::string row = std::string(net::Name(route.method)) + " " + route.pattern;
    net::RawClient client(server.port());
    client.Send(std::string(net::Name(route.method)) + " " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = client.ReadAnswer(route.method == net::Method::kHead);
    if (route.access == Access::kPublic) found_open.insert(row);
    else EXPECT_TRUE(answer.starts_with("HTTP/1.1 401 ") && answer.find("WWW-Authenticate: ") != answer.npos) << row << "\n" << answer;
  }
  EXPECT_EQ(found_open, open);
}

// Twenty at once on one session: one wins, the others are told so, no bytes mix (attacks: upload-offset-forgery).
TEST(Uploads, AreExclusive) {
  ScriptServer server;
  auto name = service::RepoName::Parse("team-a/app").value();
  const auto state = server.registry.StartUpload({}, name).value();
  std::vector<std::thread> threads;
  std::atomic<int> won{0}, lost{0};
  for (int i = 0; i < 20; ++i)
    threads.emplace_back([&] {
      net::RawClient client(server.port());
      client.Send("PATCH /v2/team-a/app/blobs/uploads/" + state.id + " HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " +
                  Base64Encode("alice:alice-password") + "\r\nContent-Range: 0-99999\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'x'));
      const std::string answer = client.ReadAnswer();
      won += answer.starts_with("HTTP/1.1 202 ");
      lost += answer.starts_with("HTTP/1.1 416 ") || answer.starts_with("HTTP/1.1 400 ");
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 19);
  EXPECT_EQ(server.registry.UploadStatus({}, name, state.id)->offset, 100'000u);
}

// HEAD and 304 look; only bytes that are sent are a pull.
TEST(Manifests, CountAsPulledWhenSent) {
  ScriptServer server;
  auto name = service::RepoName::Parse("team-a/app").value();
  const Digest digest = server.registry.PutManifest({}, name, service::TagName::Parse("v1").value(), "a/b", "{}", {})->digest;
  auto ask = [&](const std::string& method, const std::string& header) {
    net::RawClient client(server.port());
    client.Send(method + " /v2/team-a/app/manifests/v1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " +
                Base64Encode("alice:alice-password") + "\r\n" + header + "\r\n");
    const std::string status = client.ReadAnswer(method == "HEAD").substr(9, 3);
    return status + " " + std::to_string(server.registry.pulls.load());
  };
  const std::string same = "If-None-Match: \"" + digest.str() + "\"\r\n";
  EXPECT_EQ(ask("HEAD", ""), "200 0");
  EXPECT_EQ(ask("GET", same), "304 0");
  EXPECT_EQ(ask("HEAD", same), "304 0");
  EXPECT_EQ(ask("GET", "If-None-Match: \"sha256:0\"\r\n"), "200 1");
  EXPECT_EQ(ask("GET", ""), "200 2");
}

// What arrived before the client went away can be built upon.
TEST(Uploads, KeepWhatArrived) {
  ScriptServer server;
  auto name = service::RepoName::Parse("team-a/app").value();
  const auto state = server.registry.StartUpload({}, name).value();
  {
    net::RawClient client(server.port());
    client.Send("PATCH /v2/team-a/app/blobs/uploads/" + state.id + " HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " +
                Base64Encode("alice:alice-password") + "\r\nContent-Length: 3000000\r\n\r\n" + std::string(1'500'000, 'x'));
    client.FinishSending();
    client.ReadAll();
  }
  server.server->Stop(std::chrono::seconds(5));
  EXPECT_EQ(server.registry.UploadStatus({}, name, state.id)->offset, 1'500'000u);
}

}  // namespace
}  // namespace bulwark::http
