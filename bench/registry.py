"""Promises: manifest GET with token, gate and pull audit >= 0.9x nginx serving a file and 4x the best Go registry at hand;
blob GET, plain and TLS, >= 0.9x nginx; blob PUT >= 0.8x of receive + SHA-256 + write on one core; memory; start with 1 M tags.

Everything on loopback, client and server on the same processors. Rivals in the same run where they are installed (Debian: wrk
nginx-light docker-registry). BENCH_SECONDS (5) a row, BENCH_ROWS=word[,word] only those rows."""
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from measure import ROOT, row, tree_rss

sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402
import oci  # noqa: E402

SECONDS = int(os.environ.get("BENCH_SECONDS", 5))
ONLY = [word for word in os.environ.get("BENCH_ROWS", "").split(",") if word]
BLOB = 100 << 20
REPOSITORY = "library/bench"


def wanted(word):
    return not ONLY or word in ONLY


def start(command, port, log):
    process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"  {command[0]} did not start")


def wrk(url, connections, *headers):
    """(requests/s, bytes/s, p99 in ms)"""
    out = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{SECONDS}s", "--latency", *[x for h in headers for x in ("-H", h)], url],
                         capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Requests/sec" not in out:
        raise SystemExit(f"  {url}: {out}")
    unit = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "us": 1e-3, "ms": 1, "s": 1e3}
    number = lambda pattern: (lambda m: float(m[1]) * unit[m[2]])(re.search(pattern, out))  # noqa: E731
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), number(r"Transfer/sec:\s+([\d.]+)([KMG]?B)"), number(r"99%\s+([\d.]+)(us|ms|s)")


class Nginx:
    def __init__(self, folder, files):
        """Serves files by name; fsync does not arise."""
        self.plain, self.tls = harness.free_port(), harness.free_port()
        (folder / "www").mkdir()
        for name, data in files.items():
            (folder / "www" / name).write_bytes(data)
        (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=100; root {folder}/www;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{self.plain}; listen 127.0.0.1:{self.tls} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; }} }}""")
        folder.chmod(0o755)
        self.process = start(["nginx", "-c", folder / "nginx.conf"], self.plain, subprocess.DEVNULL)


class DockerRegistry:
    """Debian's docker-registry (Distribution 2.8): no log-in, files; it never calls fsync."""

    def __init__(self, folder):
        self.port = harness.free_port()
        (folder / "registry.yml").write_text(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}, delete: {{enabled: true}}}}\n"
                                             f"http: {{addr: 127.0.0.1:{self.port}}}\n")
        self.process = start(["docker-registry", "serve", folder / "registry.yml"], self.port, subprocess.DEVNULL)

    def put(self, method, path, body, kind="application/octet-stream"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 300:
            raise SystemExit(f"  docker-registry: {answer.status} {path}")
        return answer.headers.get("Location")

    def push(self, blobs, manifest):
        for blob in blobs:
            at = self.put("POST", f"/v2/{REPOSITORY}/blobs/uploads/", b"").split(str(self.port), 1)[1]
            self.put("PUT", at + "&digest=" + oci.digest(blob), blob)
        self.put("PUT", f"/v2/{REPOSITORY}/manifests/v1", manifest, oci.MANIFEST)


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}x" if theirs else "-"


def gets(server, nginx, docker, blob):
    pull = lambda s: "Authorization: " + s.client().token(REPOSITORY, "pull")  # noqa: E731
    if wanted("manifest"):
        ours = wrk(f"http://{server.address}/v2/{REPOSITORY}/manifests/v1", 32, pull(server))
        file = wrk(f"http://127.0.0.1:{nginx.plain}/manifest", 32)[0] if nginx else 0
        other = wrk(f"http://127.0.0.1:{docker.port}/v2/{REPOSITORY}/manifests/v1", 32, "Accept: " + oci.MANIFEST)[0] if docker else 0
        row("manifest GET, 32 connections", f"{ours[0]:,.0f}/s, p99 {ours[2]:.2f} ms", f"nginx {file:,.0f} ({ratio(ours[0], file)}), docker-registry {other:,.0f} ({ratio(ours[0], other)})")
    if wanted("tls"):
        ours = wrk(f"https://{server.tls}/v2/{REPOSITORY}/manifests/v1", 32, pull(server))
        file = wrk(f"https://127.0.0.1:{nginx.tls}/manifest", 32)[0] if nginx else 0
        row("manifest GET, TLS", f"{ours[0]:,.0f}/s, p99 {ours[2]:.2f} ms", f"nginx {file:,.0f} ({ratio(ours[0], file)})")
    if wanted("blob"):
        path = f"/v2/{REPOSITORY}/blobs/{blob}"
        ours = wrk(f"http://{server.address}{path}", 2, pull(server))[1]
        file = wrk(f"http://127.0.0.1:{nginx.plain}/blob", 2)[1] if nginx else 0
        other = wrk(f"http://127.0.0.1:{docker.port}{path}", 2)[1] if docker else 0
        row("blob GET, 100 MiB, 2 connections", f"{ours / 1e9:.2f} GB/s", f"nginx {file / 1e9:.2f} ({ratio(ours, file)}), docker-registry {other / 1e9:.2f} ({ratio(ours, other)})")
        ours = wrk(f"https://{server.tls}{path}", 2, pull(server))[1]
        file = wrk(f"https://127.0.0.1:{nginx.tls}/blob", 2)[1] if nginx else 0
        row("blob GET, TLS", f"{ours / 1e9:.2f} GB/s", f"nginx {file / 1e9:.2f} ({ratio(ours, file)})")


class Plain:
    """Receive + SHA-256 + write + fdatasync of each body into a file of its own, in a process of its own: what a PUT
    cannot do without."""

    CODE = """
import hashlib, os, socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
buffer, files = memoryview(bytearray(1 << 18)), 0
while True:
    client, _ = listening.accept()
    left, sha, out = int.from_bytes(client.recv(8, socket.MSG_WAITALL), "big"), hashlib.sha256(), os.open(sys.argv[2] + str(files), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    files += 1
    while left:
        n = client.recv_into(buffer)
        if not n: break
        sha.update(buffer[:n]); os.write(out, buffer[:n]); left -= n
    os.fdatasync(out); os.close(out)
    if sha.digest(): client.send(b"done")
    client.close()
"""

    def __init__(self, folder):
        self.port = harness.free_port()
        self.process = start([sys.executable, "-c", self.CODE, self.port, folder / "plain"], self.port, subprocess.DEVNULL)

    def send(self, blob):
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.sendall(len(blob).to_bytes(8, "big"))
            s.sendall(blob)
            assert s.recv(4) == b"done"


def forget(folder):
    """Gives the page cache of the large files back, so that each writer finds memory. A virtual machine that gives free memory
    back to its host pays for each new page, and would be measured instead (0.3 GB/s, whoever writes)."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size >= BLOB:
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def puts(server, docker, folder):
    blobs = [os.urandom(1 << 10) + bytes(i % 251 for i in range(1 << 10)) * 131071 for _ in range(5)]  # 128 MiB, unlike each other
    client = server.client()
    token = client.token("library/put", "pull,push")
    plain = Plain(folder)

    def ours(blob):
        _, headers, _ = client.send("POST", "/v2/library/put/blobs/uploads/", b"", authorization=token)
        location = headers["location"] + ("&" if "?" in headers["location"] else "?") + "digest=" + oci.digest(blob)
        begin = time.monotonic()
        connection = http.client.HTTPConnection(*server.address.split(":"))
        connection.request("PUT", location, blob, {"Authorization": token, "Content-Type": "application/octet-stream"})
        assert connection.getresponse().status == 201
        return time.monotonic() - begin

    def theirs(blob):
        at = docker.put("POST", "/v2/put/blobs/uploads/", b"").split(str(docker.port), 1)[1] + "&digest=" + oci.digest(blob)
        begin = time.monotonic()
        docker.put("PUT", at, blob)
        return time.monotonic() - begin

    def bare(blob):
        begin = time.monotonic()
        plain.send(blob)
        return time.monotonic() - begin

    speeds = {"ours": [], "bare": [], **({"docker": []} if docker else {})}
    for blob in blobs:  # in turn, so that all meet the same machine
        for name, send in (("ours", ours), ("bare", bare), ("docker", theirs)):
            if name in speeds:
                forget(folder)
                speeds[name].append(len(blob) / send(blob) / 1e9)
    speed = {name: statistics.median(values) for name, values in speeds.items()}
    plain.process.kill()
    row("blob PUT, 128 MiB", f"{speed['ours']:.2f} GB/s", f"receive + SHA-256 + write {speed['bare']:.2f} ({ratio(speed['ours'], speed['bare'])}), docker-registry, no fsync, {speed.get('docker', 0):.2f}")


NUMBERS = iter(range(10 ** 9))  # of manifests and tags pushed, whoever does


def put_manifests(port, authorization, blobs):
    """Manifests a second, by 8 clients: each with an annotation of its own and a tag of its own."""
    config, layer = blobs
    lock, done, end = threading.Lock(), [], time.monotonic() + SECONDS

    def manifest(i):
        return json.dumps({"schemaVersion": 2, "mediaType": oci.MANIFEST, "annotations": {"n": str(i)},
                           "config": {"mediaType": oci.CONFIG, "digest": oci.digest(config), "size": len(config)},
                           "layers": [{"mediaType": oci.LAYER, "digest": oci.digest(layer), "size": len(layer)}]}).encode()

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.monotonic() < end:
            with lock:
                i = next(NUMBERS)
            connection.request("PUT", f"/v2/{REPOSITORY}/manifests/t{i}", manifest(i), {"Content-Type": oci.MANIFEST, **authorization})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201, answer.status
            done.append(i)
    threads = [threading.Thread(target=work) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return len(done) / SECONDS


def port_of(server):
    return int(server.address.split(":")[1])


def manifest_puts(server, docker, blobs):
    ours = put_manifests(port_of(server), {"Authorization": server.client().token(REPOSITORY, "pull,push")}, blobs)
    other = put_manifests(docker.port, {}, blobs) if docker else 0
    row("manifest PUT, durable, 8 clients", f"{ours:,.0f}/s", f"docker-registry, no fsync, {other:,.0f} ({ratio(ours, other)})")


def mixed(server, docker, blobs, blob):
    """8 clients push manifests while 16 connections pull a manifest and 2 a blob of 100 MiB."""
    def at_once(port, push, pull):
        got = {}
        load = {"put": lambda: put_manifests(port, push, blobs),
                "get": lambda: wrk(f"http://127.0.0.1:{port}/v2/{REPOSITORY}/manifests/v1", 16, *pull),
                "blob": lambda: wrk(f"http://127.0.0.1:{port}/v2/{REPOSITORY}/blobs/{blob}", 2, *pull)}
        threads = [threading.Thread(target=lambda name=name, run=run: got.update({name: run()})) for name, run in load.items()]
        [t.start() for t in threads]
        [t.join() for t in threads]
        return f"{got['put']:,.0f} PUT/s, {got['get'][0]:,.0f} GET/s (p99 {got['get'][2]:.1f} ms), {got['blob'][1] / 1e9:.2f} GB/s"

    authorization = server.client().token(REPOSITORY, "pull,push")
    ours = at_once(port_of(server), {"Authorization": authorization}, ["Authorization: " + server.client().token(REPOSITORY, "pull")])
    row("mixed load", ours, "docker-registry, no fsync: " + at_once(docker.port, {}, ["Accept: " + oci.MANIFEST]) if docker else "")


def memory(server):
    idle = tree_rss(server.process.pid)
    host, port = server.address.split(":")
    token = server.client().token(REPOSITORY, "pull")
    clients = [http.client.HTTPConnection(host, int(port)) for _ in range(200)]
    for c in clients:
        c.request("GET", f"/v2/{REPOSITORY}/manifests/v1", headers={"Authorization": token})
        c.getresponse().read()
    row("memory, idle / 200 clients, with workers", f"{idle / 1e6:.0f} / {tree_rss(server.process.pid) / 1e6:.0f} MB", "PSS with mapped data (promise: 25 / 40 without)")


def many_tags(server):
    server.stop()
    with sqlite3.connect(server.data / "data/bulwark.db") as db:
        repository, manifest = db.execute("SELECT repository_id, manifest_id FROM tags WHERE name = 'v1'").fetchone()
        db.executemany("INSERT INTO tags (repository_id, name, manifest_id, updated) VALUES (?, ?, ?, 0)", ((repository, f"m{i:07}", manifest) for i in range(10 ** 6)))
    db.close()
    begin = time.monotonic()
    server.start()
    ready = time.monotonic() - begin
    client = server.client()
    token = client.token(REPOSITORY, "pull")

    def latency(path):
        times = []
        for i in range(200):
            begin = time.monotonic()
            status, _, _ = client.send("GET", path % (i * 4999), None, authorization=token)
            times.append((time.monotonic() - begin) * 1000)
            assert status == 200
        return statistics.median(times)
    listing, manifest = latency(f"/v2/{REPOSITORY}/tags/list?n=100&last=m%07d"), latency(f"/v2/{REPOSITORY}/manifests/m%07d")
    row("1 M tags: ready after", f"{ready:.2f} s", f"100 tags {listing:.1f} ms, manifest by tag {manifest:.1f} ms (new connections), {tree_rss(server.process.pid) / 1e6:.0f} MB (promise: <= 1 s)")


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)


class Bulwark(harness.Server):
    """One server that listens in clear and by TLS."""

    def command(self):
        plain, tls = harness.free_port(), harness.free_port()
        certificate(self.data)
        (self.data / "bulwark.yaml").write_text(f"""
listeners:
  - {{name: plain, address: "127.0.0.1:{plain}"}}
  - {{name: tls, address: "127.0.0.1:{tls}", tls: {{cert: cert.pem, key: key.pem}}}}
storage: {{directory: data}}
""")
        self.address, self.tls = f"127.0.0.1:{plain}", f"127.0.0.1:{tls}"
        return ["serve", "--config", self.data / "bulwark.yaml"]


def main():
    if not shutil.which("wrk"):
        raise SystemExit("  install wrk (and nginx-light docker-registry as rivals)")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-bench-", dir=ROOT / "build"))
    rivals, server = [], Bulwark(data=folder)
    try:
        image = oci.debian_image([("base-files", "12.4+deb12u5", None, None)])
        payload = os.urandom(BLOB)
        client = server.client()
        blobs = list(image.blobs.values())
        # Read through a manifest that names it, as every pull is.
        artifact = oci.Image([payload], compress=False, media_type="application/octet-stream", artifactType="application/vnd.example.bench")
        for reference, pushed in (("v1", image), ("big", artifact)):
            status, _, body = client.push(REPOSITORY, reference, pushed)
            assert status == 201, body
        nginx = docker = None
        if shutil.which("nginx"):
            nginx = Nginx(folder, {"manifest": image.manifest, "blob": payload})
            rivals.append(nginx.process)
        if shutil.which("docker-registry"):
            docker = DockerRegistry(folder)
            rivals.append(docker.process)
            docker.push([*blobs, payload], image.manifest)
        gets(server, nginx, docker, oci.digest(payload))
        if wanted("put"):
            puts(server, docker, folder)
            manifest_puts(server, docker, blobs)
        if wanted("mixed"):
            mixed(server, docker, blobs, oci.digest(payload))
        if wanted("memory"):
            memory(server)
        if wanted("tags"):
            many_tags(server)
    finally:
        server.stop()
        for process in rivals:
            process.terminate()
            process.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
