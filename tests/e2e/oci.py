"""Small images made here: layers from dictionaries, OCI layouts, pushes over plain HTTP. For tests only."""
import base64
import gzip
import hashlib
import http.client
import io
import json
import pathlib
import tarfile
import urllib.parse

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

DEBIAN_12 = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files):
    """A tar of {path: bytes | (bytes, mode) | ('link', target) | None for a directory}, deterministic."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, value in files.items():
            info = tarfile.TarInfo(path)
            info.mode, data = 0o644, b""
            if value is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(value, tuple) and value[0] == "link":
                info.type, info.linkname = tarfile.SYMTYPE, value[1]
            else:
                data, info.mode = value if isinstance(value, tuple) else (value, 0o644)
                data = data.encode() if isinstance(data, str) else data
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def dpkg_status(packages):
    """Text of /var/lib/dpkg/status for [(name, version, source or None, source version or None)]."""
    out = []
    for name, version, source, source_version in packages:
        stanza = [f"Package: {name}", "Status: install ok installed", "Architecture: amd64", f"Version: {version}"]
        if source:
            stanza.append(f"Source: {source}" + (f" ({source_version})" if source_version else ""))
        out.append("\n".join(stanza) + "\n")
    return "\n".join(out)


class Image:
    """blobs by digest, and a manifest."""

    def __init__(self, layers, config=None, media_type=LAYER, compress=True, **manifest):
        self.blobs, descriptors, diff_ids = {}, [], []
        for layer in layers:
            plain = layer if isinstance(layer, bytes) else tar(layer)
            blob = gzip.compress(plain, 1, mtime=0) if compress else plain
            diff_ids.append(digest(plain))
            descriptors.append(self.add(blob, media_type))
        document = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}, "config": {}}
        document.update(config or {})
        self.manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": self.add(json.dumps(document).encode(), CONFIG),
                                    "layers": descriptors, **manifest}).encode()
        self.digest = digest(self.manifest)

    def add(self, data, media_type):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def descriptor(self, **more):
        return {"mediaType": MANIFEST, "digest": self.digest, "size": len(self.manifest), **more}

    def write_layout(self, path):
        path = pathlib.Path(path)
        (path / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        for key, data in [*self.blobs.items(), (self.digest, self.manifest)]:
            (path / "blobs/sha256" / key.split(":")[1]).write_bytes(data)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [self.descriptor()]}
        (path / "index.json").write_text(json.dumps(index))
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        return path


def debian_image(packages, extra=None, **arguments):
    return Image([{"etc/os-release": DEBIAN_12, "var/lib/dpkg/status": dpkg_status(packages), **(extra or {})}], **arguments)


class Client:
    """A registry client that does exactly what it is told; scopes are asked for explicitly."""

    def __init__(self, address, user, password):
        self.address, self.basic = address, "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.connection = None

    def send(self, method, path, body=None, headers=None, authorization=None):
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.address, timeout=120)
            try:
                self.connection.request(method, path, body=body, headers={"Authorization": authorization or self.basic, **(headers or {})})
                answer = self.connection.getresponse()
                return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            except (http.client.HTTPException, ConnectionError, BrokenPipeError):
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise

    def token(self, repository, actions):
        query = urllib.parse.urlencode({"service": self.address, "scope": f"repository:{repository}:{actions}"})
        status, _, body = self.send("GET", f"/v2/token?{query}")
        if status != 200:
            raise RuntimeError(f"token: {status} {body[:200]}")
        return "Bearer " + json.loads(body)["token"]

    def push_blob(self, repository, data, token):
        status, headers, body = self.send("POST", f"/v2/{repository}/blobs/uploads/", b"", authorization=token)
        if status != 202:
            return status, body
        location = headers["location"]
        location += ("&" if "?" in location else "?") + urllib.parse.urlencode({"digest": digest(data)})
        status, _, body = self.send("PUT", location, data, {"Content-Type": "application/octet-stream"}, token)
        return status, body

    def put_manifest(self, repository, reference, manifest, media_type=MANIFEST, token=None):
        token = token or self.token(repository, "pull,push")
        return self.send("PUT", f"/v2/{repository}/manifests/{reference}", manifest, {"Content-Type": media_type}, token)

    def push(self, repository, reference, image):
        """(status, headers, body) of the manifest PUT; raises if a blob was refused."""
        token = self.token(repository, "pull,push")
        for data in image.blobs.values():
            status, body = self.push_blob(repository, data, token)
            if status != 201:
                raise RuntimeError(f"blob: {status} {body[:300]}")
        return self.put_manifest(repository, reference, image.manifest, token=token)

    def pull(self, repository, reference, actions="pull", method="GET"):
        token = self.token(repository, actions)
        return self.send(method, f"/v2/{repository}/manifests/{reference}", headers={"Accept": f"{MANIFEST}, {INDEX}, {DOCKER}"}, authorization=token)

    def api(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        status, headers, text = self.send(method, "/api/v1" + path, data, {"Content-Type": "application/json"} if data else {})
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text.decode(errors="replace")
