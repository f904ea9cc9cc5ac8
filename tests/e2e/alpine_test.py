"""Images of Alpine and Wolfi as people scan them: a layout made by hand, advisories built from a secdb file, the tracker's and EPSS's forms of our own."""
import gzip
import json
import pathlib
import shutil
import tempfile
import unittest

import harness
import oci

PASS, POLICY, COULD_NOT = 0, 1, 3  # docs/command-line.md
OS = 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME="Alpine Linux v3.19"\n'
RUNTIME = {"bin/busybox": (b"#!/bin/true\n", 0o755)}
PACKAGES = [("alpine-release", "3.19.1-r0", "alpine-base", []), ("busybox", "1.36.1-r15", "busybox", ["bin/busybox"]),
            ("libcrypto3", "3.1.4-r2", "openssl", []), ("libssl3", "3.1.4-r2", "openssl", []), ("mariadb", "10.11.6-r0", "mariadb", [])]
# The form of secdb.alpinelinux.org; the ids are ours.
SECDB = {"apkurl": "{{urlprefix}}/{{distroversion}}/{{reponame}}/{{arch}}/{{pkg.name}}-{{pkg.ver}}.apk", "archs": ["x86_64"], "reponame": "main",
         "urlprefix": "https://dl-cdn.alpinelinux.org/alpine", "distroversion": "v3.19", "packages": [
             {"pkg": {"name": "openssl", "secfixes": {"3.1.4-r5": ["CVE-2099-0001 XSA-9001"], "3.0.1-r0": ["CVE-2099-0002"], "0": ["CVE-2099-0003"]}}},
             {"pkg": {"name": "mariadb", "secfixes": {"10.2.24.r0": ["CVE-2099-0004"]}}}, {"pkg": {"name": "libssl3", "secfixes": {"9-r0": ["CVE-2099-0005"]}}}]}
EPSS = "#model_version:v2025.03.14,score_date:2026-01-02T00:00:00+0000\ncve,epss,percentile\nCVE-2099-0001,0.61000,0.98500\nCVE-2099-0002,0.99000,0.99900\n"


def installed(packages):
    """lib/apk/db/installed as apk-tools writes it: a stanza a package, then its files."""
    out = ""
    for name, version, origin, files in packages:
        out += f"C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:{name}\nV:{version}\nA:x86_64\nS:1000\nI:2000\nT:{name}\nU:https://example.org\nL:MIT\no:{origin}\n"
        out += "".join(f"F:{path.rpartition('/')[0]}\nR:{path.rpartition('/')[2]}\na:0:0:755\nZ:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" for path in files) + "\n"
    return out


def image(packages=PACKAGES, os=OS, database="lib/apk/db/installed", more=None):
    return oci.Image([{"etc/os-release": os, database: installed(packages) if isinstance(packages, list) else packages, **RUNTIME, **(more or {})}])


class Alpine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-alpine-"))
        cls.count = 0
        (cls.folder / "main.json").write_text(json.dumps(SECDB))
        with gzip.open(cls.folder / "epss_scores-current.csv.gz", "wt") as f:
            f.write(EPSS)
        cls.sources = [cls.folder / "main.json", cls.folder / "epss_scores-current.csv.gz"]
        cls.database = cls.folder / "alpine.bwa"
        cls.built = harness.bulwark("db", "build", "--out", cls.database, "--whole", "Alpine", *cls.sources)
        assert cls.built.returncode == PASS, cls.built.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def layout(self, image):
        type(self).count += 1
        return image.write_layout(self.folder / f"layout{self.count}")

    def report(self, image, *arguments, database=None):
        done = harness.bulwark("scan", self.layout(image), "--db", database or self.database, "--format", "json", *arguments, timeout=120)
        self.assertIn(done.returncode, (PASS, POLICY), done.stderr)
        return json.loads(done.stdout)

    def test_findings_with_their_fix(self):
        for path in ("lib/apk/db/installed", "usr/lib/apk/db/installed"):
            report = self.report(image(database=path))
            self.assertEqual([(p["name"], p["version"], p["source"]["name"], p["license"]) for p in report["packages"]],
                             [(name, version, origin, "MIT") for name, version, origin, _ in sorted(PACKAGES)])
            self.assertIn("pkg:apk/alpine/libssl3@3.1.4-r2?arch=x86_64&distro=alpine-v3.19&upstream=openssl", [p["purl"] for p in report["packages"]])
            self.assertEqual([(f["id"], f["aliases"], f["package"]["name"], f["package"]["source"], f["fix"]["version"], f["answer"], f["severity"]) for f in report["findings"]],
                             [("CVE-2099-0001", ["XSA-9001"], name, "openssl", "3.1.4-r5", "affected", "unknown") for name in ("libcrypto3", "libssl3")])
            self.assertEqual(report["findings"][0]["proof"]["comparison"], "3.1.4-r2 < 3.1.4-r5 (apk)")
            self.assertEqual((report["gaps"], report["summary"]["fully_scanned"], report["image"]["distribution"]), ([], True, "Alpine:v3.19"))
            self.assertEqual(report["coverage"], [{"ecosystem": "Alpine:v3.19", "data": "all", "records": None}])

    def test_fixed(self):
        report = self.report(image([(name, "3.1.4-r5" if origin == "openssl" else version, origin, files) for name, version, origin, files in PACKAGES]))
        self.assertEqual((report["findings"], report["gaps"], report["decisions"][-1]["outcome"]), ([], [], "allow"))

    def test_epss(self):
        import jsonschema
        report = self.report(image())
        jsonschema.validate(report, json.loads((harness.ROOT / "docs/report.schema.json").read_text()))
        self.assertEqual(report["findings"][0]["epss"], {"score": 0.61, "percentile": 0.985})
        layout = self.layout(image())
        for condition, code in (("epss=0.61", POLICY), ("epss=0.62", PASS), ("epss=0.5,fix=none", PASS), ("epss=2", 2)):
            done = harness.bulwark("scan", layout, "--db", self.database, "--fail-on", condition, "--policy", self.lenient(), "--format", "json")
            self.assertEqual(done.returncode, code, (condition, done.stderr))
        bom = json.loads(harness.bulwark("scan", layout, "--db", self.database, "--format", "cyclonedx").stdout)
        self.assertIn({"source": {"name": "EPSS", "url": "https://www.first.org/epss/"}, "score": 0.61, "method": "other"}, bom["vulnerabilities"][0]["ratings"])
        without = self.folder / "without.bwa"
        self.assertEqual(harness.bulwark("db", "build", "--out", without, self.sources[0]).returncode, PASS)
        self.assertIsNone(self.report(image(), database=without)["findings"][0]["epss"])
        done = harness.bulwark("scan", layout, "--db", without, "--fail-on", "epss=0", "--policy", self.lenient())
        self.assertEqual(done.returncode, PASS, done.stderr)  # unknown: no threshold is met

    def lenient(self):
        path = self.folder / "lenient.yaml"
        path.write_text("policy: lenient\nmode: warn\nrules: []\ngaps: allow\n")
        return path

    def test_data(self):
        again = self.folder / "again.bwa"
        self.assertEqual(harness.bulwark("db", "build", "--out", again, "--whole", "Alpine:v3.19", *reversed(self.sources)).returncode, PASS)
        self.assertEqual(again.read_bytes(), self.database.read_bytes())  # deterministic
        self.assertIn("all that is known of Alpine:v3.19", self.built.stderr)
        status = json.loads(harness.bulwark("db", "status", "--db", self.database).stdout)
        self.assertEqual((status["whole"], {s["name"]: s["records"] for s in status["sources"]}), (["Alpine:v3.19"], {"epss": 2, "secdb": 4}))
        choice = self.folder / "choice.bwa"
        self.assertEqual(harness.bulwark("db", "build", "--out", choice, *self.sources).returncode, PASS)
        gaps = self.report(image(), database=choice)["gaps"]
        undated = self.folder / "undated.bwa"  # secdb states no date
        self.assertIn("data of an unknown date", harness.bulwark("db", "build", "--out", undated, self.sources[0]).stderr)
        self.assertIsNone(json.loads(harness.bulwark("db", "status", "--db", undated).stdout)["age_days"])
        self.assertIn("of an unknown date", harness.bulwark("db", "status", "--db", undated, "--format", "table").stdout)
        self.assertEqual([(g["kind"], "only a choice" in g["reason"]) for g in gaps], [("partial", True)])

    def test_what_is_not_known_is_never_safe(self):
        """Another release, a rolling one, another distribution, a release that the packages contradict, and no data at all."""
        wolfi = 'ID=wolfi\nNAME="Wolfi"\nVERSION_ID="20230201"\nPRETTY_NAME="Wolfi"\n'
        for os, reason in ((OS.replace("3.19.1", "3.18.4"), "os-release says Alpine:v3.18 but alpine-release is of Alpine:v3.19"), (wolfi, "no advisory data for Wolfi"),
                           (OS.replace("3.19.1", "3.20_alpha20231219"), "no advisory data for Alpine:edge"), (OS.replace("ID=alpine", "ID=other"), "no advisory data is known for the distribution"),
                           (oci.DEBIAN_12, "the distribution is not known|no advisory data for Debian:12")):
            report = self.report(image(os=os))
            self.assertFalse(report["summary"]["fully_scanned"], os)
            self.assertRegex("\n".join(g["reason"] for g in report["gaps"] if g["kind"] == "blind"), reason)
            self.assertEqual(report["decisions"][-1]["outcome"], "deny")

    def test_corrupt_databases(self):
        good = installed(PACKAGES)
        for name, text in (("cut", good[:-30]), ("cut in a line", good[:good.index("P:libssl3") + 5]), ("no version", good.replace("V:3.1.4-r2\n", "")), ("no database", "\0" * 100),
                           ("bytes", good.replace("P:mariadb", "\x00\xff")), ("twice", good.replace("V:3.1.4-r2", "V:9-r0\nV:3.1.4-r2")), ("empty", "")):
            with self.subTest(name):
                report = self.report(image(text))
                self.assertFalse(report["summary"]["fully_scanned"])
                self.assertEqual(report["decisions"][-1]["outcome"], "deny")
        base = {"etc/os-release": OS, "lib/apk/db/installed": installed(PACKAGES), **RUNTIME}
        report = self.report(oci.Image([base, {"lib/apk/db/.wh.installed": ""}]))  # removed evidence still shows
        self.assertFalse(report["summary"]["fully_scanned"])
        self.assertEqual({f["id"] for f in report["findings"]}, {"CVE-2099-0001"})

    def test_debian_tracker(self):
        issue = lambda **release: {"scope": "local", "description": "made up", "releases": {"bookworm": {"repositories": {}, **release}, "sid": {"status": "open"}}}
        (self.folder / "tracker.json").write_text(json.dumps({"openssl": {
            "CVE-2099-0011": issue(status="resolved", fixed_version="3.0.15-1", urgency="not yet assigned"), "CVE-2099-0012": issue(status="open", urgency="unimportant"),
            "CVE-2099-0013": issue(status="open", urgency="not yet assigned", nodsa="Minor issue", nodsa_reason="ignored"), "CVE-2099-0014": issue(status="undetermined"),
            "CVE-2099-0015": issue(status="resolved", fixed_version="0"), "CVE-2099-0016": issue(status="open", urgency="end-of-life")}}))
        database = self.folder / "tracker.bwa"
        built = harness.bulwark("db", "build", "--out", database, "--whole", "Debian:12", self.folder / "tracker.json")
        self.assertEqual(built.returncode, PASS, built.stderr)
        report = self.report(oci.debian_image([("libssl3", "3.0.11-1", "openssl", None)]), database=database)
        self.assertEqual({f["id"]: (f["state"], f["answer"], f["fix"]["version"], f["severity"]) for f in report["findings"]},
                         {"CVE-2099-0011": ("fixed", "affected", "3.0.15-1", "unknown"), "CVE-2099-0012": ("open", "affected", "", "low"),
                          "CVE-2099-0013": ("ignored", "affected", "", "unknown"), "CVE-2099-0014": ("undetermined", "unknown", "", "unknown"),
                          "CVE-2099-0016": ("end_of_life", "affected", "", "unknown")})

    def test_served(self):
        """A registry with this data: what has a fix is held back, what is fixed is given out."""
        server = harness.Server("--db", self.database)
        try:
            client = server.client()
            fixed = image([(name, "3.1.4-r5" if origin == "openssl" else version, origin, files) for name, version, origin, files in PACKAGES])
            for name, pushed, want in (("library/old", image(), 403), ("library/new", fixed, 200)):
                status, _, body = client.push(name, "v1", pushed)
                self.assertEqual(status, 201, body)
                status, _, body = client.pull(name, "v1")
                self.assertEqual(status, want, body)
            self.assertIn(b"CVE-2099-0001", client.pull("library/old", "v1")[2])
        finally:
            server.close()

    # The oracle: apk-tools 3, `apk version -t`.
    VERSIONS = "1.2_rc1 < 1.2|1.2 < 1.2_p1|1.2_p1 > 1.2-r5|1.01 < 1.1|3.1.4-r9 < 3.1.4-r10|1.2a > 1.2|1.2~abc > 1.2-r1|1-r1 = 1-r01|1.2_foo ? 1.2|x ? 1"

    def test_version_compare(self):
        cases = [row.split() for row in self.VERSIONS.split("|")]
        done = harness.bulwark("version", "compare", "apk", "--stdin", stdin="".join(f"{a} {b}\n" for a, _, b in cases))
        self.assertEqual([line[0] for line in done.stdout.splitlines()], [order for _, order, _ in cases], done.stderr)
        self.assertEqual(harness.bulwark("version", "compare", "alpine", "1-r1", "1-r2").stdout, "<\n")


if __name__ == "__main__":
    unittest.main()
