#!/usr/bin/env python3
"""tests/e2e/init_test.py: `tapedeck init` writes a pipeline file that runs, and keeps keys apart.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/init_test.py
"""

import os
import stat
import subprocess
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
import product

WAIT_S = 60
KEY = "planted-4711"


def setUpModule():
    product.require_binary()


class InitTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-init-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def init(self, *arguments, answers="", **environment):
        clean = {name: value for name, value in os.environ.items() if not name.endswith("_TOKEN")}
        return subprocess.run(
            product.command("init", *arguments),
            cwd=self.folder,
            input=answers,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            env=clean | environment,
            check=False,
        )

    def read(self, name="pipeline.toml"):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return file.read()

    def assert_good(self, done, name="pipeline.toml"):
        """Doctor may find fault with this machine (1), but the file is there and right."""
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertIn(f"Next: tapedeck run {name}", done.stdout)
        self.assertIn("clock.time", done.stdout)
        checked = product.run("check-config", name, cwd=self.folder)
        self.assertEqual(checked.code, 0, checked.err)
        self.assertEqual(checked.err, "")

    def test_asks_for_what_is_not_said(self):
        self.assert_good(self.init(answers="kraken:BTC/USD kraken:ETH/USD yahoo:^GSPC\nvar/mine\n"))
        text = self.read()
        self.assertIn('symbols = ["BTC/USD", "ETH/USD"]', text)
        self.assertIn('symbols = ["^GSPC"]', text)
        self.assertIn('dir = "var/mine/tape"', text)
        self.assertIn('source = "last"', text)
        self.assertNotIn("token", text)

    def test_empty_answers_take_what_is_proposed(self):
        self.assert_good(self.init(answers="\n\n"))
        self.assertIn('symbols = ["BTCUSDT"]', self.read())
        self.assertIn('dir = "var/live/store"', self.read())

    def test_asks_nothing_where_all_is_said(self):
        symbols = ("binance:BTCUSDT", "coinbase:BTC-USD")
        self.assert_good(self.init(*symbols, "--file", "x.toml", "--dir", "d"), "x.toml")
        self.assertIn('dir = "d/tape"', self.read("x.toml"))
        self.assertNotIn('source = "last"', self.read("x.toml"))

    def test_a_key_goes_into_a_file_of_its_own(self):
        done = self.init("finnhub:AAPL", answers=KEY + "\n")
        self.assert_good(done)
        self.assertIn('token = "file:finnhub.key"', self.read())
        self.assertNotIn(KEY, self.read() + done.stdout + done.stderr)
        mode = os.stat(os.path.join(self.folder, "finnhub.key")).st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(self.read("finnhub.key"), KEY + "\n")
        # Another file takes the same.
        done = self.init("finnhub:IBM", "--file", "y.toml")
        self.assert_good(done, "y.toml")
        self.assertIn("finnhub.key, which is there", done.stdout)

    def test_a_key_of_the_environment_stays_there(self):
        done = self.init("finnhub:AAPL", FINNHUB_TOKEN=KEY)
        self.assertIn('token = "env:FINNHUB_TOKEN"', self.read())
        self.assertFalse(os.path.exists(os.path.join(self.folder, "finnhub.key")))
        self.assertNotIn(KEY, done.stdout + done.stderr)

    def test_what_cannot_be_is_said(self):
        for arguments, answers, words in (
            (("nasdaq:AAPL",), "", "'nasdaq:AAPL' is neither a pipeline file nor venue:symbol"),
            ((), "", "there is no answer: name the symbols"),
            (("finnhub:AAPL",), "", "put the key into the environment variable FINNHUB_TOKEN"),
            (("finnhub:AAPL",), "\n", "finnhub does not work without a key"),
        ):
            done = self.init(*arguments, answers=answers)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)
            self.assertEqual(os.listdir(self.folder), [])

    def test_what_is_there_stays(self):
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write("mine")
        done = self.init("binance:BTCUSDT")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'pipeline.toml' is there", done.stderr)
        self.assertEqual(self.read(), "mine")


if __name__ == "__main__":
    unittest.main()
