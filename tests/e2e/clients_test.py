#!/usr/bin/env python3
"""tests/e2e/clients_test.py: public clients, as PyPI has them, of emulated venues.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/clients_test.py

Each runs as a program of its own (tests/e2e/clients) with the Python of build/e2e-venv, and must
get what was traded, digit by digit. cryptofeed is compiled when it is installed, which takes
minutes: it runs where TAPEDECK_CRYPTOFEED names a Python that has it.
"""

import decimal
import os
import subprocess
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import certificate
import product
from live_test import Venue, trades_csv

CLIENTS = os.path.join(TESTS, "e2e", "clients")
PYTHON = os.path.join(product.ROOT, "build/e2e-venv/bin/python")
CRYPTOFEED = os.environ.get("TAPEDECK_CRYPTOFEED")
WAIT_S = 60
COUNT = 200


def setUpModule():
    product.require_binary()


class Clients(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-clients-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def emulate(self, name, *options):
        """A venue, and the first trades there."""
        venue = Venue(self.folder, name, *options)
        self.addCleanup(venue.stop)
        rows = [line.split(",") for line in trades_csv(name).splitlines()[1 : COUNT + 1]]
        return venue, [(number, price, size) for _, price, size, number, _ in rows]

    def run_client(self, python, script, *arguments, trust=None):
        if not os.path.exists(python):
            self.skipTest(f"not run: {os.path.relpath(python, product.ROOT)} is not there")
        done = subprocess.run(
            [python, os.path.join(CLIENTS, script), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            env={**os.environ, **(trust or {})},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return [tuple(line.split()) for line in done.stdout.splitlines()]

    def assert_same(self, came, traded):
        def exact(rows):
            return [(number, decimal.Decimal(p), decimal.Decimal(s)) for number, p, s in rows]

        self.assertEqual(exact(came), exact(traded))

    def test_websocket_client(self):
        for venue in ("binance", "coinbase", "kraken"):
            with self.subTest(venue):
                at, traded = self.emulate(venue)
                came = self.run_client(
                    PYTHON, "over_websocket.py", venue, at.url, at.symbol, COUNT
                )
                self.assert_same(came, traded)

    def test_websocket_client_of_a_venue_without_ids(self):
        at, traded = self.emulate("finnhub")
        url = f"{at.url}?token=any"
        came = self.run_client(PYTHON, "over_websocket.py", "finnhub", url, at.symbol, COUNT)
        self.assert_same(came, [("-", price, size) for _, price, size in traded])

    def test_cryptofeed(self):
        if CRYPTOFEED is None:
            self.skipTest("not run: TAPEDECK_CRYPTOFEED names no Python that has cryptofeed")
        trusted, key = certificate.make(self.folder)  # it takes wss and https only
        at, traded = self.emulate("binance", "--tls-certificate", trusted, "--tls-key", key)
        address = at.rest_url.removeprefix("https://")
        trust = {"SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}
        client = "with_cryptofeed.py"
        came = self.run_client(CRYPTOFEED, client, address, "BTC-USDT", COUNT, trust=trust)
        self.assert_same(came, traded)


if __name__ == "__main__":
    unittest.main()
