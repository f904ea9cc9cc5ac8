#!/usr/bin/env python3
"""Checks the include ranks of src/LAYERS, and that heavy libraries are included only where STYLE.md allows it.

Prints each breach and `N checked, N wrong`; exits 1 if there is any.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# Headers of a library -> the folders that may include them (DESIGN 7, STYLE 1).
CONFINED = {
    r"openssl/": {"crypto", "net"},
    r"boost/(asio|beast)": {"net"},
    r"curl/": {"net"},
    r"sqlite3\.h": {"storage"},
    r"seccomp\.h": {"sandbox"},
    r"argon2\.h": {"auth"},
    r"isa-l": {"formats"},
    r"zlib\.h": {"formats"},
    r"zstd\.h": {"formats", "image", "advisory", "service"},
    r"CLI/": {"cli"},
    r"yaml\.h": {"formats"},
}


def ranks():
    out = {}
    for rank, line in enumerate(l for l in (SRC / "LAYERS").read_text().splitlines() if l and not l.startswith("#")):
        for folder in line.split():
            out[folder] = rank
    return out


def main():
    rank, wrong, checked = ranks(), [], 0
    for path in sorted(p for p in SRC.rglob("*") if p.suffix in (".h", ".cc")):
        relative = path.relative_to(SRC)
        folder = relative.parts[0]
        if folder not in rank:
            wrong.append(f"{relative}: folder {folder} is not in src/LAYERS")
            continue
        test = path.stem.endswith(("_test", "_fuzz"))
        for kind, target in INCLUDE.findall(path.read_text(errors="replace")):
            checked += 1
            if kind == '"':
                other = target.split("/")[0]
                if other not in rank:
                    wrong.append(f"{relative}: includes \"{target}\", which is in no folder of src/LAYERS")
                elif other != folder and rank[other] >= rank[folder]:
                    wrong.append(f"{relative}: includes \"{target}\", which is not of a lower rank")
            elif not test:
                for pattern, folders in CONFINED.items():
                    if re.match(pattern, target) and folder not in folders:
                        wrong.append(f"{relative}: includes <{target}>; only {', '.join(sorted(folders))} may")
    for line in wrong:
        print(line)
    print(f"{checked} includes checked, {len(wrong)} wrong")
    return 1 if wrong else 0


sys.exit(main())
