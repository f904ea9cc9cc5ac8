"""Attacks by documents that mean two things, and around the pull gate (rows of attack_rows.py, "manifests"), against a real server."""

import gzip
import json
import os
import time
import unittest
import urllib.parse

import harness
import oci
from attack_world import World, clean

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"
KINDS = (oci.MANIFEST, DOCKER_MANIFEST, oci.INDEX, DOCKER_LIST)
BAD = [("openssh-server", "1:9.2p1-2", "openssh", None)]
OS = {"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status([("base-files", "12.4+deb12u5", None, None)])}


class Manifests(World):
    def put(self, body, media_type, reference="odd", repository="team-a/app"):
        """(status, code of the error, what it says)."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": media_type} if media_type is not None else {}
        status, _, answer = self.alice.send("PUT", f"/v2/{repository}/manifests/{reference}", body, headers, self.alice.token(repository, "pull,push"))
        return (status, None, "") if status < 300 else (status, self.code(answer), answer.decode())

    def assertRefused(self, body, media_type, context=None):
        status, code, text = self.put(body, media_type)
        self.assertEqual((status, code), (400, "MANIFEST_INVALID"), (context or body, media_type, text))

    def index(self, *children):
        return {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": list(children)}

    def push(self, name, layers, config=None, **manifest):
        """Pushes an image of these (blob, plain, media type) to team-a/lies; the decision about it and its gaps."""
        image = oci.Image([])
        descriptors = [image.add(blob, media_type) for blob, _, media_type in layers]
        document = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [oci.digest(p) for _, p, _ in layers]}}
        body = config if isinstance(config, bytes) else json.dumps({**document, **(config or {})}).encode()
        image.manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": image.add(body, oci.CONFIG), "layers": descriptors, **manifest}
        ).encode()
        image.digest = oci.digest(image.manifest)
        status, _, answer = self.alice.push("team-a/lies", name, image)
        self.assertEqual(status, 201, answer)
        return self.why("team-a/lies", name), image

    def why(self, repository, reference):
        deadline = time.monotonic() + 20
        while (why := self.admin.api("GET", f"/repositories/{repository}/images/{reference}/why")[1])["decision"] == "pending" and time.monotonic() < deadline:
            time.sleep(0.02)
        return why

    # ---- two readings ----

    def test_a_manifest_is_no_index(self):
        image, child = json.loads(self.good.manifest), self.good.descriptor(platform={"os": "linux", "architecture": "amd64"})
        both = [
            {**image, "manifests": [child]},
            {**self.index(child), "layers": image["layers"], "config": image["config"]},
            {**self.index(child), "config": image["config"]},
            {**self.index(child), "layers": []},
            {**image, "manifests": []},
            {**image, "manifests": None},
        ]
        for document in both:
            for inside in (*KINDS, None):
                for header in KINDS:
                    body = {k: v for k, v in document.items() if k != "mediaType"}
                    if inside:
                        body["mediaType"] = inside
                    self.assertRefused(body, header)
        for header in KINDS:
            wrong = self.index(child) if "manifest.v" in header else image
            self.assertRefused(wrong, header)
            self.assertRefused({k: v for k, v in wrong.items() if k != "mediaType"}, header)
        schema_1 = {
            "schemaVersion": 1,
            "name": "team-a/app",
            "tag": "odd",
            "architecture": "amd64",
            "fsLayers": [{"blobSum": next(iter(self.good.blobs))}],
            "history": [{"v1Compatibility": "{}"}],
            "signatures": [],
        }
        for header in (SCHEMA_1, "application/vnd.docker.distribution.manifest.v1+prettyjws"):
            for document in (schema_1, {**schema_1, "layers": image["layers"], "config": image["config"]}, {**image, "schemaVersion": 1}):
                status, code, text = self.put(document, header)
                self.assertIn((status, code), ((400, "UNSUPPORTED"), (400, "MANIFEST_INVALID")), text)
        for version in (0, 3, "2", 2.0, None, [2]):
            self.assertRefused({**image, "schemaVersion": version}, oci.MANIFEST)
        self.assertEqual(self.admin.pull("team-a/app", "odd")[0], 404)

    def test_header_and_field(self):
        image = json.loads(self.good.manifest)
        without = {k: v for k, v in image.items() if k != "mediaType"}
        for header in (
            *KINDS[1:],
            "text/html",
            "application/json",
            "image/svg+xml",
            "application/javascript",
            "application/octet-stream",
            "*/*",
            "x",
            "multipart/form-data",
        ):
            status, code, text = self.put(image, header)
            self.assertEqual(status, 400, (header, text))
        for inside in (*KINDS[1:], "text/html", "", 5, ["x"], {}, True, "x"):
            self.assertRefused({**image, "mediaType": inside}, oci.MANIFEST)
        for header in (oci.MANIFEST + "; charset=utf-8", oci.MANIFEST.upper(), oci.MANIFEST + ";q=1", " " + oci.MANIFEST):
            for number, document in enumerate((image, without)):
                status, code, text = self.put(document, header, f"ok{number}")
                if status < 300:
                    self.assertEqual(self.admin.pull("team-a/app", f"ok{number}")[1]["content-type"], oci.MANIFEST, header)
                else:
                    self.assertEqual((status, code), (400, "MANIFEST_INVALID"), (header, text))
        for header in (None, ""):
            status, code, text = self.put(without, header, "none")
            self.assertIn(status, (201, 400), text)
        # Whatever a client asks for, an answer has a type that was listed at the push, and cannot be sniffed.
        for accept in ("text/html", "*/*", "image/svg+xml", "application/json", ""):
            for target in ("manifests/v1", f"blobs/{next(iter(self.good.blobs))}"):
                status, headers, body = self.alice.send(
                    "GET", "/v2/team-a/app/" + target, headers={"Accept": accept}, authorization=self.alice.token("team-a/app", "pull")
                )
                self.assertIn(headers["content-type"], (oci.MANIFEST, "application/octet-stream"), (status, target, body))
                self.assertEqual(headers["x-content-type-options"], "nosniff")
        page = {**image, "config": {**image["config"], "mediaType": "text/html"}}
        self.put(page, oci.MANIFEST, "page")
        status, headers, _ = self.alice.send("GET", f"/v2/team-a/app/blobs/{image['config']['digest']}", authorization=self.alice.token("team-a/app", "pull"))
        self.assertEqual(headers["content-type"], "application/octet-stream")

    def test_keys_that_fold_to_others(self):
        """A key that a reader without regard to case takes for a known one; keys given twice; in free maps neither matters."""
        image, child = json.loads(self.good.manifest), self.good.descriptor(platform={"os": "linux", "architecture": "amd64"})
        for key in (
            "Layers",
            "LAYERS",
            "layerS",
            "MediaType",
            "mediatype",
            "Config", "conf\u0131g",
            "layer\u017f",
            "SchemaVersion",
            "\u017fchemaVersion",
            "\u017fubject",
            "Subject",
            "ArtifactType",
            "annotation\u017f",
        ):
            self.assertRefused({**image, key: image["layers"]}, oci.MANIFEST, key)
            if key.isascii():
                self.assertRefused(
                    json.dumps({**image, key: image["layers"]}, ensure_ascii=True).replace(key, "".join("\\u%04x" % ord(c) for c in key)).encode(),
                    oci.MANIFEST,
                    key,
                )
        for key in ("Manifests", "manife\u017ft\u017f", "MediaType", "Subject"):
            self.assertRefused({**self.index(child), key: []}, oci.INDEX, key)
        for key in ("Digest", "Size", "\u017fize", "MediaType", "URLs", "dige\u017ft", "Annotations", "Platform"):
            self.assertRefused({**image, "layers": [{**image["layers"][0], key: "x"}]}, oci.MANIFEST, key)
            self.assertRefused(self.index({**child, key: "x"}), oci.INDEX, key)
        text = self.good.manifest.decode()
        for twice in (
            text[:-1] + ',"layers":[]}',
            text[:-1] + ',"l\\u0061yers":[]}',
            text[:-1] + ',"annotations":{"a":"1","a":"2"}}',
            text.replace('"size":', '"size":1,"size":', 1),
            text + "x",
            text + "{}",
            "\ufeff" + text,
            text[:-1],
            text[:-1] + ",}",
            text.replace('"', "'"),
            "[" * 100_000,
            '{"a":' * 1000 + "1" + "}" * 1000,
            text.replace(": 2,", ": 02,", 1),
            text[:-1] + ',"x":NaN}',
            text[:-1] + ',"x":"\x01"}',
            text[:-1] + ',"x":"\\ud800"}',
            "/*x*/" + text,
        ):
            self.assertRefused(twice.encode("utf-8", "surrogatepass"), oci.MANIFEST, twice[-60:])
        self.assertRefused(self.good.manifest[:-1] + b',"annotations":{"x":"\xff"}}', oci.MANIFEST)
        self.assertEqual(self.put({**image, "annotations": {"Layers": "x", "layers": "y", "MediaType": "z"}}, oci.MANIFEST, "free")[0], 201)

    def test_numbers(self):
        text = self.good.manifest.decode()
        size = str(len(next(iter(self.good.blobs.values()))))
        document = json.loads(text)
        for number in (
            "-1",
            "1.5",
            "1e3",
            "1e400",
            "-0",
            "9007199254740993.0",
            "9223372036854775808",
            "18446744073709551616",
            '"12"',
            "null",
            "true",
            "[1]",
            "{}",
            size + ".0",
            size + "e0",
            "0x10",
            "0" + size,
            "+" + size,
            "1E2",
            "Infinity",
            "1" * 400,
        ):
            for place in ("config", "layers", "subject"):
                odd = json.loads(text)
                if place == "subject":
                    odd["subject"] = {"mediaType": oci.MANIFEST, "digest": self.good.digest, "size": "@@"}
                else:
                    (odd[place][0] if place == "layers" else odd[place])["size"] = "@@"
                self.assertRefused(json.dumps(odd).replace('"@@"', number).encode(), oci.MANIFEST, (number, place))
        for wrong in (0, int(size) + 1, int(size) - 1, 1 << 53, (1 << 63) - 1):
            document["layers"][0]["size"] = wrong
            self.assertRefused(document, oci.MANIFEST, wrong)

    # ---- descriptors that lie ----

    def test_layers_are_what_they_contain(self):
        """Declared plain but packed, and the reverse: read as what they are; the vulnerable package is found."""
        plain = oci.tar({"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(BAD)})
        import shutil
        import subprocess

        packed = {"gzip": gzip.compress(plain), "tar": plain}
        if shutil.which("zstd"):
            packed["zstd"] = subprocess.run(["zstd", "-q", "-c"], input=plain, capture_output=True).stdout
        for content, blob in packed.items():
            for declared in ("tar", "tar+gzip", "tar+zstd"):
                why, _ = self.push(f"{content}-as-{declared.replace('+', '-')}", [(blob, plain, "application/vnd.oci.image.layer.v1." + declared)])
                self.assertEqual(why["decision"], "deny", (content, declared))
                self.assertRegex(json.dumps(why), "CVE-", (content, declared))

    def test_configs_that_lie(self):
        """A diff_id, a count of them, a config that is none: not fully read, so denied; each is clean but for the lie."""
        good, other = oci.tar(OS), oci.tar({"x": "y"})
        layer = (gzip.compress(good, mtime=0), good, oci.LAYER)
        second = (gzip.compress(other, mtime=0), other, oci.LAYER)
        self.assertIn(self.push("honest", [layer, second])[0]["decision"], ("allow", "warn"))
        root = lambda *ids: {"rootfs": {"type": "layers", "diff_ids": list(ids)}}
        lies = {
            "diff-id": root(oci.digest(good), oci.digest(b"x")),
            "swapped": root(oci.digest(other), oci.digest(good)),
            "fewer": root(oci.digest(good)),
            "more": root(oci.digest(good), oci.digest(other), oci.digest(b"x")),
            "none": root(),
            "no-root": {"rootfs": None},
            "folded": {"RootFS": {"type": "layers", "diff_ids": []}},
            "not-json": b"not json",
            "array": b"[]",
            "empty": b"",
            "twice": b'{"rootfs":{"type":"layers","diff_ids":[]},"rootfs":{}}',
            "packed-ids": root(oci.digest(layer[0]), oci.digest(second[0])),
        }
        for name, config in lies.items():
            with self.subTest(name):
                why, image = self.push(name, [layer, second], config)
                self.assertEqual(why["decision"], "deny", name)
                self.assertEqual(self.carol.pull("team-a/lies", name)[0], 403)
                self.assertEqual(self.carol.pull("team-a/lies", image.digest, method="HEAD")[0], 403)

    def test_platforms_that_lie(self):
        """A denied child is denied whatever platform, size or annotations its index gives it."""
        bad = oci.debian_image(BAD, {"id": os.urandom(8).hex()})
        self.assertEqual(self.alice.push("team-a/app", "bad", bad)[0], 201)
        for n, platform in enumerate(
            (
                {"os": "linux", "architecture": "arm64"},
                {"os": "windows", "architecture": "amd64"},
                {"os": "unknown", "architecture": "unknown"},
                {"os": "", "architecture": ""},
                {"os": "linux", "architecture": "amd64", "variant": "v8"},
                None,
            )
        ):
            child = bad.descriptor(
                **({"platform": platform} if platform else {}),
                annotations={"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": self.good.digest},
            )
            status, _, text = self.put(self.index(child), oci.INDEX, f"index{n}")
            self.assertEqual(status, 201, text)
            self.assertEqual(self.carol.pull("team-a/app", f"index{n}")[0], 403, platform)
            self.assertEqual(self.carol.pull("team-a/app", bad.digest)[0], 403)

    def test_sizes_of_children_fit(self):
        for size in (0, 1, len(self.good.manifest) + 1):
            self.assertRefused(self.index({**self.good.descriptor(), "size": size}), oci.INDEX, size)

    # ---- the gate ----

    def test_a_denied_image_is_not_carried_elsewhere(self):
        """Who only pulls there, and may push elsewhere, gets its bytes by no mount, no copy of its manifest, no index and no referrer; its pusher's view is his alone."""
        self.make_project("prod")
        bad = oci.debian_image(BAD, {"id": os.urandom(8).hex(), "large": os.urandom(3000).hex()})
        self.assertEqual(self.admin.push("prod/app", "v1", bad)[0], 201)
        eve = self.make_user("eve", ("puller", "prod/**"), ("developer", "team-a/**"))
        layer = json.loads(bad.manifest)["layers"][0]["digest"]
        self.assertEqual(eve.pull("prod/app", "v1")[0], 403)
        query = urllib.parse.urlencode([("scope", "repository:prod/app:pull,push"), ("scope", "repository:team-a/eve:pull,push,delete")])
        token = "Bearer " + json.loads(eve.send("GET", "/v2/token?" + query)[2])["token"]
        for blob in bad.blobs:
            for source in (f"?mount={blob}&from=prod/app", f"?mount={blob}", f"?mount={blob}&from=team-a/app", f"?from=prod/app&mount={blob}"):
                self.assertEqual(
                    eve.send("POST", f"/v2/team-a/eve/blobs/uploads/{source}", b"", authorization=token)[0], 401 if "team-a/app" in source else 202, source
                )
            for repository in ("prod/app", "team-a/eve"):
                for headers in (
                    {},
                    {"Range": "bytes=0-"},
                    {"Range": "bytes=0-9"},
                    {"If-None-Match": f'"{blob}"'},
                    {"If-Range": f'"{blob}"', "Range": "bytes=1-"},
                    {"Accept-Encoding": "gzip"},
                ):
                    status = eve.send("GET", f"/v2/{repository}/blobs/{blob}", headers=headers, authorization=token)[0]
                    self.assertIn(status, (403, 404), (repository, headers))
        for reference in ("v1", bad.digest):
            for method in ("GET", "HEAD"):
                for headers in ({}, {"If-None-Match": f'"{bad.digest}"'}, {"If-None-Match": "*"}, {"Accept": oci.INDEX}):
                    self.assertEqual(eve.send(method, f"/v2/prod/app/manifests/{reference}", headers=headers, authorization=token)[0], 403, headers)
        self.assertEqual(eve.put_manifest("team-a/eve", "v1", bad.manifest, token=token)[0], 404)
        self.assertEqual(eve.put_manifest("team-a/eve", "v1", json.dumps(self.index(bad.descriptor())).encode(), oci.INDEX, token)[0] in (201, 404), True)
        self.assertIn(eve.pull("team-a/eve", bad.digest)[0], (403, 404))
        # Its own push of the same image is denied to readers too, and what its pusher may read is audited and counts in that repository alone.
        self.assertEqual(eve.push("team-a/eve", "own", bad)[0], 201)
        self.assertEqual(self.carol.pull("team-a/eve", "own")[0], 403)
        self.assertEqual(eve.pull("team-a/eve", "own")[0], 403)
        self.assertEqual(eve.pull("team-a/eve", "own", "pull,push")[0], 200)
        self.assertEqual(eve.pull("prod/app", "v1", "pull,push")[0], 403)
        self.assertTrue([e for e in self.events("eve") if e["action"] == "gate.exemption" and "team-a/eve" in e["object"]])
        self.assertFalse([e for e in self.events("eve") if e["action"] == "gate.exemption" and "prod/app" in e["object"]])
        self.assertEqual(self.why("team-a/eve", "own")["points"]["admission"]["decision"], "deny")

    def test_an_open_door_beside_does_not_open_this_one(self):
        """A chart, an index of something else, a tag of another image: what shares a blob or a name with a denied image opens none of its bytes."""
        bad = oci.debian_image(BAD, {"id": os.urandom(8).hex(), "large": os.urandom(9000).hex()})
        self.assertEqual(self.alice.push("team-a/door", "v1", bad)[0], 201)
        layer = json.loads(bad.manifest)["layers"][0]
        empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": oci.digest(b"{}"), "size": 2}
        token = self.alice.token("team-a/door", "pull,push")
        self.assertEqual(self.alice.push_blob("team-a/door", b"{}", token)[0], 201)
        for n, more in enumerate(
            ({"artifactType": "application/vnd.cncf.helm.chart"}, {"artifactType": "application/vnd.example", "subject": self.good.descriptor()}, {})
        ):
            for media_type in (layer["mediaType"], "application/octet-stream", "application/vnd.cncf.helm.chart.content.v1.tar+gzip"):
                artifact = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": empty, "layers": [{**layer, "mediaType": media_type}], **more}
                self.assertEqual(self.put(artifact, oci.MANIFEST, f"chart{n}", "team-a/door")[0], 201)
                self.assertEqual(
                    self.carol.send("GET", f"/v2/team-a/door/blobs/{layer['digest']}", authorization=self.carol.token("team-a/door", "pull"))[0],
                    403,
                    media_type,
                )


if __name__ == "__main__":
    unittest.main()
