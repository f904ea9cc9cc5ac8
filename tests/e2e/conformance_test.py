"""The conformance suite of the OCI distribution specification, every API and every kind of data switched on (Go needed).

The suite pushes random bytes as layers, so the gate is open: what is tested is the protocol."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import harness

MODULE = "github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111"
SUITE = harness.ROOT / "build/conformance/conformance"
SWITCHES = """
API_PING API_PULL API_PUSH API_BLOBS_ATOMIC API_BLOBS_DELETE API_BLOBS_DIGEST_HEADER API_BLOBS_MOUNT_ANONYMOUS API_BLOBS_UPLOAD_CANCEL
API_MANIFESTS_ATOMIC API_MANIFESTS_DELETE API_MANIFESTS_DIGEST_HEADER API_MANIFESTS_TAG_PARAM API_TAGS_ATOMIC API_TAGS_DELETE
API_TAGS_LIST API_REFERRER DATA_IMAGE DATA_INDEX DATA_INDEX_LIST DATA_SPARSE DATA_ARTIFACT DATA_SUBJECT DATA_SUBJECT_MISSING
DATA_ARTIFACT_LIST DATA_SUBJECT_LIST DATA_DATA_FIELD DATA_NONDISTRIBUTABLE DATA_CUSTOM_FIELDS DATA_NO_LAYERS DATA_EMPTY_BLOB DATA_SHA512
""".split()
OPEN = """\
registry: {sparse: all}
policies:
  - policy: default
    applies_to: {repositories: ["**"]}
    mode: warn
    rules: []
    unscanned: allow
    unscannable: {image: allow, artifact: allow}
    gaps: allow
"""


def install_suite():
    if SUITE.exists():
        return
    if not shutil.which("go"):
        raise unittest.SkipTest("no Go here")
    got = subprocess.run(["go", "install", MODULE], env={**os.environ, "GOBIN": str(SUITE.parent)}, capture_output=True, text=True)
    if got.returncode != 0:
        raise unittest.SkipTest("the suite is not to be had: " + got.stderr.strip()[-200:])


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install_suite()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-conformance-"))
        (cls.folder / "bulwark.yaml").write_text(OPEN)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def run_suite(self, version):
        server = harness.Server("--config", self.folder / "bulwark.yaml")
        self.addCleanup(server.close)
        status, body = server.client().api("POST", "/projects", {"name": "conformance"})
        self.assertEqual(status, 201, body)
        results = self.folder / version
        results.mkdir()
        ran = subprocess.run([str(SUITE)], cwd=results, capture_output=True, text=True, timeout=300, env={
            **os.environ, **{"OCI_" + switch: "true" for switch in SWITCHES}, "OCI_VERSION": version, "OCI_REGISTRY": server.address,
            "OCI_TLS": "disabled", "OCI_USERNAME": "admin", "OCI_PASSWORD": harness.PASSWORD, "OCI_LOG": "warn"})
        suite = next(ElementTree.parse(results / "results/junit.xml").getroot().iter("testsuite"))
        failed = [case.get("name") for case in suite.iter("testcase") if case.get("status") != "passed"]
        counts = {what: int(suite.get(what) or 0) for what in ("tests", "failures", "errors", "skipped", "disabled")}
        print(f"measured: OCI conformance {version}:", ", ".join(f"{counts[what]} {what}" for what in counts))
        self.assertEqual(failed, [], ran.stdout[-4000:])
        self.assertEqual(ran.returncode, 0, ran.stdout[-4000:])
        self.assertGreater(counts["tests"], 1000)  # every switch was known to it
        self.assertEqual({what: n for what, n in counts.items() if what != "tests" and n}, {})

    def test_version_1_1(self):
        self.run_suite("1.1")

    def test_development_version(self):
        self.run_suite("dev")


if __name__ == "__main__":
    unittest.main()
