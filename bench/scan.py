"""Promise: cold scan of a 2 GB image on 2 cores >= 8x faster than Syft, peak resident size <= 128 MiB.

BENCH_IMAGE names an OCI layout; else one is made here (tools/make-image) and kept in build/bench/.
The rival is Syft where it is on PATH (or $SYFT), on the same layout, catalogue only: we inflate, catalogue and match.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from measure import BULWARK, ROOT, best, row

PACKAGES = "default-jdk,texlive-latex-base,golang-go,clang,nodejs,npm,python3-numpy,libboost-all-dev,linux-headers-amd64"


def image():
    given = os.environ.get("BENCH_IMAGE")
    if given:
        return pathlib.Path(given)
    layout = ROOT / "build/bench/image"
    if not layout.exists():
        layout.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([ROOT / "tools/make-image", layout, "--split", "4", "--with", PACKAGES], check=True, stdin=subprocess.DEVNULL)
    return layout


def sizes(layout):
    """(compressed, inflated) bytes of the layers."""
    blobs = layout / "blobs/sha256"
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"].split(":")[1]
    layers = [d["digest"].split(":")[1] for d in json.loads((blobs / manifest).read_text())["layers"]]
    inflated = 0
    for layer in layers:
        inflated += int(subprocess.run(f"gzip -dc {blobs / layer} | wc -c", shell=True, capture_output=True, text=True, check=True).stdout)
    return sum((blobs / layer).stat().st_size for layer in layers), inflated


def main():
    layout = image()
    packed, plain = sizes(layout)
    print(f"  image {packed / 1e6:.0f} MB gzip, {plain / 1e9:.2f} GB inflated, {os.cpu_count()} cores")
    ours = best([BULWARK, "scan", layout, "--offline", "--format", "json"])
    if ours["code"] not in (0, 1):
        sys.exit(ours["err"].decode())
    row("bulwark scan", f"{ours['seconds']:.2f} s", f"cpu {ours['cpu']:.2f} s, peak {ours['peak'] / 2**20:.0f} MiB, {plain / 1e6 / ours['seconds']:.0f} MB/s inflated")
    syft = os.environ.get("SYFT") or shutil.which("syft")
    if not syft:
        print("  no rival: syft is not installed (go install github.com/anchore/syft/cmd/syft@latest)")
        return
    theirs = best([syft, "scan", f"oci-dir:{layout}", "-o", "json", "-q"], times=2, env={"SYFT_CHECK_FOR_APP_UPDATE": "false"})
    row("syft", f"{theirs['seconds']:.2f} s", f"cpu {theirs['cpu']:.2f} s, peak {theirs['peak'] / 2**20:.0f} MiB")
    row("ratio (promise: >= 8)", f"{theirs['seconds'] / ours['seconds']:.1f}x", f"memory 1/{theirs['peak'] / max(1, ours['peak']):.1f} (promise: <= 128 MiB)")


main()
