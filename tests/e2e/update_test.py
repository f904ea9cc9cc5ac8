"""bulwark db update and the server's own upkeep, against an HTTP server of the test that behaves well or badly as told (specs/attacks.md:
poisoned-feed, data-rollback-and-freeze, redirect-credential-theft)."""
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import shutil
import ssl
import tempfile
import threading
import time
import unittest
import urllib.parse
import zipfile

import harness

TLS = harness.ROOT / "src/net/testdata/tls"
PASS, USAGE, COULD_NOT = 0, 2, 3  # docs/command-line.md


def osv(number, modified="2026-01-02T00:00:00Z", withdrawn=False, ecosystem="npm"):
    record = {"schema_version": "1.6.0", "id": f"TEST-2026-{number}", "modified": modified, "published": "2026-01-01T00:00:00Z",
              "affected": [{"package": {"ecosystem": ecosystem, "name": f"package-{number}"},
                            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.2.3"}]}]}]}
    return {**record, "withdrawn": modified} if withdrawn else record


def archive(records, padding=0):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for record in records:
            z.writestr(record["id"] + ".json", json.dumps(record))
        if padding:
            z.writestr(zipfile.ZipInfo("README.bin"), os.urandom(padding))
    return out.getvalue()


NPM = archive(osv(n) for n in range(1, 101))
KEV = json.dumps({"title": "t", "catalogVersion": "2026.01.02", "dateReleased": "2026-01-02T00:00:00Z", "count": 1, "vulnerabilities": [
    {"cveID": "CVE-2026-1", "vendorProject": "v", "product": "p", "vulnerabilityName": "n", "dateAdded": "2026-01-02", "shortDescription": "d",
     "requiredAction": "a", "dueDate": "2026-02-02", "knownRansomwareCampaignUse": "Unknown", "notes": ""}]}).encode()


class Feeds:
    """Paths and how they answer: a function of the handler. Every request is noted."""

    def __init__(self, tls=False):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                answer = outer.answers.get(self.path)
                try:
                    answer(self) if answer else self.send_error(404)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # clients that refuse an answer hang up
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.requests, self.answers = [], {}
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / "test_cert.pem", TLS / "test_key.pem")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def asked(self, path):
        return [headers for p, headers in self.requests if p == path]


def send(h, status, body=b"", **headers):
    h.send_response(status)
    for name, value in headers.items():
        h.send_header(name.replace("_", "-"), value)
    h.send_header("Content-Length", str(len(body)))
    h.end_headers()
    h.wfile.write(body)


def serve(body, etag=None, ranges=True):
    """As a good server does: ETag, 304, ranges."""
    tag = etag or '"' + hashlib.sha256(body).hexdigest()[:16] + '"'

    def answer(h):
        if h.headers.get("If-None-Match") == tag:
            return send(h, 304, ETag=tag)
        wanted = h.headers.get("Range")
        if wanted and ranges and h.headers.get("If-Range") in (None, tag):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            return send(h, 206, body[start:], ETag=tag, Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
        return send(h, 200, body, ETag=tag)
    return answer


def cut(body, at, etag):
    """Promises all and closes after `at` bytes."""
    def answer(h):
        h.send_response(200)
        h.send_header("ETag", etag)
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body[:at])
        h.wfile.flush()
        h.close_connection = True
    return answer


def then(*answers):
    """One after the other; the last one stays."""
    left = list(answers)

    def answer(h):
        return (left.pop(0) if len(left) > 1 else left[0])(h)
    return answer


class UpdateCase(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-update-"))
        self.feeds = Feeds()
        self.data = self.folder / "data"
        self.file = self.data / "advisories.bwa"

    def tearDown(self):
        self.feeds.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def configure(self, sources, update=None):
        path = self.folder / "bulwark.yaml"
        path.write_text(json.dumps({"storage": {"directory": str(self.data)}, "advisories": {**({"update": update} if update else {}), "sources": sources}}))
        return path

    def npm(self, *paths, **more):
        return {"name": "npm", "urls": [self.feeds.url + p for p in paths or ("/npm.zip",)], "whole": ["npm"], **more}

    def kev(self):
        return {"name": "kev", "urls": [self.feeds.url + "/kev.json"]}

    def update(self, sources=None, *arguments, code=PASS, env=None):
        done = harness.bulwark("db", "update", "--config", self.configure(sources or [self.npm()]), *arguments, env=env, timeout=120)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def status(self):
        done = harness.bulwark("db", "status", "--db", self.file, "--format", "json")
        self.assertEqual(done.returncode, PASS, done.stderr)
        return json.loads(done.stdout)

    def state(self, name="npm"):
        return json.loads((self.data / "advisories" / f"{name}.state").read_text())


class Fetching(UpdateCase):
    def test_conditional(self):
        self.feeds.answers["/npm.zip"] = serve(NPM)
        self.assertIn("npm: new, 100 records", self.update())
        self.assertEqual((self.status()["records"], self.status()["whole"]), (100, ["npm"]))
        before = self.file.stat()
        self.assertIn("npm: unchanged, 100 records", self.update())
        self.assertIn("if-none-match", self.feeds.asked("/npm.zip")[-1])
        self.assertEqual(self.file.stat().st_ino, before.st_ino)

    def test_last_modified(self):
        def answer(h):
            date = "Fri, 02 Jan 2026 00:00:00 GMT"
            send(h, 304) if h.headers.get("If-Modified-Since") == date else send(h, 200, NPM, Last_Modified=date)
        self.feeds.answers["/npm.zip"] = answer
        self.update()
        self.assertIn("unchanged", self.update())

    def test_a_304_for_a_file_that_is_gone_or_cut_is_not_believed(self):
        self.feeds.answers["/npm.zip"] = serve(NPM)
        self.update()
        download = self.data / "advisories" / "npm.zip"
        for damage in (lambda: download.unlink(), lambda: os.truncate(download, 1000), lambda: download.write_bytes(NPM[:-1] + b"x")):
            damage()
            self.assertIn("npm: new, 100 records", self.update())
            self.assertNotIn("if-none-match", self.feeds.asked("/npm.zip")[-1])
            self.assertEqual(download.read_bytes(), NPM)

    def test_a_304_that_nobody_asked_for_is_no_answer(self):
        self.feeds.answers["/npm.zip"] = lambda h: send(h, 304)
        self.assertIn("answers 304", self.update(code=COULD_NOT))
        self.assertFalse(self.file.exists())

    def test_a_server_that_says_unchanged_for_ever_is_asked_for_all_after_a_week(self):
        self.feeds.answers["/npm.zip"] = serve(NPM)
        self.update()
        state = self.state()
        state["fetched"] -= 8 * 86_400_000
        (self.data / "advisories" / "npm.state").write_text(json.dumps(state))
        self.assertIn("npm: new", self.update())
        self.assertNotIn("if-none-match", self.feeds.asked("/npm.zip")[-1])

    def test_mirrors_in_order(self):
        self.feeds.answers["/b.zip"] = serve(NPM)
        self.assertIn("npm: new", self.update([self.npm("/a.zip", "/b.zip")]))
        self.assertEqual([p for p, _ in self.feeds.requests], ["/a.zip", "/b.zip"])
        # A validator of one mirror says nothing at another.
        self.feeds.answers["/a.zip"] = serve(NPM)
        self.update([self.npm("/a.zip", "/b.zip")])
        self.assertNotIn("if-none-match", self.feeds.asked("/a.zip")[-1])

    def test_trouble_is_waited_for(self):
        self.feeds.answers["/npm.zip"] = then(lambda h: send(h, 503, Retry_After="2"), serve(NPM))
        began = time.monotonic()
        self.assertIn("npm: new", self.update())
        self.assertGreaterEqual(time.monotonic() - began, 2)

    def test_much_patience_is_for_the_next_round(self):
        self.feeds.answers["/npm.zip"] = lambda h: send(h, 429, Retry_After="7200")
        began = time.monotonic()
        self.assertIn("answers 429", self.update(code=COULD_NOT))
        self.assertLess(time.monotonic() - began, 30)
        self.assertGreater(self.state()["next_try"], (time.time() + 7000) * 1000)
        self.assertEqual(len(self.feeds.requests), 1)

    def test_a_cut_download_is_gone_on_with(self):
        body = archive((osv(n) for n in range(1, 101)), padding=400_000)
        self.feeds.answers["/npm.zip"] = then(cut(body, 300_000, '"tag"'), serve(body, '"tag"'))
        self.assertIn("npm: new, 100 records", self.update())
        asked = self.feeds.asked("/npm.zip")[-1]
        self.assertEqual(asked["if-range"], '"tag"')
        self.assertGreater(int(asked["range"].removeprefix("bytes=")[:-1]), 0)
        self.assertEqual((self.data / "advisories" / "npm.zip").read_bytes(), body)

    def test_not_with_another_file_nor_where_ranges_are_none(self):
        body = archive((osv(n) for n in range(1, 101)), padding=400_000)
        other = archive((osv(n) for n in range(1, 102)), padding=400_000)
        self.feeds.answers["/npm.zip"] = then(cut(body, 300_000, '"tag"'), serve(other, '"other"'))
        self.assertIn("npm: new, 101 records", self.update())
        self.feeds.answers["/npm.zip"] = then(cut(body, 300_000, '"tag"'), serve(body, '"tag"', ranges=False))
        self.assertIn("npm: new, 100 records", self.update())
        # A range that was not asked for, under the right tag.
        self.feeds.answers["/npm.zip"] = then(cut(other, 300_000, '"x"'), lambda h: send(h, 206, other[5:], ETag='"x"', Content_Range=f"bytes 5-{len(other) - 1}/{len(other)}"),
                                              serve(other, '"x"'))
        self.assertIn("npm: new, 101 records", self.update())

    def test_size_limit(self):
        self.feeds.answers["/npm.zip"] = serve(NPM)
        self.assertIn("larger than", self.update([self.npm(max_bytes=1000)], code=COULD_NOT))

    def test_addresses(self):
        refused = [{"urls": ["http://feeds.example.com/a.zip"]}, {"urls": ["ftp://a/b.zip"]}, {"urls": ["https://u:p@a/b.zip"]}, {"urls": ["https://a/b"]},
                   {"from": "osv/../x"}, {"from": "nobody"}, {"name": "../x", "urls": ["https://a/b.zip"]}, {"name": "x"}, {"urls": ["file:///etc/passwd"]},
                   {"urls": ["http://127.0.0.1.example.com/b.zip"]}, {"urls": ["http://127.0.0.1@example.com/b.zip"]}]
        for source in refused:
            done = harness.bulwark("db", "update", "--config", self.configure([{"name": "x", **source}]))
            self.assertEqual(done.returncode, USAGE, (source, done.stderr))
        self.assertEqual(harness.bulwark("db", "update", "--data", self.data).returncode, USAGE)
        self.assertEqual(harness.bulwark("db", "update", "--data", self.data, "nobody").returncode, USAGE)
        self.assertFalse(self.data.exists())

    def test_credentials_stay_at_their_origin(self):
        (self.folder / "login").write_text("reader:secret\n")
        other = Feeds()
        self.addCleanup(other.close)
        other.answers["/npm.zip"] = serve(NPM)
        source = {"name": "npm", "urls": [self.feeds.url + "/a.zip", other.url + "/npm.zip"], "credentials_file": str(self.folder / "login")}
        self.assertIn("npm: new", self.update([source]))
        self.assertTrue(self.feeds.asked("/a.zip")[0]["authorization"].startswith("Basic "))
        self.assertNotIn("authorization", other.asked("/npm.zip")[0])

    def test_clear_text_goes_nowhere_else(self):
        other = Feeds()
        self.addCleanup(other.close)
        other.answers["/npm.zip"] = serve(NPM)
        self.feeds.answers["/npm.zip"] = lambda h: send(h, 302, Location=other.url + "/npm.zip")
        self.assertIn("which is not TLS", self.update(code=COULD_NOT))
        self.assertEqual(other.requests, [])
        self.feeds.answers["/npm.zip"] = lambda h: send(h, 302, Location="/there.zip")
        self.feeds.answers["/there.zip"] = serve(NPM)
        self.assertIn("npm: new", self.update())
        self.feeds.answers["/npm.zip"] = lambda h: send(h, 302, Location="/npm.zip")
        self.assertIn("redirected more than 5 times", self.update(code=COULD_NOT))


    def test_tls_is_verified_and_never_left(self):
        secure = Feeds(tls=True)
        self.addCleanup(secure.close)
        secure.answers["/npm.zip"] = serve(NPM)
        source = {"name": "npm", "urls": [secure.url + "/npm.zip"]}
        self.assertIn("certificate", self.update([source], code=COULD_NOT))
        source["ca_file"] = str(TLS / "test_cert.pem")
        self.assertIn("npm: new", self.update([source]))
        self.feeds.answers["/npm.zip"] = serve(NPM)
        secure.answers["/npm.zip"] = lambda h: send(h, 302, Location=self.feeds.url + "/npm.zip")
        self.assertIn("redirected from https to http", self.update([{**source, "plain_http": "on"}], code=COULD_NOT))
        self.assertEqual(self.feeds.requests, [])


class Poisoned(UpdateCase):
    def setUp(self):
        super().setUp()
        self.feeds.answers.update({"/npm.zip": serve(NPM), "/kev.json": serve(KEV)})
        self.update([self.npm(), self.kev()])
        self.revision = self.status()["revision"]

    def test_what_is_not_taken(self):
        many = [osv(n) for n in range(1, 101)]
        html = b"<!DOCTYPE html><title>Log in</title>"
        bad = {
            "a page": (lambda h: send(h, 200, html, Content_Type="text/html; charset=utf-8"), "web page"),
            "a page that says it is an archive": (serve(html), "not taken"),
            "cut": (serve(NPM[:-100]), "not taken"),
            "nothing": (serve(b""), "nothing"),
            "60 % smaller": (serve(archive(many[:40])), "shrunk from 100 to 40"),
            "all withdrawn": (serve(archive(osv(n, withdrawn=True) for n in range(1, 101))), "not one record"),
            "2 % malformed": (serve(archive([*many, {"id": "X-1", "affected": "?"}, {"id": "X-2", "affected": "?"}])), "malformed"),
            "older": (serve(archive(osv(n, modified="2026-01-01T00:00:00Z") for n in range(1, 101))), "older than the one before"),
            "coded": (lambda h: send(h, 200, gzip.compress(NPM), Content_Encoding="gzip"), "content coding"),
        }
        for name, (answer, why) in bad.items():
            with self.subTest(name):
                self.feeds.answers["/npm.zip"] = answer
                told = self.update([self.npm(), self.kev()], code=COULD_NOT)
                self.assertIn(why, told)
                self.assertIn("stays in use", told)
                self.assertEqual(self.status()["revision"], self.revision)

    def test_the_others_go_on(self):
        self.feeds.answers["/npm.zip"] = serve(b"<html>")
        kev = json.loads(KEV)
        kev["catalogVersion"], kev["dateReleased"] = "2026.01.03", "2026-01-03T00:00:00Z"
        kev["vulnerabilities"].append({**kev["vulnerabilities"][0], "cveID": "CVE-2026-2"})
        self.feeds.answers["/kev.json"] = serve(json.dumps(kev).encode())
        told = self.update([self.npm(), self.kev()], code=COULD_NOT)
        self.assertIn("kev: new, 2 records", told)
        self.assertIn("what was checked 0 hours ago stays in use", told)
        status = self.status()
        self.assertNotEqual(status["revision"], self.revision)
        self.assertEqual({s["name"]: s["records"] for s in status["sources"]}, {"osv": 100, "kev": 2})
        # Back again: no longer told.
        self.feeds.answers["/npm.zip"] = serve(NPM)
        self.update([self.npm(), self.kev()])
        self.assertEqual((self.state()["error"], self.state()["failures"]), ("", 0))

    def test_a_source_that_is_left_out_must_be_said(self):
        self.assertIn("has shrunk from 100 to 0 records", self.update([self.kev()], code=COULD_NOT))
        self.assertEqual(self.status()["revision"], self.revision)
        self.update([self.kev()], "--force")
        self.assertEqual([s["name"] for s in self.status()["sources"]], ["kev"])

    def test_marked_as_never_affected(self):
        def tracker(version):
            return json.dumps({f"p{n}": {f"CVE-2026-{n}": {"scope": "remote", "description": "d", "releases": {"bookworm": {
                "status": "resolved", "repositories": {"bookworm": "1.0-1"}, "fixed_version": version, "urgency": "not yet assigned"}}}}
                for n in range(1000, 1050)}).encode()
        source = {"name": "debian", "format": "json", "urls": [self.feeds.url + "/data/json"]}
        self.feeds.answers["/data/json"] = serve(tracker("1.0-1"))
        self.update([self.npm(), self.kev(), source])
        self.feeds.answers["/data/json"] = serve(tracker("0"))
        self.assertIn("not one record", self.update([self.npm(), self.kev(), source], code=COULD_NOT))

    def test_secrets_in_addresses_are_not_told(self):
        source = {"name": "x", "urls": [self.feeds.url + "/x.json?token=secret", "http://127.0.0.1:9/y.json?token=secret"]}
        told = self.update([self.npm(), self.kev(), source], code=COULD_NOT)
        self.assertIn("/y.json?", told)
        self.assertNotIn("secret", told)
        self.assertNotIn("secret", self.state("x")["error"])

    def test_one_at_a_time(self):
        import fcntl
        with open(self.data / "advisories" / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertIn("another update is under way", self.update([self.npm(), self.kev()], code=COULD_NOT))


def wait(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)  # waiting for a server's own rounds
    raise AssertionError("it did not happen in time")


class ByItself(UpdateCase):
    def start(self, sources, folder="server"):
        (self.folder / folder).mkdir(exist_ok=True)
        config = self.folder / folder / "bulwark.yaml"
        config.write_text(json.dumps({"advisories": {"update": "1m", "sources": sources}}))
        server = harness.Server("--config", config, data=self.folder / folder)
        self.addCleanup(server.close)
        return server

    def data_of(self, server):
        status, body = server.client().api("GET", "/data")
        self.assertEqual(status, 200, body)
        return body

    def test_nothing_is_fetched_unless_it_is_said(self):
        (self.folder / "server").mkdir()
        config = self.folder / "server" / "bulwark.yaml"
        config.write_text(json.dumps({"advisories": {"sources": [self.npm()]}}))
        server = harness.Server("--config", config, data=self.folder / "server")
        self.addCleanup(server.close)
        time.sleep(7)  # longer than the first look of a server that fetches
        self.assertEqual(self.feeds.requests, [])

    def test_the_server_keeps_fresh_and_serves_another(self):
        self.feeds.answers["/npm.zip"] = serve(NPM)
        first = self.start([self.npm()])
        wait(lambda: self.data_of(first)["records"] == 100)
        data = self.data_of(first)
        self.assertEqual([(f["name"], f["records"], "error" in f) for f in data["feeds"]], [("npm", 100, False)])
        status, headers, body = self.get(first, "/metrics")
        self.assertIn('bulwark_advisory_source_failures{source="npm"} 0', body.decode())
        self.assertIn("bulwark_advisory_records 100", body.decode())
        status, events = first.client().api("GET", "/audit?limit=1000")
        self.assertIn("data.change", [e["action"] for e in events["items"]])
        # Its file, as others see it.
        status, headers, file = self.get(first, "/api/v1/data/file")
        self.assertEqual((status, headers["ETag"], file), (200, f'"{data["revision"]}"', (first.data / "data" / "advisories.bwa").read_bytes()))
        self.assertEqual(self.get(first, "/api/v1/data/file", {"If-None-Match": headers["ETag"]})[0], 304)
        status, part, some = self.get(first, "/api/v1/data/file", {"Range": "bytes=10-19", "If-Range": headers["ETag"]})
        self.assertEqual((status, some, part["Content-Range"]), (206, file[10:20], f"bytes 10-19/{len(file)}"))
        self.assertEqual(self.get(first, "/api/v1/data/file", {"Range": "bytes=10-19", "If-Range": '"other"'})[0], 200)
        self.assertEqual(self.get(first, "/api/v1/data/file", {"Range": f"bytes={len(file)}-"})[0], 416)
        self.assertEqual(self.get(first, "/api/v1/data/file", user=None)[0], 401)
        status, head, none = self.get(first, "/api/v1/data/file", method="HEAD")
        self.assertEqual((status, int(head["Content-Length"]), none), (200, len(file), b""))
        # And another that takes it.
        (self.folder / "login").write_text(f"admin:{harness.PASSWORD}\n")
        central = {"name": "central", "format": "bulwark", "urls": [f"http://{first.address}/api/v1/data/file"], "credentials_file": str(self.folder / "login")}
        second = self.start([central], "second")
        wait(lambda: self.data_of(second)["revision"] == data["revision"])
        self.assertEqual((second.data / "data" / "advisories.bwa").read_bytes(), file)

    def get(self, server, path, headers=None, user="admin", method="GET"):
        import base64
        import http.client
        connection = http.client.HTTPConnection(server.address, timeout=30)
        login = {"Authorization": "Basic " + base64.b64encode(f"{user}:{harness.PASSWORD}".encode()).decode()} if user else {}
        connection.request(method, path, headers={**login, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def test_a_slow_download_holds_up_neither_work_nor_the_end(self):
        release = threading.Event()

        def slow(h):
            h.send_response(200)
            h.send_header("Content-Length", str(len(NPM)))
            h.end_headers()
            h.wfile.write(NPM[:100])
            h.wfile.flush()
            release.wait(60)
        self.feeds.answers["/npm.zip"] = slow
        server = self.start([self.npm()])
        wait(lambda: self.feeds.requests)
        # The watcher of the file goes on.
        (self.folder / "npm.zip").write_bytes(NPM)
        self.assertEqual(harness.bulwark("db", "build", "--out", server.data / "data" / "advisories.bwa", self.folder / "npm.zip").returncode, PASS)
        wait(lambda: self.data_of(server)["records"] == 100)
        fetching = [p for p in server.workers() if self.command(p).startswith(b"bulwark-feeds")]
        self.assertEqual(len(fetching), 1)
        began = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - began, 5)
        release.set()
        self.assertEqual(self.command(fetching[0]), b"")

    @staticmethod
    def command(process):
        try:
            return pathlib.Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            return b""


class Finished(UpdateCase):
    def build(self, name, records):
        source = self.folder / f"{name}.zip"
        source.write_bytes(archive(records))
        out = self.folder / f"{name}.bwa"
        self.assertEqual(harness.bulwark("db", "build", "--out", out, source).returncode, PASS)
        return out.read_bytes()

    def test_rollback_damage_and_company(self):
        good = self.build("good", [osv(n) for n in range(1, 101)])
        older = self.build("older", [osv(n, modified="2025-01-01T00:00:00Z") for n in range(1, 101)])
        small = self.build("small", [osv(n) for n in range(1, 20)])
        newer = self.build("newer", [osv(n, modified="2026-01-03T00:00:00Z") for n in range(1, 101)])
        source = {"name": "central", "format": "bulwark", "urls": [self.feeds.url + "/file"]}
        self.feeds.answers["/file"] = serve(good)
        self.update([source])
        for bad in (older, small, good[:-8], good[:-1] + bytes([good[-1] ^ 1]), b"<html>", NPM):
            self.feeds.answers["/file"] = serve(bad)
            self.assertIn("not taken", self.update([source], code=COULD_NOT))
            self.assertEqual(self.file.read_bytes(), good)
        self.feeds.answers["/file"] = serve(newer)
        self.update([source])
        self.assertEqual(self.file.read_bytes(), newer)
        done = harness.bulwark("db", "update", "--config", self.configure([source, self.kev()]))
        self.assertEqual(done.returncode, USAGE, done.stderr)


if __name__ == "__main__":
    unittest.main()
