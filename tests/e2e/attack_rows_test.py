"""attack_rows.py is whole: each row has a test that exists and a defence that is where it says, or waits for a feature that is named."""

import ast
import re
import subprocess
import sys
import unittest

import attack_rows
import harness

SECTIONS = {"Tenancy and authorization": "tenancy", "HTTP/1.1 framing": "framing", "Uploads, storage": "storage", "Manifests, ambiguity": "manifests"}


def exists(test):
    name, _, what = test.partition(" ")
    path = harness.ROOT / (name if "/" in name else f"tests/e2e/{name}")
    if not path.is_file():
        return False
    text = path.read_text()
    if what.startswith("# "):
        return re.search(r"^#.*" + re.escape(what[2:]), text, re.M) is not None
    suite, _, case = what.partition(".")
    if path.suffix == ".cc":
        return re.search(rf"^TEST(_F|_P)?\({suite}, {case}\)", text, re.M) is not None
    return any(
        isinstance(c, ast.ClassDef) and c.name == suite and any(isinstance(f, ast.FunctionDef) and f.name == case for f in c.body) for c in ast.parse(text).body
    )


class Rows(unittest.TestCase):
    def test_every_row_has_tests_that_exist(self):
        for section, rows in attack_rows.ROWS.items():
            for row, (tests, defence) in rows.items():
                with self.subTest(row):
                    self.assertTrue(tests or row in attack_rows.NOT_YET)
                    for test in tests:
                        self.assertTrue(exists(test), test)
                    if tests:
                        file, _, text = defence.partition(" ")
                        self.assertIn(text.strip(), (harness.ROOT / file).read_text(), defence)
        self.assertLessEqual(set(attack_rows.NOT_YET), {row for rows in attack_rows.ROWS.values() for row in rows})

    def test_defences_stand_where_they_are_taken_out(self):
        """tests/tools/take_out_defences.py, which is too slow for every day, must find its texts."""
        done = subprocess.run([sys.executable, harness.ROOT / "tests/tools/take_out_defences.py", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_attack_test_belongs_to_a_row(self):
        named = {test for rows in attack_rows.ROWS.values() for tests, _ in rows.values() for test in tests}
        for path in (harness.ROOT / "tests/e2e").glob("attacks_*_test.py"):
            for c in ast.parse(path.read_text()).body:
                for f in c.body if isinstance(c, ast.ClassDef) else []:
                    if isinstance(f, ast.FunctionDef) and f.name.startswith("test_") and f.name != "test_no_secret_of_a_refused_request_is_logged":
                        self.assertIn(f"{path.name} {c.name}.{f.name}", named)

    def test_no_row_of_the_list_is_missing(self):
        source = harness.SHARED / "specs/attacks.md"
        if not source.exists():
            self.skipTest("the list is not here")
        found, section = {}, None
        for line in source.read_text().splitlines():
            if line.startswith("## "):
                section = next((name for title, name in SECTIONS.items() if line[3:].startswith(title)), None)
            elif section and (m := re.match(r"\| ([a-z0-9]+(?:-[a-z0-9]+)+) \|", line)):
                found.setdefault(section, set()).add(m[1])
        self.assertEqual(found, {section: set(rows) for section, rows in attack_rows.ROWS.items()})
        covered = sum(bool(tests) for rows in attack_rows.ROWS.values() for tests, _ in rows.values())
        print(
            f"\nmeasured: attacks of four sections: {covered} of {sum(map(len, attack_rows.ROWS.values()))} rows have tests, the others wait for features that do not exist"
        )


if __name__ == "__main__":
    unittest.main()
