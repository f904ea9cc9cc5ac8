"""Real clients x what they are used for, against a real server. The rows are printed at the end, versions named."""

import gzip
import json
import os
import pathlib
import shutil
import tempfile
import unittest

import docker_client
import harness
import oci
import registry_clients
from wire import Wire

# Behind what Debian 12 fixed long ago (starter data): the built-in policy lets it be pushed, and refuses pulls.
VULNERABLE = [("openssh-server", "1:9.2p1-2", "openssh", None)]
CLEAN = [("base-files", "12.4+deb12u5", None, None)]
ACTIONS = ("push", "pull", "multi-arch", "mount", "resume push", "resume pull", "delete", "referrers", "blocked pull", "push over blocked", "sign blocked")
BIG = 6 << 20
CUT = 3 << 20


def fresh_folder(parent=None):
    """A new folder by a name that every client can take for part of an image's: no underscore at an end."""
    folder = pathlib.Path(parent or tempfile.gettempdir()) / f"bulwark-matrix-{os.urandom(8).hex()}"
    folder.mkdir(mode=0o700)
    return folder


class Layout(type(pathlib.Path())):
    """The folder of an OCI layout; `children` are layouts of the parts of an index."""


def image(packages, big=0, **arguments):
    """One that nobody has pushed before; with a second, incompressible layer of `big` bytes."""
    base = {"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(packages), "etc/machine-id": os.urandom(16).hex()}
    return oci.Image([base] + ([{"big": os.urandom(big)}] if big else []), **arguments)


class Matrix(harness.Case):
    @classmethod
    def setUpClass(cls):
        # All goes over the wire, under one address: clients mistrust a token realm elsewhere.
        cls.wire = Wire()
        cls.arguments = ("--external-url", f"http://{cls.wire.address}")
        super().setUpClass()
        cls.wire.server = cls.server.address
        cls.folder = fresh_folder()
        case = cls("setUp")
        case.make_project("m")
        for user, role in (("dev", "developer"), ("mia", "maintainer"), ("reader", "puller")):
            setattr(cls, user, case.make_user(user, (role, "m/**")))
        cls.clients = [kind(cls.folder) for kind in (*registry_clients.ALL, docker_client.Docker)]
        cls.cells = {c.name: {a: f"- ({c.cannot[a.split()[0]]})" if a.split()[0] in c.cannot else "?" for a in ACTIONS} for c in cls.clients}
        for client in cls.clients:
            for user in ("dev", "mia", "reader"):
                client.log_in(user, cls.wire.address)
            if not client.absent and hasattr(client, "make_keys"):
                assert client.make_keys().returncode == 0

    @classmethod
    def tearDownClass(cls):
        cls.wire.close()
        super().tearDownClass()
        for client in cls.clients:
            if client.absent:
                print(f"\nmeasured: matrix: {client.name}: {client.absent}")
                continue
            print(f"\nmeasured: matrix: {client.name} {client.version()}: " + "; ".join(f"{a}: {t}" for a, t in cls.cells[client.name].items()))
            client.close()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def each(self, action, check):
        """Runs check(client) for the clients that have the verb, each in a subtest; what it returns is shown ("ok" for None)."""
        for client in self.clients:
            if client.absent or self.cells[client.name][action].startswith("-"):
                continue
            self.cells[client.name][action] = "FAILED"
            with self.subTest(client=client.name, action=action):
                self.cells[client.name][action] = check(client) or "ok"

    def reference(self, repository, tag="v1"):
        return f"{self.wire.address}/{repository}" + (f"@{tag}" if ":" in tag else f":{tag}")

    def layout(self, made):
        return Layout(made.write_layout(fresh_folder(self.folder)))

    def stored(self, repository, made=None, tag="v1"):
        """Pushes an image there as dev, and returns it."""
        made = made or image(CLEAN)
        status, _, body = self.dev.push(repository, tag, made)
        self.assertEqual(status, 201, body)
        return made

    def assertDone(self, done):
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])

    def assertThere(self, client, repository, made, tag="v1"):
        """The registry serves what was pushed: the same manifest, or (where the client packs layers anew) the same files."""
        status, headers, body = self.admin.pull(repository, tag)
        self.assertEqual(status, 200, body)
        self.assertEqual(headers["docker-content-digest"], oci.digest(body))
        if client.exact:
            self.assertEqual(body, made.manifest)
            for key, data in made.blobs.items():
                self.assertEqual(self.admin.send("GET", f"/v2/{repository}/blobs/{key}", authorization=self.admin.token(repository, "pull"))[2], data)
            return
        self.assertSameFiles(repository, body, made)

    def assertSameFiles(self, repository, manifest, made):
        """The layers that the registry serves unpack to those of the image."""
        wanted, token = self.diff_ids(None, made.manifest, made.blobs), self.admin.token(repository, "pull")
        self.assertEqual(self.diff_ids(repository, manifest), wanted)
        served = [self.admin.send("GET", f"/v2/{repository}/blobs/{layer['digest']}", authorization=token)[2] for layer in json.loads(manifest)["layers"]]
        self.assertEqual([oci.digest(gzip.decompress(data)) for data in served], wanted)

    def diff_ids(self, repository, manifest, blobs=None):
        config = json.loads(manifest)["config"]["digest"]
        data = blobs[config] if blobs else self.admin.send("GET", f"/v2/{repository}/blobs/{config}", authorization=self.admin.token(repository, "pull"))[2]
        return json.loads(data)["rootfs"]["diff_ids"]

    # ---- what every registry does ----

    def test_push(self):
        self.each("push", self.check_push)

    def check_push(self, client):
        made, repository = image(CLEAN), f"m/{client.name}/push"
        self.assertDone(client.push("dev", self.layout(made), self.reference(repository)))
        self.assertThere(client, repository, made)
        if not hasattr(client, "push_schema_2"):
            return "ok"
        self.assertDone(client.push_schema_2("dev", self.layout(made), self.reference(repository, "schema2")))
        token = self.admin.token(repository, "pull")
        status, headers, body = self.admin.send("GET", f"/v2/{repository}/manifests/schema2", authorization=token)
        self.assertEqual((status, headers["content-type"]), (200, "application/vnd.docker.distribution.manifest.v2+json"))
        self.assertSameFiles(repository, body, made)
        return "ok, also as Docker schema 2"

    def test_pull(self):
        self.each("pull", self.check_pull)

    def check_pull(self, client):
        repository = f"m/{client.name}/pull"
        made = self.stored(repository)
        done, found = client.pull("reader", self.reference(repository))
        self.assertDone(done)
        self.assertHolds(client, found, made)
        return "ok"

    def assertHolds(self, client, found, made):
        wanted = {made.digest, *made.blobs} if client.exact else {made.digest, *self.diff_ids(None, made.manifest, made.blobs)}
        self.assertLessEqual(wanted, found)

    def test_multi_arch(self):
        self.each("multi-arch", self.check_multi_arch)

    def check_multi_arch(self, client):
        parts, repository = [image(CLEAN, config={"architecture": a}) for a in ("amd64", "arm64")], f"m/{client.name}/multi"
        whole = oci.Image([])
        whole.blobs = {k: v for p in parts for k, v in [*p.blobs.items(), (p.digest, p.manifest)]}
        whole.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": oci.INDEX,
                "manifests": [p.descriptor(platform={"os": "linux", "architecture": a}) for p, a in zip(parts, ("amd64", "arm64"))],
            }
        ).encode()
        whole.digest = oci.digest(whole.manifest)
        layout = self.layout(whole)
        (layout / "index.json").write_text(
            json.dumps(
                {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [{"mediaType": oci.INDEX, "digest": whole.digest, "size": len(whole.manifest)}]}
            )
        )
        if client.layout_is_index:
            (layout / "index.json").write_bytes(whole.manifest)
        layout.children = [self.layout(p) for p in parts]
        self.assertDone(client.push("dev", layout, self.reference(repository), whole=True))
        status, headers, body = self.reader.pull(repository, "v1")
        self.assertEqual((status, headers["content-type"]), (200, client.index_type), body)
        children = json.loads(body)["manifests"]
        self.assertEqual([c["platform"]["architecture"] for c in children], ["amd64", "arm64"])
        if client.exact:
            self.assertEqual(body, whole.manifest)
        done, found = client.pull("reader", self.reference(repository), whole=True)
        self.assertDone(done)
        if client.exact:
            self.assertLessEqual({whole.digest, *whole.blobs}, found)
        else:
            self.assertLessEqual(set(self.diff_ids(None, parts[1].manifest, parts[1].blobs)), found)
        return "ok" if client.exact else "ok, pulled one by --arch"

    def test_mount(self):
        self.each("mount", self.check_mount)

    def check_mount(self, client):
        source = f"m/{client.name}/from"
        made = self.stored(source)
        layer = next(d["digest"] for d in json.loads(made.manifest)["layers"])
        for times in (1, 2):  # skopeo and its kin mount what they have seen at that registry in an earlier run
            target = f"m/{client.name}/to{times}"
            self.wire.cut(0, times=0)
            self.assertDone(client.mount("dev", self.reference(source), self.reference(target)))
            self.assertThere(client, target, made)
            mounts = self.wire.asked("POST", "mount=")
            if any(layer[7:] in path for path in mounts):
                break
        self.assertEqual(len([p for p in mounts if layer[7:] in p]), 1, self.wire.requests)
        sent = [p for p in self.wire.asked("PUT") + self.wire.asked("PATCH") if "/blobs/uploads/" in p]
        self.assertEqual([p for p in sent if layer[7:] in p], [])
        return f"ok, {len(mounts)} of {len(made.blobs)} blobs mounted" + (" from the second copy on" if times == 2 else "")

    def test_delete(self):
        self.each("delete", self.check_delete)

    def check_delete(self, client):
        repository = f"m/{client.name}/delete"
        made = self.stored(repository)
        if client.name.startswith("cosign"):
            return self.clean(client, repository, made)
        refused = client.delete("dev", self.reference(repository, made.digest))
        self.assertNotEqual(refused.returncode, 0)
        self.assertEqual(self.admin.pull(repository, "v1")[0], 200)
        self.assertDone(client.delete("mia", self.reference(repository, made.digest)))
        self.assertEqual(self.admin.pull(repository, "v1")[0], 404)
        self.assertEqual(self.admin.pull(repository, made.digest)[0], 404)
        return "ok; a developer is refused"

    def clean(self, client, repository, made):
        """cosign deletes signatures only; a refusal is a warning to it."""
        self.assertDone(client.sign_attached("dev", self.reference(repository, made.digest)))
        tag = made.digest.replace(":", "-") + ".sig"
        if self.admin.pull(repository, tag)[0] == 404:
            return "- (deletes signatures that are tags; this version makes none)"
        client.delete("dev", self.reference(repository, made.digest))
        self.assertEqual(self.admin.pull(repository, tag)[0], 200)
        self.assertDone(client.delete("mia", self.reference(repository, made.digest)))
        self.assertEqual(self.admin.pull(repository, tag)[0], 404)
        self.assertEqual(self.admin.pull(repository, made.digest)[0], 200)
        return "ok, of signatures; a developer is refused"

    def test_referrers(self):
        self.each("referrers", self.check_referrers)

    def check_referrers(self, client):
        repository = f"m/{client.name}/referrers"
        made = self.stored(repository)
        subject = self.reference(repository, made.digest)
        attach = client.attach if hasattr(client, "attach") else client.sign_attached
        self.assertDone(attach("dev", subject))
        token = self.admin.token(repository, "pull")
        listed = {m["digest"] for m in json.loads(self.admin.send("GET", f"/v2/{repository}/referrers/{made.digest}", authorization=token)[2])["manifests"]}
        done, found = client.discover("reader", subject)
        self.assertDone(done)
        if client.name == "cosign":  # version 2 keeps signatures under a tag beside the image
            self.assertEqual(self.reader.pull(repository, made.digest.replace(":", "-") + ".sig")[0], 200)
            self.assertTrue(found)
            return "- (keeps signatures under tags; its tree of them: ok)"
        self.assertTrue(listed)
        self.assertTrue(listed & found or client.name == "cosign3", (listed, found, done.stdout))
        return "ok, attached and listed"

    # ---- cut connections ----

    def test_resume_push(self):
        self.each("resume push", self.check_resume_push)

    def check_resume_push(self, client):
        made, repository = image(CLEAN, BIG), f"m/{client.name}/cut-push"
        layout = self.layout(made)
        if client.name == "curl":
            return self.resume_by_patch(client, made, repository)
        self.wire.cut(CUT, up=True)
        first = client.push("dev", layout, self.reference(repository))
        self.assertEqual(self.wire.cuts, 1, first.stderr)
        if first.returncode == 0:
            self.assertThere(client, repository, made)
            return f"tries again itself, {len(self.uploads())} uploads of {len(made.blobs)} blobs"
        self.wire.cut(0, times=0)
        self.assertDone(client.push("dev", layout, self.reference(repository)))
        self.assertThere(client, repository, made)
        return f"must be run again, which uploads {len(self.uploads())} of {len(made.blobs)} blobs"

    def uploads(self):
        return [p for p in self.wire.asked("PUT") if "/blobs/uploads/" in p]

    def resume_by_patch(self, client, made, repository):
        """The cut PATCH leaves what arrived; its status says how much; the rest follows."""
        layer = max(made.blobs.values(), key=len)
        base = f"http://{self.wire.address}"
        start = client.request("dev", "POST", f"{base}/v2/{repository}/blobs/uploads/")
        self.assertEqual(start.status, 202)
        (client.folder / "layer").write_bytes(layer)
        self.wire.cut(CUT, up=True, gently=True)
        cut = client.request(
            "dev",
            "PATCH",
            base + start.headers["location"],
            "-H",
            "Content-Type: application/octet-stream",
            "-H",
            "Expect:",
            "-H",
            f"Content-Range: 0-{len(layer) - 1}",
            "-T",
            "layer",
        )
        self.assertNotEqual(cut.returncode, 0)
        self.assertEqual(self.wire.cuts, 1, cut.stderr)
        for _ in range(50):  # the server may still be taking in what had arrived
            status = client.request("dev", "GET", base + start.headers["location"])
            if status.status == 204:
                break
        self.assertEqual(status.status, 204, status.stderr)
        kept = int(status.headers["range"].split("-")[1]) + 1
        self.assertGreater(kept, CUT // 2)
        (client.folder / "rest").write_bytes(layer[kept:])
        rest = client.request("dev", "PATCH", base + start.headers["location"], "-H", f"Content-Range: {kept}-{len(layer) - 1}", "-T", "rest")
        self.assertEqual(rest.status, 202, rest.stderr)
        done = client.request("dev", "PUT", f"{base}{rest.headers['location']}?digest={oci.digest(layer)}")
        self.assertEqual(done.status, 201, done.stderr)
        return f"ok, goes on by PATCH at byte {kept} of {len(layer)}"

    def test_resume_pull(self):
        self.each("resume pull", self.check_resume_pull)

    def check_resume_pull(self, client):
        repository = f"m/{client.name}/cut-pull"
        made = self.stored(repository, image(CLEAN, BIG))
        if client.name == "curl":
            return self.resume_by_range(client, made, repository)
        self.wire.cut(CUT)
        done, found = client.pull("reader", self.reference(repository))
        self.assertEqual(self.wire.cuts, 1, done.stderr)
        if done.returncode == 0:
            self.assertHolds(client, found, made)
            return "goes on itself by Range" if self.wire.ranges() else "tries again itself from the start"
        self.wire.cut(0, times=0)
        done, found = client.pull("reader", self.reference(repository))
        self.assertDone(done)
        self.assertHolds(client, found, made)
        return f"must be run again, which reads {len(self.wire.asked('GET', '/blobs/'))} of {len(made.blobs)} blobs"

    def resume_by_range(self, client, made, repository):
        layer = max(made.blobs.values(), key=len)
        url = f"http://{self.wire.address}/v2/{repository}/blobs/{oci.digest(layer)}"
        self.wire.cut(CUT, gently=True)
        (client.folder / "got").unlink(missing_ok=True)
        login = ("-sS", "-u", f"reader:{harness.PASSWORD}", "-o", "got")
        self.assertNotEqual(client.run(None, *login, url).returncode, 0)
        kept = (client.folder / "got").stat().st_size
        self.assertGreater(kept, CUT // 2)
        self.assertDone(client.run(None, *login, "-C", "-", url))
        self.assertEqual((client.folder / "got").read_bytes(), layer)
        self.assertIn(f"bytes={kept}-", self.wire.ranges()[-1])
        return f"ok, goes on by Range at byte {kept} of {len(layer)}"

    # ---- the gate ----

    def blocked(self, repository):
        made = self.stored(repository, image(VULNERABLE))
        self.assertEqual(self.reader.pull(repository, "v1")[0], 403)
        return made

    def assertSaysWhy(self, done):
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout + done.stderr, r"CVE-\d{4}-\d+")
        self.assertIn("fixed in", done.stdout + done.stderr)

    def test_blocked_pull(self):
        self.each("blocked pull", self.check_blocked_pull)

    def check_blocked_pull(self, client):
        repository = f"m/{client.name}/blocked"
        made = self.blocked(repository)
        for reference in (self.reference(repository), self.reference(repository, made.digest)):
            done, _ = client.pull("reader", reference)
            if client.name == "notation":
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("403", done.stderr)
                continue
            self.assertSaysWhy(done)
        return "refused" + (" (asks by HEAD, so sees no text)" if client.name == "notation" else ", CVE and fix shown")

    def test_push_over_blocked(self):
        self.each("push over blocked", self.check_push_over_blocked)

    def check_push_over_blocked(self, client):
        """Clients look at what is there first; the tag must be theirs to mend, and the mended image must be pullable."""
        if "push" in client.cannot:
            return "- (signs and verifies only)"
        repository, mended = f"m/{client.name}/over", image(CLEAN)
        bad = self.blocked(repository)
        again = client.push("dev", self.layout(bad), self.reference(repository))
        if again.returncode != 0:  # cosign 3 pushes, and then looks up what it pushed under a token for pulling only
            self.assertSaysWhy(again)
        self.assertEqual(self.reader.pull(repository, "v1")[0], 403)
        self.assertDone(client.push("dev", self.layout(mended), self.reference(repository)))
        self.assertEqual(self.reader.pull(repository, "v1")[0], 200)
        self.assertThere(client, repository, mended)
        return "ok" + ("; pushing the blocked one again is done, and ends with the refusal" if again.returncode else "")

    def test_sign_blocked(self):
        self.each("sign blocked", self.check_sign_blocked)

    def check_sign_blocked(self, client):
        """Its developer may sign what is blocked; that does not open it, and who may pull reads the signature."""
        repository = f"m/{client.name}/sign"
        made = self.blocked(repository)
        subject, how = self.reference(repository, made.digest), ""
        done = client.sign_attached("dev", subject)
        if done.returncode != 0 and hasattr(client, "verify"):
            # They look at the subject under a token for pulling only, as who pulls does; a token that says what it is for opens it.
            self.assertIn("403" if client.name == "notation" else "CVE-", done.stderr)
            how = " as dev+sign (as dev the look at the subject is refused)"
            client.log_in("dev+sign", self.wire.address)
            done = client.sign_attached("dev+sign", subject)
        self.assertDone(done)
        found = self.signatures(repository, made)
        self.assertEqual(self.reader.pull(repository, "v1")[0], 403)
        self.assertEqual(self.reader.pull(repository, made.digest)[0], 403)
        self.assertTrue(all(self.reader.pull(repository, s)[0] == 200 for s in found))
        return "ok" + how + (self.verified(client) if hasattr(client, "verify") else ", attached") + "; stays refused"

    def signatures(self, repository, made):
        """Tags and digests of what was said about an image."""
        token = self.admin.token(repository, "pull,push")
        listed = json.loads(self.admin.send("GET", f"/v2/{repository}/referrers/{made.digest}", authorization=token)[2])["manifests"]
        tags = json.loads(self.admin.send("GET", f"/v2/{repository}/tags/list", authorization=token)[2])["tags"]
        found = [m["digest"] for m in listed] + [t for t in tags if t.startswith(made.digest.replace(":", "-"))]
        self.assertTrue(found)
        return found

    def verified(self, client):
        """The reader verifies what is allowed, and an attestation where the client makes them; another image's signature does not count."""
        repository = f"m/{client.name}/verify"
        made, other = self.stored(repository), self.stored(repository, tag="v2")
        subject = self.reference(repository, made.digest)
        self.assertDone(client.sign_attached("dev", subject))
        self.assertDone(client.verify("reader", subject))
        self.assertNotEqual(client.verify("reader", self.reference(repository, other.digest)).returncode, 0)
        if not hasattr(client, "attest"):
            return ", verified by a reader"
        self.assertDone(client.attest("dev", subject))
        self.assertDone(client.verify("reader", subject, "verify-attestation"))
        return ", signature and attestation verified by a reader"


if __name__ == "__main__":
    unittest.main()
