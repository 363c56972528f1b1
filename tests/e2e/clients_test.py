#!/usr/bin/env python3
"""tests/e2e/clients_test.py: public clients, as PyPI has them, of emulated venues.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/clients_test.py

Each runs as a program of its own (tests/e2e/clients) with the Python of build/e2e-venv, and must
get what was traded, digit by digit. cryptofeed is compiled when it is installed, which takes
minutes: it runs where TAPEDECK_CRYPTOFEED names a Python that has it.
"""

import datetime
import decimal
import json
import os
import random
import re
import subprocess
import sys
import time
import unittest
import zoneinfo

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import certificate
import product
from live_test import LiveCase, trades_csv

CLIENTS = os.path.join(TESTS, "e2e", "clients")
PYTHON = os.path.join(product.ROOT, "build/e2e-venv/bin/python")
CRYPTOFEED = os.environ.get("TAPEDECK_CRYPTOFEED")
WAIT_S = 60
COUNT = 200


def setUpModule():
    product.require_binary()


class Clients(LiveCase):
    def traded_at(self, name, *options):
        """A venue, and the first trades there."""
        venue = self.emulate(name, *options)
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
                at, traded = self.traded_at(venue)
                came = self.run_client(
                    PYTHON, "over_websocket.py", venue, at.url, at.symbol, COUNT
                )
                self.assert_same(came, traded)

    def test_websocket_client_of_a_venue_without_ids(self):
        at, traded = self.traded_at("finnhub")
        url = f"{at.url}?token=any"
        came = self.run_client(PYTHON, "over_websocket.py", "finnhub", url, at.symbol, COUNT)
        self.assert_same(came, [("-", price, size) for _, price, size in traded])

    def play(self, *arguments):
        """A venue that is asked over HTTP, and its address."""
        process = subprocess.Popen(
            product.command("emulate", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, WAIT_S)
        self.addCleanup(process.terminate)
        return "http" + re.search(r"at (?:ws|http)(://[^/]+)/", process.stdout.readline())[1]

    def day_of_trades(self):
        """A file of 40 minutes of trades of IBM, and its bars of a minute, made here."""
        rng = random.Random(5)
        path = os.path.join(self.folder, "day.csv")
        start = datetime.datetime(2024, 1, 5, 9, 30, tzinfo=zoneinfo.ZoneInfo("America/New_York"))
        begin = int(start.timestamp() * 1000)
        bars = {}
        with open(path, "w", encoding="utf-8") as out:
            out.write("time,price,size\n")
            for at in sorted(rng.randrange(40 * 60_000) for _ in range(COUNT)):
                price, size = rng.randrange(900_000, 1_000_000), rng.randrange(1, 500)
                out.write(f"{begin + at},{price // 10_000}.{price % 10_000:04},{size}\n")
                opened = start + datetime.timedelta(minutes=at // 60_000)
                bar = bars.setdefault(f"{opened:%Y-%m-%dT%H:%M:%S}", [price, price, price, 0, 0])
                bar[1], bar[2], bar[3] = max(bar[1], price), min(bar[2], price), price
                bar[4] += size
        rows = [
            ("bar", time, *(f"{p // 10_000}.{p % 10_000:04}" for p in bar[:4]), str(bar[4]))
            for time, bar in sorted(bars.items())
        ]
        return path, rows

    def run_until_kept(self, kind, count):
        """The events of a kind that `run` in the folder has put on the tape, so many at least."""

        def kept():
            done = product.run("tape", "cat", os.path.join(self.folder, "tape"), "--kind", kind)
            return [json.loads(line) for line in done.out.splitlines()]

        with self.running() as service:
            service.until("the events", lambda: len(kept()) >= count)
            self.assertEqual(service.stop(), 0)
        return kept()

    FILE = ("--map", "time=time:ms,price=price,size=size", "--symbol", "IBM", "--venue", "test")

    def test_alpha_vantage(self):
        path, bars = self.day_of_trades()
        address = self.play("alpha_vantage", path, *self.FILE)
        came = self.run_client(PYTHON, "over_rest.py", "alpha_vantage", address, "IBM")
        self.assertGreater(len(bars), 30)
        expected = [("zone", "US/Eastern"), *bars, ("days", "2024-01-05"), ("refused", "True")]
        self.assertEqual(came, expected)

    def test_our_own_poll_of_alpha_vantage(self):
        path, bars = self.day_of_trades()
        address = self.play("alpha_vantage", path, *self.FILE)
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(
                '[[feed]]\nid = "us"\nvenue = "alpha_vantage"\nsymbols = ["IBM"]\n'
                f'token = "file:key"\nrest_url = "{address}"\nmonths = ["2024-01"]\n'
                '[[bars]]\ninterval = "1m"\nsource = "vendor"\n'
                '[tape]\ndir = "tape"\n[store]\ndir = "store"\n[api]\nlisten = "127.0.0.1:0"\n'
            )
        self.write_key()
        kept = self.run_until_kept("bar", len(bars))
        names = ("open", "high", "low", "close", "volume")
        kept.sort(key=lambda row: int(row["ts_event"]))
        exact = decimal.Decimal
        self.assertEqual(
            [[exact(row[name]) for name in names] for row in kept],
            [[exact(value) for value in bar[2:]] for bar in bars],
        )

    def test_finnhub_python(self):
        path, _ = self.day_of_trades()
        at = self.play("finnhub", path, *self.FILE, "--speed", "100000")
        self.run_client(PYTHON, "over_rest.py", "finnhub-python", at, "IBM")  # begins the play
        time.sleep(0.2)
        came = self.run_client(PYTHON, "over_rest.py", "finnhub-python", at, "IBM")
        with open(path, encoding="utf-8") as file:
            rows = [line.split(",") for line in file.read().splitlines()[1:]]
        (_, last, first, at_s), symbol = came
        self.assertEqual((float(last), float(first)), (float(rows[-1][1]), float(rows[0][1])))
        self.assertLess(abs(int(at_s) - time.time()), WAIT_S)
        self.assertEqual(symbol, ("symbol", "IBM"))

    def test_random_user_by_its_page_of_toml(self):
        address = self.play("random_user")
        with open(os.path.join(product.ROOT, "pipelines/random_user/pipeline.toml")) as file:
            page = file.read().replace("https://randomuser.me", address)
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(page.replace('"10s"', '"100ms"').replace("var/random_user/", ""))
            out.write('\n[api]\nlisten = "127.0.0.1:0"\n')
        rows = self.run_until_kept("record", 5)
        for row in rows:
            person = row["body"] if isinstance(row["body"], dict) else json.loads(row["body"])
            self.assertEqual(row["series"], f"random_user/record/{person['nat']}")

    def test_cryptofeed(self):
        if CRYPTOFEED is None:
            self.skipTest("not run: TAPEDECK_CRYPTOFEED names no Python that has cryptofeed")
        trusted, key = certificate.make(self.folder)  # it takes wss and https only
        at, traded = self.traded_at("binance", "--tls-certificate", trusted, "--tls-key", key)
        address = at.rest_url.removeprefix("https://")
        trust = {"SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}
        client = "with_cryptofeed.py"
        came = self.run_client(CRYPTOFEED, client, address, "BTC-USDT", COUNT, trust=trust)
        self.assert_same(came, traded)


if __name__ == "__main__":
    unittest.main()
