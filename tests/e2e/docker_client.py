"""Docker with a daemon of its own, as the matrix's client: Debian's packages unpacked into build/tools, nothing installed."""

import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import time

import go_tools
import oci
from registry_clients import Client

PACKAGES = ("docker.io", "containerd", "runc", "tini")
START_SECONDS = 60


def unpacked():
    """(folder of the programs, None), or (None, why there is none)."""
    if os.getuid() != 0:
        return None, "its daemon wants root"
    if shutil.which("dockerd"):
        return pathlib.Path(shutil.which("dockerd")).parent, None
    root = go_tools.TOOLS / "docker"
    if not (root / "usr/sbin/dockerd").exists():
        if not os.environ.get("BULWARK_FULL_TESTS"):
            return None, "not here; ./run-tests --full fetches it"
        root.mkdir(parents=True, exist_ok=True)
        got = subprocess.run(["apt-get", "download", *PACKAGES], cwd=root, capture_output=True, text=True)
        if got.returncode != 0:
            return None, "not obtainable: " + got.stderr.strip()[-200:]
        for package in root.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    return root / "usr/sbin", None


class Docker(Client):
    name = "docker"
    program = "docker"
    exact = False  # layers are packed anew from the storage
    index_type = "application/vnd.docker.distribution.manifest.list.v2+json"
    cannot = {
        "delete": "deletes in its own storage only",
        "referrers": "has no verb for referrers",
        "sign": "signs with Notary 1 only, at a server of its own",
        "tls push": "takes certificates from /etc/docker alone",
    }

    def __init__(self, folder):
        super().__init__(folder)
        programs, self.absent = unpacked()
        if self.absent:
            return
        self.path = programs.parent / "bin/docker"
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="bulwark-docker-"))  # a socket's path must be short
        self.extra = {"PATH": f"{programs}:{programs.parent / 'bin'}:{os.environ['PATH']}", "DOCKER_HOST": f"unix://{self.state}/socket"}
        self.log = (self.state / "log").open("wb")
        options = ["--data-root", self.state / "data", "--exec-root", self.state / "exec", "--host", self.extra["DOCKER_HOST"], "--pidfile", self.state / "pid"]
        network = ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--bridge=none", "--storage-driver=vfs"]
        command = [str(a) for a in (programs / "dockerd", *options, *network)]
        self.daemon = subprocess.Popen(command, stdout=self.log, stderr=self.log, env={**os.environ, **self.extra})
        if not self.answers():
            self.close()
            self.absent = "its daemon cannot work here: " + (self.state / "log").read_text(errors="replace").strip()[-300:]

    def answers(self):
        deadline = time.monotonic() + START_SECONDS
        while self.daemon.poll() is None and time.monotonic() < deadline:
            if self.run(None, "version").returncode == 0:
                # A machine without mount namespaces, or a chroot, lets it unpack nothing.
                return self.load(oci.Image([{"a": b"x"}]).write_layout(self.folder / "tried")).returncode == 0
            time.sleep(0.2)
        return False

    def close(self):
        self.daemon.terminate()
        self.daemon.wait(30)
        self.log.close()
        shutil.rmtree(self.state, ignore_errors=True)

    def version(self):
        return self.run(None, "version", "--format", "{{.Server.Version}}").stdout.strip()

    def load(self, layout, reference="tried:1"):
        """From a layout, as `docker save` writes one; under a name."""
        index = json.loads((layout / "index.json").read_text())["manifests"][0]
        blob = lambda digest: layout / "blobs/sha256" / digest[7:]
        manifest = json.loads(blob(index["digest"]).read_text())
        layers = [d["digest"][7:] + ".tar" for d in manifest["layers"]]
        with tarfile.open(self.folder / "load.tar", "w") as tar:
            tar.add(blob(manifest["config"]["digest"]), "config.json")
            for name, descriptor in zip(layers, manifest["layers"]):
                tar.add(blob(descriptor["digest"]), name)
            (self.folder / "manifest.json").write_text(json.dumps([{"Config": "config.json", "RepoTags": [reference], "Layers": layers}]))
            tar.add(self.folder / "manifest.json", "manifest.json")
        return self.run(None, "load", "-q", "-i", self.folder / "load.tar")

    def push(self, user, layout, reference, whole=False):
        if whole:
            return self.push_list(user, layout.children, reference)
        done = self.load(layout, reference)
        return done if done.returncode else self.run(user, "push", "-q", reference)

    def push_list(self, user, layouts, reference):
        parts = [f"{reference}-{n}" for n in range(len(layouts))]
        for layout, part in zip(layouts, parts):
            done = self.push(user, layout, part)
            if done.returncode:
                return done
        done = self.run(user, "manifest", "create", "--insecure", reference, *parts)
        return done if done.returncode else self.run(user, "manifest", "push", "--insecure", reference)

    def forget(self):
        images = self.run(None, "images", "-q", "--no-trunc").stdout.split()
        if images:
            self.run(None, "rmi", "--force", *set(images))

    def pull(self, user, reference, whole=False):
        self.forget()
        done = self.run(user, "pull", "-q", *(["--platform", "linux/arm64"] if whole else []), reference)
        if done.returncode:
            return done, set()
        image = json.loads(self.run(None, "image", "inspect", reference).stdout)[0]
        return done, {*image["RootFS"]["Layers"], *(d.rsplit("@", 1)[1] for d in image["RepoDigests"])}

    def mount(self, user, source, target):
        done = self.run(user, "pull", "-q", source)
        done = done if done.returncode else self.run(user, "tag", source, target)
        return done if done.returncode else self.run(user, "push", "-q", target)
