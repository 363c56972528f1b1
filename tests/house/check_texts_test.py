"""tools/check_texts.py must see what does not belong into the project."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_texts  # noqa: E402

# What is planted (in parts, so that this file is clean itself), where, and the complaint.
PLANTED = [
    ("docs/x.md", "see /wor" "k/main/x", "a path of somebody's machine"),
    ("docs/x.md", "HOME=/roo" "t/.cache", "a path of somebody's machine"),
    ("docs/x.md", "cd /hom" "e/alice/x", "a path of somebody's machine"),
    ("tools/x.sh", "cp a /tm" "p/plan", "make a temporary folder"),
    ("web/package-lock.json", "https://registry." "npmjs.org/x", "host of a package registry"),
    ("tools/x.sh", "http://deb." "debian.org", "host of a package registry"),
    ("testdata/key.pem", "-----BEGIN RSA PRIVATE" " KEY-----", "a private key"),
    ("README.md", "written by an A" "I agent", "how a text came to be"),
    ("src/base/x.cpp", "int a; ", "white space at the end"),
    ("src/base/x.cpp", "\tint a;", "a tab"),
    ("src/base/x.cpp", "// " + "x" * 98, "101 columns"),
    ("web/src/x.ts", "// " + "x" * 118, "121 columns"),
    ("src/base/x.cpp", "// caf\u00e9", "not ASCII"),
    ("src/feeds/x.cpp", "auto a = std::chrono::system_" "clock::now();", "base/clock.hpp"),
    ("src/tape/x_test.cpp", "std::this_thread::sleep_" "for(a);", "nothing sleeps"),
    ("src/feeds/x.cpp", "std::random_" "device a;", "base/rng.hpp"),
    ("src/net/x.cpp", "std::get" "env(a);", "only config/"),
    ("src/base/x.hpp", "#pragma once", "begins with its path"),
]
CLEAN = [
    ("src/base/clock.cpp", "auto a = std::chrono::system_" "clock::now();\n"),
    ("src/base/x.hpp", "// src/base/x.hpp: nothing.\n#pragma once\n"),
    ("docs/x.md", "| a long row " + "x" * 200 + " |\n"),
    ("src/net/x.cpp", "// work/root/tmp are words; the session of the exchange is open.\n"),
    ("demo/2013-10-07/SOURCE.md", "tab\there"),
]


class CheckTexts(unittest.TestCase):
    def test_every_planted_text_is_seen(self):
        for path, line, complaint in PLANTED:
            with self.subTest(f"{path}: {line}"):
                found = [why for _, why in check_texts.complaints_of(path, line + "\n")]
                self.assertTrue(any(complaint in why for why in found), found)

    def test_a_missing_end_of_line_is_seen(self):
        found = [why for _, why in check_texts.complaints_of("README.md", "a\nb")]
        self.assertEqual(found, ["no end of line at the end of the file"])

    def test_clean_texts_pass(self):
        for path, text in CLEAN:
            with self.subTest(path):
                self.assertEqual(list(check_texts.complaints_of(path, text)), [])


if __name__ == "__main__":
    unittest.main()
