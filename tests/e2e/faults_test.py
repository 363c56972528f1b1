#!/usr/bin/env python3
"""tests/e2e/faults_test.py: what live feeds do with the rarer faults of venues, over TLS too.

`tapedeck emulate` is the venue, as in live_test.py. At the end each venue has a session of many
faults at random, without and with `kill -9` of the program: what was traded is on the tape, or
known as a gap.

    [TAPEDECK_BIN=build/release/tapedeck] [TAPEDECK_FAULTS=12] [TAPEDECK_FAULTS_S=12]
        python3 tests/e2e/faults_test.py
"""

import json
import os
import random
import signal
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "replay"))
import certificate
import product
from live_test import LENGTH_MS, SYMBOLS, TRADES, LiveCase, missing_of, trades_of

FAULTS = int(os.environ.get("TAPEDECK_FAULTS", "12"))  # of a session
FAULTS_S = float(os.environ.get("TAPEDECK_FAULTS_S", "12"))  # that it lasts
KILLS = max(3, FAULTS // 10)


def setUpModule():
    product.require_binary()


class FaultsTest(LiveCase):
    def test_venues_over_tls(self):
        trusted, key = certificate.make(self.folder)
        tls = ("--tls-certificate", trusted, "--tls-key", key)
        venues = [self.emulate(venue, *tls, "--fault", "drop@2s") for venue in SYMBOLS]
        for venue in venues:
            self.assertRegex(venue.url, "^wss://")
        self.write_pipeline(*venues, more=f'ca_file = "{trusted}"\n')
        with self.running() as service:
            self.until_played(service, venues)
            service.until("repairs over https", lambda: not missing_of(self.tape))
            self.assertEqual(service.stop(), 0)
        self.assert_true_and_whole(venues)

    def test_a_certificate_that_is_not_trusted(self):
        certificate_file, key = certificate.make(self.folder)
        venue = self.emulate("kraken", "--tls-certificate", certificate_file, "--tls-key", key)
        plain = self.emulate("binance")
        self.write_pipeline(venue, plain)
        with self.running() as service:
            self.until_played(service, [plain])
            self.assertIn("certificate", service.log())
            self.assertEqual(service.stop(), 0)
        self.assertEqual({series for series, _ in trades_of(self.tape)}, {"binance/trade/BTCUSDT"})

    def test_rarer_faults(self):
        for name in SYMBOLS:
            with self.subTest(name):
                self.setUp()
                faults = "oversized@1s renamed@2500ms added@2600ms skew@3s drip@3500ms kick@4s"
                log, status = self.played(name, faults.split())
                self.assertIn("more came than is allowed", log)
                self.assertIn("a day old", log)
                # The one with another name, whole, and no other.
                self.assertEqual(status["quarantine"]["reasons"], {"missing_field": "1"})
                self.assert_drift(name, log)

    def assert_drift(self, name, log):
        """Both changes of the format are known: from the tape alone, and in the log."""
        price = "p" if name == "binance" else "price"
        done = product.run("quality", self.tape, "--drift", "--format", "json")
        rows = json.loads(done.out)["drift"]
        for row in rows:
            self.assertEqual((row["venue"], row["instrument"]), (name, SYMBOLS[name]))
        seen = {(row["field"], row["is"]) for row in rows}
        wanted = {("added", "unknown"), (f"{price}_v2", "unknown"), (price, "missing")}
        self.assertEqual(seen, wanted)
        for field, word in wanted:
            self.assertRegex(log, rf"changed its format.*field={field} is={word}")

    def test_who_is_asked_to_stay_away_stays_away(self):
        # So slow that it still trades when the program is back.
        log, _ = self.played("binance", ["drop@500ms", "429@500ms", "cut@700ms"], speed="0.5")
        self.assertIn("too many attempts", log)
        self.setUp()
        log, _ = self.played("coinbase", ["drop@500ms", "429@600ms"], speed="0.5")
        self.assertIn("the venue answered 429", log)

    def session(self, name, kills=()):
        """Many faults at random: what is missing in the end, by its ids."""
        speed = LENGTH_MS / 1000 / FAULTS_S
        options = ("--faults", FAULTS, "--seed", 7, "--speed", speed, "--mute", "2s")
        venue = self.emulate(name, *map(str, options))
        self.write_pipeline(venue)
        ends = None
        for after_s in kills:
            with self.running() as service:
                service.until("trades", lambda: os.path.exists(venue.capture))
                ends = ends or time.monotonic() + FAULTS_S
                time.sleep(after_s)
                service.send(signal.SIGKILL)
                service.process.wait()
        with self.running() as service:
            service.until("trades", lambda: os.path.exists(venue.capture))
            ends = ends or time.monotonic() + FAULTS_S
            time.sleep(max(0, ends - time.monotonic()))
            is_live = lambda: service.status()["feeds"][0]["state"] == "live"
            service.until("the feed is connected", is_live)
            # Each venue tells which trade was the last, or is asked where it is quiet.
            service.until("all of it", lambda: len(trades_of(self.tape)) == TRADES)
            self.assertEqual(service.stop(), 0)
        self.assertEqual(self.assert_true_and_whole([venue]), 0)
        self.assert_bars_are_the_truths(venue)
        told = f"{FAULTS} faults in {FAULTS_S:.0f} s, {len(kills)} kills: all {TRADES} trades"
        print(f"{name}: {told}")

    def test_many_faults(self):
        for name in SYMBOLS:
            with self.subTest(name):
                self.setUp()
                self.session(name)

    def test_many_faults_and_kills(self):
        rng = random.Random(5)
        for name in SYMBOLS:
            with self.subTest(name):
                self.setUp()
                self.session(name, [rng.random() * FAULTS_S / KILLS for _ in range(KILLS)])


if __name__ == "__main__":
    unittest.main()
