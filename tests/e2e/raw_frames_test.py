#!/usr/bin/env python3
"""tests/e2e/raw_frames_test.py: frames that were kept as they came make the same trades again.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/raw_frames_test.py

Two venues on one tape, cut and duplicated meanwhile, and a `kill -9`; then `tape frames` gives each
venue's capture, and `replay` of it the trades that the tape has.
"""

import os
import signal
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import product
from live_test import TRADES, Venue, trades_of
from run_test import Service


def setUpModule():
    product.require_binary()


class RawFrames(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-frames-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tape = os.path.join(self.folder, "tape")

    def emulate(self, name, *faults):
        options = [word for fault in faults for word in ("--fault", fault)]
        venue = Venue(self.folder, name, *options)
        self.addCleanup(venue.stop)
        return venue

    def frames(self, *options):
        return product.run("tape", "frames", self.tape, *options)

    def test_a_capture_makes_the_same_trades(self):
        venues = [self.emulate("coinbase", "duplicate@2s"), self.emulate("kraken", "cut@2500ms")]
        feeds = "".join(
            f'[[feed]]\nid = "{venue.venue}"\nvenue = "{venue.venue}"\n'
            f'symbols = ["{venue.symbol}"]\nurl = "{venue.url}"\nrest_url = "http://127.0.0.1:9"\n'
            for venue in venues
        )
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(
                f'[tape]\ndir = "tape"\nraw = "keep"\n[store]\ndir = "store"\n{feeds}'
                '[api]\nlisten = "127.0.0.1:0"\n'
            )
        for is_last in (False, True):
            service = Service(self.folder)
            try:
                service.until("trades", lambda: service.durable() > 200)
                if is_last:
                    service.until("the last trades", lambda: self.is_played(venues))
                    self.assertEqual(service.stop(), 0)
                else:
                    service.send(signal.SIGKILL)
            finally:
                service.close()
        there = trades_of(self.tape)
        for venue in venues:
            feed = f"{venue.venue}/{venue.venue}"
            done = self.frames("--feed", feed)
            self.assertEqual(done.code, 0, done.err)
            capture = os.path.join(self.folder, f"{venue.venue}.frames")
            with open(capture, "w", encoding="utf-8") as out:
                out.write(done.out)
            again = os.path.join(self.folder, f"again-{venue.venue}")
            options = ("--venue", venue.venue, "--tape", again, "--digest")
            done = product.run("replay", capture, *options)
            self.assertEqual(done.code, 0, done.err)
            own = {key: trade for key, trade in there.items() if key[0].startswith(venue.venue)}
            self.assertGreater(len(own), TRADES / 3)
            self.assertEqual(trades_of(again), own)
        done = self.frames()
        self.assertEqual(done.code, 2)
        self.assertIn("name one with --feed", done.err)
        done = self.frames("--feed", "acme/acme")
        self.assertEqual(done.code, 1)
        self.assertIn("there are: coinbase/coinbase, kraken/kraken", done.err)

    def is_played(self, venues):
        there = trades_of(self.tape)
        return all((f"{v.venue}/trade/{v.symbol}", TRADES) in there for v in venues)


if __name__ == "__main__":
    unittest.main()
