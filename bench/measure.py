"""Runs a command and reports wall time, CPU time and the peak resident size of the process with all its children."""
import os
import pathlib
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BULWARK = ROOT / "build/release/bulwark"
PAGE = os.sysconf("SC_PAGE_SIZE")


def tree_rss(root):
    """Resident bytes of a process and its descendants (private pages: shared ones count once, by Pss where it can be read)."""
    parents, total = {}, 0
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(entry.name)] = int(fields[1])
        except (OSError, ValueError):
            continue
    for pid in parents:
        walk = pid
        while walk in parents and walk != root:
            walk = parents[walk]
        if walk != root:
            continue
        try:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def run(command, env=None):
    """{'seconds', 'cpu', 'peak', 'code', 'out'}"""
    begin = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
    peak, done = 0, threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, tree_rss(process.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    before = os.times()
    out, err = process.communicate()
    after = os.times()
    done.set()
    thread.join()
    return {"seconds": time.monotonic() - begin, "peak": peak, "code": process.returncode, "out": out, "err": err,
            "cpu": after.children_user + after.children_system - before.children_user - before.children_system}


def best(command, times=3, env=None):
    """The fastest of several runs; the peak is the largest of all."""
    runs = [run(command, env) for _ in range(times)]
    out = min(runs, key=lambda r: r["seconds"])
    out["peak"] = max(r["peak"] for r in runs)
    return out


def row(name, value, note=""):
    print(f"  {name:<44} {value:<24} {note}")
