"""A real Debian image: packages equal dpkg-query's, findings equal what dpkg --compare-versions says over the facts.

The oracle of both is dpkg itself. Small by default; BULWARK_FULL_TESTS makes the image of a whole web service.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import harness

SMALL = "nginx-light,openssh-server,python3-minimal,perl-base"
FULL = "nginx,openssh-server,postgresql,redis-server,default-jdk-headless,php,ruby,python3-pip,git"
CACHE = harness.ROOT / "build/test-images"


def image(name, packages):
    """An OCI layout made by tools/make-image; kept in build/ for the next run."""
    CACHE.mkdir(parents=True, exist_ok=True)
    layout = CACHE / name
    if not layout.exists():
        subprocess.run([harness.ROOT / "tools/make-image", layout, "--with", packages], check=True, stdin=subprocess.DEVNULL)
    return layout


def facts_file(folder):
    """The Debian facts: of ../shared if it is there, else this project's starter data in the same form."""
    out = pathlib.Path(folder) / "facts.jsonl"
    packed = harness.SHARED / "vulndata/debian-security-facts.jsonl.zst"
    if not packed.exists():
        return None
    with open(out, "wb") as f:
        subprocess.run(["zstd", "-dcq", packed], stdout=f, check=True)
    return out


@harness.needs("mmdebstrap", "dpkg-query", "zstd")
class RealImage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        full = bool(os.environ.get("BULWARK_FULL_TESTS"))
        cls.layout = image("service" if full else "small", FULL if full else SMALL)
        cls.folder = tempfile.mkdtemp(prefix="bulwark-image-")
        manifest = json.loads((cls.layout / "index.json").read_text())["manifests"][0]["digest"].split(":")[1]
        layer = json.loads((cls.layout / "blobs/sha256" / manifest).read_text())["layers"][0]["digest"].split(":")[1]
        cls.admindir = pathlib.Path(cls.folder) / "dpkg"
        (cls.admindir / "updates").mkdir(parents=True)
        (cls.admindir / "info").mkdir()
        with tarfile.open(cls.layout / "blobs/sha256" / layer) as tar:
            for member in tar:
                if member.name.lstrip("./") == "var/lib/dpkg/status":
                    (cls.admindir / "status").write_bytes(tar.extractfile(member).read())
                    break

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def query(self, form):
        done = subprocess.run(["dpkg-query", f"--admindir={self.admindir}", "-W", "-f", "${db:Status-Status}\t" + form + "\n"],
                              capture_output=True, text=True, check=True)
        return sorted(line.split("\t", 1)[1] for line in done.stdout.splitlines() if line.startswith("installed\t"))

    def scan(self, *arguments):
        done = harness.bulwark("scan", self.layout, "--offline", "--format", "json", *arguments)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return json.loads(done.stdout)

    def test_packages_equal_dpkg_query(self):
        report = self.scan()
        ours = sorted(f'{p["name"]}\t{p["version"]}\t{p["arch"]}\t{p["source"]["name"]}\t{p["source"]["version"]}'
                      for p in report["packages"] if p["ecosystem"] == "deb")
        theirs = self.query("${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}")
        self.assertGreater(len(theirs), 50)
        self.assertEqual(ours, theirs)
        print(f"measured: {len(theirs)} packages equal dpkg-query")

    def test_findings_equal_the_oracle(self):
        facts = facts_file(self.folder)
        if facts is None:
            self.skipTest("needs ../shared/vulndata (absent in a user's clone)")
        database = pathlib.Path(self.folder) / "facts.bw"
        built = harness.bulwark("db", "build", "--out", database, facts)
        self.assertEqual(built.returncode, 0, built.stderr)
        report = self.scan("--db", database)
        ours = {(f["id"], f["package"]["name"], f["fix"]["version"]) for f in report["findings"] if f["package"]["ecosystem"] == "deb"}
        packages = "\n".join(self.query("${Package}\t${Version}\t${source:Package}\t${source:Version}\t${db:Status-Abbrev}")) + "\n"
        oracle = subprocess.run(["python3", harness.ROOT / "tests/tools/debian_oracle.py", facts, "Debian:12"], input=packages,
                                capture_output=True, text=True)
        self.assertEqual(oracle.returncode, 0, oracle.stderr)
        theirs = set()
        for line in oracle.stdout.splitlines():
            cve, _, _, fixed, binaries = line.split("\t")
            theirs |= {(cve, binary, fixed) for binary in binaries.split(",")}
        self.assertGreater(len(theirs), 20)
        print(f"measured: findings {len(ours)}, oracle {len(theirs)}, missing {len(theirs - ours)}, extra {len(ours - theirs)}")
        self.assertEqual(theirs - ours, set())
        self.assertEqual(ours - theirs, set())

    def test_equal_inputs_give_equal_bytes(self):
        first, second = (harness.bulwark("scan", self.layout, "--offline", "--format", f).stdout for f in ("json", "json"))
        self.assertEqual(first, second)
        self.assertTrue(first)
        first, second = (harness.bulwark("scan", self.layout, "--offline", "--format", f).stdout for f in ("cyclonedx", "cyclonedx"))
        self.assertEqual(first, second)


if __name__ == "__main__":
    unittest.main()
