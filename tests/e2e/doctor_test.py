#!/usr/bin/env python3
"""tests/e2e/doctor_test.py: check-config and doctor, with the real program.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/doctor_test.py
"""

import json
import os
import socket
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
import product

FAILED, USAGE = 1, 2


def setUpModule():
    product.require_binary()


class FileCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-doctor-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, text):
        with open(os.path.join(self.folder, "x.toml"), "w", encoding="utf-8") as out:
            out.write(text)

    def run_here(self, *arguments, code=0):
        done = product.run(*arguments, cwd=self.folder)
        self.assertEqual(done.code, code, done.out + done.err)
        return done


class CheckConfig(FileCase):
    def test_a_good_file(self):
        self.write('[[feed]]\nid = "a"\nvenue = "kraken"\nsymbols = ["BTC/USD"]\n')
        done = self.run_here("check-config", "x.toml")
        self.assertEqual(done.out, "x.toml: good: 1 feed, 1 kind of bars\n")
        self.assertEqual(done.err, "")

    def test_all_that_is_wrong_is_told_with_its_line(self):
        self.write('[tape]\nfsync = "gruop"\ndir = here\n\n[api]\n"lis\\u001bten" = 1\n')
        done = self.run_here("check-config", "x.toml", code=FAILED)
        lines = done.err.splitlines()
        self.assertEqual(
            lines[0], "x.toml:2:9: tape.fsync: 'gruop' is not known: did you mean 'group'?"
        )
        self.assertRegex(lines[1], r"^x.toml:3:7: not TOML: ")
        self.assertRegex(lines[2], r"^x.toml:6:1: api.lis\\x1bten: .* did you mean 'listen'\?")
        self.assertEqual(lines[3], "tapedeck: error[malformed]: 'x.toml' has 3 errors: see above")
        self.assertEqual(done.out, "")

    def test_what_is_no_file(self):
        os.mkfifo(os.path.join(self.folder, "pipe"))
        for name, says in (
            ("nowhere", "cannot open 'nowhere': No such file or directory"),
            (".", "cannot open '.': Is a directory"),
            ("pipe", "it is a pipe or a device"),
        ):
            done = product.run("check-config", name, cwd=self.folder, timeout=20)
            self.assertNotEqual(done.code, 0)
            self.assertIn(says, done.err)


class Doctor(FileCase):
    def test_it_looks_at_what_the_file_names(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            port = held.getsockname()[1]
            self.write(f'[tape]\ndir = "deep/tape"\n[api]\nlisten = "127.0.0.1:{port}"\n')
            said = json.loads(self.run_here("doctor", "x.toml", "--json", code=FAILED).out)
        checks = {check["name"]: check for check in said["checks"]}
        self.assertEqual(checks["port"]["health"], "fail")
        self.assertIn(f"port {port} on 127.0.0.1 is held by", checks["port"]["what"])
        self.assertIn(f"process {os.getpid()}", checks["port"]["what"])
        self.assertIn("'.' (in which 'deep/tape' would be made)", checks["disk.room"]["what"])
        sync = checks["disk.sync"]["values"]
        self.assertGreater(int(sync["p50_ns"]), 0)
        self.assertGreaterEqual(int(sync["p99_ns"]), int(sync["p50_ns"]))
        self.assertGreater(int(checks["limits.cpus"]["values"]["cpus"]), 0)
        self.assertEqual(checks["zones"]["health"], "ok")
        for check in said["checks"]:
            self.assertEqual(check["advice"] is None, check["health"] == "ok", check)
        self.assertEqual(
            said["failed"], sum(check["health"] == "fail" for check in said["checks"])
        )
        self.assertEqual(os.listdir(self.folder), ["x.toml"])

    def test_for_people(self):
        self.write('[api]\nlisten = "127.0.0.1:0"\n')
        done = product.run("doctor", "x.toml", cwd=self.folder)
        self.assertRegex(done.out, r"(?m)^ok    port              any free one$")
        last = done.out.splitlines()[-1]
        self.assertRegex(last, r"^(all good|\d+ to repair, \d+ to look at)$")
        self.assertEqual(done.code == 0, "\nfail" not in done.out)

    def test_a_file_that_is_wrong_is_not_looked_at(self):
        self.write("[tape]\ndri = 5\n")
        done = self.run_here("doctor", "x.toml", code=FAILED)
        self.assertIn("did you mean 'dir'?", done.err)
        self.assertEqual(done.out, "")


if __name__ == "__main__":
    unittest.main()
