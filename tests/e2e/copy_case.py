"""What tests of copies, layouts and log-ins share: two Bulwark servers behind proxies, images with all that belongs to them."""
import base64
import json
import pathlib
import shutil
import tempfile
import unittest

import harness
import oci
from wire import Wire

CLEAN = [("base-files", "12.4+deb12u5", None, None)]
VULNERABLE = [("openssh-server", "1:9.2p1-2", "openssh", None), ("libssl3", "3.0.9-1", "openssl", None)]


def signature(of, name, kind="application/vnd.test.signature"):
    """An artifact that refers to the manifest `of` (bytes)."""
    image = oci.Image([])
    empty = image.add(b"{}", "application/vnd.oci.empty.v1+json")
    media = oci.INDEX if b'"manifests"' in of else oci.MANIFEST
    image.blobs = {}
    layer = image.add(name.encode(), "text/plain")
    image.add(b"{}", "application/vnd.oci.empty.v1+json")
    image.manifest = json.dumps({"schemaVersion": 2, "mediaType": oci.MANIFEST, "artifactType": kind, "config": empty, "layers": [layer],
                                 "subject": {"mediaType": media, "digest": oci.digest(of), "size": len(of)}, "annotations": {"name": name}}).encode()
    image.digest = oci.digest(image.manifest)
    return image


class Family:
    """An index of two images with three referrers and a cosign tag."""

    def __init__(self, client, repository, tag="v1"):
        self.images = [oci.debian_image(CLEAN, {"arch": name}, config={"architecture": name}) for name in ("amd64", "arm64")]
        self.index = json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [
            i.descriptor(platform={"os": "linux", "architecture": a}) for i, a in zip(self.images, ("amd64", "arm64"))]}, indent=1).encode()
        self.digest = oci.digest(self.index)
        first = signature(self.index, "of the index")
        self.referrers = [first, signature(self.images[0].manifest, "of a child"), signature(first.manifest, "of a signature")]
        self.cosign = oci.Image([b"cosign"], media_type="application/vnd.dev.cosign.simplesigning.v1+json", compress=False)
        self.cosign_tag = self.digest.replace(":", "-") + ".sig"
        self.manifests = {m.digest: m.manifest for m in [*self.images, *self.referrers, self.cosign]} | {self.digest: self.index}
        for part in (*self.images, *self.referrers):
            status, _, body = client.push(repository, part.digest, part)
            assert status == 201, body
        status, _, body = client.put_manifest(repository, tag, self.index, oci.INDEX)
        assert status == 201, body
        status, _, body = client.push(repository, self.cosign_tag, self.cosign)
        assert status == 201, body


class CopyCase(unittest.TestCase):
    """Two servers behind proxies that can cut, `here` and `there`, and a folder with log-ins of both."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-copy-"))
        cls.proxies, cls.servers = [Wire(), Wire()], []
        for proxy in cls.proxies:
            # The challenge names the address that clients use: the proxy.
            server = harness.Server("--external-url", f"http://{proxy.address}")
            proxy.server = server.address
            cls.servers.append(server)
        cls.here, cls.there = (s.client() for s in cls.servers)
        for client in (cls.here, cls.there):
            for project in ("team", "other"):
                assert client.api("POST", "/projects", {"name": project})[0] in (201, 409)
        (cls.folder / "docker").mkdir()
        auth = base64.b64encode(f"admin:{harness.PASSWORD}".encode()).decode()
        (cls.folder / "docker/config.json").write_text(json.dumps({"auths": {p.address: {"auth": auth} for p in cls.proxies}}))
        cls.env = {"DOCKER_CONFIG": str(cls.folder / "docker"), "REGISTRY_AUTH_FILE": "", "XDG_RUNTIME_DIR": ""}

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers:
            server.close()
        for proxy in cls.proxies:
            proxy.close()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def run_copy(self, source, target, *more, code=0):
        result = harness.bulwark("copy", source, target, *more, env=self.env)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def at(self, which, name):
        return f"{self.proxies[which].address}/{name}"

    def assertHas(self, client, repository, manifests):
        for digest, manifest in manifests.items():
            status, _, body = client.pull(repository, digest)
            self.assertEqual((status, body), (200, manifest), digest)

    def listed(self, client, repository, digest):
        token = client.token(repository, "pull")
        status, _, body = client.send("GET", f"/v2/{repository}/referrers/{digest}", authorization=token)
        self.assertEqual(status, 200, body)
        return [d["digest"] for d in json.loads(body)["manifests"]]
