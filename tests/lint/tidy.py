#!/usr/bin/env python3
"""clang-tidy over the given source files, or every one, with the compile commands of the asan preset (clang too).

A file is looked at again only if its preprocessed text, the checks or clang-tidy changed since it last passed."""
import concurrent.futures, hashlib, json, os, pathlib, re, shlex, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIDY = "clang-tidy-19"
PASSED = ROOT / "build/tidy-passed"


def output(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def compile_commands():
    return {c["file"]: c for c in json.loads((ROOT / "build/asan/compile_commands.json").read_text())}


def key(command, checks):
    """What the outcome depends on, hashed; None if the file does not compile."""
    words = [w for w in shlex.split(command["command"]) if not w.endswith("ccache")]
    while words and "clang" not in os.path.basename(words[0]):  # cmake -E env NAME=VALUE ccache
        words.pop(0)
    at = words.index("-o")
    del words[at:at + 2]
    text = subprocess.run([*words, "-E", "-C"], cwd=command["directory"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return None if text.returncode else hashlib.sha256(checks + text.stdout).hexdigest()


def ours(said):
    """Whether an error lies in our files, or nothing says where. The analyzer loses its way in coroutines and then finds null
    pointers in Boost's awaitable.hpp."""
    places = re.findall(r"^(\S+?):\d+:\d+: error:", said, re.MULTILINE)
    return not places or any(not place.startswith("/usr/") for place in places)


def look(file, command, checks):
    """(file, what clang-tidy said, or None if it passed)"""
    mark = key(command, checks)
    if mark and (PASSED / mark).exists():
        return file, None
    ran = subprocess.run([TIDY, "-p", "build/asan", "--quiet", "--warnings-as-errors=*", file], cwd=ROOT,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    passed = ran.returncode == 0 or not ours(ran.stdout)
    if passed and mark:
        (PASSED / mark).touch()
    return file, None if passed else ran.stdout + ran.stderr


def main():
    output("cmake", "--preset", "asan")
    output("cmake", "--build", "--preset", "asan", "--target", "bw_base")  # also the precompiled header
    PASSED.mkdir(parents=True, exist_ok=True)
    files = sys.argv[1:] or [f for f in output("git", "ls-files", "src/*.cc").decode().split()
                             if not f.endswith(("_test.cc", "_fuzz.cc"))]
    commands, checks = compile_commands(), (ROOT / ".clang-tidy").read_bytes() + output(TIDY, "--version")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for file, said in pool.map(lambda f: look(f, commands[str(ROOT / f)], checks), files):
            if said is not None:
                failed += 1
                print(f"{file}:\n{said}", flush=True)
    print(f"{len(files)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
