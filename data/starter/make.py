#!/usr/bin/env python3
"""Writes debian.txt, cvss.txt and kev.txt of the starter set from the data pack of the project (facts alone).

Usage: make.py FACTS.jsonl KEV.json NVD.json [OSV.jsonl | OSV-FOLDER]...
Vectors come from NVD where it has the CVE, else from OSV records that name it; without either the severity stays unknown.
"""
import json
import os
import re
import sys
from datetime import timezone
from email.utils import parsedate_to_datetime

HERE = os.path.dirname(os.path.abspath(__file__))


def osv(path):
    if os.path.isdir(path):
        for folder, dirs, names in os.walk(path):
            dirs.sort()
            for name in sorted(names):
                if name.endswith(".json"):
                    yield json.load(open(os.path.join(folder, name), encoding="utf-8"))
    else:
        for line in open(path, encoding="utf-8"):
            yield json.loads(line)


def write(name, lines):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


facts = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
cves = {fact["cve"] for fact in facts}

rows = {}
for fact in facts:
    date = parsedate_to_datetime(fact["date"]).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows.setdefault((fact["ecosystem"], fact["source"]), {}).setdefault((date, fact["fixed"]), set()).add(fact["cve"])
lines = ["# Facts read from the changelogs of the security suites of Debian 12 and 13: fixed version, date, CVEs. A version is",
         "# fixed from there on; nothing is said about unfixed CVEs. Written by make.py.", "date 2026-11-24"]
release = None
for (ecosystem, source), fixes in sorted(rows.items()):
    if ecosystem != release:
        lines.append(f"release {ecosystem}")
        release = ecosystem
    lines.append(f"source {source}")
    for (date, fixed), ids in sorted(fixes.items()):
        lines.append(" ".join([fixed, date, *sorted(ids)]))
write("debian.txt", lines)

vectors = {}
for path in sys.argv[4:]:
    for record in osv(path):
        if record.get("withdrawn"):
            continue
        severities = list(record.get("severity") or [])
        for affected in record.get("affected") or []:
            severities += affected.get("severity") or []
        for cve in cves & {record["id"], *(record.get("aliases") or [])}:
            for s in severities:
                if s["score"].startswith("CVSS:3"):
                    vectors.setdefault(cve, s["score"])
for item in json.load(open(sys.argv[3], encoding="utf-8"))["vulnerabilities"]:
    metrics = item["cve"].get("metrics", {})
    for kind in ("cvssMetricV30", "cvssMetricV31"):
        for metric in sorted(metrics.get(kind, []), key=lambda m: m["type"] == "Primary"):
            if item["cve"]["id"] in cves:
                vectors[item["cve"]["id"]] = metric["cvssData"]["vectorString"]
base = re.compile(r"^(CVSS:3\.[01]/AV:./AC:./PR:./UI:./S:./C:./I:./A:.)")
lines = ["# CVSS base vectors of CVEs in debian.txt, where a public record states one. Written by make.py."]
lines += [f"{cve} {base.match(vector).group(1)}" for cve, vector in sorted(vectors.items()) if base.match(vector)]
write("cvss.txt", lines)

for line in open(os.path.join(HERE, "language.txt"), encoding="utf-8"):
    if not line.startswith(("#", "date")):
        cves.update(i for i in line.split()[2].split(",") if i.startswith("CVE-"))
catalog = json.load(open(sys.argv[2], encoding="utf-8"))
lines = ["# CVEs of the starter set that CISA lists as known exploited, with the day they were added. Written by make.py.",
         f"date {catalog['dateReleased'][:10]}"]
lines += [f"{v['cveID']} {v['dateAdded']}" for v in sorted(catalog["vulnerabilities"], key=lambda v: v["cveID"]) if v["cveID"] in cves]
write("kev.txt", lines)
