"""Starts a real server from the release build on a free loopback port, with a data directory of its own; stops it by process id."""
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import oci  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BULWARK = pathlib.Path(os.environ.get("BULWARK", ROOT / "build/release/bulwark"))
SHARED = ROOT.parent / "shared"
PASSWORD = "correct-horse-battery"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def bulwark(*arguments, stdin=None, env=None, timeout=600):
    return subprocess.run([str(BULWARK), *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})})


class Server:
    def __init__(self, *arguments, data=None, env=None):
        self.folder = tempfile.mkdtemp(prefix="bulwark-e2e-") if data is None else None
        self.data = pathlib.Path(data or self.folder)
        self.arguments, self.env = arguments, env or {}
        self.address, self.process = None, None
        self.start()

    def command(self):
        """Its arguments; sets the address."""
        self.address = f"127.0.0.1:{free_port()}"
        return ["serve", "--listen", self.address, "--data", self.data / "data", *self.arguments]

    def start(self):
        command = [str(word) for word in (BULWARK, *self.command())]
        self.log = open(self.data / "server.log", "ab")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        env={**os.environ, "BULWARK_ADMIN_PASSWORD": PASSWORD, **self.env})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.text()[-2000:]}")
            try:
                connection = self.connect(timeout=5)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)  # waiting for a process of the operating system, not for a race
        raise RuntimeError("the server did not become ready:\n" + self.text()[-2000:])

    def connect(self, timeout=60):
        return http.client.HTTPConnection(self.address, timeout=timeout)

    def text(self):
        return (self.data / "server.log").read_text(errors="replace")

    def client(self, user="admin", password=PASSWORD):
        return oci.Client(self.address, user, password)

    def rss(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def workers(self):
        """Process ids of its worker processes, from their exec on: a child that is stopped before holds its parent's thread."""
        out = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rsplit(")", 1)[1].split()
                name = (entry.parent / "cmdline").read_bytes().split(b"\0")[0]
            except OSError:
                continue
            if int(fields[1]) == self.process.pid and name.startswith(b"bulwark-"):
                out.append(int(entry.parent.name))
        return out

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError("the server did not stop within 30 s of SIGTERM")
        self.log.close()

    def close(self):
        try:
            self.stop()
        finally:
            if self.folder:
                shutil.rmtree(self.folder, ignore_errors=True)


class Case(unittest.TestCase):
    """A test class with one server for all of its tests."""
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.arguments)
        cls.admin = cls.server.client()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def make_project(self, name):
        status, body = self.admin.api("POST", "/projects", {"name": name})
        self.assertIn(status, (201, 409), body)

    def make_user(self, name, *grants):
        """grants: (role, glob of repositories). Returns a client."""
        status, body = self.admin.api("POST", "/users", {"name": name, "password": "first-" + PASSWORD})
        self.assertEqual(status, 201, body)
        for role, repositories in grants:
            status, body = self.admin.api("POST", f"/users/{name}/grants", {"role": role, "repositories": repositories})
            self.assertEqual(status, 201, body)
        # A password that another person set must be changed before anything else.
        status, body = self.server.client(name, "first-" + PASSWORD).api("PUT", "/self/password", {"current": "first-" + PASSWORD, "new": PASSWORD})
        self.assertEqual(status, 204, body)
        return self.server.client(name)


def needs(*programs):
    missing = [p for p in programs if not shutil.which(p)]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")
