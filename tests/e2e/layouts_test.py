"""Layouts and archives that hold several images, lie, or name things often: pull, scan and push of them."""
import http.server
import json
import os
import subprocess
import threading
import unittest

import harness
import oci
from copy_case import CLEAN, CopyCase, Family


class Layouts(CopyCase):
    def verb(self, *words, code):
        done = harness.bulwark(*words, env=self.env)
        self.assertEqual(done.returncode, code, (words, done.stderr))
        return done

    def scanned(self, *words):
        return json.loads(self.verb("scan", "--offline", *words, "--format", "json", code=0).stdout)["image"]["digest"]

    def test_a_layout_of_several_images(self):
        images = [oci.debian_image(CLEAN, {"which": name}) for name in (b"v0", b"v1")]
        layout = self.folder / "several"
        for tag, image in zip(("v0", "v1"), images):
            self.assertEqual(self.here.push("team/several", tag, image)[0], 201)
            self.verb("pull", self.at(0, f"team/several:{tag}"), layout, code=0)
        for words in (("scan", "--offline", layout), ("push", layout, self.at(1, "other/several:v1"))):
            unclear = self.verb(*words, code=3).stderr
            self.assertIn("(v0, v1)", unclear)
            self.assertIn("LAYOUT:v1", unclear)
        for place in (f"{layout}:v1", f"oci:{layout}:v1", f"{layout}@{images[1].digest}"):
            self.assertEqual(self.scanned(place), images[1].digest)
            self.assertEqual(self.verb("push", place, self.at(1, "other/several:v1"), code=0).stdout, images[1].digest + "\n")
        self.assertIn("v0, v1", self.verb("scan", "--offline", f"{layout}:v7", code=3).stderr)
        self.assertIn("v0, v1", self.verb("push", f"{layout}:v7", self.at(1, "other/several:v7"), code=3).stderr)

    def test_scan_does_not_take_an_older_image_for_the_pulled_one(self):
        one, two = Family(self.here, "team/older", "one"), Family(self.here, "team/newer", "two")
        layout = self.folder / "older"
        self.run_copy(self.at(0, "team/older:one"), layout, "--platform", "linux/amd64", "--no-referrers")
        self.assertEqual(self.scanned(layout), one.images[0].digest)
        self.verb("pull", self.at(0, "team/newer:two"), layout, code=0)
        self.assertIn("two", self.verb("scan", "--offline", layout, code=3).stderr)
        self.assertEqual(self.scanned(f"{layout}:two", "--platform", "linux/amd64"), two.images[0].digest)

    def test_a_full_index_is_told_before_the_download(self):
        image, next_image = oci.debian_image(CLEAN), oci.debian_image(CLEAN, {"data": b"more"})
        self.assertEqual(self.here.push("team/full", "v1", next_image)[0], 201)
        layout = image.write_layout(self.folder / "full")
        entries = [image.descriptor(annotations={"org.opencontainers.image.ref.name": f"n{i}"}) for i in range(4096)]
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries}))
        before = sorted((layout / "blobs").rglob("*"))
        self.assertIn("4096", self.verb("pull", self.at(0, "team/full:v1"), layout, code=3).stderr)
        self.assertEqual(sorted((layout / "blobs").rglob("*")), before)

    def fake(self, manifests, blobs):
        """A registry of {reference: (type, bytes) or status} and {digest: bytes}; its address, and what it is asked."""
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                asked.append(handler.path)
                kind, name = handler.path.split("?")[0].split("/")[-2:]
                found = manifests.get(name, 404) if kind == "manifests" else ("application/octet-stream", blobs[name]) if name in blobs else 404
                status, (media, body) = (200, found) if isinstance(found, tuple) else (found, ("application/json", b'{"errors":[{"code":"DENIED","message":"policy says no"}]}'))
                handler.send_response(status)
                handler.send_header("Content-Type", media)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *words):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"127.0.0.1:{server.server_address[1]}", asked

    def index(self, *children):
        return oci.INDEX, json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": children}).encode()

    def test_an_index_that_names_a_refused_child_twice(self):
        child = oci.debian_image(CLEAN).descriptor(platform={"os": "linux", "architecture": "amd64"})
        address, _ = self.fake({"v1": self.index(child, child), child["digest"]: 403}, {})
        layout = self.folder / "denied"
        self.assertIn("policy says no", self.verb("pull", f"{address}/a/b:v1", layout, code=1).stderr)
        self.assertFalse(layout.exists())

    def test_an_index_that_lies_about_a_size(self):
        image = oci.debian_image(CLEAN)
        child = {**image.descriptor(platform={"os": "linux", "architecture": "amd64"}), "size": 5}
        address, _ = self.fake({"v1": self.index(child), image.digest: (oci.MANIFEST, image.manifest)}, image.blobs)
        for words in (("pull", f"{address}/a/b:v1", self.folder / "lying"), ("scan", f"{address}/a/b:v1")):
            self.assertIn("says 5 bytes", self.verb(*words, code=3).stderr)

    def test_a_layer_that_is_named_often_is_read_once(self):
        files = {"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(CLEAN)}
        often = oci.Image([files] * 60)
        layer = json.loads(often.manifest)["layers"][0]
        address, asked = self.fake({"v1": (oci.MANIFEST, often.manifest)}, often.blobs)
        found = json.loads(self.verb("scan", f"{address}/a/b:v1", "--format", "json", code=0).stdout)
        self.assertEqual(found["image"]["digest"], often.digest)
        self.assertEqual(sum(layer["digest"] in path for path in asked), 1)
        two_sizes = json.dumps({**json.loads(often.manifest), "layers": [layer, {**layer, "size": 7}]}).encode()
        address, _ = self.fake({"v1": (oci.MANIFEST, two_sizes)}, often.blobs)
        self.assertIn("two sizes", self.verb("scan", f"{address}/a/b:v1", code=3).stderr)

    def test_an_archive_that_names_a_layer_often(self):
        # By `ulimit`: a descriptor or a record for each of the mentions is too much.
        layer = oci.tar({"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status([(f"p{i}", "1.0", None, None) for i in range(5000)])})
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [oci.digest(layer)] * 1500}, "config": {}})
        archive = self.folder / "often.tar"
        archive.write_bytes(oci.tar({"c.json": config, "l.tar": layer, "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["x:v1"], "Layers": ["l.tar"] * 1500}])}))
        done = subprocess.run(["sh", "-c", 'ulimit -n 200; ulimit -v 1500000; exec "$@"', "sh", str(harness.BULWARK), "sbom", "--no-sandbox", str(archive), "--format", "json"],
                              env={**os.environ, **self.env}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(json.loads(done.stdout)["packages"]), 5000)


if __name__ == "__main__":
    unittest.main()
