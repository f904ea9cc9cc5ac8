"""Images made to be misread (../shared/specs/attacks.md: tar and gzip tricks, zip truths, removed evidence, lies of descriptors).

One row a kind: what the image is, and what must come out. `found`: the vulnerable package and its finding are there. `gap`: the image is
not fully scanned and refused, the reason matches. A row may ask for both. The oracle of what is there is what a container runtime unpacks."""
import concurrent.futures
import gzip
import io
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest
import zipfile

import harness
import oci

STATUS, RELEASE = "var/lib/dpkg/status", "etc/os-release"
CURL = oci.dpkg_status([("curl", "7.88.1-10+deb12u1", None, None)])
BASH = oci.dpkg_status([("bash", "5.2.15-2", None, None)])
BASE = {RELEASE: oci.DEBIAN_12, STATUS: CURL}
FULL = oci.tar(BASE)


def body(data):
    """A tar without its end."""
    while data[-512:] == bytes(512):
        data = data[:-512]
    return data


def stored(blob, plain=FULL):
    """An image whose only layer is stored as `blob`; its config says that `plain` is inside."""
    image = oci.Image([plain])
    manifest = json.loads(image.manifest)
    image.blobs.pop(manifest["layers"][0]["digest"])
    manifest["layers"][0] = image.add(blob, oci.LAYER)
    image.manifest = json.dumps(manifest).encode()
    image.digest = oci.digest(image.manifest)
    return image


def flipped(data, at):
    data = bytearray(data)
    data[at] ^= 1
    return bytes(data)


def entry(name, kind=tarfile.REGTYPE, link="", data=b""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def jar(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


LOG4J = {"META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties":
         "groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.14.1\n"}
NODE = "app/node_modules/lodash/package.json"
LODASH = '{"name":"lodash","version":"4.17.0"}'
ZSTD = lambda data, *a: subprocess.run(["zstd", "-qc", *a], input=data, capture_output=True, check=True).stdout
SKIP = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"

# (name, image, package found or None, pattern of a blind gap or None)
ROWS = [
    ("plain", lambda: oci.Image([BASE]), "curl", None),
    ("status in other case, blanks and folds", lambda: oci.Image([{**BASE, STATUS: CURL.replace("Status: install ok", "STATUS:INSTALL\tok\n ")}]), "curl", None),
    ("carriage returns", lambda: oci.Image([{**BASE, STATUS: CURL.replace("\n", "\r\n")}]), "curl", None),
    ("Status twice", lambda: oci.Image([{**BASE, STATUS: CURL.replace("Arch", "status: deinstall ok config-files\nArch")}]), "curl", "twice"),
    ("no Status", lambda: oci.Image([{**BASE, STATUS: CURL.replace("Status", "X")}]), None, "without a status"),
    ("NUL before the database", lambda: oci.Image([{**BASE, STATUS: "\0" + CURL}]), None, "line 1"),
    ("field of 30 MB", lambda: oci.Image([{**BASE, STATUS: CURL + "Description: " + "x" * 30_000_000 + "\n"}]), "curl", None),
    ("more packages than a layer may have", lambda: oci.Image([{**BASE, STATUS: CURL + "\n" + "".join(f"Package: p{i}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n" for i in range(200000))}]), "curl", "not all are listed"),
    ("no os-release", lambda: oci.Image([{STATUS: CURL}]), None, "distribution"),
    ("os-release from the host", lambda: oci.Image([{RELEASE: ("link", "/proc/version"), STATUS: CURL}]), None, "distribution"),
    ("os-release of the future", lambda: oci.Image([{RELEASE: oci.DEBIAN_12.replace('"12"', "99"), STATUS: CURL}]), None, "Debian:99"),
    ("usual link of os-release", lambda: oci.Image([{RELEASE: ("link", "../usr/lib/os-release"), "usr/lib/os-release": oci.DEBIAN_12, STATUS: CURL}]), "curl", None),
    ("database whited out", lambda: oci.Image([BASE, {"var/lib/dpkg/.wh.status": ""}]), "curl", "evidence removed"),
    ("database emptied", lambda: oci.Image([BASE, {STATUS: ""}]), "curl", "evidence removed"),
    ("database behind a link of another layer", lambda: oci.Image([{RELEASE: oci.DEBIAN_12, "var/lib/dpkg": ("link", "../../opt/d")}, {"opt/d/status": CURL}]), "curl", None),
    ("target first, then the link", lambda: oci.Image([{RELEASE: oci.DEBIAN_12, "opt/d/status": CURL}, {"var/lib/dpkg": ("link", "/opt/d")}]), "curl", None),
    ("opaque directory, then recreated", lambda: oci.Image([{**BASE, STATUS: BASH}, {"var/lib/dpkg/.wh..wh..opq": "", STATUS: CURL}]), "curl", None),
    ("name with ..", lambda: oci.Image([{RELEASE: oci.DEBIAN_12, "./../../" + STATUS: CURL}]), "curl", None),
    ("absolute name", lambda: oci.Image([{RELEASE: oci.DEBIAN_12, "/" + STATUS: CURL}]), "curl", None),
    ("the last of equal names counts", lambda: oci.Image([body(oci.tar({RELEASE: oci.DEBIAN_12, STATUS: BASH})) + oci.tar({STATUS: CURL})]), "curl", None),
    ("hard link to the database", lambda: oci.Image([body(oci.tar({RELEASE: oci.DEBIAN_12, "opt/s": CURL})) + entry(STATUS, tarfile.LNKTYPE, "opt/s") + bytes(1024)]), "curl", None),
    ("hard links in a circle", lambda: oci.Image([body(oci.tar({RELEASE: oci.DEBIAN_12})) + entry(STATUS, tarfile.LNKTYPE, "a") + entry("a", tarfile.LNKTYPE, STATUS) + bytes(1024)]), None, "."),
    ("symbolic links in a circle", lambda: oci.Image([{RELEASE: oci.DEBIAN_12, STATUS: ("link", "a"), "var/lib/dpkg/a": ("link", "status")}]), None, "."),
    ("hard link to the host", lambda: oci.Image([body(oci.tar({RELEASE: oci.DEBIAN_12})) + entry(STATUS, tarfile.LNKTYPE, "../../../" + "var/lib/dpkg/status") + bytes(1024)]), None, "."),
    ("two tars joined", lambda: oci.Image([oci.tar({RELEASE: oci.DEBIAN_12}) + oci.tar({STATUS: CURL})]), None, "end of the tar"),
    ("one zero block in the middle", lambda: oci.Image([body(oci.tar({RELEASE: oci.DEBIAN_12})) + bytes(512) + oci.tar({STATUS: CURL})]), None, "zero block"),
    ("size of 2^62", lambda: oci.Image([body(FULL) + entry("big")[:124] + b"\x80\0\0\0\x40" + bytes(7) + entry("big")[136:]]), None, "."),
    ("gzip in two members", lambda: stored(gzip.compress(FULL[:700]) + gzip.compress(FULL[700:])), "curl", None),
    ("empty members and zeros", lambda: stored(gzip.compress(b"") + gzip.compress(FULL) + gzip.compress(b"") + bytes(100)), "curl", None),
    ("garbage after gzip", lambda: stored(gzip.compress(FULL) + b"garbage"), "curl", "no gzip member"),
    ("wrong CRC", lambda: stored(flipped(gzip.compress(FULL), -6)), None, "CRC"),
    ("wrong length", lambda: stored(flipped(gzip.compress(FULL), -2)), None, "ISIZE"),
    ("cut gzip", lambda: stored(gzip.compress(FULL)[:-20]), None, "truncated"),
    ("zstd frames and skippable ones", lambda: stored(SKIP + ZSTD(FULL[:700]) + SKIP + ZSTD(FULL[700:]) + SKIP), "curl", None),
    ("zstd window of 2 GB", lambda: stored(ZSTD(FULL, "--ultra", "-22", "--long=31")), None, "memory|window"),
    ("junk after zstd", lambda: stored(ZSTD(FULL) + b"junk"), None, "zstd"),
    ("other content than the config says", lambda: stored(gzip.compress(FULL), oci.tar({"a": "b"})), "curl", "diff_id"),
    ("package.json 100,000 deep", lambda: oci.Image([{**BASE, NODE: '{"name":"lodash","version":"4.17.0","x":' + "[" * 100000 + "]" * 100000 + "}"}]), "curl", None),
    ("package.json with a mark", lambda: oci.Image([{**BASE, NODE: "\ufeff" + LODASH}]), "lodash", None),
    ("jar in jar", lambda: oci.Image([{**BASE, "app/a.jar": jar({"lib/b.jar": jar({"lib/c.jar": jar(LOG4J)})})}]), "log4j-core", None),
    ("jar behind other bytes", lambda: oci.Image([{**BASE, "app/a.jar": b"#!/bin/sh\nexec java -jar $0\n" + jar(LOG4J)}]), "log4j-core", None),
]


class HostileImages(unittest.TestCase):
    def scan(self, row):
        folder = pathlib.Path(self.folder) / str(ROWS.index(row))
        return harness.bulwark("scan", row[1]().write_layout(folder), "--offline", "--format", "json", timeout=60)

    def test_rows(self):
        self.folder = tempfile.mkdtemp(prefix="bulwark-hostile-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(self.scan, ROWS))
        for (name, _, found, gap), done in zip(ROWS, answers):
            with self.subTest(name):
                self.assertEqual(done.returncode, 1, done.stderr)  # denied: by the finding, or as not fully scanned
                report = json.loads(done.stdout)
                if found:
                    self.assertIn(found, {f["package"]["name"].split(":")[-1] for f in report["findings"]}, report["gaps"])
                blind = [g["reason"] for g in report["gaps"] if g["kind"] == "blind"]
                self.assertEqual(report["summary"]["fully_scanned"], gap is None, report["gaps"])
                if gap:
                    self.assertRegex("\n".join(blind), gap)
        print(f"measured: {len(ROWS)} hostile images")


if __name__ == "__main__":
    unittest.main()
