"""How real clients are told to do the actions of the matrix (matrix_test.py). Each verb runs the program and returns what subprocess.run returns."""

import base64
import json
import os
import pathlib
import shutil
import subprocess

import go_tools
import harness
import oci

# GPG signatures go into a folder beside the registry; nothing of them is sent.
NO_SIGSTORE = "signs while pushing, and Debian's build has sigstore signatures switched off"
WINDOW = 120  # seconds for one run of a client


class Client:
    name = program = ""
    cannot = {}  # action -> why
    exact = True  # pushes the manifest as it is
    layout_is_index = False  # pushes a layout's index.json itself as the index
    index_type = oci.INDEX

    def __init__(self, folder):
        self.folder, self.path, self.absent = folder / self.name, shutil.which(self.program), None
        self.folder.mkdir()
        if self.name in go_tools.KNOWN:
            self.path, self.absent = go_tools.go_tool(self.name)
        elif not self.path:
            self.absent = "not installed"
        self.extra = {}

    def log_in(self, user, *hosts):
        """Credentials where clients look for them; the environment to run as that user."""
        folder = self.folder / f"config-{user}"
        folder.mkdir(exist_ok=True)
        file = folder / "config.json"
        auths = json.loads(file.read_text())["auths"] if file.exists() else {}
        for host in hosts:
            auths[host] = {"auth": base64.b64encode(f"{user}:{harness.PASSWORD}".encode()).decode()}
        file.write_text(json.dumps({"auths": auths}))
        return {"DOCKER_CONFIG": str(folder), "REGISTRY_AUTH_FILE": str(file), "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "xdg")}

    def run(self, user, *arguments, stdin=None, cwd=None, **env):
        command = [str(a) for a in (self.path, *arguments)]
        environment = {**os.environ, **self.extra, **env, **(self.log_in(user) if user else {})}
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=WINDOW, env=environment, cwd=cwd or self.folder)

    def close(self):
        """Ends what runs beside it."""

    def fresh(self, name):
        """An empty folder."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def version(self):
        text = self.run(None, "--version").stdout
        return text.split()[2] if text else "?"


def digests_under(folder):
    return {oci.digest(file.read_bytes()) for file in pathlib.Path(folder).rglob("*") if file.is_file()}


class Skopeo(Client):
    name = program = "skopeo"
    cannot = {"referrers": "has no verb for referrers", "sign": NO_SIGSTORE}

    def copy(self, user, *arguments):
        return self.run(user, "--insecure-policy", "copy", "-q", *self.plain("--src-tls-verify=false", "--dest-tls-verify=false"), *arguments)

    def plain(self, *flags):
        return () if "SSL_CERT_FILE" in self.extra else flags

    def push(self, user, layout, reference, whole=False):
        return self.copy(user, *(["--all"] if whole else []), f"oci:{layout}", f"docker://{reference}")

    def push_schema_2(self, user, layout, reference):
        return self.copy(user, "--format", "v2s2", f"oci:{layout}", f"docker://{reference}")

    def pull(self, user, reference, whole=False):
        out = self.fresh("pulled")
        done = self.copy(user, *(["--all"] if whole else []), f"docker://{reference}", f"dir:{out}")
        return done, digests_under(out)

    def mount(self, user, source, target):
        return self.copy(user, f"docker://{source}", f"docker://{target}")

    def delete(self, user, reference):
        return self.run(user, "delete", *self.plain("--tls-verify=false"), f"docker://{reference}")


class Buildah(Client):
    name = program = "buildah"
    exact = False  # layers are packed anew from the storage
    cannot = {
        "delete": "deletes in its own storage only",
        "referrers": "has no verb for referrers",
        "sign": "signs with GPG only, into a folder beside the registry; nothing is sent",
    }

    def __init__(self, folder):
        super().__init__(folder)
        if self.absent:
            return
        # A machine without user namespaces, or a chroot, lets it unpack nothing.
        tried = self.run(None, *self.stored("pull", "-q", f"oci:{oci.Image([{'a': b'x'}]).write_layout(self.folder / 'tried')}"))
        if tried.returncode != 0:
            self.absent = "cannot work here: " + tried.stderr.strip()[-200:]

    def stored(self, *arguments):
        return ["--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", "vfs", *arguments]

    def tls(self):
        return [] if "SSL_CERT_FILE" in self.extra else ["--tls-verify=false"]

    def import_layout(self, layout):
        done = self.run("dev", *self.stored("pull", "-q", f"oci:{layout}"))
        return done, done.stdout.strip()

    def push(self, user, layout, reference, whole=False):
        if whole:
            return self.push_list(user, layout, reference)
        done, image = self.import_layout(layout)
        return done if done.returncode else self.run(user, *self.stored("push", "-q", *self.tls(), image, f"docker://{reference}"))

    def push_list(self, user, layouts, reference):
        name = "localhost/list-" + reference.rsplit("/", 1)[1].replace(":", "-")
        done = self.run(user, *self.stored("manifest", "create", name))
        for layout in layouts.children:
            if done.returncode == 0:
                done = self.run(user, *self.stored("manifest", "add", name, f"oci:{layout}"))
        return done if done.returncode else self.run(user, *self.stored("manifest", "push", "--all", *self.tls(), name, f"docker://{reference}"))

    def pull(self, user, reference, whole=False):
        self.run(user, *self.stored("rmi", "--all", "--force"))
        done = self.run(user, *self.stored("pull", "-q", *self.tls(), *(["--arch", "arm64"] if whole else []), f"docker://{reference}"))
        if done.returncode:
            return done, set()
        shown = self.run(user, *self.stored("inspect", "--type", "image", done.stdout.strip()))
        image = json.loads(shown.stdout)
        return done, {image["FromImageDigest"], *image["OCIv1"]["rootfs"]["diff_ids"]}

    def mount(self, user, source, target):
        done = self.run(user, *self.stored("pull", "-q", *self.tls(), f"docker://{source}"))
        return done if done.returncode else self.run(user, *self.stored("push", "-q", *self.tls(), done.stdout.strip(), f"docker://{target}"))


class Podman(Buildah):
    name = program = "podman"
    cannot = {"delete": "deletes in its own storage only", "referrers": "has no verb for referrers", "sign": NO_SIGSTORE}

    def pull(self, user, reference, whole=False):
        self.run(user, *self.stored("rmi", "--all", "--force"))
        done = self.run(user, *self.stored("pull", "-q", *self.tls(), *(["--arch", "arm64"] if whole else []), f"docker://{reference}"))
        if done.returncode:
            return done, set()
        image = json.loads(self.run(user, *self.stored("image", "inspect", done.stdout.strip())).stdout)[0]
        return done, {image["Digest"], *image["RootFS"]["Layers"], *(d.rsplit("@", 1)[1] for d in image["RepoDigests"])}


class Crane(Client):
    name = program = "crane"
    cannot = {"referrers": "has no verb for referrers", "sign": "does not sign"}
    layout_is_index = True

    def version(self):
        return self.run(None, "version").stdout.strip()

    def push(self, user, layout, reference, whole=False):
        return self.run(user, "push", *(["--index"] if whole else []), *self.insecure(), layout, reference)

    def insecure(self):
        return () if "SSL_CERT_FILE" in self.extra else ("--insecure",)

    def pull(self, user, reference, whole=False):
        out = self.fresh("pulled")
        done = self.run(user, "pull", "--format", "oci", *self.insecure(), reference, out)
        return done, digests_under(out)

    def mount(self, user, source, target):
        return self.run(user, "copy", *self.insecure(), source, target)

    def delete(self, user, reference):
        return self.run(user, "delete", *self.insecure(), reference)


class Oras(Client):
    name = program = "oras"
    cannot = {}

    def version(self):
        return self.run(None, "version").stdout.split()[1].split("+")[0]

    def plain(self, prefix=""):
        return () if "SSL_CERT_FILE" in self.extra else (f"--{prefix}plain-http",)

    def push(self, user, layout, reference, whole=False):
        return self.run(
            user,
            "cp",
            "--no-tty",
            "--from-oci-layout",
            f"{layout}@{json.loads((layout / 'index.json').read_text())['manifests'][0]['digest']}",
            *self.plain("to-"),
            reference,
        )

    def pull(self, user, reference, whole=False):
        out = self.fresh("pulled")
        done = self.run(user, "cp", "--no-tty", *self.plain("from-"), reference, "--to-oci-layout", f"{out}:pulled")
        return done, digests_under(out)

    def mount(self, user, source, target):
        return self.run(user, "cp", "--no-tty", *self.plain("from-"), source, *self.plain("to-"), target)

    def delete(self, user, reference):
        return self.run(user, "manifest", "delete", "--force", *self.plain(), reference)

    def attach(self, user, reference):
        (self.folder / "note.txt").write_text("a note")
        return self.run(user, "attach", "--no-tty", *self.plain(), "--artifact-type", "application/vnd.example.note", reference, "note.txt:text/plain")

    sign_attached = attach

    def discover(self, user, reference):
        """The digests of what refers to it."""
        done = self.run(user, "discover", *self.plain(), "--format", "json", reference)
        return done, {r["digest"] for r in json.loads(done.stdout)["referrers"]} if done.returncode == 0 else set()


class Curl(Client):
    """The protocol by hand, one request a run."""

    name = program = "curl"

    def version(self):
        return self.run(None, "--version").stdout.split()[1]

    def request(self, user, method, url, *arguments):
        """Body in `folder/body`, the head in the result's stdout."""
        got = self.run(
            None,
            "-sS",
            *([] if method == "HEAD" else ["-X", method]),
            *(["-I"] if method == "HEAD" else []),
            "-D",
            "-",
            "-o",
            self.folder / "body",
            "-u",
            f"{user}:{harness.PASSWORD}",
            *(["--cacert", self.extra["SSL_CERT_FILE"]] if self.extra else []),
            *arguments,
            url,
        )
        got.status = int(next((l.split()[1] for l in reversed(got.stdout.splitlines()) if l.startswith("HTTP/")), 0))
        got.headers = {l.split(":", 1)[0].lower(): l.split(":", 1)[1].strip() for l in got.stdout.splitlines() if ":" in l}
        if got.returncode == 0 and got.status >= 400:
            got.returncode, got.stderr = 22, (self.folder / "body").read_text(errors="replace")
        return got

    def base(self, reference):
        host, rest = reference.split("/", 1)
        name, tag = rest.rsplit("@", 1) if "@" in rest else rest.rsplit(":", 1)
        return ("https" if "SSL_CERT_FILE" in self.extra else "http") + f"://{host}", name, tag

    def push(self, user, layout, reference, whole=False):
        base, name, tag = self.base(reference)
        index = json.loads((layout / "index.json").read_text())["manifests"][0]
        return self.push_tree(user, base, name, tag, layout / "blobs/sha256", index)

    def push_tree(self, user, base, name, tag, blobs, descriptor):
        document = json.loads((blobs / descriptor["digest"][7:]).read_text())
        for child in document.get("manifests", []):
            done = self.push_tree(user, base, name, child["digest"], blobs, child)
            if done.returncode:
                return done
        for blob in ([document["config"]] if "config" in document else []) + document.get("layers", []):
            start = self.request(user, "POST", f"{base}/v2/{name}/blobs/uploads/")
            if start.returncode:
                return start
            done = self.request(user, "PUT", f"{base}{start.headers['location']}?digest={blob['digest']}", "-T", blobs / blob["digest"][7:])
            if done.returncode:
                return done
        return self.request(
            user, "PUT", f"{base}/v2/{name}/manifests/{tag}", "-H", f"Content-Type: {descriptor['mediaType']}", "-T", blobs / descriptor["digest"][7:]
        )

    def pull(self, user, reference, whole=False):
        base, name, tag = self.base(reference)
        return self.pull_tree(user, base, name, tag)

    def pull_tree(self, user, base, name, tag):
        done = self.request(user, "GET", f"{base}/v2/{name}/manifests/{tag}", "-H", f"Accept: {oci.MANIFEST}", "-H", f"Accept: {oci.INDEX}")
        if done.returncode:
            return done, set()
        body = (self.folder / "body").read_bytes()
        found, document = {oci.digest(body)}, json.loads(body)
        for child in document.get("manifests", []):
            found |= self.pull_tree(user, base, name, child["digest"])[1]
        for blob in ([document["config"]] if "config" in document else []) + document.get("layers", []):
            self.request(user, "GET", f"{base}/v2/{name}/blobs/{blob['digest']}")
            found.add(oci.digest((self.folder / "body").read_bytes()))
        return done, found

    def mount(self, user, source, target):
        base, name, tag = self.base(source)
        _, other, new = self.base(target)
        got = self.request(user, "GET", f"{base}/v2/{name}/manifests/{tag}")
        if got.returncode:
            return got
        manifest = (self.folder / "body").read_bytes()
        (self.folder / "manifest").write_bytes(manifest)
        document = json.loads(manifest)
        for blob in [document["config"], *document["layers"]]:
            done = self.request(user, "POST", f"{base}/v2/{other}/blobs/uploads/?mount={blob['digest']}&from={name}")
            if done.status != 201:
                done.returncode = done.returncode or 1
                return done
        return self.request(
            user, "PUT", f"{base}/v2/{other}/manifests/{new}", "-H", f"Content-Type: {got.headers['content-type']}", "-T", self.folder / "manifest"
        )

    def delete(self, user, reference):
        base, name, tag = self.base(reference)
        return self.request(user, "DELETE", f"{base}/v2/{name}/manifests/{tag}")

    def attach(self, user, reference):
        base, name, digest = self.base(reference)
        size = int(self.request(user, "HEAD", f"{base}/v2/{name}/manifests/{digest}").headers.get("content-length", 0))
        (self.folder / "empty").write_text("{}")
        done = self.request(
            user,
            "POST",
            f"{base}/v2/{name}/blobs/uploads/?digest={oci.digest(b'{}')}",
            "-H",
            "Content-Type: application/octet-stream",
            "--data-binary",
            "@empty",
        )
        empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": oci.digest(b"{}"), "size": 2}
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": oci.MANIFEST,
                "artifactType": "application/vnd.example.note",
                "config": empty,
                "layers": [empty],
                "subject": {"mediaType": oci.MANIFEST, "digest": digest, "size": size},
            }
        )
        (self.folder / "manifest").write_text(manifest)
        return (
            done
            if done.returncode
            else self.request(
                user, "PUT", f"{base}/v2/{name}/manifests/{oci.digest(manifest.encode())}", "-H", f"Content-Type: {oci.MANIFEST}", "-T", "manifest"
            )
        )

    sign_attached = attach

    def discover(self, user, reference):
        base, name, digest = self.base(reference)
        done = self.request(user, "GET", f"{base}/v2/{name}/referrers/{digest}")
        return done, {m["digest"] for m in json.loads((self.folder / "body").read_text())["manifests"]} if done.returncode == 0 else set()


class Cosign(Client):
    name, program = "cosign", "cosign"
    cannot = {"multi-arch": "signs and verifies; copies images only with their signatures (save, load, copy), tested as push, pull and mount"}

    def version(self):
        text = self.run(None, "version").stdout
        return next((l.split()[-1] for l in text.splitlines() if l.startswith("GitVersion")), "?").lstrip("v").join(["v", ""]) if text else "?"

    def insecure(self):
        return () if "SSL_CERT_FILE" in self.extra else ("--allow-http-registry",)

    def offline(self):
        return ("--tlog-upload=false",)

    def verbs(self, user, *arguments):
        return self.run(user, *arguments, COSIGN_PASSWORD="", COSIGN_YES="true")

    def make_keys(self):
        return self.verbs(None, "generate-key-pair")

    def push(self, user, layout, reference, whole=False):
        """`load` wants a layout as `save` writes it: the image marked as one."""
        mine = self.fresh("to-load")
        shutil.copytree(layout, mine, dirs_exist_ok=True)
        index = json.loads((layout / "index.json").read_text())
        index["manifests"][0]["annotations"] = {"kind": "dev.cosignproject.cosign/image"}
        (mine / "index.json").write_text(json.dumps(index))
        return self.verbs(user, "load", *self.insecure(), "--dir", mine, reference)

    def pull(self, user, reference, whole=False):
        out = self.fresh("pulled")
        return self.verbs(user, "save", *self.insecure(), "--dir", out, reference), digests_under(out)

    def mount(self, user, source, target):
        return self.verbs(user, "copy", *self.insecure(), source, target)

    def delete(self, user, reference):
        """Its verb for deleting removes signatures."""
        return self.verbs(user, "clean", "--force", "--type", "all", *self.insecure(), reference)

    def sign_attached(self, user, reference):
        return self.verbs(user, "sign", "--key", "cosign.key", *self.offline(), *self.insecure(), reference)

    def attest(self, user, reference):
        (self.folder / "predicate").write_text("{}")
        return self.verbs(
            user, "attest", "--key", "cosign.key", *self.offline(), *self.insecure(), "--predicate", "predicate", "--type", "https://example.com/x", reference
        )

    def verify(self, user, reference, verb="verify"):
        more = ("--type", "https://example.com/x") if verb == "verify-attestation" else ()
        return self.verbs(user, verb, "--key", "cosign.pub", "--insecure-ignore-tlog", *more, *self.insecure(), reference)

    def discover(self, user, reference):
        done = self.verbs(user, "tree", *self.insecure(), reference)
        return done, {word for word in done.stdout.split() if word.startswith("sha256:")}


class Cosign3(Cosign):
    """Version 3 keeps signatures as bundles that refer to their subject."""

    name = "cosign3"

    def offline(self):
        file = self.folder / "signing-config.json"
        if not file.exists():
            self.verbs(None, "signing-config", "create", "--out", file)
        return ("--signing-config", file)

    def verify(self, user, reference, verb="verify"):
        more = ("--type", "https://example.com/x") if verb == "verify-attestation" else ()
        return self.verbs(user, verb, "--key", "cosign.pub", "--insecure-ignore-tlog", "--private-infrastructure", *more, *self.insecure(), reference)


class Notation(Client):
    name = program = "notation"
    cannot = {action: "signs and verifies only" for action in ("push", "pull", "multi-arch", "mount", "delete", "tls push")}
    cannot["resume"] = "what it sends is smaller than a TCP segment"

    def version(self):
        return next((l.split()[-1] for l in self.run(None, "version").stdout.splitlines() if l.strip().startswith("Version")), "?")

    def insecure(self):
        return () if "SSL_CERT_FILE" in self.extra else ("--insecure-registry",)

    def make_keys(self):
        return self.run(None, "cert", "generate-test", "--default", "matrix", HOME=str(self.folder), XDG_CONFIG_HOME=str(self.folder / "xdg"))

    def sign_attached(self, user, reference):
        return self.run(user, "sign", *self.insecure(), reference)

    def pull(self, user, reference, whole=False):
        return self.run(user, "inspect", *self.insecure(), reference), set()

    def verify(self, user, reference, verb="verify"):
        policy = {
            "version": "1.0",
            "trustPolicies": [
                {"name": "all", "registryScopes": ["*"], "signatureVerification": {"level": "strict"}, "trustStores": ["ca:matrix"], "trustedIdentities": ["*"]}
            ],
        }
        folder = self.folder / "xdg/notation"
        (folder / "trustpolicy.json").write_text(json.dumps(policy))
        (folder / "trustpolicy.json").chmod(0o600)
        return self.run(user, "verify", *self.insecure(), reference)

    def discover(self, user, reference):
        done = self.run(user, "list", *self.insecure(), reference)
        return done, {word for word in done.stdout.split() if word.startswith("sha256:")}


ALL = [Skopeo, Buildah, Podman, Crane, Oras, Cosign, Cosign3, Notation, Curl]
