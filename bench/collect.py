"""Promise: collection beside full-speed traffic, without a pause: >= 5,000 manifests/s, nothing live lost.

BENCH_MANIFESTS (100000) images lie in 20 repositories that are deleted and collected while four clients push, pull and mount. The
images share layers and have a config each; they are made by copying one pushed image in the database and on the disk of a
stopped server, for that is not what is measured. Push latency is taken before and during the collection."""
import json
import os
import pathlib
import random
import sqlite3
import sys
import threading
import time

from measure import ROOT, row

sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402
import oci  # noqa: E402

MANIFESTS = int(os.environ.get("BENCH_MANIFESTS", 100_000))
REPOSITORIES = min(20, MANIFESTS)
CLIENTS = int(os.environ.get("BENCH_CLIENTS", 4))
QUIET_SECONDS, CONFIG_BYTES = 10, 2000
LAYERS = [oci.tar({f"shared/{i}": random.Random(i).randbytes(200_000)}) for i in range(5)]


def blob_path(server, digest):
    algorithm, value = digest.split(":")
    return server.data / "data/blobs/0" / algorithm / value[:2] / value


def pushed_template(server):
    image = oci.Image(LAYERS[:3])
    for i in range(REPOSITORIES):
        if server.client().push(f"library/old-{i}", "v0", image)[0] != 201:
            raise SystemExit("  the template was refused")
    return image


def multiply(server, image):
    """Copies of the template with a config of their own, MANIFESTS in all."""
    database = sqlite3.connect(server.data / "data/bulwark.db")
    template, now = json.loads(image.manifest), int(1000 * time.time())
    repositories = [i for (i,) in database.execute("SELECT id FROM repositories WHERE name LIKE 'library/old-%' ORDER BY id")]
    database.execute("UPDATE leases SET until = 1")
    with database:
        for n in range(MANIFESTS - REPOSITORIES):
            config = json.dumps({"architecture": "amd64", "os": "linux", "n": n}).encode().ljust(CONFIG_BYTES)
            template["config"] = {"mediaType": oci.CONFIG, "digest": oci.digest(config), "size": len(config)}
            manifest = json.dumps(template).encode()
            path = blob_path(server, template["config"]["digest"])
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(config)
            repository = repositories[n % len(repositories)]
            made = database.execute("INSERT INTO manifests (repository_id, digest, media_type, artifact_type, config_media_type, annotations, size, created, pushed_by, bytes) "
                                    "VALUES (?, ?, ?, '', ?, '', ?, ?, 1, ?)", (repository, oci.digest(manifest), oci.MANIFEST, oci.CONFIG, len(manifest), now, manifest)).lastrowid
            database.execute("INSERT INTO blobs (domain, digest, size, created) VALUES (0, ?, ?, ?)", (template["config"]["digest"], len(config), now))
            database.executemany("INSERT INTO edges (manifest_id, kind, digest, size, repository_id) VALUES (?, 1, ?, ?, ?)",
                                 [(made, d["digest"], d["size"], repository) for d in [template["config"], *template["layers"]]])
            database.execute("INSERT INTO tags (repository_id, name, manifest_id, updated) VALUES (?, ?, ?, ?)", (repository, f"t{n}", made, now))
    database.close()
    os.sync()


class Client:
    """Pushes images of its own, pulls them and mounts layers, as fast as it can."""

    def __init__(self, number, address):
        self.rng, self.number, self.client = random.Random(number), number, oci.Client(address, "admin", harness.PASSWORD)
        self.images, self.pushes, self.problems = [], [], []  # (repository, Image); (begin, seconds)

    def run(self, stop):
        try:
            while not stop.is_set():
                self.step()
        except Exception as problem:  # noqa: BLE001: told at the end
            self.problems.append(repr(problem))

    def step(self):
        repository = f"library/live-{self.rng.randrange(4)}"
        token = self.client.token(repository, "pull,push")
        image = oci.Image([self.rng.choice(LAYERS), {"own": self.rng.randbytes(1000)}])
        begin = time.monotonic()
        for digest, data in image.blobs.items():
            found = self.client.send("HEAD", f"/v2/{repository}/blobs/{digest}", authorization=token)[0] == 200
            if not found and not self.mounted(repository, digest, token):
                self.expect(201, *self.client.push_blob(repository, data, token))
        status, _, body = self.client.put_manifest(repository, image.digest, image.manifest, token=token)
        self.expect(201, status, body)
        self.pushes.append((begin, time.monotonic() - begin))
        self.images.append((repository, image))
        self.pull(*self.rng.choice(self.images), token=None)

    def mounted(self, repository, digest, token):
        """From another live repository, where it may be."""
        if digest not in MOUNTABLE:
            return False
        query = f"scope=repository:{repository}:pull,push&scope=repository:library/live-0:pull,push"
        both = "Bearer " + json.loads(self.client.send("GET", f"/v2/token?service=x&{query}")[2])["token"]
        status, headers, _ = self.client.send("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from=library/live-0", b"", authorization=both)
        if status == 202:
            self.client.send("DELETE", headers["location"], authorization=both)
        return status == 201

    def pull(self, repository, image, token):
        token = token or self.client.token(repository, "pull,push")
        for path, want in [("manifests/" + image.digest, image.manifest), *(("blobs/" + d, b) for d, b in image.blobs.items())]:
            status, _, body = self.client.send("GET", f"/v2/{repository}/{path}", headers={"Accept": oci.MANIFEST}, authorization=token)
            if status != 200 or body != want:
                raise RuntimeError(f"lost: {repository}/{path}: {status}")

    def expect(self, want, status, body):
        if status != want:
            raise RuntimeError(f"{status} {body[:200]}")


MOUNTABLE = {digest for layer in LAYERS for digest in oci.Image([layer]).blobs}


def quantile(values, q):
    values = sorted(values) or [0]
    return 1000 * values[min(len(values) - 1, int(len(values) * q))]


def latencies(clients, begin, end):
    return [seconds for c in clients for at, seconds in c.pushes if begin <= at < end]


def collect(server):
    """Deletes the old repositories and collects: seconds and the report."""
    admin = server.client()
    begin = time.monotonic()
    for i in range(REPOSITORIES):
        if admin.api("DELETE", f"/repositories/library/old-{i}")[0] != 204:
            raise SystemExit("  a repository could not be deleted")
    removed = {"manifests": 0, "blobs": 0, "bytes": 0}
    while True:  # the chore of the process may have done a part
        status, report = admin.api("POST", "/gc")
        if status != 200:
            raise SystemExit(f"  gc: {status} {report}")
        for key in removed:
            removed[key] += report[key]
        if report["complete"] and report["manifests"] + report["blobs"] == 0:
            return time.monotonic() - begin, removed


def main():
    server = harness.Server()
    try:
        template = pushed_template(server)
        server.stop()
        begin = time.monotonic()
        multiply(server, template)
        server.start()
        row("made", f"{MANIFESTS:,} manifests", f"in {REPOSITORIES} repositories, {time.monotonic() - begin:.0f} s")
        clients, stop = [Client(i, server.address) for i in range(CLIENTS)], threading.Event()
        threads = [threading.Thread(target=c.run, args=(stop,)) for c in clients]
        for thread in threads:
            thread.start()
        quiet = time.monotonic()
        time.sleep(QUIET_SECONDS if CLIENTS else 0)
        busy = time.monotonic()
        seconds, removed = collect(server)
        done = time.monotonic()
        stop.set()
        for thread in threads:
            thread.join()
        lost = [problem for c in clients for problem in c.problems]
        for client in clients:
            for repository, image in client.images:
                try:
                    client.pull(repository, image, None)
                except RuntimeError as problem:
                    lost.append(str(problem))
        before, during = latencies(clients, quiet, busy), latencies(clients, busy, done)
        row(f"collection beside {CLIENTS} clients", f"{seconds:.1f} s", f"{removed['manifests']:,} manifests ({removed['manifests'] / seconds:,.0f}/s), {removed['blobs']:,} blobs, {removed['bytes'] / 1e6:,.0f} MB")
        row("pushes without it", f"{len(before) / (busy - quiet):,.0f}/s", f"p50/p99 {quantile(before, .5):.0f}/{quantile(before, .99):.0f} ms")
        row("pushes during it", f"{len(during) / seconds:,.0f}/s", f"p50/p99 {quantile(during, .5):.0f}/{quantile(during, .99):.0f} ms, longest {quantile(during, 1):.0f} ms")
        row("live images lost", f"{len(lost)} of {sum(len(c.images) for c in clients):,}", "; ".join(lost[:3]))
        if lost:
            raise SystemExit(1)
    finally:
        server.close()


if __name__ == "__main__":
    main()
