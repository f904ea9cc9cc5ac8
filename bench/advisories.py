"""Promise: advisory data loads in <= 50 ms; re-match of one image on new data <= 1 ms.

Sources: BENCH_ADVISORIES (files for `bulwark db build`), else ../shared/vulndata where it is, else the starter data.
Loading is measured by `bulwark db status` (open, check, describe); the program's own start is measured by `bulwark version`.
"""
import os
import pathlib
import subprocess
import tempfile

from measure import BULWARK, ROOT, best, row


def sources(folder):
    given = os.environ.get("BENCH_ADVISORIES")
    if given:
        return given.split()
    data = ROOT.parent / "shared/vulndata"
    out = ["starter"]
    for name in ("osv-go.tar.zst", "osv-almalinux.tar.zst", "osv-bitnami.tar.zst"):
        if (data / name).exists():
            target = folder / name.split(".")[0]
            target.mkdir()
            subprocess.run(["tar", "-C", target, "--zstd", "-xf", data / name], check=True)
            out.append(str(target))
    for name in ("osv-mixed-sample.jsonl.zst", "debian-security-facts.jsonl.zst", "kev.json.zst"):
        if (data / name).exists():
            target = folder / name[:-4]
            subprocess.run(["zstd", "-dqf", data / name, "-o", target], check=True)
            out.append(str(target))
    return out


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        database = folder / "advisories.bw"
        built = best([BULWARK, "db", "build", "--force", "--out", database, *sources(folder)], times=1)
        if built["code"] != 0:
            raise SystemExit(built["err"].decode())
        print("  " + built["err"].decode().strip().splitlines()[-1])
        start = best([BULWARK, "version"], times=10)
        status = best([BULWARK, "db", "status", "--db", database], times=10)
        packed = subprocess.run(["zstd", "-19", "-q", "-c", database], capture_output=True, check=True).stdout
        row("build", f"{built['seconds'] * 1000:.0f} ms", f"peak {built['peak'] / 2**20:.0f} MiB")
        row("open and describe (promise: <= 50 ms)", f"{(status['seconds'] - start['seconds']) * 1000:.1f} ms", f"program start {start['seconds'] * 1000:.1f} ms")
        row("size", f"{database.stat().st_size / 2**20:.1f} MiB", f"{len(packed) / 2**20:.1f} MiB as zstd -19 (promise: <= 40 MB)")


main()
