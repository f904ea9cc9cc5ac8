"""Layers made to hurt (specs: compression-bombs, tar limits, jar in jar, worker death): a gap, bounded memory, a server that lives."""
import gzip
import io
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import zipfile

import harness
import oci

WORKER_LIMIT = 256 << 20


class Watch(threading.Thread):
    """The largest resident size of the server's workers while it runs."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.peak, self.stopping = server, 0, threading.Event()

    def run(self):
        while not self.stopping.wait(0.02):
            for pid in self.server.workers():
                try:
                    fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
                except OSError:
                    continue
                self.peak = max(self.peak, int(fields[1]) * os.sysconf("SC_PAGE_SIZE"))

    def stop(self):
        self.stopping.set()
        self.join()
        return self.peak


def tar_header(name, size, kind=b"0"):
    block = bytearray(512)
    block[:len(name)] = name
    block[100:108] = b"0000644\0"
    block[108:124] = b"0000000\0" * 2
    block[124:136] = b"%011o\0" % size if size < 8 << 30 else b"\x80\0\0\0" + size.to_bytes(8, "big")
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def bomb(gigabytes):
    """A gzip of one huge file of zeros: members of 1 GiB, each about 1 MB."""
    import zlib
    packer, member = zlib.compressobj(9, zlib.DEFLATED, 31), []
    zeros = bytes(1 << 20)
    for _ in range(1024):
        member.append(packer.compress(zeros))
    member.append(packer.flush())
    return gzip.compress(tar_header(b"zeros", gigabytes << 30), mtime=0) + b"".join(member) * gigabytes


def many_files(count, path):
    """A gzip of a tar with that many empty files."""
    with open(path, "wb") as out:
        packer = subprocess.Popen(["gzip", "-1", "-n"], stdin=subprocess.PIPE, stdout=out)
        base = bytearray(tar_header(b"d/0000000", 0))
        rest = sum(base) - sum(base[148:156]) - sum(base[2:9])
        chunk = bytearray()
        for i in range(count):
            digits = b"%07d" % i
            base[2:9] = digits
            base[148:156] = b"%06o\0 " % (rest + sum(digits) + 8 * 32)
            chunk += base
            if len(chunk) >= 1 << 22:
                packer.stdin.write(chunk)
                chunk.clear()
        packer.stdin.write(chunk + bytes(1024))
        packer.stdin.close()
        packer.wait()


def nested_jar(depth):
    data = b"PK\x05\x06" + bytes(18)
    for level in range(depth):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as jar:
            jar.writestr(f"META-INF/maven/org.example/level{level}/pom.properties", f"groupId=org.example\nartifactId=level{level}\nversion=1.{level}\n")
            jar.writestr(f"lib/inner{level}.jar", data)
        data = out.getvalue()
    return data


class Attacks(harness.Case):
    def push(self, name, image):
        """Pushes and returns (verdict of a pull, seconds, peak worker memory)."""
        watch = Watch(self.server)
        watch.start()
        begin = time.monotonic()
        status, _, body = self.admin.push(f"library/{name}", "latest", image)
        self.assertIn(status, (201, 403), body)
        verdict = self.why(f"library/{name}:latest") if status == 201 else {"decision": "deny", "reasons": [{"message": body.decode()}]}
        while verdict["decision"] == "pending" and time.monotonic() < begin + 120:
            time.sleep(0.05)
            verdict = self.why(f"library/{name}:latest")
        seconds, peak = time.monotonic() - begin, watch.stop()
        print(f"measured: {name}: {verdict['decision']} in {seconds:.1f} s, worker peak {peak >> 20} MiB, server {self.server.rss() >> 20} MiB")
        self.assertLessEqual(peak, WORKER_LIMIT)
        self.assertIsNone(self.server.process.poll())
        return verdict

    def why(self, reference):
        done = harness.bulwark("why", f"{self.server.address}/{reference}", "--format", "json", "--username", "admin", "--password-stdin",
                               stdin=harness.PASSWORD + "\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def assertNotFullyScanned(self, name, verdict, word):
        self.assertEqual(verdict["decision"], "deny", verdict)
        self.assertIn("not fully scanned", json.dumps(verdict["reasons"]))
        gaps = self.report(f"library/{name}", "latest")["gaps"]
        self.assertTrue(any(word in gap["reason"] and gap["kind"] == "blind" for gap in gaps), gaps)

    def image_of(self, blob):
        image = oci.Image([{"etc/os-release": oci.DEBIAN_12}])
        manifest = json.loads(image.manifest)
        manifest["layers"].append(image.add(blob, oci.LAYER))
        config = json.loads(image.blobs[manifest["config"]["digest"]])
        config["rootfs"]["diff_ids"].append("sha256:" + "0" * 64)
        manifest["config"] = image.add(json.dumps(config).encode(), oci.CONFIG)
        image.manifest = json.dumps(manifest).encode()
        image.digest = oci.digest(image.manifest)
        return image

    def test_gzip_bomb(self):
        verdict = self.push("bomb", self.image_of(bomb(100)))
        self.assertNotFullyScanned("bomb", verdict, "inflate")

    def test_three_million_files(self):
        with tempfile.NamedTemporaryFile() as file:
            many_files(3_000_000, file.name)
            verdict = self.push("many", self.image_of(pathlib.Path(file.name).read_bytes()))
        self.assertNotFullyScanned("many", verdict, "entries")

    def test_jar_in_jar(self):
        image = oci.debian_image([("base-files", "12.4+deb12u5", None, None)], {"app/deep.jar": nested_jar(50)})
        verdict = self.push("jar", image)
        self.assertIn("deep.jar", json.dumps(verdict))

    def test_dead_worker(self):
        """Workers killed in the middle of an upload: never allowed without having been read, and the next push is fine."""
        image = oci.debian_image([("base-files", "12.4+deb12u5", None, None)], {"big": os.urandom(8 << 20)})
        token = self.admin.token("library/crash", "pull,push")
        layer = max(image.blobs.values(), key=len)
        _, headers, _ = self.admin.send("POST", "/v2/library/crash/blobs/uploads/", b"", authorization=token)
        status, headers, _ = self.admin.send("PATCH", headers["location"], layer[:4 << 20], {"Content-Type": "application/octet-stream"}, token)
        self.assertEqual(status, 202)
        killed = 0
        for pid in self.server.workers():
            os.kill(pid, signal.SIGSEGV)
            killed += 1
        self.assertGreater(killed, 0)
        location = headers["location"]
        location += ("&" if "?" in location else "?") + "digest=" + oci.digest(layer)
        status, _, body = self.admin.send("PUT", location, layer[4 << 20:], {"Content-Type": "application/octet-stream"}, token)
        self.assertEqual(status, 201, body)
        status, _, body = self.admin.push("library/crash", "latest", image)
        self.assertIn(status, (201, 403), body)
        if status == 201:
            verdict = self.why("library/crash:latest")
            fully_read = verdict["decision"] in ("allow", "warn") and "base-files" in json.dumps(self.report("library/crash", image.digest))
            self.assertTrue(fully_read or verdict["decision"] in ("deny", "pending"), verdict)
        self.assertIsNone(self.server.process.poll())
        status, _, body = self.admin.push("library/after", "latest", oci.debian_image([("base-files", "12.4+deb12u5", None, None)]))
        self.assertEqual(status, 201, body)
        self.assertIn(self.why("library/after:latest")["decision"], ("allow", "warn"))
        print(f"measured: crash: {killed} workers killed in an upload, server alive, next push judged")

    def report(self, repository, digest):
        status, body = self.admin.api("GET", f"/repositories/{repository}/images/{digest}/report")
        self.assertEqual(status, 200, body)
        return body


if __name__ == "__main__":
    unittest.main()
