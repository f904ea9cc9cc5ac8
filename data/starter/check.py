#!/usr/bin/env python3
"""Compares language.txt with OSV records and prints what differs. Usage: check.py PATH... (files of JSON lines, folders
of JSON or YAML records). For people who edit the table; nothing is written."""
import json
import os
import re
import sys


def documents(path):
    if os.path.isdir(path):
        for folder, _, names in os.walk(path):
            for name in names:
                full = os.path.join(folder, name)
                if name.endswith(".json"):
                    yield json.load(open(full, encoding="utf-8"))
                elif name.endswith((".yaml", ".yml")):
                    import yaml
                    yield yaml.load(open(full, encoding="utf-8"), Loader=yaml.BaseLoader)
    else:
        for line in open(path, encoding="utf-8"):
            yield json.loads(line)


def ranges_of(affected):
    out = set()
    for r in affected.get("ranges") or []:
        if r.get("type") == "GIT":
            continue
        low = None
        for event in r["events"]:
            (kind, version), = list(event.items())[:1]
            if kind == "introduced":
                low = "" if version == "0" else version
            else:
                out.add(f"{low or ''}..{'=' if kind == 'last_affected' else ''}{version}")
                low = None
        if low is not None:
            out.add(low + "..")
    return out


known, withdrawn = {}, set()
for path in sys.argv[1:]:
    for doc in documents(path):
        if doc.get("withdrawn"):
            continue
        for affected in doc.get("affected") or []:
            package = affected.get("package") or {}
            name = package.get("name", "")
            if package.get("ecosystem") == "PyPI":
                name = re.sub(r"[-_.]+", "-", name).lower()
            for i in [doc["id"], *(doc.get("aliases") or [])]:
                known.setdefault((package.get("ecosystem"), name, i), []).append((doc["id"], ranges_of(affected), doc))

rows = checked = 0
for line in open(os.path.join(os.path.dirname(__file__), "language.txt"), encoding="utf-8"):
    words = line.split()
    if len(words) != 5 or words[0].startswith("#"):
        continue
    rows += 1
    ecosystem, package, ids, ranges, vector = words
    for i in ids.split(","):
        found = known.get((ecosystem, package, i))
        if not found:
            continue
        checked += 1
        union = set().union(*(r for _, r, _ in found))
        if union != set(ranges.split("|")):
            print(f"{ecosystem} {package} {i}: table {ranges}; " + "; ".join(f"{d} {'|'.join(sorted(r))}" for d, r, _ in found))
        scores = {s["score"] for _, _, d in found for s in d.get("severity") or [] if s["score"].startswith("CVSS:3")}
        if scores and vector[9:] not in {s[9:] for s in scores}:
            print(f"{ecosystem} {package} {i}: table {vector}, record {scores}")
        break
print(f"{rows} rows, {checked} found in the records")
