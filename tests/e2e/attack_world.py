"""Two teams on one real server, and what must hold after every attack on it."""

import atexit
import json
import os
import re
import socket
import time

import harness
import oci

MEMORY = 50 << 20  # by which an attack may leave the server larger
CANARIES = (harness.PASSWORD, "canary-in-a-query", "canary-in-a-header")


def answers(data):
    """The statuses of the responses in what a connection carried."""
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", data)]


def clean(name):
    """An image that may be pulled, unlike every other."""
    return oci.debian_image([("base-files", "12.4+deb12u5", None, None)], {"id": name})


class World(harness.Case):
    """admin; alice and carol (developers of team-a), bob (developer of team-b), pat (puller of team-a/app), mia (maintainer of team-a).
    `secret` is an image that exists in team-b/secret only, `good` one in team-a/app."""

    made = None  # what all classes without arguments of their own share: making users costs seconds

    @classmethod
    def setUpClass(cls):
        if cls.arguments:
            cls.make()
            return
        if World.made is None:
            World.make()
            World.made = True
            atexit.register(World.server.close)

    @classmethod
    def tearDownClass(cls):
        if cls.arguments:
            super().tearDownClass()

    @classmethod
    def make(cls):
        super().setUpClass()
        case = cls("setUp")
        for project in ("team-a", "team-b"):
            case.make_project(project)
        cls.alice, cls.carol = (case.make_user(n, ("developer", "team-a/**")) for n in ("alice", "carol"))
        cls.bob = case.make_user("bob", ("developer", "team-b/**"))
        cls.pat = case.make_user("pat", ("puller", "team-a/app"))
        cls.mia = case.make_user("mia", ("maintainer", "team-a/**"))
        cls.good, cls.secret = (oci.debian_image([("base-files", "12.4", None, None)], {"id": name}) for name in ("good", "secret"))
        for who, repository, image in ((cls.alice, "team-a/app", cls.good), (cls.bob, "team-b/secret", cls.secret)):
            status, _, body = who.push(repository, "v1", image)
            assert status == 201, body
        cls.secret_layer = next(iter(cls.secret.blobs))

    def setUp(self):
        self.memory = self.server.rss()

    def tearDown(self):
        """Whatever was done: it answers, others push and pull, memory came back, and the log holds no secret and no raw control byte."""
        status, _, body = self.server.client().send("GET", "/healthz")
        self.assertEqual((status, body), (200, b"ok\n"))
        self.assertEqual(self.server.client("bob").pull("team-b/secret", "v1")[0], 200)
        self.assertEqual(self.server.client("bob").push("team-b/after", "v", oci.debian_image([], {"id": os.urandom(8).hex()}))[0], 201)
        deadline = time.monotonic() + 5
        while (grown := self.server.rss() - self.memory) > MEMORY and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertLessEqual(grown, MEMORY)
        log = (self.server.data / "server.log").read_bytes()
        for canary in CANARIES:
            self.assertNotIn(canary.encode(), log)
        self.assertIsNone(re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", log))

    def connect(self):
        host, port = self.server.address.split(":")
        return socket.create_connection((host, int(port)), timeout=15)

    def raw(self, data, end=True):
        """Everything that comes back for these bytes until the server closes. Without `end` our side stays open, so that it is the server that ends it."""
        with self.connect() as connection:
            out = b""
            try:
                connection.sendall(data)
                if end:
                    connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(1 << 16):
                    out += part
            except (ConnectionError, BrokenPipeError):
                pass
            return out

    def head(self, method, target, *fields, who=None, version="1.1"):
        """The bytes of a request head, by `who` (Basic)."""
        lines = [f"{method} {target} HTTP/{version}", f"Host: {self.server.address}", *fields]
        if who:
            lines.append("Authorization: " + who.basic)
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def start(self, who, repository, token=None):
        token = token or who.token(repository, "pull,push")
        status, headers, body = who.send("POST", f"/v2/{repository}/blobs/uploads/", b"", authorization=token)
        self.assertEqual(status, 202, body)
        return headers["location"], token

    def events(self, actor):
        """Everything that the audit log has of somebody."""
        out, after = [], ""
        while after is not None:
            page = self.admin.api("GET", f"/audit?limit=1000&after={after}" if after else "/audit?limit=1000")[1]
            out += [e for e in page["items"] if e["actor"] == actor]
            after = page.get("next")
        return out

    def code(self, body):
        return json.loads(body)["errors"][0]["code"]
