#!/usr/bin/env python3
"""tests/replay/planted_test.py: the comparison with the oracle can fail.

Errors are planted in a copy of the oracle; the comparison with what the program really says must
report each of them.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/replay/planted_test.py
"""

import functools
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixtures
import product
from product import DEMO, oracle

IBM = (DEMO[1],)


def setUpModule():
    product.require_binary()


@functools.lru_cache(maxsize=None)
def program_says(files, interval, conditions, session):
    done = product.replay(files, interval, conditions, session)
    if done.code != 0:
        raise AssertionError(f"exit {done.code}: {done.err[-2000:]}")
    return done.out


def without(bit):
    """The condition table with one row dropped."""
    return {key: row for key, row in oracle.LEAN_CONDITIONS.items() if key != bit}


class ClosesAt1601(oracle.UsEquityCalendar):
    closes = 16 * 60 + 1


class OpensAt0931(oracle.UsEquityCalendar):
    opens = 9 * 60 + 31


class EachCopyCounts(oracle.Oracle):
    """Takes a file that comes a second time for another file."""

    def add_to_files_(self, data, trades):
        super().add_to_files_(
            data + b"\n" * len(self.from_files_.get(("lean", "trade", "IBM"), ())), trades
        )


class Doubles(oracle.Oracle):
    """Adds up notional the way a double does."""

    def bars(self, *arguments):
        return [
            bar._replace(notional=repr(float(bar.notional) * (1 + 2**-50)).removesuffix(".0"))
            for bar in super().bars(*arguments)
        ]


class Planted(unittest.TestCase):
    def found(self, reader, files=IBM, interval="1m", conditions="eligible", session="extended"):
        for path in files:
            reader.add_file(path)
        planted = oracle.csv_text(
            reader.bars(interval, conditions, session), interval, conditions, session
        )
        return product.differences(
            program_says(tuple(files), interval, conditions, session), planted
        )

    def sees(self, reader, **choice):
        self.assertEqual(
            self.found(oracle.Oracle(), **choice), [], "the oracle as it is must agree first"
        )
        found = self.found(reader, **choice)
        self.assertNotEqual(found, [])
        return found

    def test_ties_reversed(self):
        found = self.sees(oracle.Oracle(rules=oracle.Rules(ties_reversed=True)), conditions="all")
        self.assertTrue(
            all(": open:" in line or ": close:" in line or "more" in line for line in found), found
        )

    def test_ties_reversed_where_ids_decide(self):
        with tempfile.TemporaryDirectory() as folder:
            path = fixtures.write(folder, "spot.gz", fixtures.gz(fixtures.binance(1, "spot")))
            self.sees(
                oracle.Oracle(rules=oracle.Rules(ties_reversed=True)),
                files=(path,),
                conditions="all",
            )

    def test_a_condition_dropped(self):
        with tempfile.TemporaryDirectory() as folder:
            path = fixtures.write(
                folder,
                "day.zip",
                fixtures.zipped({"20131007_xyz_Trade_Tick.csv": fixtures.lean_equity(1)}),
            )
            for bit, row in oracle.LEAN_CONDITIONS.items():
                if row[:3] != (oracle.YES,) * 3:
                    with self.subTest(bit=bit):
                        self.sees(
                            oracle.Oracle(rules=oracle.Rules(without(bit))),
                            files=(path,),
                            interval="1s",
                        )
                if row[3] == oracle.REGULAR:
                    with self.subTest(bit=bit, session="regular"):
                        self.sees(
                            oracle.Oracle(rules=oracle.Rules(without(bit))),
                            files=(path,),
                            interval="1s",
                            session="regular",
                        )

    def test_a_condition_dropped_on_a_real_day(self):
        for bit in (13, 20, 24, 26):
            with self.subTest(bit=bit):
                self.sees(oracle.Oracle(rules=oracle.Rules(without(bit))), interval="1s")

    def test_the_session_ends_a_minute_later(self):
        self.sees(oracle.Oracle(rules=oracle.Rules(calendar=ClosesAt1601())), session="regular")

    def test_the_session_begins_a_minute_later(self):
        self.sees(oracle.Oracle(rules=oracle.Rules(calendar=OpensAt0931())), session="regular")

    def test_a_duplicate_counted(self):
        self.sees(EachCopyCounts(), files=IBM * 2, conditions="all")

    def test_sums_in_doubles(self):
        self.sees(Doubles(), conditions="all")

    def test_one_digit_one_row_and_the_order_of_rows(self):
        text = program_says(IBM, "1m", "all", "extended")
        lines = text.splitlines(keepends=True)
        digit = text[:-1].rindex(",1m,") - 1
        for planted in (
            text[:digit] + ("1" if text[digit] != "1" else "2") + text[digit + 1 :],
            "".join(lines[:-1]),
            text + lines[-1],
            "".join([lines[0], lines[2], lines[1], *lines[3:]]),
            text.rstrip("\n"),
            "",
        ):
            self.assertNotEqual(product.differences(planted, text), [])
            self.assertNotEqual(product.differences(text, planted), [])


if __name__ == "__main__":
    unittest.main()
