"""bulwark copy with real parts: two Bulwark servers, Debian's docker-registry (which has no referrers API), a proxy that cuts
connections, skopeo and oras where they are installed."""
import base64
import gzip
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time
import unittest
import urllib.request

import harness
import oci
from copy_case import CLEAN, CopyCase, Family, VULNERABLE, signature

DOCKER_REGISTRY = os.environ.get("DOCKER_REGISTRY") or shutil.which("docker-registry")


class Copy(CopyCase):
    def test_image_and_second_run(self):
        image = oci.debian_image(CLEAN, {"data": os.urandom(3 << 20)})
        self.assertEqual(self.here.push("team/one", "v1", image)[0], 201)
        copied = self.run_copy(self.at(0, "team/one:v1"), self.at(1, "other/one:v2"))
        self.assertEqual(copied.stdout, image.digest + "\n")
        self.assertNotIn("copying", copied.stderr)  # no progress in a pipe; what the target warns about is passed on
        self.assertHas(self.there, "other/one", {"v2": image.manifest})
        for proxy in self.proxies:
            proxy.moved()
        again = self.run_copy(self.at(0, "team/one:v1"), self.at(1, "other/one:v2"))
        self.assertEqual(again.stdout, image.digest + "\n")
        moved = [sum(p.moved()) for p in self.proxies]
        self.assertLess(max(moved), 50_000)
        print(f"measured: image of 3 MiB copied; the second run moves {moved[0]} + {moved[1]} bytes of requests and manifests")

    def test_index_with_everything_that_belongs_to_it(self):
        family = Family(self.here, "team/family")
        copied = self.run_copy(self.at(0, "team/family:v1"), self.at(1, "other/family:v1"))
        self.assertEqual(copied.stdout, family.digest + "\n")
        self.assertHas(self.there, "other/family", family.manifests | {"v1": family.index, family.cosign_tag: family.cosign.manifest})
        self.assertEqual(self.listed(self.there, "other/family", family.digest), [family.referrers[0].digest])
        self.assertEqual(self.listed(self.there, "other/family", family.referrers[0].digest), [family.referrers[2].digest])
        bare = self.run_copy(self.at(0, "team/family:v1"), self.at(1, "other/bare:v1"), "--no-referrers")
        self.assertEqual(bare.stdout, family.digest + "\n")
        self.assertEqual(self.listed(self.there, "other/bare", family.digest), [])

    def test_layout_registry_layout(self):
        family = Family(self.here, "team/layout")
        first, second = self.folder / "first", self.folder / "second"
        self.run_copy(self.at(0, "team/layout:v1"), first)
        self.run_copy(first, self.at(1, "other/layout:v1"))
        self.run_copy(self.at(1, "other/layout:v1"), f"oci:{second}:v1")
        files = {p.relative_to(first): p.read_bytes() for p in first.rglob("*") if p.is_file()}
        self.assertEqual(files, {p.relative_to(second): p.read_bytes() for p in second.rglob("*") if p.is_file()})
        for digest, manifest in family.manifests.items():
            self.assertEqual(files[pathlib.Path("blobs/sha256", digest.split(":")[1])], manifest)
        entries = json.loads(files[pathlib.Path("index.json")])["manifests"]
        # As oras keeps them: referrers without a name.
        self.assertEqual({e["digest"] for e in entries if "subject" in json.loads(family.manifests[e["digest"]])}, {r.digest for r in family.referrers})
        scanned = harness.bulwark("scan", first, "--format", "json", "--platform", "linux/amd64")
        self.assertEqual(scanned.returncode, 0, scanned.stderr)
        # An archive of the layout is a source as well.
        archive = self.folder / "first.tar"
        subprocess.run(["tar", "-C", first, "-cf", archive, "."], check=True)
        self.run_copy(archive, self.at(1, "other/archive:v1"))
        self.assertHas(self.there, "other/archive", family.manifests)

    def test_docker_archive(self):
        layers = [oci.tar({"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(CLEAN)}), gzip.compress(oci.tar({"a": b"b"}), mtime=0)]
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [
            oci.digest(layers[0]), oci.digest(gzip.decompress(layers[1]))]}}).encode()
        archive = self.folder / "docker.tar"
        archive.write_bytes(oci.tar({"c.json": config, "1/layer.tar": layers[0], "2/layer.tar": layers[1],
                                     "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["x:v1"], "Layers": ["1/layer.tar", "2/layer.tar"]}])}))
        copied = self.run_copy(f"docker-archive:{archive}", self.at(1, "other/saved:v1"))
        named = self.run_copy(f"docker-archive:{archive}:v1", self.at(1, "other/saved-named"))  # its own tag goes along
        self.assertEqual(self.there.pull("other/saved-named", "v1")[0], 200, named.stderr)
        self.run_copy(f"docker-archive:{archive}:v2", self.at(1, "other/saved-named"), code=3)
        status, _, body = self.there.pull("other/saved", "v1")
        self.assertEqual((status, oci.digest(body)), (200, copied.stdout.strip()))
        self.assertEqual([(d["digest"], d["mediaType"].rsplit(".", 1)[1]) for d in json.loads(body)["layers"]],
                         [(oci.digest(layers[0]), "tar"), (oci.digest(layers[1]), "tar+gzip")])

    def test_mount_moves_no_bytes(self):
        image = oci.debian_image(CLEAN, {"data": os.urandom(3 << 20)})
        self.assertEqual(self.here.push("team/mount", "v1", image)[0], 201)
        self.proxies[0].moved()
        self.run_copy(self.at(0, "team/mount:v1"), self.at(0, "other/mount:v1"))
        moved = sum(self.proxies[0].moved())
        self.assertLess(moved, 50_000)
        self.assertHas(self.here, "other/mount", {"v1": image.manifest})
        print(f"measured: copy within a registry: {moved} bytes for an image of 3 MiB")

    def test_cut_connections(self):
        image = oci.debian_image(CLEAN, {"data": os.urandom(24 << 20)})
        self.assertEqual(self.here.push("team/cut", "v1", image)[0], 201)
        size = max(len(b) for b in image.blobs.values())
        self.proxies[0].moved()
        self.proxies[0].cut(10 << 20, times=2)
        self.proxies[1].moved()
        self.proxies[1].cut(9 << 20, up=True)
        copied = self.run_copy(self.at(0, "team/cut:v1"), self.at(1, "other/cut:v1"))
        self.assertEqual(copied.stdout, image.digest + "\n")
        self.assertEqual((self.proxies[0].cuts, self.proxies[1].cuts), (2, 1))
        self.assertHas(self.there, "other/cut", {"v1": image.manifest})
        down, up = self.proxies[0].moved()[1], self.proxies[1].moved()[0]
        # What was under way when a connection was cut is lost; what had arrived is not sent again.
        self.assertLess(down, size + (12 << 20))
        self.assertLess(up, size + (12 << 20))
        print(f"measured: blob of {size} bytes, download cut twice, upload once: {down} bytes down, {up} up")

    def test_a_layout_whose_index_nests_itself_wide(self):
        """Each child once: 4 levels that name the same one 200 times are not 200 to the fourth."""
        layout = self.folder / "wide"
        image = oci.Image([{"a": b"x"}])
        image.write_layout(layout)
        below, media = image.manifest, oci.MANIFEST
        for _ in range(4):
            child = {"mediaType": media, "digest": oci.digest(below), "size": len(below), "platform": {"os": "linux", "architecture": "amd64"}}
            below, media = json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [child] * 200}).encode(), oci.INDEX
            (layout / "blobs/sha256" / oci.digest(below)[7:]).write_bytes(below)
        top = {"mediaType": media, "digest": oci.digest(below), "size": len(below)}
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
        done = harness.bulwark("push", layout, self.at(0, "team/wide:v1"), "--username", "admin", "--password-stdin", stdin=harness.PASSWORD + "\n", timeout=60)
        self.assertIn(done.returncode, (0, 1), done.stderr)

    def test_killed_copy_is_started_again(self):
        images = [os.urandom(8 << 20) for _ in range(3)]
        image = oci.Image([{"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(CLEAN)}] + [{f"data{i}": b} for i, b in enumerate(images)])
        self.assertEqual(self.here.push("team/killed", "v1", image)[0], 201)
        layout = self.folder / "killed"
        process = subprocess.Popen([harness.BULWARK, "copy", "-j", "1", self.at(0, "team/killed:v1"), layout], env={**os.environ, **self.env})
        deadline = time.monotonic() + 60
        while not list(layout.glob("blobs/sha256/*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.kill()
        process.wait()
        there = len(list(layout.glob("blobs/sha256/*")))
        self.assertFalse((layout / "index.json").exists() and there < 6)
        self.proxies[0].moved()
        self.run_copy(self.at(0, "team/killed:v1"), layout)
        rest = self.proxies[0].moved()[1]
        self.assertLess(rest, (24 << 20) - (8 << 20) * min(there, 2) + 200_000)
        names = {p.name for p in layout.glob("blobs/sha256/*")}
        self.assertEqual(names, {d.split(":")[1] for d in [*image.blobs, image.digest]})
        self.assertEqual(list(layout.rglob(".part*")), [])
        print(f"measured: killed with {there} blobs there; the next run fetched {rest} bytes")

    def test_denied_image(self):
        image = oci.debian_image(VULNERABLE)
        self.assertEqual(self.here.push("team/denied", "v1", image)[0], 201)
        for target in (self.at(1, "other/denied:v1"), self.folder / "denied", self.at(0, "other/denied:v1")):
            refused = self.run_copy(self.at(0, "team/denied:v1"), target, code=1)
            self.assertRegex(refused.stderr, r"CVE-\d{4}-\d+")
            self.assertIn("fixed in", refused.stderr)
            self.assertEqual(refused.stdout, "")
        self.assertFalse((self.folder / "denied").exists())
        # A target may refuse what it is given.
        policy = """\
policy: strict
applies_to: {repositories: ["other/strict/**"], at: [push, pull, admission]}
mode: enforce
rules:
  - id: fixable-any
    deny: {fix: available}
on_push: refuse
"""
        self.assertEqual(self.there.api("PUT", "/policies/strict", {"yaml": policy})[0], 200)
        layout = image.write_layout(self.folder / "vulnerable")
        refused = self.run_copy(layout, self.at(1, "other/strict/app:v1"), code=1)
        self.assertRegex(refused.stderr, r"CVE-\d{4}-\d+")
        self.assertEqual(self.there.pull("other/strict/app", "v1", "pull,push")[0], 404)

    def test_platforms(self):
        family = Family(self.here, "team/platforms")
        some = self.run_copy(self.at(0, "team/platforms:v1"), self.at(1, "other/platforms:v1"), "--platform", "linux/amd64")
        self.assertEqual(some.stdout, family.images[0].digest + "\n")
        self.assertIn("the index itself is not copied", some.stderr)
        self.assertEqual(self.there.pull("other/platforms", "v1")[0], 404)
        both = self.run_copy(self.at(0, "team/platforms:v1"), self.at(1, "other/platforms:v1"), "--platform", "linux/amd64,linux/arm64")
        self.assertEqual(both.stdout, family.digest + "\n")
        self.assertHas(self.there, "other/platforms", {"v1": family.index})
        none = self.run_copy(self.at(0, "team/platforms:v1"), self.at(1, "other/platforms:v1"), "--platform", "linux/mips", code=3)
        self.assertIn("linux/mips", none.stderr)

    def test_wrong_places(self):
        self.run_copy(self.folder / "absent", self.at(1, "other/x:v1"), code=3)
        self.run_copy(self.at(0, "team/absent:v1"), self.folder / "never", code=3)
        self.assertFalse((self.folder / "never/index.json").exists())
        mistyped = self.run_copy(self.at(0, "team/absent:v1"), "mistyped", code=2)
        self.assertIn("./mistyped", mistyped.stderr)
        self.run_copy("nowhere.invalid/x/y:v1", self.folder / "never", code=3)

    def test_a_tag_that_nobody_wrote_is_not_moved(self):
        old, new = oci.debian_image(CLEAN), oci.debian_image(CLEAN, {"new": b"1"})
        self.assertEqual(self.there.push("other/latest", "latest", old)[0], 201)
        self.assertEqual(self.here.push("team/latest", "v3", new)[0], 201)
        layout = self.folder / "named"
        self.run_copy(self.at(0, "team/latest:v3"), layout)
        self.run_copy(layout, self.at(1, "other/latest"))
        self.assertHas(self.there, "other/latest", {"latest": old.manifest, "v3": new.manifest})
        second = self.folder / "named-again"
        self.run_copy(layout, second)
        self.assertEqual(json.loads((second / "index.json").read_text())["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "v3")
        bare = self.run_copy(self.at(0, f"team/latest@{new.digest}"), self.at(1, "other/bare-digest"))
        self.assertIn("no tag is written", bare.stderr)
        self.assertHas(self.there, "other/bare-digest", {new.digest: new.manifest})
        self.assertEqual(self.there.pull("other/bare-digest", "latest")[0], 404)

    def test_the_targets_signature_stays(self):
        family = Family(self.here, "team/signed")
        own = oci.Image([b"signature of the target's owner"], media_type="application/vnd.dev.cosign.simplesigning.v1+json", compress=False)
        self.assertEqual(self.there.push("other/signed", family.cosign_tag, own)[0], 201)
        copied = self.run_copy(self.at(0, "team/signed:v1"), self.at(1, "other/signed:v1"))
        self.assertIn(f"{family.cosign_tag} of its own", copied.stderr)
        self.assertHas(self.there, "other/signed", {"v1": family.index, family.cosign_tag: own.manifest})

    def test_layouts_that_are_traps(self):
        image = oci.debian_image(CLEAN)
        self.assertEqual(self.here.push("team/trap", "v1", image)[0], 201)
        for verb in ("copy", "pull"):
            for link in ("blobs", "blobs/sha256"):
                layout, outside = self.folder / f"trap-{verb}-{len(link)}", self.folder / f"outside-{verb}-{len(link)}"
                outside.mkdir()
                (layout / link).parent.mkdir(parents=True)
                (layout / link).symlink_to(outside)
                refused = harness.bulwark(verb, self.at(0, "team/trap:v1"), layout, env=self.env)
                self.assertEqual(refused.returncode, 3, refused.stderr)
                self.assertIn("link", refused.stderr)
                self.assertEqual(list(outside.iterdir()), [])
        pipe = self.folder / "pipe"
        pipe.mkdir()
        os.mkfifo(pipe / "index.json")
        self.assertIn("plain file", self.run_copy(self.at(0, "team/trap:v1"), pipe, code=3).stderr)

    def test_pull_keeps_what_the_layout_has(self):
        images = [oci.debian_image(CLEAN, {"which": name}) for name in (b"one", b"two", b"three")]
        layout = self.folder / "kept"
        listed = lambda: {m.get("annotations", {}).get("org.opencontainers.image.ref.name"): m["digest"] for m in json.loads((layout / "index.json").read_text())["manifests"]}
        for tag, image, want in (("v1", images[0], {"v1": 0}), ("v2", images[1], {"v1": 0, "v2": 1}), ("v1", images[2], {"v1": 2, "v2": 1})):
            self.assertEqual(self.here.push("team/kept", tag, image)[0], 201)
            pulled = harness.bulwark("pull", self.at(0, f"team/kept:{tag}"), layout, env=self.env)
            self.assertEqual(pulled.returncode, 0, pulled.stderr)
            self.assertEqual(listed(), {name: images[i].digest for name, i in want.items()})

    def test_a_layout_with_a_name_of_one_letter(self):
        image = oci.debian_image(CLEAN)
        self.assertEqual(self.here.push("team/letter", "v1", image)[0], 201)
        folder = self.folder / "letter"
        folder.mkdir()
        for verb, layout in (("copy", "oci:d"), ("copy", "oci:e/f"), ("pull", "g"), ("pull", "h/i")):
            done = subprocess.run([harness.BULWARK, verb, self.at(0, "team/letter:v1"), layout], cwd=folder, env={**os.environ, **self.env}, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue((folder / layout.removeprefix("oci:") / "index.json").exists())

    def test_a_system_without_threads(self):
        image = oci.Image([{"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(CLEAN)}] + [{f"data{i}": os.urandom(1000)} for i in range(8)])
        layout = image.write_layout(self.folder / "threads")
        done = subprocess.run(["sh", "-c", 'ulimit -s 4000000; ulimit -v 3000000; exec "$@"', "sh", str(harness.BULWARK), "copy", "-j", "32", str(layout), self.at(1, "other/threads:v1")],
                              env={**os.environ, **self.env}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("only 1 blobs at once", done.stderr)

    def test_wrong_usage(self):
        layout = oci.debian_image(CLEAN).write_layout(self.folder / "usage")
        digest = "sha256:" + "a" * 64
        for words in ((layout, self.at(1, "other/u:v1"), "--from-username", "x"), (layout, self.at(1, f"other/u@{digest}")), (layout, "./other", "--plain-http"),
                      (layout, self.at(1, "other/u:v1"), "--platform", "linux"), (layout, self.at(1, "other/u:v1"), "--password-stdin"), (layout, "oci:x:a b"),
                      (layout, self.at(1, "other/u:v1"), "--token-host", "https://a b/"), (layout, self.at(1, "other/u:v1"), "--jobs", "0")):
            wrong = harness.bulwark("copy", *words, env=self.env)
            self.assertEqual(wrong.returncode, 2, (words, wrong.stderr))

    def test_plain_http_is_for_one_end(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))
                address = probe.getsockname()[0]
            except OSError:
                address = "127.0.0.1"
        if address.startswith("127."):
            self.skipTest("this machine has no address beside the loopback ones")
        asked = []
        listener = socket.create_server((address, 0))
        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                asked.append(client.recv(4096))
                client.sendall(b"HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                client.close()
        threading.Thread(target=serve, daemon=True).start()
        host = f"{address}:{listener.getsockname()[1]}"
        docker = self.folder / "plain"
        docker.mkdir()
        auths = json.loads((self.folder / "docker/config.json").read_text())["auths"]
        (docker / "config.json").write_text(json.dumps({"auths": auths | {host: {"auth": base64.b64encode(b"alice:secret").decode()}}}))
        env = {**self.env, "DOCKER_CONFIG": str(docker)}
        harness.bulwark("copy", f"{host}/x/y:v1", self.at(1, "other/plain:v1"), "--plain-http", env=env)
        self.assertTrue(asked and all(not a.startswith(b"GET") for a in asked), asked)  # greetings of TLS
        asked.clear()
        harness.bulwark("copy", f"{host}/x/y:v1", self.at(1, "other/plain:v1"), "--from-plain-http", env=env)
        self.assertIn(b"Authorization: Basic", b"".join(asked))
        listener.close()

    @unittest.skipIf(not DOCKER_REGISTRY, "not installed: docker-registry")
    def test_docker_registry_has_only_the_fallback_tag(self):
        port = harness.free_port()
        config = self.folder / "registry.yml"
        config.write_text(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.folder}/registry}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n")
        process = subprocess.Popen([DOCKER_REGISTRY, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = f"127.0.0.1:{port}"
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                try:
                    urllib.request.urlopen(f"http://{address}/v2/", timeout=5)
                    break
                except OSError:
                    time.sleep(0.05)
            family = Family(self.here, "team/fallback")
            big = oci.debian_image(CLEAN, {"data": os.urandom(6 << 20)})
            self.assertEqual(self.here.push("team/big", "v1", big)[0], 201)
            for _ in range(2):
                self.assertEqual(self.run_copy(self.at(0, "team/fallback:v1"), f"{address}/x/family:v1").stdout, family.digest + "\n")
            def get(what):
                request = urllib.request.Request(f"http://{address}/v2/x/family/{what}", headers={"Accept": f"{oci.MANIFEST}, {oci.INDEX}"})
                return urllib.request.urlopen(request, timeout=30).read()
            for digest, manifest in family.manifests.items():
                self.assertEqual(get(f"manifests/{digest}"), manifest)
            listed = json.loads(get("manifests/" + family.digest.replace(":", "-")))["manifests"]
            self.assertEqual([(d["digest"], d["artifactType"]) for d in listed], [(family.referrers[0].digest, "application/vnd.test.signature")])
            self.run_copy(f"{address}/x/family:v1", self.at(1, "other/back:v1"))
            self.assertHas(self.there, "other/back", family.manifests)
            self.assertEqual(self.listed(self.there, "other/back", family.digest), [family.referrers[0].digest])
            self.assertEqual(self.run_copy(self.at(0, "team/big:v1"), f"{address}/x/big:v1").stdout, big.digest + "\n")
            self.assertEqual(self.run_copy(f"{address}/x/big:v1", f"{address}/y/big:v1").stdout, big.digest + "\n")
            print("measured: to docker-registry and back: every manifest equal, referrers by the fallback tag")
        finally:
            process.terminate()
            process.wait()

    @harness.needs("skopeo")
    def test_skopeo_reads_what_copy_writes(self):
        image = oci.debian_image(CLEAN)
        self.assertEqual(self.here.push("team/skopeo", "v1", image)[0], 201)
        layout, target = self.folder / "skopeo", self.folder / "skopeo-out"
        self.run_copy(self.at(0, "team/skopeo:v1"), layout)
        read = subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:v1", f"dir:{target}"], capture_output=True, text=True)
        self.assertEqual(read.returncode, 0, read.stderr)
        self.assertEqual((target / "manifest.json").read_bytes(), image.manifest)
        written = self.folder / "skopeo-layout"
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"dir:{target}", f"oci:{written}:v7"], check=True)
        self.assertEqual(self.run_copy(f"{written}:v7", self.at(1, "other/skopeo:v1")).stdout, image.digest + "\n")

    @harness.needs("oras")
    def test_oras_finds_the_referrers(self):
        family = Family(self.here, "team/oras")
        layout = self.folder / "oras"
        self.run_copy(self.at(0, "team/oras:v1"), layout)
        found = subprocess.run(["oras", "discover", "--oci-layout", f"{layout}:v1", "--format", "json"], capture_output=True, text=True)
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertIn(family.referrers[0].digest, found.stdout)


if __name__ == "__main__":
    unittest.main()
