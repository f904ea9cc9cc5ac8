"""TLS: clients with a CA of the test's own, versions, resumed sessions, and a certificate changed under traffic (SIGHUP)."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import matrix_test
import oci
import registry_clients


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, timeout=30)


class Authority:
    """A CA of its own, and certificates for this machine."""

    def __init__(self, folder):
        self.folder = folder
        self.made(
            openssl(
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=test CA",
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-keyout",
                folder / "ca.key",
                "-out",
                folder / "ca.pem",
            )
        )

    def made(self, done):
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode())

    def issue(self, serial, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        """Writes cert.pem and key.pem, the key by rename as a renewal does."""
        f = self.folder
        (f / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
        self.made(openssl("req", "-newkey", *kind, "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", f / "new.key", "-out", f / "new.csr"))
        self.made(
            openssl(
                "x509",
                "-req",
                "-in",
                f / "new.csr",
                "-CA",
                f / "ca.pem",
                "-CAkey",
                f / "ca.key",
                "-set_serial",
                serial,
                "-days",
                "2",
                "-extfile",
                f / "names",
                "-out",
                f / "new.pem",
            )
        )
        os.replace(f / "new.pem", f / "cert.pem")
        os.replace(f / "new.key", f / "key.pem")


class TlsServer(harness.Server):
    def __init__(self, folder, *arguments):
        self.ca = folder / "ca.pem"
        super().__init__("--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem", *arguments)

    def connect(self, timeout=60):
        return http.client.HTTPSConnection(self.address, timeout=timeout, context=ssl.create_default_context(cafile=str(self.ca)))


@harness.needs("openssl")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = matrix_test.fresh_folder()
        cls.authority = Authority(cls.folder)
        cls.authority.issue(1)
        cls.server = TlsServer(cls.folder)
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.addClassCleanup(cls.server.close)

    def get(self):
        connection = self.server.connect(timeout=10)
        connection.request("GET", "/healthz")
        return connection.getresponse().status, connection

    def s_client(self, *arguments, address=None):
        """What openssl says of one connection with one request."""
        done = openssl(
            "s_client",
            "-connect",
            address or self.server.address,
            "-CAfile",
            self.folder / "ca.pem",
            "-verify_return_error",
            "-servername",
            "localhost",
            "-ign_eof",
            *arguments,
            stdin=f"GET /healthz HTTP/1.1\r\nHost: {self.server.address}\r\nConnection: close\r\n\r\n".encode(),
        )
        return done.returncode, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")

    def test_clients_push_and_pull(self):
        """Every client that moves images, trusting that CA and nothing else, over certificate checks."""
        results, api = [], oci.Client(self.server.address, "admin", harness.PASSWORD)
        api.connection = self.server.connect()
        self.assertIn(api.api("POST", "/projects", {"name": "tls"})[0], (201, 409))
        folder = matrix_test.fresh_folder()  # near the root: podman wants short paths
        self.addCleanup(shutil.rmtree, folder, True)
        for kind in registry_clients.ALL:
            client = kind(folder)
            if client.absent or "push" in client.cannot:
                continue
            with self.subTest(client.name):
                client.log_in("admin", self.server.address)
                client.log_in("nobody", self.server.address)
                made = matrix_test.image(matrix_test.CLEAN)
                layout, reference = made.write_layout(matrix_test.fresh_folder(folder)), f"{self.server.address}/tls/{client.name}:v1"
                client.extra = {"SSL_CERT_FILE": str(self.folder / "absent.pem"), "SSL_CERT_DIR": str(folder)}
                if client.name not in ("buildah", "podman", "cosign", "cosign3"):  # of their kin one each: the others try for long
                    self.assertNotEqual(client.push("admin", layout, reference).returncode, 0, "an unknown CA was believed")
                client.extra["SSL_CERT_FILE"] = str(self.folder / "ca.pem")
                done = client.push("admin", layout, reference)
                self.assertEqual(done.returncode, 0, done.stderr)
                done, found = client.pull("admin", reference)
                self.assertEqual(done.returncode, 0, done.stderr)
                diff_id = json.loads(made.blobs[json.loads(made.manifest)["config"]["digest"]])["rootfs"]["diff_ids"][0]
                self.assertTrue({made.digest, diff_id} & found)
                results.append(f"{client.name} {client.version()}")
        print("\nmeasured: push and pull over TLS with a CA of one's own: " + ", ".join(results))

    def test_versions(self):
        for version, spoken in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            code, text = self.s_client(version)
            self.assertEqual(code, 0, text)
            self.assertIn("HTTP/1.1 200", text)
            self.assertRegex(text, rf"(New|Reused), {spoken}|Protocol *: {spoken}")
        for old in ("-tls1", "-tls1_1"):
            code, text = self.s_client(old, "-cipher", "ALL:@SECLEVEL=0")
            self.assertNotIn("HTTP/1.1 200", text)
            self.assertNotEqual(code, 0)
        for weak in ("AES128-SHA", "ECDHE-RSA-AES128-SHA", "aNULL:@SECLEVEL=0"):
            self.assertNotIn("HTTP/1.1 200", self.s_client("-tls1_2", "-cipher", weak)[1])

    def test_the_lowest_version_is_the_configured_one(self):
        config = self.folder / "bulwark.yaml"
        port = harness.free_port()
        config.write_text(f"listeners: [{{address: '127.0.0.1:{port}', tls: {{cert: cert.pem, key: key.pem, min_version: '1.3'}}}}]\n")
        folder = tempfile.mkdtemp(dir=self.folder)
        process = subprocess.Popen(
            [str(harness.BULWARK), "serve", "--config", config, "--data", folder + "/data"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "BULWARK_ADMIN_PASSWORD": harness.PASSWORD},
        )
        try:
            deadline = time.monotonic() + 20
            while "HTTP/1.1 200" not in self.s_client("-tls1_3", address=f"127.0.0.1:{port}")[1]:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)  # waiting for a process of the operating system
            self.assertNotIn("HTTP/1.1 200", self.s_client("-tls1_2", address=f"127.0.0.1:{port}")[1])
        finally:
            process.terminate()
            process.wait(30)

    def test_sessions_are_resumed(self):
        for version in ("-tls1_2", "-tls1_3"):
            file = self.folder / f"session{version}"
            code, text = self.s_client(version, "-sess_out", file)
            self.assertIn("HTTP/1.1 200", text)
            self.assertRegex(text, r"New, TLSv1\.[23]")
            code, text = self.s_client(version, "-sess_in", file)
            self.assertIn("HTTP/1.1 200", text)
            self.assertRegex(text, r"Reused, TLSv1\.[23]", version)
        # No early data: a request in it could be played again by others.
        self.assertNotRegex(self.s_client("-tls1_3")[1], r"Max Early Data: [1-9]")

    def test_a_certificate_is_changed_under_traffic(self):
        """Connections of before go on, new ones see the new certificate, no request fails; a broken file changes nothing."""
        failures, stop, served = [], threading.Event(), [0]

        def pull():
            while not stop.is_set():
                try:
                    status, connection = self.get()
                    connection.close()
                    served[0] += 1
                    if status != 200:
                        failures.append(status)
                except OSError as error:
                    failures.append(repr(error))

        old = self.server.connect()
        old.request("GET", "/healthz")
        self.assertEqual(old.getresponse().read(), b"ok\n")
        self.assertEqual(old.sock.getpeercert()["serialNumber"], self.serial())
        threads = [threading.Thread(target=pull) for _ in range(4)]
        for thread in threads:
            thread.start()
        for serial in range(10, 13):
            self.authority.issue(serial, ("rsa:2048",) if serial == 11 else ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
            self.server.process.send_signal(signal.SIGHUP)
            self.wait_for(f"{serial:02X}")
        good = (self.folder / "cert.pem").read_bytes(), (self.folder / "key.pem").read_bytes()
        (self.folder / "cert.pem").write_bytes(good[0][: len(good[0]) // 2])
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 5
        while "config.refuse" not in self.server.text() and "cannot be used" not in self.server.text() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIn("cert.pem", self.server.text())
        self.assertEqual(self.serial(), "0C")
        (self.folder / "cert.pem").write_bytes(good[0])
        stop.set()
        for thread in threads:
            thread.join()
        old.request("GET", "/healthz")
        self.assertEqual(old.getresponse().status, 200)  # the connection of before the changes
        self.assertEqual(failures, [])
        self.assertGreater(served[0], 20)
        print(f"\nmeasured: TLS: 3 certificates changed under {served[0]} connections, failed: {len(failures)}")

    def serial(self):
        _, connection = self.get()
        number = connection.sock.getpeercert()["serialNumber"]
        connection.close()
        return number

    def wait_for(self, serial):
        deadline = time.monotonic() + 10
        while self.serial() != serial:
            self.assertLess(time.monotonic(), deadline, serial)
            time.sleep(0.02)

    def test_what_is_no_tls(self):
        """Plain HTTP, garbage, half a handshake: closed, and the next one is served."""
        host, port = self.server.address.split(":")
        half = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(32)
        waiting = []
        for data in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 4000, half, b"", b"\x80\x2e\x01\x03\x01"):
            for _ in range(50):
                connection = socket.create_connection((host, int(port)), timeout=10)
                connection.sendall(data)
                waiting.append((connection, len(data) in (0, 5, len(half))))
        for connection, waits in waiting:
            if not waits:
                try:
                    self.assertNotIn(b"HTTP/1.1 200", connection.recv(4096))
                except OSError:
                    pass
        self.assertEqual(self.get()[0], 200)
        for connection, _ in waiting:
            connection.close()


if __name__ == "__main__":
    unittest.main()
