"""Client programs written in Go, built once into build/tools with the machine's own Go settings."""

import os
import pathlib
import shutil
import subprocess

import harness

TOOLS = harness.ROOT / "build/tools"
LONGEST = 1800  # seconds for one program

# name -> package, version, whether only ./run-tests --full builds it (all take minutes, which CI lacks). Each version is the newest that could be had when this was written.
KNOWN = {
    "crane": ("github.com/google/go-containerregistry/cmd/crane", "v0.22.1", True),
    "oras": ("oras.land/oras/cmd/oras", "v1.3.6", True),
    "notation": ("github.com/notaryproject/notation/cmd/notation", "v1.3.2", True),
    "cosign": ("github.com/sigstore/cosign/v2/cmd/cosign", "v2.6.5", True),
    "cosign3": ("github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3", True),
}


def go_tool(name):
    """(path, None), or (None, why there is none)."""
    package, version, slow = KNOWN[name]
    folder = TOOLS / f"{name}-{version}"
    program = folder / pathlib.Path(package).name
    if program.exists():
        return program, None
    if not shutil.which("go"):
        return None, "no Go here"
    if slow and not os.environ.get("BULWARK_FULL_TESTS"):
        return None, "not built yet; ./run-tests --full builds it"
    # By way of a module of our own: `go install` also wants a module's list of versions, which not every mirror has for all.
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text("module tools\n")
    for command in (["get", f"{package}@{version}"], ["build", "-p=1", "-o", str(program), package]):  # -p=1: large ones need gigabytes
        try:
            done = subprocess.run(["nice", "go", *command], cwd=folder, capture_output=True, text=True, timeout=LONGEST)
        except subprocess.TimeoutExpired:
            return None, f"not built within {LONGEST // 60} minutes"
        if done.returncode != 0:
            return None, "not obtainable: " + (done.stderr.strip().splitlines() or ["go failed"])[-1].strip()[-200:]
    return program, None
