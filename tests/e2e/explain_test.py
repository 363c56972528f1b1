#!/usr/bin/env python3
"""tests/e2e/explain_test.py: every error that the real program tells has a code that it explains.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/explain_test.py
"""

import glob
import os
import re
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "replay"))
import product

OK, FAILED, USAGE, REFUSED = 0, 1, 2, 3


def setUpModule():
    product.require_binary()


def explained():
    done = product.run("explain")
    return [line.split()[0] for line in done.out.split("\n\n")[0].splitlines()]


class Explain(unittest.TestCase):
    def test_every_code_of_the_list_is_explained(self):
        codes = explained()
        self.assertGreater(len(codes), 30)
        self.assertEqual(len(codes), len(set(codes)))
        for code in codes:
            done = product.run("explain", code)
            self.assertEqual(done.code, OK, code)
            self.assertRegex(
                done.out, rf"\A{code}, of .*\n.+\.\n\nUsually: .+\nWhat to do: .+\n\Z", code
            )

    def test_an_error_names_its_code(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "x.toml"), "w", encoding="utf-8") as file:
                file.write("[tapes]\n")
            cases = {
                ("tape", "ls", "nowhere"): (FAILED, "not_found"),
                ("tape", "sl", "nowhere"): (USAGE, "invalid_argument"),
                ("tapes",): (USAGE, "invalid_argument"),
                ("replay",): (USAGE, "invalid_argument"),
                ("replay", "--bar", "1m", "x"): (USAGE, "invalid_argument"),
                ("check-config", "x.toml"): (FAILED, "malformed"),
                ("query", "bars", "nowhere.db", "--series", "a/b/c"): (FAILED, "not_found"),
                ("explain", "nothing"): (USAGE, "invalid_argument"),
            }
            for arguments, (status, code) in cases.items():
                with self.subTest(arguments):
                    done = product.run(*arguments, cwd=folder)
                    self.assertEqual(done.code, status, done.err)
                    last = done.err.splitlines()[-1]
                    self.assertTrue(last.startswith(f"tapedeck: error[{code}]: "), done.err)
                    self.assertEqual(done.out, "")

    def test_help_is_no_error(self):
        done = product.run("replay", "--help")
        self.assertEqual((done.code, done.err), (OK, ""))
        self.assertIn("--bars", done.out)

    def test_every_reason_of_a_refusal_is_explained(self):
        codes = explained()
        reasons = set()
        for path in glob.glob(os.path.join(product.ROOT, "src/feeds/**/*.?pp"), recursive=True):
            if path.endswith("_test.cpp"):
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read()
            found = re.findall(r'(?:refuse|flaw|stop|bad|Flaw)[({]+\s*"(\w+)"', text)
            found += re.findall(r'"(bad_\w+)"', text)
            reasons.update(found)
        self.assertGreater(len(reasons), 12)
        self.assertEqual(reasons - set(codes), set())


if __name__ == "__main__":
    unittest.main()
