"""Promise: last layer byte received to verdict stored, p99 <= 100 ms; push wall time <= 1.1x the same without analysis.

Pushes BENCH_PUSHES images (100) by BENCH_CLIENTS clients (8) at once, each a real image (BENCH_IMAGE: an OCI layout with
one layer, else a small Debian made here) whose layer is made unlike every other's, sent at BENCH_MBIT (1000) megabits a
second for all clients together. Measured by the client: from the last byte of the layer sent to the answer of the
manifest PUT, which the server gives only when the verdict is stored; the config blob's upload is in it.
"""
import hashlib
import json
import mmap
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from measure import ROOT, row

sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402
import oci  # noqa: E402

PUSHES = int(os.environ.get("BENCH_PUSHES", 100))
CLIENTS = int(os.environ.get("BENCH_CLIENTS", 8))
RATE = float(os.environ.get("BENCH_MBIT", 1000)) * 1e6 / 8


class Pace:
    """One link that all clients share."""

    def __init__(self, rate):
        self.rate, self.free, self.lock = rate, time.monotonic(), threading.Lock()

    def wait(self, size):
        if not self.rate:
            return
        with self.lock:
            self.free = max(self.free, time.monotonic()) + size / self.rate
            until = self.free
        time.sleep(max(0, until - time.monotonic()))


def layer_of(layout):
    blobs = layout / "blobs/sha256"
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"].split(":")[1]
    return blobs / json.loads((blobs / manifest).read_text())["layers"][0]["digest"].split(":")[1]


def variants(layer, plain, count):
    """(first gzip member, digest of the blob, diff_id): a file of its own in front of the same layer."""
    packed = hashlib.sha256()
    out = []
    with open(layer, "rb") as f, open(plain, "rb") as g:
        blob, tar = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ), mmap.mmap(g.fileno(), 0, access=mmap.ACCESS_READ)
        for i in range(count):
            entry = oci.tar({f"variant-{i}-{time.time_ns()}": os.urandom(64)})[:1024]
            import gzip
            member = gzip.compress(entry, mtime=0)
            packed, whole = hashlib.sha256(member), hashlib.sha256(entry)
            packed.update(blob)
            whole.update(tar)
            out.append((member, "sha256:" + packed.hexdigest(), "sha256:" + whole.hexdigest()))
    return out


def send_layer(client, repository, token, member, layer, digest, pace):
    """One streamed PUT; returns the time at which the last byte was handed to the kernel."""
    _, headers, _ = client.send("POST", f"/v2/{repository}/blobs/uploads/", b"", authorization=token)
    location = headers["location"] + ("&" if "?" in headers["location"] else "?") + "digest=" + digest
    host, port = client.address.split(":")
    with socket.create_connection((host, int(port))) as s, open(layer, "rb") as f:
        size = len(member) + os.path.getsize(layer)
        s.sendall(f"PUT {location} HTTP/1.1\r\nHost: {client.address}\r\nAuthorization: {token}\r\nContent-Type: application/octet-stream\r\n"
                  f"Content-Length: {size}\r\nConnection: close\r\n\r\n".encode() + member)
        while chunk := f.read(1 << 18):
            pace.wait(len(chunk))
            s.sendall(chunk)
        last = time.monotonic()
        answer = s.recv(4096)
        if b" 201 " not in answer[:20]:
            raise RuntimeError(answer[:400])
    return last


def push(server, index, variant, layer, pace, times):
    member, digest, diff = variant
    client = server.client()
    repository = f"library/bench-{index}"
    token = client.token(repository, "pull,push")
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff]}, "config": {}}).encode()
    client.push_blob(repository, config, token)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": oci.MANIFEST,
                           "config": {"mediaType": oci.CONFIG, "digest": oci.digest(config), "size": len(config)},
                           "layers": [{"mediaType": oci.LAYER, "digest": digest, "size": len(member) + os.path.getsize(layer)}]}).encode()
    begin = time.monotonic()
    last = send_layer(client, repository, token, member, layer, digest, pace)
    received = time.monotonic()
    status, _, body = client.put_manifest(repository, "v1", manifest, token=token)
    done = time.monotonic()
    if status != 201:
        raise RuntimeError(f"{status} {body[:300]}")
    verdict = client.api("GET", f"/repositories/{repository}/images/v1/why")[1]
    times.append((done - last, received - last, done - begin, verdict["decision"], verdict["state"]))


def main():
    layout = pathlib.Path(os.environ.get("BENCH_IMAGE", ROOT / "build/test-images/small"))
    if not layout.exists():
        layout.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([ROOT / "tools/make-image", layout, "--with", "nginx-light,openssh-server,python3-minimal,perl-base"], check=True, stdin=subprocess.DEVNULL)
    layer = layer_of(layout)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        plain = pathlib.Path(folder) / "layer.tar"
        with open(plain, "wb") as out:
            subprocess.run(["gzip", "-dc", layer], stdout=out, check=True)
        print(f"  layer {layer.stat().st_size / 1e6:.0f} MB gzip, {plain.stat().st_size / 1e6:.0f} MB inflated; {PUSHES} pushes, {CLIENTS} at once, {RATE * 8 / 1e6:.0f} Mbit/s together")
        todo = list(enumerate(variants(layer, plain, PUSHES)))
        plain.unlink()
        server, pace, times, lock, failures = harness.Server(), Pace(RATE), [], threading.Lock(), []
        try:
            def work():
                while True:
                    with lock:
                        if not todo or failures:
                            return
                        index, variant = todo.pop()
                    try:
                        push(server, index, variant, layer, pace, times)
                    except Exception as error:  # told below
                        failures.append(error)
            begin = time.monotonic()
            threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
            [t.start() for t in threads]
            [t.join() for t in threads]
            wall = time.monotonic() - begin
            if failures:
                raise SystemExit(f"  failed: {failures[0]}")
            latency = sorted(t[0] * 1000 for t in times)
            row("last layer byte -> verdict stored", f"p50 {statistics.median(latency):.0f} ms", f"p99 {latency[min(len(latency) - 1, int(len(latency) * 0.99))]:.0f} ms, max {latency[-1]:.0f} ms (promise: p99 <= 100)")
            row("of that: blob durable", f"p50 {statistics.median(t[1] * 1000 for t in times):.0f} ms")
            row("wall time", f"{wall:.1f} s", f"the link alone: {PUSHES * layer.stat().st_size / RATE:.1f} s" if RATE else "")
            decisions = {(t[3], t[4]) for t in times}
            row("verdicts", str(sorted(decisions)), f"server {server.rss() / 2**20:.0f} MiB")
        finally:
            server.close()


main()
