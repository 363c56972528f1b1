#!/usr/bin/env python3
"""tests/replay/replay_oracle_test.py: `tapedeck replay` gives the oracle's bars, digit by digit.

[TAPEDECK_BIN=FILE] [TAPEDECK_CORPUS=DIR] python3 tests/replay/replay_oracle_test.py
"""

import csv
import glob
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixtures
import product
from product import CORPUS, DEMO, NO_CORPUS, map_options, oracle, read, replay

CHOICES = [
    (conditions, session)
    for conditions in ("all", "eligible")
    for session in ("extended", "regular")
]


def setUpModule():
    product.require_binary()


class Case(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def succeeded(self, done):
        self.assertEqual(done.code, 0, done.err[-2000:])
        return done.out

    def agrees(self, files, interval, conditions, session, mapping):
        """Row by row, and the digest."""
        bars = read(tuple(files), **mapping).bars(interval, conditions, session)
        done = replay(files, interval, conditions, session, map_options(**mapping))
        found = product.differences(
            self.succeeded(done), oracle.csv_text(bars, interval, conditions, session)
        )
        self.assertEqual(found, [], "\n".join(found))
        self.digest_agrees(files, interval, conditions, session, mapping)

    def digest_agrees(self, files, interval, conditions, session, mapping, options=()):
        bars = read(tuple(files), **mapping).bars(interval, conditions, session)
        done = replay(
            files, interval, conditions, session, [*map_options(**mapping), "--digest", *options]
        )
        self.assertEqual(
            self.succeeded(done).strip(),
            oracle.digest(bars, interval, conditions, session),
            options,
        )


class Demo(Case):
    def test_row_by_row(self):
        for conditions, session in CHOICES:
            for interval in ("1s", "1m", "1h"):
                with self.subTest(interval=interval, conditions=conditions, session=session):
                    self.agrees(DEMO, interval, conditions, session, {})

    def test_every_interval(self):
        for interval in oracle.INTERVALS.keys() - {"1d"}:  # replay has no days yet
            with self.subTest(interval=interval):
                self.agrees(DEMO[1:], interval, "eligible", "regular", {})

    def test_the_defaults_are_eligible_and_extended(self):
        bars = read(tuple(DEMO)).bars("1m", "eligible", "extended")
        self.assertEqual(
            product.differences(
                self.succeeded(product.run("replay", *DEMO, "--bars", "1m")),
                oracle.csv_text(bars, "1m", "eligible", "extended"),
            ),
            [],
        )

    def test_the_report_counts_the_trades(self):
        done = replay(DEMO)
        self.succeeded(done)
        self.assertRegex(re.sub(r"[ ,_']", "", done.err), "300245")

    def test_digest_is_all_there_is_on_stdout(self):
        self.assertRegex(
            self.succeeded(replay(DEMO[2:], options=["--digest"])), r"\A[0-9a-f]{64}\n?\Z"
        )

    def test_output_file(self):
        path = os.path.join(self.folder, "bars.csv")
        self.assertEqual(self.succeeded(replay(DEMO[2:], options=["--output", path])), "")
        with open(path) as out:
            self.assertEqual(out.read(), self.succeeded(replay(DEMO[2:])))


class SameAnswer(Case):
    """However it is run."""

    def test_batches_and_threads(self):
        for batch, threads in itertools.product((1, 7, 65536), (1, 2, 4)):
            with self.subTest(batch=batch, threads=threads):
                self.digest_agrees(
                    DEMO, "1m", "eligible", "extended", {}, ["--batch", batch, "--threads", threads]
                )

    def test_batches_and_threads_where_much_is_out_of_order(self):
        for title, files, mapping in fixtures.all_formats(self.folder, 4):
            for batch, threads in ((1, 1), (7, 2), (65536, 4)):
                with self.subTest(title, batch=batch, threads=threads):
                    self.digest_agrees(
                        files,
                        "1s",
                        "eligible",
                        "extended",
                        mapping,
                        ["--batch", batch, "--threads", threads],
                    )

    def test_order_of_files(self):
        bars = read(tuple(DEMO)).bars("1m", "all")
        for files in itertools.permutations(DEMO):
            done = replay(files, options=["--digest"])
            self.assertEqual(
                self.succeeded(done).strip(), oracle.digest(bars, "1m", "all", "extended")
            )
        self.assertEqual(
            self.succeeded(replay(DEMO[::-1])), oracle.csv_text(bars, "1m", "all", "extended")
        )

    def test_order_of_files_of_one_series(self):
        for title, files, mapping in fixtures.all_formats(self.folder, 5):
            if len(files) > 1:
                with self.subTest(title):
                    bars = read(tuple(files), **mapping).bars("1m", "all")
                    for order in itertools.permutations(files):
                        done = replay(order, options=[*map_options(**mapping), "--digest"])
                        self.assertEqual(
                            self.succeeded(done).strip(),
                            oracle.digest(bars, "1m", "all", "extended"),
                            order,
                        )

    def test_the_same_file_twice_adds_nothing_and_says_so(self):
        once, twice = replay(DEMO[2:]), replay(DEMO[2:] * 2)
        self.assertEqual(self.succeeded(twice), self.succeeded(once))
        self.assertRegex(twice.err, r"(?i)duplicate|already|twice|repeat")
        self.assertIn("25351", re.sub(r"[ ,_']", "", twice.err))

    def test_the_same_content_in_another_packing_adds_nothing(self):
        name, text = "20131007_xyz_Trade_Tick.csv", fixtures.lean_equity(9)
        plain = fixtures.write(self.folder, name, text)
        packed = fixtures.write(self.folder, "packed.zip", fixtures.zipped({name: text}))
        self.assertEqual(self.succeeded(replay([plain, packed])), self.succeeded(replay([packed])))

    def test_speed(self):
        self.digest_agrees(DEMO[2:], "1m", "eligible", "extended", {}, ["--speed", 100000])

    def test_formats_say_the_same(self):
        counts = ("trades", "excluded")
        for conditions, session in CHOICES:
            rows = list(
                csv.DictReader(
                    self.succeeded(
                        replay(DEMO[1:], "1m", conditions, session, ["--columns", "full"])
                    ).splitlines()
                )
            )
            for name, parse in (
                ("json", json.loads),
                ("ndjson", lambda text: [json.loads(line) for line in text.splitlines()]),
            ):
                objects = parse(
                    self.succeeded(replay(DEMO[1:], "1m", conditions, session, ["--format", name]))
                )
                self.assertEqual(len(objects), len(rows))
                for row, item in zip(rows, objects):
                    want = {
                        key: int(value) if key in counts else value or None
                        for key, value in row.items()
                    }
                    self.assertEqual(item, want)
                    self.assertEqual([type(item[key]) for key in counts], [int, int])

    def test_a_series_name_that_csv_must_quote(self):
        path = fixtures.write(self.folder, "q.csv", "1672531436,90,1\n")
        text = self.succeeded(replay([path], options=map_options(fixtures.BARE_MAP, 'A,B "C"')))
        self.assertEqual(next(csv.DictReader(text.splitlines()))["instrument"], 'A,B "C"')


class Tape(Case):
    def tape(self):
        return os.path.join(self.folder, "tape")

    def stored_bytes(self):
        return sum(
            os.path.getsize(path)
            for path in glob.glob(self.tape() + "/**", recursive=True)
            if os.path.isfile(path)
        )

    def test_a_kept_tape_takes_the_same_files_once(self):
        want = oracle.csv_text(read(tuple(DEMO)).bars("1m"), "1m", "all", "extended")
        for attempt in range(3):
            done = replay(DEMO, options=["--tape", self.tape()])
            self.assertEqual(product.differences(self.succeeded(done), want), [])
            if attempt:
                self.assertRegex(done.err, r"(?i)duplicate|already|twice|repeat")

    def test_a_kept_tape_grows_by_what_is_new(self):
        self.succeeded(replay(DEMO[:1], options=["--tape", self.tape()]))
        done = replay(DEMO, options=["--tape", self.tape()])
        self.assertEqual(
            product.differences(
                self.succeeded(done),
                oracle.csv_text(read(tuple(DEMO)).bars("1m"), "1m", "all", "extended"),
            ),
            [],
        )

    def test_partitions_and_fsync_levels_change_nothing(self):
        want = oracle.csv_text(read(tuple(DEMO)).bars("1m"), "1m", "all", "extended")
        for number, level in ((1, "always"), (2, "group"), (7, "never")):
            with self.subTest(number):
                tape = f"{self.tape()}-{number}"
                self.addCleanup(shutil.rmtree, tape, ignore_errors=True)
                options = ["--tape", tape, "--partitions", str(number), "--fsync", level]
                self.assertEqual(
                    product.differences(self.succeeded(replay(DEMO, options=options)), want), []
                )
                # The number belongs to the tape: another one is refused, none is needed again.
                self.assertEqual(replay(DEMO, options=options[:3] + ["3"]).code, 2)
                again = replay(DEMO, options=options[:2])
                self.assertEqual(product.differences(self.succeeded(again), want), [])
                logs = {name for name in os.listdir(tape) if re.fullmatch(r"p\d+", name)}
                self.assertEqual(logs, {f"p{i}" for i in range(number)})

    def killed(self, files, mapping, after_s, speed):
        """Waits until the tape holds something and a moment more, kills; True if still running."""
        started = subprocess.Popen(
            product.command(
                "replay",
                *files,
                "--bars",
                "1m",
                "--tape",
                self.tape(),
                "--speed",
                speed,
                *map_options(**mapping),
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30
            before = self.stored_bytes()
            while (
                started.poll() is None
                and self.stored_bytes() <= before
                and time.monotonic() < deadline
            ):
                time.sleep(0.005)
            try:
                started.wait(after_s)
            except subprocess.TimeoutExpired:
                pass
        finally:
            started.kill()
        return started.wait() == -signal.SIGKILL

    def survives_kills(self, files, mapping, speed, seed):
        rng = random.Random(seed)
        kills = sum(self.killed(files, mapping, rng.uniform(0, 0.7), speed) for _ in range(4))
        self.assertGreaterEqual(
            kills, 2, "it was done before it could be killed: lower the speed of this test"
        )
        self.assertGreater(self.stored_bytes(), 0)
        bars = read(tuple(files), **mapping).bars("1m", "eligible")
        done = replay(
            files, "1m", "eligible", options=[*map_options(**mapping), "--tape", self.tape()]
        )
        found = product.differences(
            self.succeeded(done), oracle.csv_text(bars, "1m", "eligible", "extended")
        )
        self.assertEqual(found, [], "\n".join(found))
        self.digest_agrees(files, "1m", "eligible", "extended", mapping, ["--tape", self.tape()])

    def test_killed_in_the_middle_and_run_again(self):
        # the day is 57 600 s long: two seconds of playing
        self.survives_kills(DEMO, {}, 30000, 1)

    def test_killed_where_trades_carry_ids(self):
        # about four hours of market: two seconds
        path = fixtures.write(
            self.folder, "spot.gz", fixtures.gz(fixtures.binance(6, "spot", 3000))
        )
        self.survives_kills([path], {}, 7000, 2)

    def test_killed_where_much_is_out_of_order(self):
        path = fixtures.write(self.folder, "rows.csv", fixtures.bare_csv(7, 2000))
        self.survives_kills([path], dict(field_map=fixtures.BARE_MAP, symbol="X"), 400000, 3)


class Fixtures(Case):
    """Every format, made here: what real recordings hold seldom."""

    def test_row_by_row(self):
        for seed in (1, 2, 3):
            for title, files, mapping in fixtures.all_formats(self.folder, seed):
                for (conditions, session), interval in itertools.product(
                    CHOICES, ("1s", "1m", "1h")
                ):
                    with self.subTest(
                        title, seed=seed, interval=interval, conditions=conditions, session=session
                    ):
                        self.agrees(files, interval, conditions, session, mapping)

    def test_nothing_is_refused(self):
        for title, files, mapping in fixtures.all_formats(self.folder, 1):
            with self.subTest(title):
                quarantine = os.path.join(self.folder, "quarantine.ndjson")
                self.succeeded(
                    replay(files, options=[*map_options(**mapping), "--quarantine", quarantine])
                )
                self.assertTrue(not os.path.exists(quarantine) or os.path.getsize(quarantine) == 0)


def corpus(*names):
    return sorted(path for name in names for path in glob.glob(os.path.join(CORPUS or "", name)))


XRP_ETH = dict(field_map="time=#0:ms,id=#1,side=#3,price=#4,size=#5", symbol="XRP/ETH")

# what is read together, and how
RECORDINGS = {
    "SPY": (["lean/equity/tick/spy/*_trade.zip"], {}),
    "IBM": (["lean/equity/tick/ibm/*_trade.zip"], {}),
    "AIG": (["lean/equity/tick/aig/*_trade.zip"], {}),
    "GC": (["lean/future/tick/gc/*_trade.zip"], {}),
    "binance spot": (["hftbacktest/spot/*.gz"], {}),
    "binance usdm": (["hftbacktest/usdm/*.gz"], {}),
    "binance coinm": (["hftbacktest/cm/*.gz"], {}),
    "coinbase": (["flashbook/coinbase-*.zst"], {}),
    "kraken": (["flashbook/kraken-*.zst"], {}),
    "XRP/ETH": (["freqtrade/XRP_ETH-trades.json.gz"], XRP_ETH),
    "BCH/EUR": (["freqtrade/BCHEUR.csv"], dict(field_map=fixtures.BARE_MAP, symbol="BCH/EUR")),
    "bitmex": (
        ["nautilus/tardis/bitmex_trades_XBTUSD.csv"],
        dict(field_map=fixtures.TARDIS_MAP, venue="bitmex"),
    ),
}

# bars that somebody else computed from the same files, with every trade counted
EXPECTED = {
    "flashbook_coinbase": (["flashbook/coinbase-*.zst"], {}),
    "flashbook_kraken": (["flashbook/kraken-*.zst"], {}),
    "freqtrade_xrp_eth": (["freqtrade/XRP_ETH-trades.json.gz"], XRP_ETH),
    "hft_spot_btcusdt": (["hftbacktest/spot/btcusdt_*.gz"], {}),
    "hft_usdm_btcusdt": (["hftbacktest/usdm/btcusdt_*.gz"], {}),
    **{
        f"lean_{day}": ([f"lean/equity/tick/{day.replace('_', '/')}_trade.zip"], {})
        for day in ("ibm_20131007", "ibm_20131008", "ibm_20131009", "ibm_20131010", "spy_20131008")
    },
}


@unittest.skipUnless(CORPUS, NO_CORPUS)
class Corpus(Case):
    def test_row_by_row(self):
        for title, (names, mapping) in RECORDINGS.items():
            files = corpus(*names)
            self.assertTrue(files, f"{title}: nothing at {names} in {CORPUS}")
            for (conditions, session), interval in itertools.product(CHOICES, ("1s", "1m", "1h")):
                with self.subTest(title, interval=interval, conditions=conditions, session=session):
                    self.agrees(files, interval, conditions, session, mapping)

    def test_all_us_equities_together_in_any_order(self):
        files = corpus("lean/equity/tick/*/*_trade.zip")
        bars = read(tuple(files)).bars("1m", "eligible")
        want = oracle.digest(bars, "1m", "eligible", "extended")
        for order, options in (
            (files, []),
            (files[::-1], ["--threads", 4]),
            (files + files[:3], ["--batch", 7]),
        ):
            done = replay(order, "1m", "eligible", options=["--digest", *options])
            self.assertEqual(self.succeeded(done).strip(), want, options)

    def test_bars_that_others_computed(self):
        for title, (names, mapping) in EXPECTED.items():
            with self.subTest(title):
                with open(os.path.join(CORPUS, f"expected/{title}_1m.csv")) as source:
                    want = [
                        (
                            row["symbol"],
                            row["minute_start_unix_ms"] + "000000",
                            row["open"],
                            row["high"],
                            row["low"],
                            row["close"],
                            row["volume"],
                            row["trades"],
                            row["notional"],
                        )
                        for row in csv.DictReader(source)
                    ]
                done = replay(corpus(*names), options=map_options(**mapping))
                got = [
                    tuple(
                        row[name]
                        for name in (
                            "instrument",
                            "ts_open",
                            "open",
                            "high",
                            "low",
                            "close",
                            "volume",
                            "trades",
                            "notional",
                        )
                    )
                    for row in csv.DictReader(self.succeeded(done).splitlines())
                ]
                self.assertEqual(sorted(got), sorted(want))


if __name__ == "__main__":
    unittest.main()
