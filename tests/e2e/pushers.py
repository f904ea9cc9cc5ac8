"""Clients that know exactly what a registry acknowledged to them, and the comparison of a server with their records.
For the crash tests: whatever happens to the server, a request that was answered holds, and one that was not is whole or nothing."""
import http.client
import json

import harness
import oci

CLIENTS = 4
ACTIONS = "pull,push,delete"
DEAD = (OSError, http.client.HTTPException)  # what a client sees of a killed server
BASES = [oci.tar({f"base/{i}": bytes([i]) * 5000}) for i in range(8)]  # layers that images share


def small_image(rng):
    return oci.Image([rng.choice(BASES), {"file": rng.randbytes(rng.choice((10, 1000, 100_000)))}])


class Told(Exception):
    """The living server answered what it must not."""


class Failed(Exception):
    """The server said that it could not: 5xx. What was asked for may have happened or not."""


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
        self.acknowledged, self.problems, self.failures = 0, [], []

    def run(self, address, stop):
        self.client, self.tokens = oci.Client(address, "admin", harness.PASSWORD), {}
        self.blobs, self.upload, self.together = [], None, None
        try:
            while not stop.is_set():
                self.step()
        except DEAD:
            pass  # killed in the middle of something
        except Failed as failure:
            self.failures.append(str(failure))
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
            self.tokens[repository] = self.token(repository)
        path = rest if rest.startswith("/") else f"/v2/{repository}/{rest}"
        status, headers, text = self.client.send(method, path, body, headers, self.tokens[repository])
        if status >= 500:
            raise Failed(f"{method} {status} {text[:200]}")
        if status != want:
            raise Told(f"{method} {path}: {status} {text[:200]}")
        return headers

    def token(self, repository):
        try:
            return self.client.token(repository, ACTIONS)
        except RuntimeError as refused:
            if str(refused).startswith("token: 5"):
                raise Failed(str(refused)) from None
            raise

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
        path = rest if rest.startswith("/") else f"/v2/{repository}/{rest}"
        for fresh in (False, True):  # a check of tens of thousands outlives a token
            if fresh or repository not in self.tokens:
                self.tokens[repository] = self.client.token(repository, ACTIONS)
            answer = self.client.send(method, path, body, headers or {"Accept": oci.MANIFEST}, self.tokens[repository])
            if answer[0] != 401:
                break
        return answer

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
        (repository, digest, tags), pusher.together = pusher.together, None
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
