#!/usr/bin/env python3
"""The findings that dpkg itself gives for installed packages: the oracle of the end-to-end test.

Usage: debian_oracle.py FACTS.jsonl RELEASE [PACKAGES]

FACTS.jsonl (also .zst) holds {"ecosystem": "Debian:12", "source", "cve", "fixed", …} lines; RELEASE is such an ecosystem.
PACKAGES (or standard input) is the output of
    dpkg-query -W -f '${Package}\\t${Version}\\t${source:Package}\\t${source:Version}\\t${db:Status-Abbrev}\\n'
where the last column may be missing; with it, only installed packages ("ii ") count. Every fact whose source package is
installed in a version that `dpkg --compare-versions` calls lower than the fixed one is printed as

    CVE <tab> SOURCE <tab> SOURCE-VERSION <tab> FIXED <tab> BINARY,BINARY…

sorted, once per source version. Facts of one (source, CVE) with several fixed versions count by the highest one.
"""
import functools
import json
import subprocess
import sys


def lines_of(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dc", path], check=True, capture_output=True, text=True).stdout.splitlines()
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


@functools.lru_cache(maxsize=None)
def lower(a, b):
    result = subprocess.run(["dpkg", "--compare-versions", a, "lt", b], capture_output=True, check=False)
    if result.returncode > 1 or result.stderr:
        sys.exit(f"dpkg cannot compare {a!r} and {b!r}: {result.stderr.decode().strip()}")
    return result.returncode == 0


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    fixes = {}
    for line in lines_of(sys.argv[1]):
        fact = json.loads(line) if line.strip() else None
        if fact is None or fact["ecosystem"] != sys.argv[2]:
            continue
        known = fixes.setdefault(fact["source"], {})
        if fact["cve"] not in known or lower(known[fact["cve"]], fact["fixed"]):
            known[fact["cve"]] = fact["fixed"]
    installed = {}
    for line in lines_of(sys.argv[3]) if len(sys.argv) == 4 else sys.stdin.read().splitlines():
        columns = line.split("\t")
        if len(columns) < 4:
            sys.exit(f"not a line of dpkg-query with four columns: {line!r}")
        package, _, source, version = columns[:4]
        if len(columns) > 4 and not columns[4].startswith("ii"):
            continue
        installed.setdefault((source, version), set()).add(package)
    rows = []
    for (source, version), packages in installed.items():
        for cve, fixed in fixes.get(source, {}).items():
            if lower(version, fixed):
                rows.append("\t".join([cve, source, version, fixed, ",".join(sorted(packages))]))
    for row in sorted(rows):
        print(row)


if __name__ == "__main__":
    main()
