"""Attacks on what is stored: digests, names, endless bodies, collection, tags (rows of attack_rows.py, "storage"), against a real server."""

import gzip
import json
import os
import pathlib
import shutil
import tempfile
import threading
import time
import unittest
import urllib.parse

import harness
import oci
from attack_world import World, answers, clean

FULL = bool(os.environ.get("BULWARK_FULL_TESTS"))
HEX = "a" * 64
BAD_DIGESTS = (
    "sha256:../../../etc/passwd",
    "sha256:" + HEX.upper(),
    "sha256:" + HEX[:63],
    "sha256:" + HEX + "a",
    "sha512:" + HEX,
    "sha256:" + HEX * 2,
    "md5:" + "a" * 32,
    "sha256:%2e%2e%2f" + "a" * 55,
    "a+b:c",
    "sha256:" + "g" * 64,
    "sha256:" + HEX[:-1] + "\0",
    "sha256",
    "sha256:",
    ":" + HEX,
    "SHA256:" + HEX,
    "sha256::" + HEX,
    "sha256:" + HEX + " ",
    " sha256:" + HEX,
    "sha256-" + HEX,
    "sha384:" + "a" * 96,
    "sha256:" + HEX + "\n",
    "sha256:/" + HEX[:-1],
    "sha256:" + "ａ" * 64,
    "blake3:" + HEX,
    "sha1:" + "a" * 40,
)


class Names(World):
    def files(self):
        return {str(p.relative_to(self.server.data)) for p in (self.server.data / "data").rglob("*")}

    def test_digests_in_addresses(self):
        token = self.alice.token("team-a/app", "pull,push")
        location, _ = self.start(self.alice, "team-a/app", token)
        before = self.files()
        for text in BAD_DIGESTS:
            quoted = urllib.parse.quote(text, safe=":+%")
            for method, target in (
                ("GET", f"/v2/team-a/app/blobs/{quoted}"),
                ("HEAD", f"/v2/team-a/app/blobs/{quoted}"),
                ("GET", f"/v2/team-a/app/referrers/{quoted}"),
                ("PUT", f"{location}?digest={quoted}"),
                ("POST", f"/v2/team-a/app/blobs/uploads/?mount={quoted}&from=team-a/app"),
                ("POST", f"/v2/team-a/app/blobs/uploads/?digest={quoted}"),
                ("PUT", f"/v2/team-a/app/manifests/{quoted}"),
            ):
                status, _, body = self.alice.send(
                    method,
                    target,
                    self.good.manifest if "manifests" in target else b"" if method in ("PUT", "POST") else None,
                    {"Content-Type": oci.MANIFEST} if "manifests" in target else {},
                    token,
                )
                if "manifests" in target and ":" not in text:
                    self.assertIn(status, (201, 400), text)  # a tag, if it is one
                    continue
                self.assertIn(status, (400, 404), (method, target, body))
                if status == 404:  # only what is another address altogether
                    self.assertRegex(quoted, r"[/%]", target)
                if body and status == 400:
                    self.assertIn(self.code(body), ("DIGEST_INVALID", "NAME_INVALID", "UNSUPPORTED"), (target, body))
        self.assertEqual({f for f in self.files() - before if "etc" in f or ".." in f}, set())
        self.assertEqual(self.alice.send("GET", location, authorization=token)[0], 204)

    def test_digests_in_manifests(self):
        for text in BAD_DIGESTS:
            for place in ("config", "layer", "subject", "child"):
                document = json.loads(self.good.manifest)
                media_type, lie = oci.MANIFEST, {"mediaType": oci.MANIFEST, "digest": text, "size": 2}
                if place == "config":
                    document["config"]["digest"] = text
                elif place == "layer":
                    document["layers"][0]["digest"] = text
                elif place == "subject":
                    document["subject"] = lie
                else:
                    media_type, document = oci.INDEX, {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [lie]}
                status, _, body = self.alice.put_manifest("team-a/app", "odd", json.dumps(document).encode(), media_type)
                self.assertEqual((status, self.code(body)), (400, "MANIFEST_INVALID"), (text, place, body))
        self.assertEqual(self.admin.pull("team-a/app", "odd")[0], 404)

    def test_names_that_mean_something_else(self):
        """Refused by the grammar, or one documented parse: no name reaches another route or a path."""
        before = self.files()
        for name in (
            "..",
            ".",
            "team-a/../team-b/x",
            "team-a//x",
            "-x",
            "team-a/-x",
            "team-a/x-",
            "A",
            "team-a/É",
            "team-a/é",
            "team-a/" + "x" * 250,
            "team-a/" + "/".join("x" * 300),
            "team-a/_blobs",
            "team-a/x.",
            "team-a/.x",
            "team-a/x..y",
            "team-a/x___y",
            "team-a/x y",
            "team-a/x\ty",
            "team-a/x%00",
            "team-a/x\\y",
            "team-a/~x",
            "team-a/x:y",
            "team-a/x@y",
            "%2e%2e/etc",
            "team-a/%2e%2e/team-b/x",
            "team-a/x%2fy",
            "team-a/x\n",
            "TEAM-A/x",
            "team-a/X",
        ):
            for method, suffix in (("GET", "tags/list"), ("POST", "blobs/uploads/"), ("GET", "manifests/v1"), ("PUT", "manifests/v1")):
                target = f"/v2/{urllib.parse.quote(name, safe='/%:@~')}/{suffix}"
                status, _, body = self.admin.send(
                    method, target, self.good.manifest if method == "PUT" else b"" if method == "POST" else None, {"Content-Type": oci.MANIFEST}
                )
                self.assertIn(status, (400, 404), (target, body))
        # Words of the routes are names like others: the last route word from the right decides.
        for name in (
            "team-a/x/blobs/uploads",
            "team-a/x/manifests/v1",
            "team-a/x/tags",
            "team-a/referrers",
            "team-a/con",
            "team-a/blobs",
            "team-a/tags/list",
            "team-a/token",
        ):
            image = clean(name)
            self.assertEqual(self.alice.push(name, "v1", image)[0], 201, name)
            self.assertEqual(self.alice.pull(name, "v1")[2], image.manifest, name)
            self.assertIn(name, json.loads(self.alice.send("GET", "/v2/_catalog?n=1000")[2])["repositories"])
        new = self.files() - before
        self.assertEqual([f for f in new if "team-a" in f or "uploads/v2" in f or "con" == pathlib.Path(f).name], [])
        for tag in ("x" * 129, ".x", "-x", "v1\n", "v1 ", "v 1", "sha256:" + "g" * 64, "v1/../v2", "v1%2fx", "é", "v1\0", "@", "v1@sha256:" + HEX, "+", "*"):
            status, _, body = self.alice.send(
                "PUT",
                "/v2/team-a/app/manifests/" + urllib.parse.quote(tag, safe="/%:@"),
                self.good.manifest,
                {"Content-Type": oci.MANIFEST},
                self.alice.token("team-a/app", "pull,push"),
            )
            self.assertIn(status, (400, 404), (tag, body))
        for tag in ("x" * 128, "_x", "latest", "V1", "1.0-rc.1_x"):
            self.assertEqual(self.alice.put_manifest("team-a/app", tag, self.good.manifest)[0], 201, tag)


class Endless(World):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-endless-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        (cls.folder / "bulwark.yaml").write_text("limits: {uploads_per_user: 50, blob_bytes: 20000000}\n")
        cls.arguments = ("--config", cls.folder / "bulwark.yaml")
        super().setUpClass()

    def endless(self, head, most):
        """Sends chunks until the server has enough; the statuses, and how much it took."""
        chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        with self.connect() as connection:
            sent, out = 0, b""
            try:
                connection.sendall(head)
                while sent < most:
                    connection.sendall(chunk)
                    sent += 1 << 20
            except OSError:
                pass
            try:
                while part := connection.recv(1 << 16):
                    out += part
            except OSError:
                pass
            return answers(out), sent

    def test_bodies_without_end(self):
        put = ("PUT", "/v2/team-a/app/manifests/endless")
        self.assertEqual(answers(self.raw(self.head(*put, f"Content-Length: {4 << 30}", who=self.alice), end=False)), [413])
        for target in (put, ("POST", "/api/v1/projects"), ("PUT", "/api/v1/self/password"), ("POST", "/v2/token")):
            who = self.admin if "projects" in target[1] else self.alice
            got, sent = self.endless(
                self.head(
                    *target,
                    "Transfer-Encoding: chunked",
                    "Content-Type: application/json" if "api" in target[1] else "Content-Type: application/x-www-form-urlencoded",
                    who=who,
                ),
                1 << 30,
            )
            self.assertIn(got, ([413], [400], [415]), target)
            self.assertLess(sent, 200 << 20, target)  # what the kernel and the lingering close take in, no more
        bomb = gzip.compress(bytes(100 << 20))
        for encoding in ("gzip", "deflate", "br", "x", "gzip, identity"):
            status, _, body = self.alice.send(
                "PUT", put[1], bomb, {"Content-Encoding": encoding, "Content-Type": oci.MANIFEST}, self.alice.token("team-a/app", "pull,push")
            )
            self.assertEqual(status, 415, (encoding, body))
        self.assertEqual(self.admin.pull("team-a/app", "endless")[0], 404)

    def test_fifty_large_manifests_at_once(self):
        peak, got = [0], []
        head = self.head("PUT", "/v2/team-a/app/manifests/endless", "Transfer-Encoding: chunked", "Content-Type: " + oci.MANIFEST, who=self.alice)
        threads = [threading.Thread(target=lambda: got.append(self.endless(head, 8 << 20)[0])) for _ in range(50)]
        for thread in threads:
            thread.start()
        while any(t.is_alive() for t in threads):
            peak[0] = max(peak[0], self.server.rss())
            time.sleep(0.01)
        self.assertEqual({tuple(g) for g in got} - {()}, {(413,)})
        print(f"\nmeasured: 50 endless manifests at once: server at most {peak[0] >> 20} MiB")
        self.assertLess(peak[0] - self.memory, 50 * (9 << 20))

    def test_blobs_have_a_largest_size(self):
        token = self.alice.token("team-a/app", "pull,push")
        location, _ = self.start(self.alice, "team-a/app", token)
        got, sent = self.endless(self.head("PATCH", location, "Transfer-Encoding: chunked", f"Authorization: {token}"), 1 << 30)
        self.assertEqual(got, [413])
        self.assertLess(sent, 200 << 20)
        self.assertEqual(self.alice.push_blob("team-a/app", bytes(20_000_001), token)[0], 413)
        largest = max((p.stat().st_size for p in (self.server.data / "data").rglob("*") if p.is_file() and p.name != "reserve"), default=0)
        self.assertLessEqual(largest, 21 << 20)

    def test_sessions_left_open(self):
        """A user's are counted: the next is refused, others are not touched, and one that is ended makes room."""
        carla = self.make_user("carla", ("developer", "team-a/**"))
        token = carla.token("team-a/app", "pull,push")
        locations, status = [], 202
        while status == 202 and len(locations) < 60:
            status, headers, body = carla.send("POST", "/v2/team-a/app/blobs/uploads/", b"", authorization=token)
            if status == 202:
                locations.append(headers["location"])
        self.assertEqual((status, self.code(body), len(locations)), (429, "TOOMANYREQUESTS", 50))
        self.assertEqual(carla.send("POST", f"/v2/team-a/app/blobs/uploads/?digest={oci.digest(b'x')}", b"x", authorization=token)[0], 429)
        self.assertEqual(self.carol.send("POST", "/v2/team-a/app/blobs/uploads/", b"")[0], 202)
        self.assertEqual(carla.send("DELETE", locations[0], authorization=token)[0], 204)
        self.assertEqual(carla.send("POST", "/v2/team-a/app/blobs/uploads/", b"", authorization=token)[0], 202)
        for location in locations[1:]:
            self.assertEqual(carla.send("DELETE", location, authorization=token)[0], 204)


class Races(World):
    def test_a_tag_has_one_winner(self):
        """Two images race for one tag while others read it: what is read is always one of them, whole, and its digest fits."""
        images = [clean(os.urandom(8).hex()) for _ in range(2)]
        for image in images:
            self.assertEqual(self.alice.push("team-a/race", image.digest, image)[0], 201)
        self.assertEqual(self.alice.put_manifest("team-a/race", "t", images[0].manifest)[0], 201)
        stop, bad, reads, puts = threading.Event(), [], [0], []
        token, push = self.carol.token("team-a/race", "pull"), self.alice.token("team-a/race", "pull,push")

        def read():
            client = self.server.client("carol")
            while not stop.is_set():
                for method in ("GET", "HEAD"):
                    status, headers, body = client.send(method, "/v2/team-a/race/manifests/t", authorization=token)
                    reads[0] += 1
                    if (
                        status != 200
                        or headers["docker-content-digest"] not in (i.digest for i in images)
                        or method == "GET"
                        and oci.digest(body) != headers["docker-content-digest"]
                    ):
                        bad.append((status, headers))

        def write(image):
            client = self.server.client("alice")
            for _ in range(100 if FULL else 20):
                puts.append(client.put_manifest("team-a/race", "t", image.manifest, token=push)[0])

        readers = [threading.Thread(target=read) for _ in range(8)]
        writers = [threading.Thread(target=write, args=(images[i % 2],)) for i in range(6)]
        for thread in readers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        stop.set()
        for thread in readers:
            thread.join()
        self.assertEqual((bad, set(puts)), ([], {201}))
        print(f"\nmeasured: {len(puts)} writes of one tag under {reads[0]} reads: every answer whole")

    def test_the_verdict_is_that_of_the_digest_sent(self):
        """A tag that swings between an allowed and a denied image: no reader ever gets the denied one's manifest."""
        good = clean(os.urandom(8).hex())
        bad = oci.debian_image([("openssh-server", "1:9.2p1-2", "openssh", None)], {"id": os.urandom(8).hex()})
        for image in (good, bad):
            self.assertEqual(self.alice.push("team-a/swing", image.digest, image)[0], 201)
        push, token, stop, got = self.alice.token("team-a/swing", "pull,push"), self.carol.token("team-a/swing", "pull"), threading.Event(), []
        self.assertEqual(self.alice.put_manifest("team-a/swing", "t", bad.manifest, token=push)[0], 201)

        def swing():
            while not stop.is_set():
                for image in (good, bad):
                    self.alice.put_manifest("team-a/swing", "t", image.manifest, token=push)

        thread = threading.Thread(target=swing)
        thread.start()
        client = self.server.client("carol")
        deadline = time.monotonic() + 10
        while len(got) < 600 or len(set(got)) < 2 and time.monotonic() < deadline:
            status, _, body = client.send("GET", "/v2/team-a/swing/manifests/t", authorization=token)
            got.append((status, oci.digest(body) if status == 200 else None))
        stop.set()
        thread.join()
        self.assertEqual(set(got) - {(200, good.digest), (403, None)}, set())
        self.assertEqual({s for s, _ in got}, {200, 403})

    def test_one_pushes_and_another_deletes(self):
        """Blobs seen by HEAD or brought by a mount, deletes of every other image that held them in between: a manifest that was acknowledged pulls whole.
        The collector's own race is src/storage/collector_test.cc; a collection here runs once a minute."""
        shared = os.urandom(2000)
        token, wipe = self.alice.token("team-a/gc", "pull,push"), self.mia.token("team-a/gc", "pull,delete")
        done = time.monotonic() + (70 if FULL else 2)
        rounds = kept = 0
        while time.monotonic() < done:
            rounds += 1
            image = oci.Image([])
            document = json.loads(image.manifest)
            document["layers"] = [image.add(shared, "application/vnd.example")]
            document["annotations"] = {"round": str(rounds)}
            document["config"] = image.add(b"{}", "application/vnd.example+json")
            manifest = json.dumps(document).encode()
            for data in (shared, b"{}"):
                if self.alice.send("HEAD", f"/v2/team-a/gc/blobs/{oci.digest(data)}", authorization=token)[0] != 200:
                    self.assertEqual(self.alice.push_blob("team-a/gc", data, token)[0], 201)
            others = [
                threading.Thread(target=lambda d=oci.digest(data): self.server.client("mia").send("DELETE", f"/v2/team-a/gc/blobs/{d}", authorization=wipe))
                for data in (shared,)
            ]
            for other in others:
                other.start()
            status, _, body = self.alice.put_manifest("team-a/gc", oci.digest(manifest), manifest, token=token)
            for other in others:
                other.join()
            self.assertIn(status, (201, 404), body)
            if status == 201:
                kept += 1
                self.assertEqual(self.alice.send("GET", f"/v2/team-a/gc/manifests/{oci.digest(manifest)}", authorization=token)[2], manifest)
                self.assertEqual(self.alice.send("GET", f"/v2/team-a/gc/blobs/{oci.digest(shared)}", authorization=token)[2], shared)
                self.assertEqual(self.mia.send("DELETE", f"/v2/team-a/gc/manifests/{oci.digest(manifest)}", authorization=wipe)[0], 202)
        print(f"\nmeasured: {rounds} pushes against deletes of their blob: {kept} acknowledged, each whole")
        self.assertGreater(rounds, 5)


class Imports(World):
    """What `bulwark push` reads from a disk is as foreign as what comes from a network."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-import-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def layout(self, change):
        image = clean(os.urandom(8).hex())
        path = image.write_layout(self.folder / os.urandom(4).hex())
        change(path, image)
        return path

    def blob(self, path, digest):
        return path / "blobs/sha256" / digest.split(":")[1]

    def test_layouts_that_lie(self):
        def other_bytes(path, image):
            self.blob(path, next(iter(image.blobs))).write_bytes(b"other")

        def same_length(path, image):
            file = self.blob(path, next(iter(image.blobs)))
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(bytes(data))

        def other_manifest(path, image):
            self.blob(path, image.digest).write_bytes(image.manifest + b" ")

        def other_manifest_of_that_length(path, image):
            self.blob(path, image.digest).write_bytes(image.manifest.replace(b": ", b":\n", 1))

        def missing(path, image):
            self.blob(path, next(iter(image.blobs))).unlink()

        def huge_index(path, image):
            with open(path / "index.json", "r+b") as file:
                file.truncate(8 << 30)  # sparse

        def traversal(path, image):
            index = json.loads((path / "index.json").read_text())
            index["manifests"][0]["digest"] = "sha256:../../../../../etc/passwd"
            (path / "index.json").write_text(json.dumps(index))

        def outside(path, image):
            file = self.blob(path, next(iter(image.blobs)))
            file.unlink()
            file.symlink_to("/etc/passwd")

        def a_pipe(path, image):
            file = self.blob(path, image.digest)
            file.unlink()
            os.mkfifo(file)

        for change in (other_bytes, same_length, other_manifest, other_manifest_of_that_length, missing, huge_index, traversal, outside, a_pipe):
            with self.subTest(change.__name__):
                reference = f"{self.server.address}/team-a/import:{change.__name__}"
                done = harness.bulwark(
                    "push", self.layout(change), reference, "--username", "alice", "--password-stdin", stdin=harness.PASSWORD + "\n", timeout=60
                )
                self.assertIn(done.returncode, (1, 3), done.stdout + done.stderr)
                self.assertTrue(done.stderr.strip())
                self.assertNotIn("root:", done.stdout + done.stderr)
                self.assertEqual(self.alice.pull("team-a/import", change.__name__)[0], 404)

    def test_a_layout_whose_index_gives_another_size(self):
        def another(path, image):
            index = json.loads((path / "index.json").read_text())
            index["manifests"][0]["size"] = 1 << 62
            (path / "index.json").write_text(json.dumps(index))

        done = harness.bulwark(
            "push",
            self.layout(another),
            f"{self.server.address}/team-a/import:size",
            "--username",
            "alice",
            "--password-stdin",
            stdin=harness.PASSWORD + "\n",
            timeout=60,
        )
        self.assertEqual(done.returncode, 3)

    def test_uploads_that_lie(self):
        """Bytes that are not what the digest says are no blob, whichever way they came, and are not found under either name."""
        token = self.alice.token("team-a/lie", "pull,push")
        claimed = oci.digest(b"claimed")
        for data in (b"other", b"claimed ", b"", b"Claimed"):
            self.assertEqual(self.alice.send("POST", f"/v2/team-a/lie/blobs/uploads/?digest={claimed}", data, authorization=token)[0], 400)
            location, _ = self.start(self.alice, "team-a/lie", token)
            self.assertEqual(self.alice.send("PUT", f"{location}?digest={claimed}", data, authorization=token)[0], 400)
            for digest in (claimed, oci.digest(data)):
                self.assertEqual(self.alice.send("HEAD", f"/v2/team-a/lie/blobs/{digest}", authorization=token)[0], 404)
        manifest = clean("never pushed").manifest
        self.assertEqual(self.alice.put_manifest("team-a/lie", oci.digest(b"x"), manifest, token=token)[0], 400)
        self.assertEqual(self.alice.put_manifest("team-a/lie", "v1", manifest, token=token)[0], 404)
        self.assertEqual(self.alice.send("GET", "/v2/team-a/lie/tags/list", authorization=token)[0] in (200, 404), True)


if __name__ == "__main__":
    unittest.main()
