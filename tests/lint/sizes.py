#!/usr/bin/env python3
"""Prints how long files and functions are (p50, p90, max) and test lines to source lines; fails over the limits of
STYLE.md: nine of ten functions within 35 lines, nine of ten files within 400, none over 800.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))] if values else 0


def function_lengths(text):
    """Lengths of the function bodies of a file, from clang-format's shape: a line that ends in '{' at any depth of
    namespace or class, is no type, namespace or control statement, and the line that closes it at the same indentation."""
    lines, out = text.splitlines(), []
    start = re.compile(r"^(\s*)(?!namespace|class|struct|enum|union|extern|if|for|while|switch|else|do|try|case|default|return|public|private|\}|//|#)[^;]*[)\w>]\s*(const|noexcept|override|final|mutable|->[^{;]*|:[^{;]*)*\s*\{$")
    i = 0
    while i < len(lines):
        match = start.match(lines[i])
        if match and "(" in "".join(lines[max(0, i - 6):i + 1]) and len(match.group(1)) <= 2 and "=" not in lines[i].split("(")[0]:
            close = match.group(1) + "}"
            j = i + 1
            while j < len(lines) and not (lines[j] == close or lines[j].startswith(close + " ") or lines[j].startswith(close + ";")):
                j += 1
            if j < len(lines):
                out.append((j - i + 1, i + 1))
        i += 1
    return out


def main():
    files, functions, tests, source = [], [], 0, 0
    for path in sorted(p for p in (ROOT / "src").rglob("*") if p.suffix in (".h", ".cc")):
        text = path.read_text(errors="replace")
        count = text.count("\n")
        if path.stem.endswith(("_test", "_fuzz")) or path.stem.endswith("_suite"):
            tests += count
            continue
        source += count
        files.append((count, str(path.relative_to(ROOT))))
        functions += [(n, f"{path.relative_to(ROOT)}:{line}") for n, line in function_lengths(text)]
    for path in (ROOT / "tests").rglob("*"):
        if path.suffix in (".py", ".cc", ".sh", ".script"):
            tests += path.read_text(errors="replace").count("\n")
    lengths, sizes = [n for n, _ in functions], [n for n, _ in files]
    print(f"functions: {len(lengths)}, lines p50 {percentile(lengths, 50)}, p90 {percentile(lengths, 90)}, max {max(functions)}")
    print(f"files: {len(sizes)}, lines p50 {percentile(sizes, 50)}, p90 {percentile(sizes, 90)}, max {max(files)}")
    print(f"test lines {tests}, source lines {source}, ratio {tests / max(1, source):.2f}")
    if "--list" in sys.argv:
        for n, where in sorted(functions, reverse=True)[:25]:
            print(f"  {n:4} {where}")
    bad = percentile(lengths, 90) > 35 or percentile(sizes, 90) > 400 or max(sizes) > 800
    return 1 if bad else 0


sys.exit(main())
