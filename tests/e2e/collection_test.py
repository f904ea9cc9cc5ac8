"""Collection while everything goes on (DESIGN 2.15): what was acknowledged pulls completely, whatever the collector does
meanwhile; and the questions that administrators ask of it.

In a race a blob loses its last edge or lease while other clients find it by HEAD, mount it or push it, and put a manifest
that names it. A collection runs all the time; leases are made to end after a fraction of a second, by another hand in the
database, so that they protect nobody for long: a refusal is sound then, a hole in an acknowledged image never. 20 races;
BULWARK_FULL_TESTS makes it 200, BULWARK_RACES any number."""
import collections
import http.server
import json
import os
import random
import sqlite3
import threading
import time
import unittest

import harness
import oci

RACES = int(os.environ.get("BULWARK_RACES") or (200 if os.environ.get("BULWARK_FULL_TESTS") else 20))
RACERS = 3
LEASE_MS = 300
OTHERS = ("library/b", "library/c")


def manifest_of(config, layers):
    descriptor = lambda kind, data: {"mediaType": kind, "digest": oci.digest(data), "size": len(data)}  # noqa: E731
    return json.dumps({"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": descriptor(oci.CONFIG, config),
                       "layers": [descriptor(oci.LAYER, layer) for layer in layers]}).encode()


class Short:
    """Ends every lease LEASE_MS after it began, as if that were its length."""

    def __init__(self, path):
        self.path, self.stop = path, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        database = sqlite3.connect(self.path, timeout=10)
        while not self.stop.wait(0.02):
            latest = int(1000 * time.time()) + LEASE_MS
            with database:
                database.execute("UPDATE leases SET until = ? WHERE until > ?", (latest, latest))
        database.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Races(harness.Case):
    def setUp(self):
        self.seed = os.environ.get("BULWARK_SEED") or random.SystemRandom().randrange(1 << 32)
        self.outcomes, self.lost, self.problems = collections.Counter(), [], []

    def collect(self, stop):
        client, self.passes, self.removed = self.server.client(), 0, 0
        while not stop.is_set():
            status, report = client.api("POST", "/gc")
            if status != 200:
                self.problems.append(f"gc: {status} {report}")
                return
            self.passes, self.removed = self.passes + 1, self.removed + report["blobs"]

    def hold(self, client, repository, config, layers):
        token = client.token(repository, "pull,push,delete")
        for data in (config, *layers):
            status, body = client.push_blob(repository, data, token)
            if status != 201:
                return None, token
        manifest = manifest_of(config, layers)
        status, _, _ = client.put_manifest(repository, oci.digest(manifest), manifest, token=token)
        return (oci.digest(manifest) if status == 201 else None), token

    def let_go(self, client, rng, digest, token):
        time.sleep(rng.uniform(0, 0.05))
        client.send("DELETE", f"/v2/library/a/manifests/{digest}", authorization=token)

    def race(self, number, rng, blobs, client):
        """One racer: gets the shared blob in one of the ways that clients use, then puts a manifest of its own."""
        repository, way = rng.choice(OTHERS + ("library/a",)), rng.choice(("head", "mount", "push"))
        token, config = client.token(repository, "pull,push"), json.dumps({"racer": number, "n": rng.random()}).encode()
        time.sleep(rng.uniform(0, 0.06))
        digest = oci.digest(blobs[0])
        if way == "head":
            status, _, _ = client.send("HEAD", f"/v2/{repository}/blobs/{digest}", authorization=token)
            had = status == 200
        elif way == "mount":
            both = self.both_scopes(client, repository)
            status, headers, _ = client.send("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from=library/a", b"", authorization=both)
            had, token = status == 201, both
        else:
            had = client.push_blob(repository, blobs[0], token)[0] == 201
        if not had:
            self.outcomes[way + " found nothing"] += 1
            return
        time.sleep(rng.uniform(0, 0.02))
        if client.push_blob(repository, config, token)[0] != 201:
            self.outcomes[way + " config refused"] += 1
            return
        manifest = manifest_of(config, blobs[:1])
        status, _, body = client.put_manifest(repository, oci.digest(manifest), manifest, token=token)
        self.outcomes[f"{way} {status}"] += 1
        if status == 201:
            self.assertWhole(client, repository, manifest, [config, blobs[0]])
        elif status != 404:
            self.problems.append(f"{way}: {status} {body[:200]}")

    def both_scopes(self, client, repository):
        status, _, body = client.send("GET", f"/v2/token?service=x&scope=repository:{repository}:pull,push&scope=repository:library/a:pull")
        return "Bearer " + json.loads(body)["token"]

    def assertWhole(self, client, repository, manifest, blobs):
        time.sleep(LEASE_MS / 1000)  # what leases alone held is gone by then
        token = client.token(repository, "pull,push")  # who pushes sees it before it was judged
        for path, data in [("manifests/" + oci.digest(manifest), manifest), *(("blobs/" + oci.digest(b), b) for b in blobs)]:
            status, _, body = client.send("GET", f"/v2/{repository}/{path}", headers={"Accept": oci.MANIFEST}, authorization=token)
            if status != 200 or body != data:
                self.lost.append(f"{repository}/{path}: {status}")

    def run_racer(self, number, rng, blobs):
        client = self.server.client()
        try:
            self.race(number, rng, blobs, client)
        except Exception as problem:  # noqa: BLE001: told by the test
            self.problems.append(repr(problem))
        finally:
            client.connection and client.connection.close()

    def test_races(self):
        rng, stop, client = random.Random(self.seed), threading.Event(), self.server.client()
        for repository in ("library/a", *OTHERS):  # they exist
            self.hold(client, repository, repository.encode(), [])
        collecting = threading.Thread(target=self.collect, args=(stop,), daemon=True)
        collecting.start()
        with Short(self.server.data / "data/bulwark.db"):
            for number in range(RACES):
                blobs = [rng.randbytes(rng.choice((100, 50_000)))]
                held, token = self.hold(client, "library/a", json.dumps({"race": number}).encode(), blobs)
                racers = [threading.Thread(target=self.run_racer, args=(f"{number}.{i}", random.Random(f"{self.seed}-{number}-{i}"), blobs)) for i in range(RACERS)]
                for racer in racers:
                    racer.start()
                if held:
                    self.let_go(client, rng, held, token)
                for racer in racers:
                    racer.join()
        stop.set()
        collecting.join()
        print(f"measured: collection races: {RACES}, {self.passes} passes removed {self.removed} blobs, live blobs lost {len(self.lost)}; {dict(self.outcomes)}")
        self.assertEqual((self.lost, self.problems), ([], []), f"BULWARK_SEED={self.seed}")
        self.assertGreater(sum(n for outcome, n in self.outcomes.items() if outcome.endswith("201")), RACES // 4)
        self.assertGreater(self.removed, 0)


class Questions(harness.Case):
    def why(self, digest, status=200):
        code, body = self.admin.api("GET", f"/gc/why/{digest}")
        self.assertEqual(code, status, body)
        return body

    def end_leases(self):
        database = sqlite3.connect(self.server.data / "data/bulwark.db", timeout=10)
        with database:
            database.execute("UPDATE leases SET until = 1")
        database.close()

    def test_why_and_dry_run(self):
        image, loose = oci.Image([{"kept": "kept"}]), b"a blob without a manifest"
        self.assertEqual(self.admin.push("library/app", "v1", image)[0], 201)
        self.assertEqual(self.admin.push_blob("library/app", loose, self.admin.token("library/app", "pull,push"))[0], 201)
        layer, config = image.blobs
        self.assertEqual([(r["repository"], r["manifest"], r["role"], r["tags"]) for r in self.why(layer)["references"]],
                         [("library/app", image.digest, "layer", ["v1"])])
        self.assertEqual(self.why(config)["references"][0]["role"], "config")
        self.assertEqual(self.why(image.digest)["state"], "manifest")
        why = self.why(oci.digest(loose))
        self.assertEqual((why["state"], why["leases"][0]["user"], why["leases"][0]["repository"]), ("leased", "admin", "library/app"))
        self.why("sha256:" + "0" * 64, 404)
        self.why("nonsense", 400)
        preview = self.admin.api("GET", "/gc/preview")[1]
        self.assertEqual((preview["blobs"], preview["waiting_blobs"], preview["waiting_bytes"], preview["waiting"][0]["repository"]),
                         (0, 1, len(loose), "library/app"))
        self.end_leases()
        self.assertEqual(self.why(oci.digest(loose))["state"], "due")
        preview = self.admin.api("GET", "/gc/preview")[1]
        self.assertEqual((preview["blobs"], preview["bytes"], preview["largest"]), (1, len(loose), [{"digest": oci.digest(loose), "size": len(loose)}]))
        report = self.admin.api("POST", "/gc")[1]
        self.assertEqual((report["blobs"], report["bytes"]), (1, len(loose)), "what the dry run said")
        self.why(oci.digest(loose), 404)
        self.assertEqual(self.why(layer)["state"], "referenced")
        self.assertIn("collection.run", [event["action"] for event in self.admin.api("GET", "/audit?limit=1000")[1]["items"]])

    def test_a_deleted_repository_is_due(self):
        image = oci.Image([{"gone": "gone"}])
        self.assertEqual(self.admin.push("library/gone", "v1", image)[0], 201)
        self.assertEqual(self.admin.api("DELETE", "/repositories/library/gone")[0], 204)
        preview = self.admin.api("GET", "/gc/preview")[1]
        self.assertEqual((preview["repositories"], preview["manifests"], preview["blobs"]), (1, 1, len(image.blobs)))
        report = self.admin.api("POST", "/gc")[1]
        self.assertEqual((report["manifests"], report["blobs"], report["bytes"]), (1, preview["blobs"], preview["bytes"]))

    def test_for_administrators_only(self):
        user = self.make_user("developer", ("developer", "**"))
        for method, path in (("POST", "/gc"), ("GET", "/gc/preview"), ("GET", "/gc/why/sha256:" + "0" * 64)):
            self.assertEqual(user.api(method, path)[0], 403, path)

    def test_command_line(self):
        image = oci.Image([{"cli": "cli"}])
        self.assertEqual(self.admin.push("library/cli", "v1", image)[0], 201)
        login = ("--username", "admin", "--password-stdin")
        ask = lambda *words: harness.bulwark("gc", *words, *login, stdin=harness.PASSWORD + "\n")  # noqa: E731
        out = ask("run", self.server.address, "--dry-run", "--format", "table")
        self.assertEqual((out.returncode, "would remove now: " in out.stdout), (0, True), out.stderr)
        out = ask("run", self.server.address)
        self.assertEqual((out.returncode, sorted(json.loads(out.stdout))), (0, ["blobs", "bytes", "manifests", "uploads"]), out.stderr)
        out = ask("why", self.server.address, list(image.blobs)[0], "--format", "table")
        self.assertEqual((out.returncode, f"of library/cli@{image.digest}  tagged v1" in out.stdout), (0, True), out.stdout + out.stderr)
        self.assertEqual(ask("why", self.server.address, "sha256:" + "0" * 64).returncode, 3)
        self.assertEqual(ask("why", self.server.address, "nonsense").returncode, 2)


class LongPass(unittest.TestCase):
    """A registry whose pass takes several answers: the program asks until it is complete, and tells the sum."""

    def collect(self, answers):
        """What came of it, and when which path was asked. An answer that is a number is a status; the last one is repeated."""
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                answer = answers[min(len(asked), len(answers) - 1)]
                body = b"" if isinstance(answer, int) else json.dumps({"manifests": 1, "uploads": 0, **answer}).encode()
                asked.append((time.monotonic(), self.path))
                self.send_response(answer if isinstance(answer, int) else 200)
                self.send_header("Content-Length", len(body))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            out = harness.bulwark("gc", "run", f"127.0.0.1:{server.server_port}", "--username", "admin", "--password-stdin", stdin="x\n")
            server.shutdown()
        self.assertEqual({path for _, path in asked}, {"/api/v1/gc"})
        return out, [when for when, _ in asked]

    def test_waits_to_the_end(self):
        out, asked = self.collect([{"blobs": 2, "bytes": 20, "complete": False}, {"blobs": 0, "bytes": 0, "complete": False}, {"blobs": 1, "bytes": 1, "complete": True}])
        self.assertEqual((out.returncode, len(asked)), (0, 3), out.stderr)
        self.assertEqual(json.loads(out.stdout), {"blobs": 3, "bytes": 21, "manifests": 3, "uploads": 0})

    def test_a_busy_registry_is_asked_again(self):
        out, asked = self.collect([503, {"blobs": 2, "bytes": 20, "complete": False}, 503, 429, {"blobs": 1, "bytes": 1, "complete": True}])
        self.assertEqual((out.returncode, len(asked)), (0, 5), out.stderr)
        self.assertEqual(json.loads(out.stdout)["blobs"], 3)

    def test_tells_what_was_removed_before_an_error(self):
        out, _ = self.collect([{"blobs": 2, "bytes": 20, "complete": False}, 500])
        self.assertEqual(out.returncode, 3, out.stderr)
        self.assertIn("removed before: 2 blobs, 20 B", out.stderr)

    def test_pauses_while_it_goes_on(self):
        _, asked = self.collect(4 * [{"blobs": 1, "bytes": 1, "complete": False}] + [{"blobs": 0, "bytes": 0, "complete": True}])
        self.assertGreater(min(b - a for a, b in zip(asked, asked[1:])), 0.15)


if __name__ == "__main__":
    unittest.main()
