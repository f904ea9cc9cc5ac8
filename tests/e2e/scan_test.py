"""The command line as a newcomer uses it: real files, pipes, a terminal, a registry, and everything that can be given wrongly."""
import gzip
import io
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import harness
import oci

PASS, POLICY, USAGE, COULD_NOT = 0, 1, 2, 3  # docs/command-line.md
PACKAGES = [("curl", "7.88.1-10+deb12u1", None, None), ("bash", "5.2.15-2+b2", "bash", "5.2.15-2"), ("base-files", "12.4+deb12u5", None, None)]
LODASH = {"app/node_modules/lodash/package.json": '{"name":"lodash","version":"4.17.0"}'}


def advisory(identity, ecosystem, name, fixed, vector="CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"):
    """An OSV record (ossf.github.io/osv-schema) that we made up."""
    events = [{"introduced": "0"}] + ([{"fixed": fixed}] if fixed else [])
    return {"id": identity, "modified": "2026-01-02T00:00:00Z", "summary": f"{name} does what it should not", "severity": [{"type": "CVSS_V3", "score": vector}],
            "affected": [{"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]}


ADVISORIES = [advisory("CVE-2099-0001", "Debian:12", "curl", "7.88.1-10+deb12u5"), advisory("CVE-2099-0002", "npm", "lodash", "4.17.21"),
              advisory("CVE-2099-0003", "Debian:12", "bash", None, "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N")]


def make_database(folder):
    """(file, what `db build` printed)"""
    sources = pathlib.Path(folder) / "osv"
    sources.mkdir()
    for record in ADVISORIES:
        (sources / (record["id"] + ".json")).write_text(json.dumps(record))
    out = pathlib.Path(folder) / "advisories.bwa"
    return out, harness.bulwark("db", "build", "--out", out, "--whole", "Debian:12,npm", sources)


def pack(path, files):
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def docker_archive(image, path, name="example/app:1.2"):
    """As `docker save` writes it: manifest.json, config, layers as plain tars."""
    manifest = json.loads(image.manifest)
    files = {"config.json": image.blobs[manifest["config"]["digest"]]}
    layers = [f"layer{i}/layer.tar" for i in range(len(manifest["layers"]))]
    for layer, descriptor in zip(layers, manifest["layers"]):
        files[layer] = gzip.decompress(image.blobs[descriptor["digest"]])
    files["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": layers}]).encode()
    return pack(path, files)


def oci_archive(layout, path):
    files = {str(f.relative_to(layout)): f.read_bytes() for f in sorted(pathlib.Path(layout).rglob("*")) if f.is_file()}
    return pack(path, files)


class Files(unittest.TestCase):
    """A folder with one image in every form, and an advisory file."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-scan-"))
        cls.image = oci.Image([{"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(PACKAGES)}, LODASH])
        cls.layout = cls.image.write_layout(cls.folder / "layout")
        cls.database, cls.built = make_database(cls.folder)
        assert cls.built.returncode == PASS, cls.built.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def scan(self, target, *arguments, **more):
        return harness.bulwark("scan", target, "--db", self.database, *arguments, timeout=60, **more)

    def report(self, target, *arguments, **more):
        done = self.scan(target, "--format", "json", *arguments, **more)
        self.assertIn(done.returncode, (PASS, POLICY), done.stderr)
        return json.loads(done.stdout)

    def refused(self, code, pattern, *arguments, **more):
        """The exit code, nothing on standard output, and one line that says what happened and to what; never a trace or a raw byte."""
        done = harness.bulwark(*arguments, timeout=60, **more)
        self.assertEqual((done.returncode, done.stdout), (code, ""), (arguments, done.stdout[:200], done.stderr))
        self.assertRegex(done.stderr, pattern, arguments)
        self.assertRegex(done.stderr, r"\A(bulwark: [^\n]{8,1500}\n){1,2}\Z", arguments)
        self.assertNotRegex(done.stderr, r"[\x00-\x09\x0b-\x1f\x7f-\x9f]|by a bug|std::", arguments)
        return done


class Scan(Files):
    def test_every_form_says_the_same(self):
        want = self.report(self.layout)
        self.assertEqual([(p["name"], p["version"]) for p in want["packages"]],
                         [("base-files", "12.4+deb12u5"), ("bash", "5.2.15-2+b2"), ("curl", "7.88.1-10+deb12u1"), ("lodash", "4.17.0")])
        self.assertEqual({(f["id"], f["package"]["name"], f["fix"]["version"]) for f in want["findings"]},
                         {("CVE-2099-0001", "curl", "7.88.1-10+deb12u5"), ("CVE-2099-0002", "lodash", "4.17.21"), ("CVE-2099-0003", "bash", "")})
        self.assertEqual((want["image"]["digest"], want["image"]["platform"]), (self.image.digest, "linux/amd64"))
        docker = docker_archive(self.image, self.folder / "docker.tar")
        archive = oci_archive(self.layout, self.folder / "oci.tar")
        packed = self.folder / "docker.tar.gz"
        packed.write_bytes(gzip.compress(docker.read_bytes(), 1))
        unpacked = self.folder / "unpacked"
        with tarfile.open(docker) as tar:
            tar.extractall(unpacked)
        rootfs = self.folder / "rootfs"
        for layer in ({"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(PACKAGES)}, LODASH):
            for name, text in layer.items():
                (rootfs / name).parent.mkdir(parents=True, exist_ok=True)
                (rootfs / name).write_text(text)
        for target in (docker, archive, packed, unpacked, rootfs):
            with self.subTest(target=target.name):
                self.assertSame(want, self.report(target, "--offline"))
        for target in (docker, packed):
            with self.subTest(stdin=target.name), open(target, "rb") as stdin:
                done = subprocess.run([harness.BULWARK, "scan", "-", "--db", self.database], stdin=stdin, capture_output=True, timeout=60)
                self.assertSame(want, json.loads(done.stdout))
        done = subprocess.run(["bash", "-c", f"'{harness.BULWARK}' scan <(cat '{docker}') --db '{self.database}'"], capture_output=True, timeout=60)
        self.assertSame(want, json.loads(done.stdout))

    def assertSame(self, want, got):
        key = lambda r: ([(p["name"], p["version"], p["ecosystem"]) for p in r["packages"]], [(f["id"], f["package"]["name"], f["fix"]) for f in r["findings"]],
                         r["summary"], [d["outcome"] for d in r["decisions"]])
        self.assertEqual(key(want), key(got))

    @harness.needs("skopeo")
    def test_archives_as_skopeo_writes_them(self):
        want = self.report(self.layout)
        for form in ("docker-archive", "oci-archive"):
            target = self.folder / f"skopeo-{form}.tar"
            subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{self.layout}", f"{form}:{target}"], check=True, timeout=60)
            self.assertSame(want, self.report(target))
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{self.layout}", f"dir:{self.folder / 'skopeo-dir'}"], check=True, timeout=60)
        self.refused(COULD_NOT, "dir: form.*oci: layout", "scan", self.folder / "skopeo-dir")  # read as a plain folder it would seem clean

    def test_formats(self):
        import jsonschema
        report = self.report(self.layout)
        jsonschema.validate(report, json.loads((harness.ROOT / "docs/report.schema.json").read_text()))
        piped = self.scan(self.layout)
        self.assertEqual(json.loads(piped.stdout), report)  # JSON is what a pipe gets
        table = self.scan(self.layout, "--format", "table").stdout
        self.assertNotIn("\x1b", table)
        self.assertLess(table.index("CVE-2099-0001"), table.index("CVE-2099-0003"))  # what can be fixed comes first
        for text in ("7.88.1-10+deb12u1", "7.88.1-10+deb12u5", "4.17.21", "pull"):
            self.assertIn(text, table)
        bom = json.loads(self.scan(self.layout, "--format", "cyclonedx").stdout)
        self.assertEqual((bom["bomFormat"], bom["specVersion"]), ("CycloneDX", "1.6"))
        self.assertEqual({v["id"] for v in bom["vulnerabilities"]}, {a["id"] for a in ADVISORIES})
        references = {c["bom-ref"] for c in bom["components"]}
        self.assertTrue(all(a["ref"] in references for v in bom["vulnerabilities"] for a in v["affects"]))
        purls = {c.get("purl", "").split("?")[0] for c in bom["components"]}
        self.assertLessEqual({"pkg:deb/debian/curl@7.88.1-10%2Bdeb12u1", "pkg:npm/lodash@4.17.0"}, purls)

    def test_equal_inputs_give_equal_bytes(self):
        for form in ("json", "cyclonedx", "table"):
            first, second = self.scan(self.layout, "--format", form), self.scan(self.layout, "--format", form)
            self.assertEqual(first.stdout, second.stdout)
        out = self.folder / "report.json"
        self.assertEqual(self.scan(self.layout, "--format", "json", "-o", out).stdout, "")
        self.assertEqual(out.read_text(), self.scan(self.layout, "--format", "json").stdout)

    def test_fail_on(self):
        rows = [("severity=critical", POLICY), ("severity=critical,fix=available", POLICY), ("kev=true", PASS), ("ids=CVE-2099-0003", POLICY),
                ("ids=CVE-1999-0001", PASS), ("packages=bash,severity=high", PASS), ("packages=lodash", POLICY)]
        for matchers, code in rows:
            with self.subTest(matchers):
                done = harness.bulwark("scan", "--fail-on", matchers, self.layout, "--db", self.database, "--format", "table")  # the option before the target takes one value
                self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        self.assertEqual(self.scan(self.layout, "--fail-on", "kev=true", "--fail-on", "packages=lodash").returncode, POLICY)
        for wrong in ("severity=hihg", "colour=red", "", "severity", "=", "severity=high,,"):
            self.refused(USAGE, "--fail-on", "scan", self.layout, "--fail-on", wrong)

    def test_sbom(self):
        report = json.loads(harness.bulwark("sbom", self.layout, "--format", "json").stdout)
        self.assertEqual([p["name"] for p in report["packages"]], ["base-files", "bash", "curl", "lodash"])
        self.assertEqual(report["findings"], [])
        bom = json.loads(harness.bulwark("sbom", self.layout).stdout)  # what a pipe gets
        self.assertNotIn("vulnerabilities", bom)
        self.assertIn("lodash  4.17.0", harness.bulwark("sbom", self.layout, "--format", "table").stdout)

    def test_readers_that_go_away(self):
        """| head: quiet, and the exit code is that of the result."""
        big = oci.debian_image([(f"package{i}", "1", None, None) for i in range(20000)]).write_layout(self.folder / "big")
        for command, code in ((f"'{harness.BULWARK}' scan '{big}' --format json", PASS), (f"yes '1 2' | '{harness.BULWARK}' version compare deb --stdin", PASS),
                              (f"'{harness.BULWARK}' scan '{self.layout}' --fail-on packages=lodash --db '{self.database}'", POLICY)):
            shell = f"{command} | head -n 1; echo ${{PIPESTATUS[@]}}"
            done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
            self.assertNotRegex(done.stderr, "roken pipe|write", command)
            self.assertEqual(done.stdout.split()[-2], str(code), done.stdout[-200:] + done.stderr)

    def test_full_disk(self):
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([harness.BULWARK, "sbom", self.layout], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.returncode, COULD_NOT)
            self.assertIn("No space left", done.stderr)
            self.refused(COULD_NOT, "No space left", "sbom", self.layout, "-o", "/dev/full")

    def test_terminal(self):
        """A table with colour on a terminal, none with NO_COLOR; control characters of the image never reach it."""
        hostile = oci.debian_image([("curl", "7.88.1-10+deb12u1", None, None)],
                                   {"a/node_modules/lodash\x1b[2K\x1b]0;t\x07\r/package.json": '{"name":"lodash","version":"4.17.0"}',
                                    "a/node_modules/x/package.json": '{"name":"x\\u001b[31m\\u202e\\u009b","version":"1"}'}).write_layout(self.folder / "hostile")
        coloured = self.on_terminal("scan", hostile, "--db", self.database)
        self.assertIn("\x1b[", coloured)
        self.assertIn("CVE-2099-0001", coloured)
        for text in (coloured, self.on_terminal("sbom", hostile)):
            plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", text).replace("\r\n", "\n")
            self.assertNotRegex(plain.replace("\r", ""), r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
            self.assertNotIn("\x1b[31m\u202e", text)
        self.assertNotIn("\x1b[", self.on_terminal("scan", hostile, "--db", self.database, NO_COLOR="1"))

    def on_terminal(self, *arguments, **env):
        master, slave = pty.openpty()
        process = subprocess.Popen([harness.BULWARK, *arguments], stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm", **env})
        os.close(slave)
        text = b""
        try:
            while chunk := os.read(master, 65536):
                text += chunk
        except OSError:  # how Linux says that the other end was closed
            pass
        os.close(master)
        self.assertIn(process.wait(60), (PASS, POLICY))
        return text.decode()


class BadInput(Files):
    def index(self, name, *descriptors, **more):
        """A copy of the layout with another index.json."""
        path = self.folder / name
        shutil.copytree(self.layout, path)
        (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": list(descriptors), **more}))
        return path

    def test_targets(self):
        image, folder = self.image, self.folder
        blobs = "blobs/sha256/"
        layer = json.loads(image.manifest)["layers"][0]["digest"].split(":")[1]

        def damaged(name, change):
            shutil.copytree(self.layout, folder / name)
            change(folder / name)
            return folder / name

        def flip(path):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)

        traversal = {"mediaType": oci.MANIFEST, "digest": "sha256:../../../../etc/passwd", "size": 5}
        child = image.descriptor(platform={"os": "linux", "architecture": "ppc64le"})
        other = image.descriptor(platform={"os": "windows", "architecture": "arm64"})
        docker = docker_archive(image, folder / "d.tar")
        (folder / "cut.tar").write_bytes(docker.read_bytes()[:3000])
        (folder / "cut.tar.gz").write_bytes(gzip.compress(docker.read_bytes(), 1)[:-30])
        escape = {"manifest.json": json.dumps([{"Config": "../../../../../etc/passwd", "Layers": ["/etc/shadow"]}]).encode()}
        rows = [
            (COULD_NOT, "open .*absent.tar: No such file", folder / "absent.tar"),
            (COULD_NOT, "no file or directory absent here, and --offline", "absent", "--offline"),
            (COULD_NOT, "no file or directory Not A Name here, and not an image reference", "Not A Name"),
            (COULD_NOT, "cut.tar: .*archive", folder / "cut.tar"),
            (COULD_NOT, "cut.tar.gz: .*truncated", folder / "cut.tar.gz"),
            (COULD_NOT, "foreign.tar: an archive, but of no image", pack(folder / "foreign.tar", {"etc/passwd": b"root"})),
            (COULD_NOT, "escape.tar: it has no file ../../", pack(folder / "escape.tar", escape)),
            (COULD_NOT, "neither a plain file nor a directory", "/dev/null"),
            (COULD_NOT, f"{image.digest} has other bytes", damaged("manifest", lambda p: flip(p / blobs / image.digest.split(":")[1]))),
            (COULD_NOT, f"it has no file {blobs}{layer}", damaged("absent-layer", lambda p: (p / blobs / layer).unlink())),
            (COULD_NOT, "index.json: JSON", damaged("no-json", lambda p: (p / "index.json").write_text("{"))),
            (COULD_NOT, "index.json", damaged("other-json", lambda p: (p / "index.json").write_text("[]"))),
            (COULD_NOT, "names no image", self.index("no-image")),
            (COULD_NOT, "index.json: .*digest", self.index("traversal", traversal)),
            (COULD_NOT, "no linux/.*it has: linux/ppc64le, windows/arm64 .*--platform", self.index("platforms", child, other)),
            (COULD_NOT, "is for linux/amd64, not for linux/arm64", self.layout, "--platform", "linux/arm64"),
            (COULD_NOT, "absent.yaml: No such file", self.layout, "--policy", folder / "absent.yaml"),
            (COULD_NOT, "advisory file .*absent.bwa: No such file", self.layout, "--db", folder / "absent.bwa"),
            (COULD_NOT, "advisory file|not an advisory", self.layout, "--db", self.layout / "index.json"),
            (COULD_NOT, "folder/x.*No such file", self.layout, "--db", self.database, "-o", folder / "no/such/folder/x"),
            (USAGE, "--frob", self.layout, "--frob"),
            (USAGE, "--format: .*sarif", self.layout, "--format", "sarif"),
            (USAGE, "--as-of", self.layout, "--as-of", "yesterday"),
            (USAGE, "target is required",),
        ]
        for code, pattern, *arguments in rows:
            with self.subTest(pattern):
                self.refused(code, pattern, "scan", *arguments)
        other = oci.debian_image(PACKAGES, config={"architecture": "s390x"})
        path = other.write_layout(self.folder / "s390x")
        (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [child, other.descriptor(platform={"os": "linux", "architecture": "s390x"})]}))
        self.assertEqual(self.report(path, "--platform", "linux/s390x")["image"]["digest"], other.digest)

    def test_damage_that_a_scan_survives_is_no_pass(self):
        """Layers that cannot be read to their end: what was read is reported, and the image is not fully scanned."""
        for name, change in {"cut": lambda b: b[:-30], "swapped": lambda b: gzip.compress(oci.tar({"etc/x": "y"}), mtime=0), "zeros": lambda b: bytes(len(b))}.items():
            image = oci.debian_image(PACKAGES)
            digest = json.loads(image.manifest)["layers"][0]["digest"]
            image.blobs[digest] = change(image.blobs[digest])
            with self.subTest(name):
                done = self.scan(image.write_layout(self.folder / ("layer-" + name)), "--format", "json")
                self.assertEqual(done.returncode, POLICY, done.stderr)
                report = json.loads(done.stdout)
                self.assertFalse(report["summary"]["fully_scanned"])
                self.assertTrue(any(gap["kind"] == "blind" and gap["reason"] for gap in report["gaps"]), report["gaps"])

    def test_verbs(self):
        rows = [
            (USAGE, "There are serve, scan"), (USAGE, "no verb 'frob'; there are serve, scan", "frob"), (USAGE, "There are build, update, status", "db"),
            (USAGE, "no verb 'frob'; there are build", "db", "frob"), (USAGE, "db build: .*out", "db", "build", "x"),
            (COULD_NOT, "absent: No such file", "db", "build", "--out", self.folder / "x.bwa", "absent"),
            (COULD_NOT, "absent.bwa: No such file", "db", "status", "--db", "absent.bwa"),
            (USAGE, "two versions", "version", "compare", "deb", "1"), (USAGE, "no ecosystem 'cobol'; there are deb", "version", "compare", "cobol", "1", "2"),
            (USAGE, "not a package URL", "purl", "parse", "npm/lodash"), (USAGE, "JSON", "purl", "build", "{"), (USAGE, "tpye", "purl", "build", '{"tpye":"npm"}'),
            (COULD_NOT, "absent.yaml: No such file", "policy", "test", "absent.yaml"),
            (USAGE, "not an image reference", "why", "No Such"), (COULD_NOT, "no log-in for localhost:1.*--username", "why", "localhost:1/a/b:c"),
            (COULD_NOT, "open absent", "push", "absent", "localhost:1/a/b:c"), (USAGE, "not an image reference", "push", "absent", "a b"),
            (USAGE, "not the host of a registry", "user", "list", "ftp://x"), (USAGE, "no user name", "user", "disable", "localhost:1", "../x"),
            (USAGE, "--expires", "exception", "add", "localhost:1", "--cve", "C", "--repository", "**", "--reason", "r", "--note", "n", "--expires", "soon"),
            (USAGE, "--note is required", "exception", "add", "localhost:1", "--cve", "C", "--repository", "**", "--reason", "r", "--expires", "30d"),
            (COULD_NOT, "Failed to connect|refused", "scan", "localhost:1/a/b:c"),
        ]
        environment = {"HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder), "REGISTRY_AUTH_FILE": str(self.folder / "none"), "XDG_RUNTIME_DIR": ""}
        for code, pattern, *arguments in rows:
            with self.subTest(arguments):
                self.refused(code, pattern, *arguments, env=environment, stdin="")

    def test_help(self):
        """Every verb explains itself, names its exit codes, and `help VERB` is the same."""
        top = harness.bulwark("--help").stdout
        verbs = re.findall(r"^  ([a-z]+)  +\S", top, re.M)
        self.assertGreaterEqual(set(verbs), {"serve", "scan", "sbom", "db", "policy", "push", "pull", "why", "user", "version", "purl"})
        self.assertNotIn("worker", top)
        for verb in verbs:
            done = harness.bulwark(verb, "--help")
            self.assertEqual((done.returncode, done.stderr), (PASS, ""))
            self.assertIn("Exit codes: 0 ", done.stdout)
            self.assertEqual(done.stdout, harness.bulwark("help", verb).stdout)


class Small(Files):
    def test_db(self):
        again = harness.bulwark("db", "build", "--out", self.folder / "again.bwa", "--whole=Debian:12,npm", self.folder / "osv")
        self.assertEqual((self.folder / "again.bwa").read_bytes(), self.database.read_bytes())  # deterministic
        self.assertIn("3 records", again.stderr)
        status = json.loads(harness.bulwark("db", "status", "--db", self.database).stdout)
        self.assertEqual((status["records"], status["revision"]), (3, self.built.stdout.strip()))
        self.assertEqual(set(status["ecosystems"]), {"Debian:12", "npm"})
        self.assertEqual(status["whole"], ["Debian:12", "npm"])
        self.assertIn("all that is known of Debian:12, npm", again.stderr)
        self.assertEqual(json.loads(harness.bulwark("db", "status").stdout)["whole"], [])
        self.assertIn("days old", harness.bulwark("db", "status", "--db", self.database, "--format", "table").stdout)
        starter = json.loads(harness.bulwark("db", "status").stdout)
        self.assertGreater(starter["records"], 100)
        self.assertEqual(self.report(self.layout)["revisions"]["data"], status["revision"])
        bad = self.folder / "bad"
        bad.mkdir()
        (bad / "a.json").write_text("<html>log in first</html>")
        self.refused(COULD_NOT, "bad", "db", "build", "--out", self.database, bad)
        self.assertEqual((self.folder / "again.bwa").read_bytes(), self.database.read_bytes())  # the old file stays

    # The oracles: dpkg --compare-versions, node-semver, PEP 440, golang.org/x/mod/semver, Maven's ComparableVersion.
    VERSIONS = {
        "deb": "1.0~rc1-1 < 1.0-1|1:0.9 > 2.0|1.0-1 = 0:1.0-1|2.36-9+deb12u4 < 2.36-9+deb12u10|1.0a < 1.0+|1 = 1-0|: ? 1|1_0 ? 1",
        "npm": "1.0.0-alpha.1 < 1.0.0-alpha.beta|1.0.0-rc.1 < 1.0.0|1.0.0+a = 1.0.0+b|1.10.0 > 1.9.0|x ? 1.0.0",
        "pypi": "1.0.dev1 < 1.0a1|1.0.post1 > 1.0|1!0.1 > 2.0|1.0 = 1.0.0|1.0rc1 = 1.0c1|1.0+x > 1.0|one ? 1.0",
        "go": "v1.2.3 < v1.10.0|v0.0.0-20190101000000-abcdefabcdef < v0.0.0-20200101000000-abcdefabcdef|v1.0.0+incompatible = v1.0.0|vX ? v1.0.0",
        "maven": "1.0-alpha < 1.0|1.0 = 1|1.0-SNAPSHOT < 1.0|1.0.Final = 1.0|1.0-sp > 1.0|1.10 > 1.9|2.0-rc1 < 2.0",
    }

    def test_version_compare(self):
        for ecosystem, rows in self.VERSIONS.items():
            cases = [row.split() for row in rows.split("|")]
            asked = "".join(f"{a} {b}\n" for a, _, b in cases)
            done = harness.bulwark("version", "compare", ecosystem, "--stdin", stdin=asked)
            self.assertEqual((done.returncode, done.stderr), (PASS, ""))
            got = done.stdout.splitlines()
            self.assertEqual([f"{a} {line[0]} {b}" for (a, _, b), line in zip(cases, got)], [" ".join(case) for case in cases], ecosystem)
            self.assertTrue(all(re.fullmatch(r"[<=>]|\? \S.+", line) for line in got), got)
            a, order, b = cases[0]
            self.assertEqual(harness.bulwark("version", "compare", ecosystem, a, b).stdout, order + "\n")

    def test_version_compare_lines(self):
        rows = [("1 2\r\n", "<"), ("\n", ""), ("  \t \r\n", ""), ("  2 \t  1  \n", ">"), ("1\n", "?"), ("1 2 3\n", "?"), ("\x1b[2K 1\n", "?"), ("1 1", "=")]
        done = harness.bulwark("version", "compare", "deb", "--stdin", stdin="".join(line for line, _ in rows))
        self.assertEqual([line[0] for line in done.stdout.splitlines()], [want for _, want in rows if want])
        self.assertNotIn("\x1b", done.stdout)
        with subprocess.Popen([harness.BULWARK, "version", "compare", "deb", "--stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            for ask, answer in (("1 2", "<\n"), ("2 1", ">\n")):  # a program may ask and wait
                process.stdin.write(ask + "\n")
                process.stdin.flush()
                self.assertEqual(process.stdout.readline(), answer)
            process.stdin.close()
        self.refused(COULD_NOT, "longer than", "version", "compare", "deb", "--stdin", stdin="1" * 200000)

    def test_purl(self):
        """Canonical forms of the package-url specification come back as they went."""
        for text in ("pkg:deb/debian/curl@7.88.1-10%2Bdeb12u1?arch=amd64&distro=debian-12", "pkg:npm/%40babel/core@7.0.0", "pkg:golang/github.com/a/b@v1.2.3#sub/dir",
                     "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "pkg:pypi/django@1.11.1", "pkg:generic/openssl@1.1.10g?checksum=sha256:de4d501267da"):
            parsed = harness.bulwark("purl", "parse", text)
            self.assertEqual(parsed.returncode, PASS, parsed.stderr)
            self.assertEqual(set(json.loads(parsed.stdout)), {"type", "namespace", "name", "version", "qualifiers", "subpath"})
            self.assertEqual(harness.bulwark("purl", "build", parsed.stdout).stdout.strip(), text)


class Registry(harness.Case):
    LOGIN = ("--username", "admin", "--password-stdin")

    def run_at(self, *arguments):
        return harness.bulwark(*arguments, *self.LOGIN, stdin=harness.PASSWORD + "\n")

    def test_password_that_must_be_changed(self):
        """By the command line alone: an account that an administrator made sets its own password, and then may do what it may."""
        address, first, own = self.server.address, "first-" + harness.PASSWORD, "second-" + harness.PASSWORD
        run = lambda user, lines, *arguments: harness.bulwark("user", *arguments, "--username", user, "--password-stdin", stdin="".join(f"{line}\n" for line in lines))
        made = run("admin", (harness.PASSWORD, first), "create", address, "newcomer")
        self.assertEqual(made.returncode, PASS, made.stderr)
        refused = run("newcomer", (first,), "list", address)
        self.assertEqual(refused.returncode, COULD_NOT)
        self.assertIn("bulwark user password", refused.stderr)
        self.assertEqual(run("newcomer", ("wrong-" + first, own), "password", address, "newcomer").returncode, COULD_NOT)
        changed = run("newcomer", (first, own), "password", address, "newcomer")
        self.assertEqual(changed.returncode, PASS, changed.stderr)
        self.assertIn("right to", run("newcomer", (own,), "list", address).stderr)  # refused for its rights now
        self.assertEqual(run("admin", (harness.PASSWORD, first), "password", address, "newcomer").returncode, PASS)
        self.assertIn("must be changed", run("newcomer", (first,), "list", address).stderr)

    def test_scan_and_why(self):
        image = oci.debian_image([("openssh-server", "1:9.2p1-2", "openssh", None)])
        name = f"{self.server.address}/library/ssh:v1"
        status, _, body = self.admin.push("library/ssh", "v1", image)
        self.assertEqual(status, 201, body)
        clean = oci.Image([{"etc/os-release": oci.DEBIAN_12, "var/lib/dpkg/status": oci.dpkg_status(PACKAGES[1:])}, {"usr/share/x": "y"}])
        status, _, body = self.admin.push("library/clean", "v1", clean)
        self.assertEqual(status, 201, body)
        with tempfile.TemporaryDirectory() as folder:
            local = json.loads(harness.bulwark("scan", clean.write_layout(folder), "--format", "json").stdout)
        scanned = self.run_at("scan", f"{self.server.address}/library/clean:v1", "--format", "json")
        self.assertEqual(scanned.returncode, PASS, scanned.stderr)
        report = json.loads(scanned.stdout)
        self.assertEqual([report[k] for k in ("findings", "packages", "gaps")], [local[k] for k in ("findings", "packages", "gaps")])
        self.assertEqual(report["image"]["digest"], clean.digest)
        refused = self.run_at("scan", name)  # the gate holds its bytes back; `why` has the report
        self.assertEqual((refused.returncode, refused.stdout), (POLICY, ""), refused.stderr)
        self.assertRegex(refused.stderr, r"CVE-\d+-\d+.*deb12u")
        why = self.run_at("why", name, "--format", "json")
        answer = json.loads(why.stdout)
        self.assertEqual((why.returncode, answer["decision"], answer["digest"]), (PASS, "deny", image.digest))
        self.assertEqual(set(answer["revisions"]), {"facts", "data", "policy", "trust", "exceptions"})
        self.assertTrue(all(reason["message"] and reason["rule"] for reason in answer["points"]["pull"]["reasons"]))
        for code, pattern, *arguments in (
                (COULD_NOT, "library/none", "scan", f"{self.server.address}/library/none:v1"), (COULD_NOT, ".", "why", f"{self.server.address}/library/none:v1"),
                (COULD_NOT, ".", "pull", f"{self.server.address}/library/ssh:none", "/tmp/never")):
            done = self.run_at(*arguments)
            self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
            self.assertRegex(done.stderr, pattern)
        wrong = harness.bulwark("why", name, *self.LOGIN, stdin="wrong\n")
        self.assertEqual((wrong.returncode, wrong.stdout), (COULD_NOT, ""))
        self.assertNotIn("wrong\n", wrong.stderr.replace("password", ""))


if __name__ == "__main__":
    unittest.main()
