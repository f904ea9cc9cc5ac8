"""Kill -9 at any instant: an acknowledged push is never lost, an unacknowledged one is never half there (DESIGN 8).

Four clients push, overwrite and delete; the server is killed, started again on the same data and compared with what the
clients were told. A request that was under way may have happened or not, but wholly: a manifest comes with its tag and
all of its blobs. The oracle is the clients' own record and SHA-256. 15 kills; BULWARK_FULL_TESTS makes it 300.
"""
import collections
import http.client
import json
import os
import pathlib
import random
import threading
import time
import unittest

import harness
import oci

KILLS = 300 if os.environ.get("BULWARK_FULL_TESTS") else 15
FULL_CHECK_EVERY = 50  # kills; between them what was touched since, and a sample of the rest
CLIENTS = 4
ACTIONS = "pull,push,delete"
DEAD = (OSError, http.client.HTTPException)  # what a client sees of a killed server
BASES = [oci.tar({f"base/{i}": bytes([i]) * 5000}) for i in range(8)]  # layers that images share


def small_image(rng):
    return oci.Image([rng.choice(BASES), {"file": rng.randbytes(rng.choice((10, 1000, 100_000)))}])


class Told(Exception):
    """The living server answered what it must not."""


class Pusher:
    """One client over many lives of the server. It owns its tags and manifests, so what they may be is known exactly:
    a set of more than one value is a request whose answer never came."""

    def __init__(self, number, rng):
        self.number, self.rng = number, rng
        self.tags = {}       # (repository, tag) -> {digest or None, ...}
        self.manifests = {}  # (repository, digest) -> {True, False}
        self.images = {}     # (repository, digest) -> Image
        self.touched = set()  # keys of manifests, since the last check
        self.together = None  # (repository, digest, tags) that come or go together, and the answer never came
        self.blobs = []      # (repository, bytes) acknowledged for a push that was not
        self.upload = None   # (repository, bytes, location, finishing) that was interrupted
        self.acknowledged, self.problems = 0, []

    def run(self, address, stop):
        self.client, self.tokens = oci.Client(address, "admin", harness.PASSWORD), {}
        self.blobs, self.upload, self.together = [], None, None
        try:
            while not stop.is_set():
                self.step()
        except DEAD:
            pass  # killed in the middle of something
        except (Told, RuntimeError) as problem:
            self.problems.append(str(problem))
        finally:
            close(self.client)

    def step(self):
        choice = self.rng.random()
        known = [key for key, states in self.manifests.items() if states == {True}]
        if choice < 0.08 and known:
            self.delete_manifest(*self.rng.choice(known))
        elif choice < 0.14 and any(None not in values for values in self.tags.values()):
            self.delete_tag(*self.rng.choice([key for key, values in self.tags.items() if None not in values]))
        else:
            self.push()

    def request(self, want, method, repository, rest, body=None, headers=None):
        if repository not in self.tokens:
            self.tokens[repository] = self.client.token(repository, ACTIONS)
        path = rest if rest.startswith("/") else f"/v2/{repository}/{rest}"
        status, headers, text = self.client.send(method, path, body, headers, self.tokens[repository])
        if status != want:
            raise Told(f"{method} {path}: {status} {text[:200]}")
        return headers

    def push(self):
        new = self.rng.random() < 0.05
        repository = f"library/new-{self.number}-{len(self.images)}" if new else f"library/shared-{self.rng.randrange(4)}"
        image = small_image(self.rng)
        tag = None if self.rng.random() < 0.1 else f"c{self.number}-{self.rng.randrange(6)}"
        for data in image.blobs.values():
            self.push_blob(repository, data)
        manifest = (repository, image.digest)
        self.images[manifest], self.manifests[manifest] = image, {True, False}
        self.touched.add(manifest)
        if tag:
            self.tags.setdefault((repository, tag), {None}).add(image.digest)
            self.together = (repository, image.digest, [tag])
        self.request(201, "PUT", repository, f"manifests/{tag or image.digest}", image.manifest, {"Content-Type": oci.MANIFEST})
        self.manifests[manifest] = {True}
        if tag:
            self.tags[repository, tag] = {image.digest}
        self.acknowledged, self.together, self.blobs = self.acknowledged + 1, None, []

    def push_blob(self, repository, data):
        location = self.request(202, "POST", repository, "blobs/uploads/", b"")["location"]
        octets, sent = {"Content-Type": "application/octet-stream"}, 0
        self.upload = (repository, data, location, False)
        if self.rng.random() < 0.4:
            sent = len(data) // 2
            location = self.request(202, "PATCH", repository, location, data[:sent], octets)["location"]
        self.upload = (repository, data, location, True)
        self.request(201, "PUT", repository, with_digest(location, data), data[sent:], octets)
        self.upload = None
        self.blobs.append((repository, data))

    def delete_tag(self, repository, tag):
        self.tags[repository, tag].add(None)
        self.request(202, "DELETE", repository, f"manifests/{tag}")
        self.tags[repository, tag] = {None}

    def delete_manifest(self, repository, digest):
        pointing = [key for key, values in self.tags.items() if key[0] == repository and digest in values]
        self.manifests[repository, digest] = {True, False}
        self.touched.add((repository, digest))
        for key in pointing:
            self.tags[key].add(None)
        self.together = (repository, digest, [tag for _, tag in pointing])
        self.request(202, "DELETE", repository, f"manifests/{digest}")
        self.manifests[repository, digest], self.together = {False}, None
        for key in pointing:
            self.tags[key] = {None}

    def open(self):
        """Whether a request that changes something was cut off."""
        return bool(self.upload) or any(len(states) > 1 for states in [*self.tags.values(), *self.manifests.values()])


def close(client):
    if client.connection:
        client.connection.close()


def with_digest(location, data):
    return location + ("&" if "?" in location else "?") + "digest=" + oci.digest(data)


class Check:
    """Compares a server that has come back with the pushers' records; what was open is known afterwards."""

    def __init__(self, address, pushers, rng):
        self.client, self.pushers, self.rng = oci.Client(address, "admin", harness.PASSWORD), pushers, rng
        self.tokens, self.good_blobs = {}, set()
        self.lost, self.partial, self.revived = [], [], []

    def run(self, everything):
        repositories, present = set(), {}
        for pusher in self.pushers:
            old = sorted(pusher.manifests.keys() - pusher.touched)
            for key in pusher.touched.union(old if everything else self.rng.sample(old, min(len(old), 5))):
                present[key] = self.manifest(pusher, *key)
                repositories.add(key[0])
            pusher.touched = set()
        for repository in sorted(repositories):
            self.tags(repository)
        for pusher in self.pushers:
            self.manifest_with_its_tags(pusher, present)
            self.acknowledged_blobs(pusher)
            self.interrupted_upload(pusher)
        close(self.client)
        return self

    def get(self, repository, rest, method="GET", body=None, headers=None):
        if repository not in self.tokens:
            self.tokens[repository] = self.client.token(repository, ACTIONS)
        path = rest if rest.startswith("/") else f"/v2/{repository}/{rest}"
        return self.client.send(method, path, body, headers or {"Accept": oci.MANIFEST}, self.tokens[repository])

    def manifest(self, pusher, repository, digest):
        """Whether it is there; all of it or nothing."""
        states, image, name = pusher.manifests[repository, digest], pusher.images[repository, digest], f"{repository}@{digest}"
        status, _, body = self.get(repository, f"manifests/{digest}")
        if status != 200:
            if False not in states:
                self.lost.append(f"{name}: {status} {body[:200]}")
            elif status != 404:
                self.partial.append(f"{name}: {status} {body[:200]}")
            pusher.manifests[repository, digest] = {False}
            return False
        if True not in states:
            self.revived.append(name)
        bad = [] if oci.digest(body) == digest else ["manifest bytes differ"]
        for blob in image.blobs:
            if (repository, blob) in self.good_blobs:
                continue
            status, _, data = self.get(repository, f"blobs/{blob}")
            if status == 200 and oci.digest(data) == blob:
                self.good_blobs.add((repository, blob))
            else:
                bad.append(f"blob {blob}: {status}, {len(data)} bytes")
        if bad:
            (self.partial if False in states else self.lost).append(f"{name}: {bad}")
        pusher.manifests[repository, digest] = {True}
        return True

    def tags(self, repository):
        status, headers, body = self.get(repository, "tags/list?n=1000")
        listed = set(json.loads(body)["tags"]) if status == 200 else set()
        if "link" in headers:
            raise Told("the list of tags is longer than this test expects")
        expected = {tag: pusher for pusher in self.pushers for where, tag in pusher.tags if where == repository}
        for tag in listed - expected.keys():
            self.partial.append(f"{repository}:{tag} is listed and was never pushed")
        for tag, pusher in expected.items():
            self.tag(pusher, repository, tag, tag in listed)

    def tag(self, pusher, repository, tag, listed):
        states, name = pusher.tags[repository, tag], f"{repository}:{tag}"
        status, _, body = self.get(repository, f"manifests/{tag}")
        found = oci.digest(body) if status == 200 else None
        if listed != (status == 200) or status not in (200, 404):
            (self.partial if None in states else self.lost).append(f"{name}: listed {listed}, GET {status}")
        if found not in states:
            (self.revived if states == {None} else self.lost).append(f"{name}: is {found}, was acknowledged as {states}")
        if found and (repository, found) not in pusher.images:
            self.partial.append(f"{name}: {found} was never pushed there")
        pusher.tags[repository, tag] = {found}

    def manifest_with_its_tags(self, pusher, present):
        if not pusher.together:
            return
        repository, digest, tags = pusher.together
        for tag in tags:
            if present[repository, digest] != (pusher.tags[repository, tag] == {digest}):
                self.partial.append(f"{repository}:{tag} is {pusher.tags[repository, tag]}, manifest {digest} there: {present[repository, digest]}")

    def acknowledged_blobs(self, pusher):
        """A blob that was acknowledged waits for its manifest."""
        for repository, data in pusher.blobs:
            status, _, body = self.get(repository, f"blobs/{oci.digest(data)}")
            if status != 200 or body != data:
                self.lost.append(f"{repository}: blob {oci.digest(data)}: {status}, {len(body)} bytes")

    def interrupted_upload(self, pusher):
        """Is there and goes on where it stopped or can be cancelled, or is a whole blob by now."""
        if not pusher.upload:
            return
        (repository, data, location, finishing), pusher.upload = pusher.upload, None
        blob, octets = f"blobs/{oci.digest(data)}", {"Content-Type": "application/octet-stream"}
        status, _, body = self.get(repository, blob)
        whole = status == 200
        if status not in (200, 404) or whole and body != data:
            self.partial.append(f"{repository}: {blob}: {status}, {len(body)} bytes")
        status, headers, _ = self.get(repository, location)
        if status != 204:
            if status != 404 or not (finishing and whole):
                self.lost.append(f"{repository}: upload {location}: {status}, blob there: {whole}")
            return
        if self.rng.random() < 0.5:
            status, _, body = self.get(repository, location, "DELETE")
            wanted = 204
        else:
            end = int(headers["range"].split("-")[1])
            rest = data[end + 1:] if end > 0 else data
            status, _, body = self.get(repository, with_digest(location, data), "PUT", rest, octets)
            wanted = 201
        if status != wanted:
            self.lost.append(f"{repository}: upload {location} of {len(data)}, {headers['range']}: {status} {body[:200]}")


class World:
    """A server, its clients and what was found so far."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.server = harness.Server()
        self.pushers = [Pusher(i, random.Random(f"{seed}-{i}")) for i in range(CLIENTS)]
        self.recovery, self.kills, self.cut, self.found = [], 0, 0, collections.defaultdict(list)

    def life(self):
        """Clients at work, and a kill among them."""
        stop = threading.Event()
        threads = [threading.Thread(target=p.run, args=(self.server.address, stop), daemon=True) for p in self.pushers]
        for thread in threads:
            thread.start()
        time.sleep(self.rng.uniform(0.005, 0.5))  # the random instant
        self.server.kill()
        self.kills += 1
        stop.set()
        for thread in threads:
            thread.join(60)
        self.found["problems"] += [problem for p in self.pushers for problem in p.problems]
        for pusher in self.pushers:
            pusher.problems = []
            self.cut += pusher.open()

    def recover(self):
        """Starts it again; now and then it is killed in its recovery first."""
        self.server.log.close()
        if self.rng.random() < 0.2:
            self.die_while_starting()
        begin = time.monotonic()
        self.server.start()
        self.recovery.append(time.monotonic() - begin)

    def die_while_starting(self):
        before, delay = self.server.process, self.rng.uniform(0, 0.1)

        def kill():
            while self.server.process is before:
                time.sleep(0.001)
            time.sleep(delay)
            self.server.process.kill()

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        try:
            self.server.start()
        except (RuntimeError, http.client.HTTPException):
            pass
        killer.join()
        if self.server.process.wait() != -9:
            raise RuntimeError("the server did not start:\n" + self.server.text()[-2000:])
        self.kills += 1
        self.server.log.close()

    def check(self, everything=False):
        check = Check(self.server.address, self.pushers, self.rng).run(everything)
        for kind in ("lost", "partial", "revived"):
            self.found[kind] += getattr(check, kind)
        left = list((self.server.data / "data/uploads").iterdir())  # each client finished or cancelled what it knew of
        if left:
            self.found["spools"].append(f"{len(left)} files in uploads/ after kill {self.kills}")
        return check

    def blob_file(self, digest):
        algorithm, value = digest.split(":")
        return pathlib.Path(self.server.data) / "data/blobs/0" / algorithm / value[:2] / value


class Kill9(unittest.TestCase):
    def world(self, seed):
        world = World(seed)
        self.addCleanup(world.server.close)
        return world

    def test_kills(self):
        seed = os.environ.get("BULWARK_SEED") or random.SystemRandom().randrange(1 << 32)
        world = self.world(seed)
        while world.kills < KILLS:
            world.life()
            world.recover()
            world.check(everything=world.kills % FULL_CHECK_EVERY == 0)
        world.check(everything=True)
        self.assertPullable(world)
        times, found = sorted(1000 * t for t in world.recovery), world.found
        pushes = sum(p.acknowledged for p in world.pushers)
        print(f"measured: kill9: {world.kills} kills, {pushes} acknowledged pushes, lost {len(found['lost'])}, partial {len(found['partial'])}, "
              f"recovery p50/p99 {times[len(times) // 2]:.0f}/{times[min(len(times) - 1, len(times) * 99 // 100)]:.0f} ms, "
              f"{world.cut} requests cut off")
        self.assertGreater(pushes, world.kills)
        self.assertEqual({kind: some[:10] for kind, some in found.items() if some}, {}, f"BULWARK_SEED={seed}")

    def assertPullable(self, world):
        """With right to pull only, through the gate, without a manual step: verdicts that a kill swallowed are made again."""
        client = world.server.client()
        waiting = [(repository, tag) for p in world.pushers for (repository, tag), values in p.tags.items() if values != {None}]
        deadline = time.monotonic() + 60
        for repository, tag in waiting:
            while (answer := client.pull(repository, tag))[0] != 200:
                self.assertLess(time.monotonic(), deadline, f"{repository}:{tag}: {answer}")
                time.sleep(0.1)
        close(client)

    def test_sees_a_loss(self):
        """The check itself: a blob file removed or one byte changed behind the server is found."""
        world = self.world(1)
        while not all(p.acknowledged for p in world.pushers):
            world.life()
            world.recover()
            world.check()
        self.assertEqual([kind for kind, some in world.found.items() if some], [])
        whole = [p.images[key] for p in world.pushers for key, states in p.manifests.items() if states == {True}]
        removed, changed = (world.blob_file(list(image.blobs)[1]) for image in whole[:2])  # their layers that nobody shares
        removed.unlink()
        data = bytearray(changed.read_bytes())
        data[len(data) // 2] ^= 1
        changed.chmod(0o600)
        changed.write_bytes(data)
        self.assertEqual(len(world.check(everything=True).lost), 2)


if __name__ == "__main__":
    unittest.main()
