"""Attacks on HTTP/1.1 framing (rows of attack_rows.py, "framing"), over raw sockets against a real server.

Behind every refused request stands one that an administrator sends: it makes a project, and must never run."""

import base64
import itertools
import json
import os
import select
import socket
import threading
import time
import unittest
from random import Random

import harness
import oci
from attack_world import World, answers

FULL = bool(os.environ.get("BULWARK_FULL_TESTS"))


def unescape(text):
    """As src/net/test_text.cc: \\R is CR LF."""
    plain = {"r": b"\r", "n": b"\n", "R": b"\r\n", "t": b"\t", "0": b"\0"}
    out, rest = b"", text
    while rest:
        if rest[0] != "\\":
            out, rest = out + rest[0].encode(), rest[1:]
        elif rest[1] == "x":
            out, rest = out + bytes([int(rest[2:4], 16)]), rest[4:]
        else:
            out, rest = out + plain.get(rest[1], rest[1].encode()), rest[2:]
    return out


def table(name):
    for line in (harness.ROOT / "src/net/testdata" / name).read_text().splitlines():
        if line and not line.startswith("#"):
            want, _, text = line.partition("\t")
            yield want, unescape(text)


class Framing(World):
    names = itertools.count()

    def setUp(self):
        super().setUp()
        self.sent = {}

    def canary(self, behind):
        """A request by the administrator that makes a project; the end of the test looks whether it was made."""
        name = f"canary-{next(self.names)}"
        self.sent[name] = behind[:200]
        body = json.dumps({"name": name}).encode()
        return self.head("POST", "/api/v1/projects", "Content-Type: application/json", f"Content-Length: {len(body)}", who=self.admin) + body

    def sung(self):
        """What stood before the canaries that ran."""
        made, after = [], ""
        while after is not None:
            page = self.admin.api("GET", "/projects?limit=1000" + (f"&after={after}" if after else ""))[1]
            made += [self.sent[p["name"]] for p in page["items"] if p["name"] in self.sent]
            after = page.get("next")
        return made

    def tearDown(self):
        self.assertEqual(self.sung(), [])
        super().tearDown()

    def refused(self, data, statuses=(400,)):
        """One refusal, the connection closed by the server, and what stands behind it not run."""
        out = self.raw(data + self.canary(data), end=False)
        got = answers(out)
        self.assertEqual(len(got), 1, (data[:200], out[:300]))
        self.assertIn(got[0], statuses, (data[:200], out[:300]))

    def body(self, *fields, target=None, who=None, method="PATCH", version="1.1"):
        return self.head(method, target or "/v2/team-a/app/blobs/uploads/0", *fields, who=who or self.alice, version=version)

    def test_the_canary_sings(self):
        """The control: behind a good request it does run."""
        self.assertEqual(answers(self.raw(self.head("GET", "/healthz") + self.canary(b"good"))), [200, 201])
        self.assertEqual(self.sung(), [b"good"])
        self.sent.clear()

    def test_heads_of_the_table(self):
        good = 0
        for want, data in table("framing.txt"):
            if want == "ok":
                good += 1
                continue
            self.refused(data, (int(want),))
        self.assertGreater(good, 5)

    def test_two_lengths(self):
        """Every pair of ways to say how long a body is, in both orders, by somebody who is logged in."""
        lengths = ("Content-Length: 5", "content-length: 0", "Content-Length: 05", "Content-Length: +5", "Content-Length: 5,5", "Content-Length:5 ")
        codings = (
            "Transfer-Encoding: chunked",
            "transfer-encoding: CHUNKED",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: deflate, chunked",
            "Transfer-Encoding:\tchunked",
            "Transfer-Encoding: ,chunked",
            "Transfer-Encoding: chunked,",
            'Transfer-Encoding: "chunked"',
            "Transfer-Encoding: x",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: trailers, chunked",
        )
        for coding, length in itertools.product(codings, lengths):
            for fields in ((coding, length), (length, coding)):
                self.refused(self.body(*fields) + b"0\r\n\r\n")
        for one, other in itertools.product(lengths, repeat=2):
            self.refused(self.body(one, other) + b"hello")
        for coding in codings[2:]:
            if coding != "Transfer-Encoding:\tchunked":
                self.refused(self.body(coding) + b"0\r\n\r\n")

    def test_odd_names_and_values(self):
        """Each byte that is no token byte within a field name, before its colon, at the line's start; each control byte in a value."""
        token = set(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        host = f"Host: {self.server.address}\r\n".encode()
        for byte in range(256):
            b = bytes([byte])
            if byte not in token:
                if byte != 0x3A:
                    self.refused(b"GET /healthz HTTP/1.1\r\n" + host + b"X" + b + b": 1\r\n\r\n")
                self.refused(b"GET /healthz HTTP/1.1\r\n" + host + b + b"X: 1\r\n\r\n")
            if byte < 0x20 and byte != 9 or byte == 0x7F:
                self.refused(b"GET /healthz HTTP/1.1\r\n" + host + b"X: a" + b + b"b\r\n\r\n")
            if byte <= 0x20 or byte >= 0x7F:
                self.refused(b"GET /health" + b + b"z HTTP/1.1\r\n" + host + b"\r\n")
        for version in ("1.2", "1.10", "2.0", "3.0", "0.9", "11", "1", "1.1 ", "x.1", "1.1.1"):
            self.refused(f"GET /healthz HTTP/{version}\r\n".encode() + host + b"\r\n", (400, 505))
        for method in ("get", "G@T", "GET\x0b", "TRACE", "CONNECT", "PRI", "A" * 40):
            out = self.raw(method.encode() + b" /healthz HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
            self.assertTrue(set(answers(out)) <= {400, 401, 405, 501}, (method, out[:200]))

    def test_http_1_0(self):
        """One request a connection, and no chunks in it."""
        for fields in (
            ("Transfer-Encoding: chunked",),
            ("Connection: keep-alive", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ):
            self.refused(self.body(*fields, version="1.0") + b"0\r\n\r\n")
        for fields in ((), ("Connection: keep-alive",), ("Keep-Alive: timeout=100",)):
            head = self.head("GET", "/healthz", *fields, version="1.0")
            self.assertEqual(answers(self.raw(head + self.canary(head), end=False)), [200])

    def test_bodies_by_chunks(self):
        """Each body of the table as a PATCH by its developer: decoded as the table says, or refused and nothing behind it run."""
        for want, data in table("chunked.txt"):
            location, token = self.start(self.alice, "team-a/app")
            head = self.head("PATCH", location, "Transfer-Encoding: chunked", f"Authorization: {token}")
            if want == "more":
                out = self.raw(head + data)
                self.assertTrue(set(answers(out)) <= {400, 503}, (data, out[:200]))  # a client that went away
                continue
            out = self.raw(head + data + self.canary(data), end=False) if want == "refused" else self.raw(head + data)
            if want == "refused":
                self.assertEqual(answers(out), [400], (data, out[:300]))
                continue
            self.assertEqual(answers(out), [202], (data, out[:300]))
            digest = oci.digest(want.encode())
            self.assertEqual(self.alice.send("PUT", f"{location}?digest={digest}", b"", authorization=token)[0], 201, data)

    def test_chunk_extensions_cost_nothing(self):
        location, token = self.start(self.alice, "team-a/app")
        head = self.head("PATCH", location, "Transfer-Encoding: chunked", f"Authorization: {token}")
        for data in (
            b"1;" + b"a" * (1 << 20) + b"\r\nx\r\n0\r\n\r\n",
            b"".join(b"1;%s\r\nx\r\n" % (b"e" * 300) for _ in range(3000)) + b"0\r\n\r\n",
            b"0" * 25 + b"1\r\nx\r\n0\r\n\r\n",
            b"0" * 100_000,
            b"1" + b" " * 100_000,
            b'5;a="\n"\r\nhello\r\n0\r\n\r\n',
            b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n',
            b"5;\n\r\nhello\r\n0\r\n\r\n",
        ):
            self.assertTrue(set(answers(self.raw(head + data + self.canary(data), end=False))) <= {400}, data[:60])
        out = self.raw(head + b"1\r\nx\r\n0\r\n" + b"".join(b"T%d: %s\r\n" % (i, b"v" * 1000) for i in range(1000)) + b"\r\n")
        self.assertTrue(set(answers(out)) <= {400, 431}, out[:200])

    def test_trailers_are_dropped(self):
        """No field of a trailer counts: not for who asks, not for where the bytes go."""
        location, token = self.start(self.bob, "team-b/x")
        anonymous = self.head("PATCH", location, "Transfer-Encoding: chunked", "Trailer: Authorization")
        for field in ("Authorization: " + self.bob.basic, "Authorization: " + token):
            self.assertEqual(answers(self.raw(anonymous + b"5\r\nhello\r\n0\r\n" + field.encode() + b"\r\n\r\n"))[:1], [401])
        self.assertEqual(self.bob.send("GET", location, authorization=token)[1]["range"], "0-0")
        stranger = self.head("PATCH", location, "Transfer-Encoding: chunked", who=self.alice)
        self.assertEqual(answers(self.raw(stranger + b"5\r\nhello\r\n0\r\nAuthorization: " + self.bob.basic.encode() + b"\r\n\r\n"))[:1], [404])
        mine = self.head("PATCH", location, "Transfer-Encoding: chunked", f"Authorization: {token}")
        kept = 0
        for trailer in (
            "Content-Range: 100-104",
            "Host: evil.example.com",
            "Digest: sha-256=x",
            "X-Forwarded-For: 1.2.3.4",
            "Content-Length: 1",
            "Transfer-Encoding: identity",
            "Content-Type: text/html",
            "Expect: 100-continue",
            "Connection: close",
            "Authorization: Basic x",
        ):
            out = self.raw(mine + b"5\r\nhello\r\n0\r\n" + trailer.encode() + b"\r\n\r\n")
            self.assertEqual(answers(out), [202], (trailer, out))
            kept += 5
            self.assertIn(f"Range: 0-{kept - 1}".encode(), out)
            self.assertNotIn(b"evil", out)

    def test_a_head_in_pieces_is_the_same_head(self):
        """Cut at every byte: the same answer as in one piece, and the canary neither way."""
        good = self.head("GET", "/healthz", "X: y", "Connection: close")
        bad = self.head("GET", "/healthz", "Content-Length: 5", "Transfer-Encoding: chunked")
        for data, want in ((good, [200]), (bad, [400])):
            for cut in range(1, len(data), 1 if FULL else 7):
                with self.connect() as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.sendall(data[:cut])
                    time.sleep(0.002)  # a packet of its own
                    out = b""
                    try:
                        connection.sendall(data[cut:])
                        while part := connection.recv(4096):
                            out += part
                    except ConnectionError:
                        pass
                    self.assertEqual(answers(out), want, cut)

    def test_expectations_and_sizes(self):
        begin = time.monotonic()
        for fields, who, want in (
            (("Expect: 100-continue", f"Content-Length: {10 << 30}"), None, [401]),
            (("Expect: 100-continue", "Transfer-Encoding: chunked"), None, [401]),
            (("Expect: 100-continue", f"Content-Length: {10 << 30}"), self.pat, [403]),
            (("Expect: x", "Content-Length: 5"), self.alice, [417]),
            (("Expect: 100-continue, x", "Content-Length: 5"), self.alice, [417]),
            (("Expect: 100-continue", f"Content-Length: {10 << 30}"), self.bob, [404]),
        ):
            target = "/v2/team-a/app/blobs/uploads/" if who is not self.alice else "/v2/team-a/app/manifests/v2"
            out = self.raw(self.head("PUT" if "manifests" in target else "POST", target, *fields, who=who), end=False)
            self.assertEqual(answers(out), want, (fields, out[:300]))
        self.assertLess(time.monotonic() - begin, 10)
        for data, want in (
            (self.head("GET", "/healthz", *(f"A{i}: b" for i in range(3000))), 431),
            (self.head("GET", "/healthz", "A: " + "b" * (1 << 20)), 431),
            (self.head("GET", "/" + "a" * (64 << 10)), 414),
            (self.head("GET", "/healthz?" + "a" * (64 << 10)), 414),
            (self.head("GET", "/healthz", "A" * 40_000 + ": b"), 431),
            (b"A" * 100_000, 414),
            (b"GET /" + b"a" * (8 << 20), 414),
        ):
            self.refused(data, (want,))

    def test_many_slow_heads(self):
        """Hundreds that send a byte now and then: others are served as before, and the slow ones are let go of after ten seconds."""
        count = 3000 if FULL else 600
        usual = self.latency()
        slow = []
        for _ in range(count):
            slow.append(self.connect())
        begin = time.monotonic()
        for i, byte in enumerate(b"GET /h"):
            for connection in slow:
                try:
                    connection.send(bytes([byte]))
                except OSError:
                    pass
            if i == 3:
                crowded = self.latency()
        print(f"\nmeasured: a pull among {count} slow heads: {crowded * 1e3:.1f} ms, alone {usual * 1e3:.1f} ms")
        self.assertLess(crowded, max(2 * usual, 0.05))
        ended, deadline = 0, begin + 16
        waiting = {c.fileno(): c for c in slow}
        while waiting and time.monotonic() < deadline:
            poll = select.poll()
            for fd in waiting:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(500):
                try:
                    out = waiting[fd].recv(4096)
                except OSError:
                    out = b""
                self.assertTrue(set(answers(out)) <= {408, 503}, out[:200])
                if not out or b"close" in out:
                    waiting.pop(fd).close()
                    ended += 1
        for connection in slow:
            connection.close()
        self.assertEqual(ended, count)

    def latency(self):
        token, times = self.bob.token("team-b/secret", "pull"), []
        for _ in range(40):
            begin = time.monotonic()
            self.assertEqual(self.bob.send("GET", "/v2/team-b/secret/manifests/v1", authorization=token)[0], 200)
            times.append(time.monotonic() - begin)
        return sorted(times)[len(times) // 2]

    @unittest.skipUnless(FULL, "waits for the minute of grace; BULWARK_FULL_TESTS runs it")
    def test_a_body_that_trickles_is_ended(self):
        location, token = self.start(self.alice, "team-a/app")
        with self.connect() as connection:
            connection.sendall(self.head("PATCH", location, f"Content-Length: {1 << 20}", f"Authorization: {token}"))
            connection.settimeout(1)
            begin, out = time.monotonic(), None
            while out is None and time.monotonic() - begin < 150:
                try:
                    connection.send(b"x")
                    out = connection.recv(4096)
                except socket.timeout:
                    pass
                except OSError:
                    out = b""
            self.assertIsNotNone(out)
            print(f"\nmeasured: an upload of a byte a second was ended after {time.monotonic() - begin:.0f} s: {out[:30]}")

    def test_mutated_requests(self):
        """Good requests with a few bytes changed: never an error of the server's own, never two answers that nobody asked for."""
        body = json.dumps({"name": "mutated"}).encode()
        manifest = self.good.manifest
        digest = oci.digest(b"hello")
        # By a token: a password with a byte changed would be counted as a guess at it.
        mine = "Authorization: " + self.carol.token("team-a/app", "pull,push")
        seeds = [
            self.head("GET", "/v2/team-a/app/manifests/v1", f"Accept: {oci.MANIFEST}", mine),
            self.head("GET", f"/v2/team-a/app/referrers/{self.good.digest}?artifactType=a%2Fb", mine),
            self.head("GET", f"/v2/team-a/app/blobs/{next(iter(self.good.blobs))}", "Range: bytes=0-9", 'If-Range: "x"', mine),
            self.head("POST", f"/v2/team-a/app/blobs/uploads/?digest={digest}", "Content-Length: 5", mine) + b"hello",
            self.head("POST", "/v2/team-a/app/blobs/uploads/", "Transfer-Encoding: chunked", mine) + b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
            self.head("PUT", "/v2/team-a/app/manifests/mutated", f"Content-Type: {oci.MANIFEST}", f"Content-Length: {len(manifest)}", mine) + manifest,
            self.head("POST", "/api/v1/projects", "Content-Type: application/json", f"Content-Length: {len(body)}", mine) + body,
            self.head("GET", "/v2/token?service=x&scope=repository:team-a/app:pull,push&scope=registry:catalog:*", mine),
            self.head("GET", "/api/v1/repositories/team-a/app/images/v1/report?format=json&as_of=2026-01-01T00:00:00Z", mine),
        ]
        seed = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
        random, tried, statuses = Random(seed), 0, {}
        until = time.monotonic() + (60 if FULL else 4)
        while time.monotonic() < until:
            data = bytearray(random.choice(seeds))
            for _ in range(random.randrange(1, 5)):
                at = random.randrange(len(data))
                change = random.randrange(4)
                if change == 0:
                    data[at] = random.randrange(256)
                elif change == 1:
                    data[at:at] = random.choice((b"\r\n", b"\0", b"%00", b"%2f", b"..", b"0", b" ", b":", b"\xff", b"\n", b"{", b'"', b"-1", b"99999999999999999999"))
                elif change == 2:
                    del data[at : at + random.randrange(1, 9)]
                else:
                    data[at:at] = data[max(0, at - random.randrange(1, 60)) : at]
            got = answers(self.raw(bytes(data)))
            tried += 1
            for status in got:
                statuses[status] = statuses.get(status, 0) + 1
                # 503 is the answer to one who went away within a body; nobody reads it.
                self.assertTrue(status < 500 or status in (503, 505), (seed, status, bytes(data)))
            self.assertLessEqual(len(got), 1 + data.count(b" HTTP/1."), (seed, bytes(data)))
        print(f"\nmeasured: {tried} mutated requests (seed {seed}): " + ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items())))

    def test_no_secret_of_a_refused_request_is_logged(self):
        """What was refused unread is told without its bytes (the log is searched after every test)."""
        login = base64.b64encode(b"admin:" + harness.PASSWORD.encode()).decode()
        for data in (
            self.head("GET", "/v2/?password=canary-in-a-query", "X-Api-Key: canary-in-a-header"),
            b"GET /canary-in-a-query \x01\x1b[2J HTTP/1.1\r\nX: canary-in-a-header\r\n\r\n",
            self.head("DELETE", "/v2/team-a/app/manifests/never?token=canary-in-a-query", "Authorization: Basic " + login),
            self.head("GET", "/v2/token?account=admin&password=canary-in-a-query", "Authorization: Bearer canary-in-a-header"),
            self.head("GET", "/%1b%5b2J%0d%0aforged%20line"),
        ):
            self.raw(data)
        log = (self.server.data / "server.log").read_bytes()
        self.assertNotIn(login.encode(), log)
        self.assertNotIn(b"\nforged", log)


if __name__ == "__main__":
    unittest.main()
