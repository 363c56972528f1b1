#!/usr/bin/env python3
"""tests/replay/market_test.py: simulated markets, replayed, are the oracle's bars, digit by digit.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/replay/market_test.py

Late and repaired trades, clocks that jump, repeats, events of every kind between them: see
tests/market_sim.py. One stamp of the year 2100 is refused, so the exit status is 3.
"""

import itertools
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import product
from product import oracle

sys.path.insert(0, os.path.join(product.ROOT, "tests"))
import market_sim

# A replay without a tape cannot read trades again that are taken back or corrected.
WITHOUT = ("corrections",)
REFUSED = 3


def setUpModule():
    product.require_binary()


class Market(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def market(self, seed, without=WITHOUT):
        return market_sim.write(os.path.join(self.folder, str(seed)), seed, 2000, without)

    def agrees(self, files, reader, interval, conditions, session, options=()):
        done = product.replay(files, interval, conditions, session, options)
        self.assertEqual(done.code, REFUSED, done.err[-2000:])
        bars = reader.bars(interval, conditions, session)
        self.assertEqual(
            product.differences(done.out, oracle.csv_text(bars, interval, conditions, session)), []
        )

    def test_row_by_row(self):
        for seed in (1, 2, 3):
            path = self.market(seed)["all"]
            reader = oracle.Oracle().add_file(path)
            for interval, conditions, session in itertools.product(
                ("1s", "1m", "1h"), ("all", "eligible"), ("extended", "regular")
            ):
                with self.subTest(seed=seed, interval=interval, conditions=conditions):
                    self.agrees([path], reader, interval, conditions, session)

    def test_everything_with_corrections(self):
        for seed in (11, 12):
            path = self.market(seed, ())["all"]
            reader = oracle.Oracle().add_file(path)
            tapes = itertools.count()

            def agrees(want, *options):
                tape = os.path.join(self.folder, f"tape-{seed}-{next(tapes)}")
                with self.subTest(seed=seed, options=options):
                    done = product.run("replay", path, *options, "--tape", tape)
                    self.assertEqual(done.code, REFUSED, done.err[-2000:])
                    self.assertEqual(product.differences(done.out, want), [])
                    self.assertEqual(done.out, want)

            for interval, conditions, session in itertools.product(
                ("1s", "15s", "1m", "15m", "1d"), ("all", "eligible"), ("extended", "regular")
            ):
                choice = (interval, conditions, session)
                agrees(
                    oracle.full_csv_text(reader.bars(*choice), *choice),
                    *("--bars", interval, "--conditions", conditions, "--session", session),
                    *("--columns", "full"),
                )
            for conditions, session in itertools.product(
                ("all", "eligible"), ("extended", "regular")
            ):
                choice = ("15s", conditions, session)
                agrees(
                    oracle.averages_csv_text(reader.averages(*choice), *choice),
                    *("--averages", "--conditions", conditions, "--session", session),
                )
            for conditions in ("all", "eligible"):
                choice = ("5s", conditions, "extended")
                agrees(
                    oracle.means_csv_text(reader.means(*choice), *choice),
                    *("--means", "--conditions", conditions),
                )
            for source, interval in itertools.product(("last", "vendor"), ("1m", "1h")):
                choice = (interval, "all", "extended", source)
                agrees(
                    oracle.full_csv_text(reader.bars(*choice), *choice),
                    *("--bars", interval, "--source", source, "--conditions", "all"),
                    *("--columns", "full"),
                )

    def test_a_correction_without_a_tape_says_what_to_do(self):
        done = product.replay([self.market(13, ())["all"]])
        self.assertEqual(done.code, 1)
        self.assertIn("--tape", done.err)

    def test_feed_by_feed_in_any_order(self):
        paths = self.market(4)
        reader = oracle.Oracle().add_file(paths["all"])
        feeds = [paths[name] for name in market_sim.LIVE]
        for order in itertools.permutations(feeds):
            self.agrees(order, reader, "1m", "eligible", "extended")

    def test_batches_and_threads(self):
        path = self.market(5)["all"]
        reader = oracle.Oracle().add_file(path)
        for batch, threads in itertools.product((1, 7, 65536), (1, 2, 4)):
            options = ["--batch", batch, "--threads", threads]
            self.agrees([path], reader, "1m", "eligible", "extended", options)

    def test_what_is_printed_of_its_tape_makes_the_same_tape(self):
        path = self.market(6, WITHOUT + ("far",))["all"]
        printed = []
        for name in ("first", "second"):
            tape = os.path.join(self.folder, name)
            done = product.replay([path], options=["--tape", tape])
            self.assertEqual(done.code, 0, done.err[-2000:])
            cat = product.run("tape", "cat", tape)
            self.assertEqual(cat.code, 0, cat.err[-2000:])
            printed.append(cat.out)
            path = os.path.join(self.folder, name + ".jsonl")
            with open(path, "w", encoding="utf-8") as out:
                out.write(cat.out)
        self.assertEqual(printed[0], printed[1])


if __name__ == "__main__":
    unittest.main()
