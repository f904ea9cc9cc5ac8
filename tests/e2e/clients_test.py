"""Real clients against a real server: pushes, pulls, refusals with the CVE and the fix in what the client prints."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import harness
import oci

# Both are behind what Debian 12 fixed long ago (starter data), so the built-in policy refuses them.
VULNERABLE = [("openssh-server", "1:9.2p1-2", "openssh", None), ("libssl3", "3.0.9-1", "openssl", None)]
CLEAN = [("base-files", "12.4+deb12u5", None, None)]

REFUSING = """\
policy: strict
applies_to: {repositories: ["strict/**"], at: [push, pull, admission]}
mode: enforce
rules:
  - id: fixable-any
    deny: {fix: available}
on_push: refuse
"""


def run(*command, stdin=None, env=None):
    return subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})})


class Clients(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-clients-"))
        (cls.folder / "pulls").mkdir()
        cls.vulnerable = oci.debian_image(VULNERABLE)
        cls.clean = oci.debian_image(CLEAN)
        cls.vulnerable_layout = cls.vulnerable.write_layout(cls.folder / "vulnerable")
        cls.clean_layout = cls.clean.write_layout(cls.folder / "clean")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        self.make_project("strict")
        status, body = self.admin.api("PUT", "/policies/strict", {"yaml": REFUSING})
        self.assertEqual(status, 200, body)

    def reference(self, name):
        return f"docker://{self.server.address}/{name}"

    def skopeo(self, *arguments):
        return run("skopeo", "--insecure-policy", *arguments)

    def push(self, layout, name, *more):
        return self.skopeo("copy", "-q", "--dest-tls-verify=false", f"--dest-creds=admin:{harness.PASSWORD}", f"oci:{layout}", self.reference(name), *more)

    def pull(self, name, target, creds=f"admin:{harness.PASSWORD}"):
        return self.skopeo("copy", "-q", "--src-tls-verify=false", f"--src-creds={creds}", self.reference(name), f"dir:{self.folder / 'pulls' / target}")

    def assertNamesTheFix(self, text):
        self.assertRegex(text, r"CVE-\d{4}-\d+")
        self.assertIn("deb12u", text)
        self.assertIn("fixed in", text)

    @harness.needs("skopeo")
    def test_skopeo_push_then_refused_pull(self):
        pushed = self.push(self.vulnerable_layout, "library/vulnerable:v1")
        self.assertEqual(pushed.returncode, 0, pushed.stderr)
        pulled = self.pull("library/vulnerable:v1", "out1")
        self.assertNotEqual(pulled.returncode, 0)
        self.assertNamesTheFix(pulled.stderr)
        # The intent counts, not the person: who may push pulls like everybody else.
        self.make_user("dev", ("developer", "library/**"))
        again = self.pull("library/vulnerable:v1", "out2", f"dev:{harness.PASSWORD}")
        self.assertNotEqual(again.returncode, 0)
        self.assertNamesTheFix(again.stderr)
        print("measured: skopeo prints: " + pulled.stderr.strip().splitlines()[-1][-400:])

    @harness.needs("skopeo")
    def test_skopeo_clean_image_comes_back_equal(self):
        self.assertEqual(self.push(self.clean_layout, "library/clean:v1").returncode, 0)
        pulled = self.pull("library/clean:v1", "clean")
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        self.assertEqual((self.folder / "pulls/clean/manifest.json").read_bytes(), self.clean.manifest)

    @harness.needs("skopeo")
    def test_skopeo_push_refused(self):
        refused = self.push(self.vulnerable_layout, "strict/app:v1")
        self.assertNotEqual(refused.returncode, 0)
        self.assertNamesTheFix(refused.stderr)
        status, _, _ = self.admin.pull("strict/app", "v1", "pull,push")
        self.assertEqual(status, 404)  # nothing was stored
        self.assertEqual(self.push(self.clean_layout, "strict/app:v2").returncode, 0)

    @harness.needs("buildah")
    def test_buildah_push_refused(self):
        storage = ["--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", "vfs"]
        pulled = run("buildah", *storage, "pull", "-q", f"oci:{self.vulnerable_layout}")
        if pulled.returncode != 0:
            self.skipTest("buildah cannot work here: " + pulled.stderr.strip()[-200:])
        refused = run("buildah", *storage, "push", "-q", "--tls-verify=false", f"--creds=admin:{harness.PASSWORD}",
                      pulled.stdout.strip(), self.reference("strict/buildah:v1"))
        self.assertNotEqual(refused.returncode, 0)
        self.assertNamesTheFix(refused.stderr)
        print("measured: buildah prints: " + refused.stderr.strip().splitlines()[-1][-400:])

    @harness.needs("podman")
    def test_podman_pull_refused(self):
        self.assertEqual(self.push(self.vulnerable_layout, "library/podman:v1").returncode, 0)
        storage = ["--root", self.folder / "pstorage", "--runroot", self.folder / "prun", "--storage-driver", "vfs"]
        refused = run("podman", *storage, "pull", "-q", "--tls-verify=false", f"--creds=admin:{harness.PASSWORD}", self.reference("library/podman:v1"))
        self.assertNotEqual(refused.returncode, 0)
        if "CVE-" not in refused.stderr and "namespace" in refused.stderr:
            self.skipTest("podman cannot work here: " + refused.stderr.strip()[-200:])
        self.assertNamesTheFix(refused.stderr)
        print("measured: podman prints: " + refused.stderr.strip().splitlines()[-1][-400:])

    def test_our_own_push_pull_why_scan(self):
        login = ("--username", "admin", "--password-stdin")
        pushed = harness.bulwark("push", self.clean_layout, f"{self.server.address}/library/own:v1", *login, stdin=harness.PASSWORD + "\n")
        self.assertEqual((pushed.returncode, pushed.stdout.strip()), (0, self.clean.digest), pushed.stderr)
        pulled = harness.bulwark("pull", f"{self.server.address}/library/own:v1", self.folder / "own", *login, stdin=harness.PASSWORD + "\n")
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        self.assertEqual((self.folder / "own/blobs/sha256" / self.clean.digest.split(":")[1]).read_bytes(), self.clean.manifest)
        refused = harness.bulwark("push", self.vulnerable_layout, f"{self.server.address}/strict/own:v1", *login, stdin=harness.PASSWORD + "\n")
        self.assertEqual(refused.returncode, 1)
        self.assertNamesTheFix(refused.stderr)
        self.assertEqual(harness.bulwark("push", self.vulnerable_layout, f"{self.server.address}/library/bad:v1", *login, stdin=harness.PASSWORD + "\n").returncode, 0)
        why = harness.bulwark("why", f"{self.server.address}/library/bad:v1", "--format", "json", *login, stdin=harness.PASSWORD + "\n")
        answer = json.loads(why.stdout)
        self.assertEqual(answer["decision"], "deny")
        self.assertEqual(set(answer["revisions"]), {"facts", "data", "policy", "trust", "exceptions"})
        table = harness.bulwark("why", f"{self.server.address}/library/bad:v1", "--format", "table", *login, stdin=harness.PASSWORD + "\n")
        self.assertIn("openssh", table.stdout)
        self.assertNotIn("\x1b", table.stdout)
        scanned = harness.bulwark("scan", f"{self.server.address}/library/own:v1", "--format", "json", *login, stdin=harness.PASSWORD + "\n")
        self.assertEqual(scanned.returncode, 0, scanned.stderr)
        self.assertEqual([p["name"] for p in json.loads(scanned.stdout)["packages"]], ["base-files"])

    def test_quarantine_freed_by_an_exception_and_denied_at_its_end(self):
        image = oci.debian_image([("openssh-server", "1:9.2p1-2", "openssh", None)])
        status, body = self.admin.api("PUT", "/policies/hold", {"yaml": REFUSING.replace("strict", "hold").replace("hold/**", "library/quarantined").replace("refuse", "quarantine")})
        self.assertEqual(status, 200, body)
        status, headers, body = self.admin.push("library/quarantined", "v1", image)
        self.assertEqual(status, 201, body)
        self.make_user("reader", ("puller", "library/**"))
        self.make_user("asker", ("maintainer", "library/**"))
        self.make_user("judge", ("security", "**"))
        reader, asker, judge = (self.server.client(n) for n in ("reader", "asker", "judge"))
        self.assertEqual(reader.pull("library/quarantined", "v1")[0], 403)
        status, why = self.admin.api("GET", "/repositories/library/quarantined/images/v1/why")
        self.assertEqual(why["decision"], "deny", why)
        import datetime
        import time
        def end(seconds):
            return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        status, report = self.admin.api("GET", "/repositories/library/quarantined/images/v1/report")
        self.assertEqual(status, 200, report)
        expires = end(8)
        for identity in sorted({f["id"] for f in report["findings"]}):
            status, made = asker.api("POST", "/exceptions", {"vulnerability": identity, "package": "openssh", "repository": "library/quarantined",
                                                            "reason": "risk_accepted", "note": "test", "expires": expires})
            self.assertEqual(status, 201, made)
            status, body = asker.api("POST", f"/exceptions/{made['id']}/approve")
            self.assertIn(status, (403, 404, 409), body)  # nobody approves his own
            status, body = judge.api("POST", f"/exceptions/{made['id']}/approve")
            self.assertIn(status, (200, 204), body)
        deadline = time.monotonic() + 6
        while (status := reader.pull("library/quarantined", "v1")[0]) != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(status, 200, "freed by the exceptions")
        deadline = time.monotonic() + 30
        while (answer := reader.pull("library/quarantined", "v1"))[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertEqual(answer[0], 403, "denied again at their end")
        self.assertNamesTheFix(answer[2].decode())
        print("measured: quarantined, freed by exceptions, denied again at their expiry")

    def test_buildkit_provenance_and_sbom_children(self):
        for name, packages, decision in (("clean", CLEAN, 200), ("bad", VULNERABLE, 403)):
            image = oci.debian_image(packages)
            statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
                         "subject": [{"name": "_", "digest": {"sha256": image.digest.split(":")[1]}}], "predicate": {"builder": {"id": "x"}}}
            sbom = {**statement, "predicateType": "https://spdx.dev/Document", "predicate": {"spdxVersion": "SPDX-2.3"}}
            attestation = oci.Image([json.dumps(statement).encode(), json.dumps(sbom).encode()], {"architecture": "unknown", "os": "unknown"},
                                    media_type="application/vnd.in-toto+json", compress=False)
            repository = f"library/buildx-{name}"
            token = self.admin.token(repository, "pull,push")
            for part in (image, attestation):
                for data in part.blobs.values():
                    self.assertEqual(self.admin.push_blob(repository, data, token)[0], 201)
                status, _, body = self.admin.put_manifest(repository, part.digest, part.manifest, token=token)
                self.assertEqual(status, 201, body)
            index = json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [
                image.descriptor(platform={"architecture": "amd64", "os": "linux"}),
                attestation.descriptor(platform={"architecture": "unknown", "os": "unknown"}, annotations={
                    "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest})]}).encode()
            status, _, body = self.admin.put_manifest(repository, "v1", index, oci.INDEX, token)
            self.assertEqual(status, 201, body)
            self.assertEqual(self.admin.pull(repository, "v1")[0], decision, name)
            status, why = self.admin.api("GET", f"/repositories/{repository}/images/v1/why")
            self.assertEqual([c["runnable"] for c in why["children"]], [True, False], why)
        # Allowed, then denied: a policy that finds fault with the clean one's age of data stands in for new facts.
        status, body = self.admin.api("PUT", "/policies/no-base", {"yaml": "policy: no-base\napplies_to: {repositories: [\"library/buildx-clean\"], at: [pull]}\nmode: enforce\nrules: []\nartifacts: allow\nstale_data: {0s: deny}\n"})
        self.assertEqual(status, 200, body)
        import time
        deadline = time.monotonic() + 20
        while (status := self.admin.pull("library/buildx-clean", "v1")[0]) == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(status, 403)
        print("measured: buildx-like index with provenance and SBOM children: allowed, then denied")


if __name__ == "__main__":
    unittest.main()
