#!/usr/bin/env python3
"""tests/e2e/run_test.py: `tapedeck run FILE.toml` as a service runs it.

It plays recordings through the whole pipeline. It is drained, reloaded and killed at random, and in
the end its store holds what the oracle says, bar by bar, with no revision of a bar twice.

    [TAPEDECK_BIN=build/release/tapedeck] [TAPEDECK_KILLS=200] python3 tests/e2e/run_test.py
"""

import collections
import contextlib
import csv
import io
import itertools
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
import product
from product import DEMO, oracle

sys.path.insert(0, TESTS)
import market_sim

KILLS = int(os.environ.get("TAPEDECK_KILLS", "200"))
KILLS_A_SESSION = 20
WAIT_S = 60
DRAIN_S = 5
BARS = (
    ("1s", "all", "extended"),
    ("1m", "eligible", "extended"),
    ("1m", "all", "regular"),
    ("1h", "all", "extended"),
    ("1d", "eligible", "regular"),
)
MANY = [f"S{n}" for n in range(51)]
AVERAGES = ("15s", "all", "extended")


# Bars shorter than a minute are kept for a day at least; when they go then, depends.
DAY_NS = 86400 * 10**9
SHORT_FROM = f"SELECT max(ts_known) - {DAY_NS} FROM bars"
KEPT = f"(interval_ns >= 60000000000 OR ts_open >= ({SHORT_FROM}))"


def setUpModule():
    product.require_binary()


def feed(name, venue, files, speed=None):
    text = f'[[feed]]\nid = "{name}"\nvenue = "{venue}"\nfiles = {json.dumps(files)}\n'
    return text + (f"speed = {speed}\n" if speed else "")


def bars(interval, conditions, session, slide=None):
    text = f'[[bars]]\ninterval = "{interval}"\nconditions = "{conditions}"\n'
    return text + f'session = "{session}"\n' + (f'slide = "{slide}"\n' if slide else "")


COLUMNS = (
    "ts_open open high low close volume notional trades excluded buy_volume sell_volume vwap"
).split()


def compared(text):
    """The values of bars that two ways of writing them share; not of those that became empty."""
    rows = csv.DictReader(io.StringIO(text))
    return [
        tuple(row[name] for name in COLUMNS)
        for row in rows
        if (row["trades"], row["excluded"]) != ("0", "0")
    ]


class Service:
    """A program that runs a pipeline file, from its start to its end."""

    def __init__(self, folder):
        self.log_path = os.path.join(folder, "run.log")
        out_path = os.path.join(folder, "run.out")
        with open(out_path, "wb") as out, open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                product.command("run", "pipeline.toml"),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        self.out = open(out_path, encoding="utf-8")
        self.address = None

    def log(self):
        with open(self.log_path, encoding="utf-8") as text:
            return text.read()

    def until(self, what, ask):
        deadline = time.monotonic() + WAIT_S
        while not (answer := ask()):
            if self.process.poll() is not None:
                raise AssertionError(f"exit {self.process.returncode}, {what}: {self.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {WAIT_S} s: {what}: {self.log()}")
            time.sleep(0.01)
        return answer

    def find_address(self):
        self.out.seek(0)
        return re.search(r"(http://\S+)/\?token=(\S+)\n", self.out.read())

    def get(self, target):
        if self.address is None:
            self.address = self.until("its address", self.find_address)
        request = urllib.request.Request(
            self.address[1] + target, headers={"Authorization": f"Bearer {self.address[2]}"}
        )
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.read().decode()

    def status(self):
        return json.loads(self.get("/api/v1/status"))

    def durable(self):
        return int(self.status()["tape"]["durable_offset"])

    def until_ended(self, run=1):
        def ended():
            status = self.status()["play"]
            return status["run"] >= run and status["state"] == "ended"

        self.until("all is stored", ended)

    def send(self, what):
        self.process.send_signal(what)

    def stop(self):
        """Its exit code; a failure if a drain takes longer than it may."""
        self.send(signal.SIGTERM)
        return self.process.wait(DRAIN_S + 1)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.out.close()


class RunTest(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, *parts, folder=None, partitions=1):
        folder = folder or self.folder
        os.makedirs(folder, exist_ok=True)
        text = (
            f'[tape]\ndir = "tape"\nsegment_bytes = "1MiB"\npartitions = {partitions}\n'
            '[store]\ndir = "store"\nmeans = true\n[api]\nlisten = "127.0.0.1:0"\n'
        )
        with open(os.path.join(folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(text + "".join(parts))

    def market(self, *parts, seed, folder=None, partitions=1):
        """A pipeline of a simulated market; the oracle of it."""
        folder = folder or self.folder
        path = market_sim.write(os.path.join(folder, "market"), seed, 2000)["all"]
        self.write(
            feed("sim", "events", [path]),
            *(bars(*choice) for choice in BARS),
            bars(*AVERAGES, slide="5s"),
            *parts,
            folder=folder,
            partitions=partitions,
        )
        return path

    @contextlib.contextmanager
    def service(self, folder=None):
        running = Service(folder or self.folder)
        try:
            yield running
        finally:
            running.close()

    def finished(self, folder=None):
        """Runs to the end of what it is given and stops."""
        with self.service(folder) as running:
            running.until_ended()
            self.assertEqual(running.stop(), 0, running.log())

    def query(self, series, interval, conditions, session, *options):
        done = product.run(
            *("query", "bars", os.path.join(self.folder, "store/store.db"), "--series", series),
            *("--interval", interval, "--conditions", conditions, "--session", session),
            *("--limit", 1_000_000, *options),
        )
        self.assertEqual(done.code, 0, done.err)
        return done.out

    def rows(self, query, folder=None):
        path = os.path.join(folder or self.folder, "store/store.db")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            return store.execute(query).fetchall()

    def results(self, folder=None):
        """What the store holds, but for what depends on when events came."""
        found = self.rows(
            "SELECT venue, channel, instrument, interval_ns, conditions, session, source, adjusted,"
            " slide_ns, ts_open, open, high, low, close, volume, notional, buy_volume, sell_volume,"
            " price_sum, trades, excluded, unapplied FROM bars"
            " JOIN bar_series ON bar_series.id = bar_series_id JOIN series ON series.id = series_id"
            f" WHERE trades + excluded > 0 AND {KEPT} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
            folder,
        )
        found += self.rows(
            "SELECT venue, channel, instrument, conditions, ts_tick, trades, price_sum, notional"
            " FROM means JOIN series ON series.id = series_id ORDER BY 1, 2, 3, 4, 5",
            folder,
        )
        return found

    def check_revisions(self, folder):
        """Each revision of a bar differs from the one before it, and no number is there twice."""
        last = {}
        for row in self.rows(
            "SELECT bar_series_id, ts_open, revision, open, high, low, close, volume, notional,"
            " buy_volume, sell_volume, price_sum, trades, excluded, unapplied FROM"
            " (SELECT * FROM (SELECT bar_series_id, ts_open, revision, open, high, low, close,"
            " volume, notional, buy_volume, sell_volume, price_sum, trades, excluded, unapplied"
            " FROM revisions UNION ALL SELECT bar_series_id, ts_open, revision, open, high, low,"
            " close, volume, notional, buy_volume, sell_volume, price_sum, trades, excluded,"
            " unapplied FROM bars)) ORDER BY 1, 2, 3",
            folder,
        ):
            key, revision, values = row[:2], row[2], row[3:]
            if key in last:
                self.assertEqual(revision, last[key][0] + 1, row)
                self.assertNotEqual(values, last[key][1], row)
            last[key] = (revision, values)


class Results(RunTest):
    def compare(self, path):
        reader = oracle.Oracle().add_file(path)
        short_from = self.rows(SHORT_FROM)[0][0]
        for choice in BARS:
            by_series = collections.defaultdict(list)
            for bar in reader.bars(*choice):
                by_series[f"{bar.venue}/{bar.channel}/{bar.instrument}"].append(bar)
            self.assertTrue(by_series)
            for series, want in by_series.items():
                options = ()
                if choice[0] == "1s":
                    want = [bar for bar in want if int(bar.ts_open) >= short_from]
                    options = ("--start", short_from)
                got = self.query(series, *choice, *options)
                self.assertEqual(compared(got), compared(oracle.full_csv_text(want, *choice)))
        stored = self.rows(
            "SELECT venue, channel, instrument, ts_open + interval_ns, trades, price_sum, notional"
            " FROM bars JOIN bar_series ON bar_series.id = bar_series_id"
            " JOIN series ON series.id = series_id"
            f" WHERE slide_ns > 0 AND trades > 0 AND {KEPT} ORDER BY 1, 2, 3, 4"
        )
        want = collections.defaultdict(list)
        for mean in reader.averages(*AVERAGES):
            want[mean.venue, mean.channel, mean.instrument].append((mean.ts, mean.trades))
        for series, means in want.items():
            means = [mean for mean in means if mean[0] >= short_from + 15 * 10**9]
            self.assertEqual([row[3:5] for row in stored if row[:3] == series], means)

    def test_a_market_with_all_that_goes_wrong(self):
        path = self.market(seed=21)
        self.finished()
        self.compare(path)
        self.check_revisions(self.folder)
        self.assertGreater(len(self.rows("SELECT 1 FROM revisions LIMIT 100")), 50)

    def test_partitions_change_nothing(self):
        found = []
        for partitions in (1, 2, 7):
            folder = os.path.join(self.folder, str(partitions))
            self.market(seed=22, folder=folder, partitions=partitions)
            self.finished(folder)
            found.append(self.results(folder))
        self.assertGreater(len(found[0]), 5000)
        self.assertEqual(found[1], found[0])
        self.assertEqual(found[2], found[0])

    def test_two_feeds_that_are_played(self):
        self.write(
            feed("spy", "lean", DEMO[:1], 1_000_000),
            feed("others", "lean", DEMO[1:], 1_000_000),
            bars("1m", "all", "regular"),
        )
        self.finished()
        reader = product.read(tuple(DEMO))
        want = collections.defaultdict(list)
        for bar in reader.bars("1m", "all", "regular"):
            want[bar.instrument].append(bar)
        self.assertEqual(sorted(want), ["AIG", "IBM", "SPY"])
        for symbol, of_symbol in want.items():
            self.assertEqual(
                compared(self.query(f"lean/trade/{symbol}", "1m", "all", "regular")),
                compared(oracle.full_csv_text(of_symbol, "1m", "all", "regular")),
            )


class Restarts(RunTest):
    def test_killed_at_random(self):
        rng = random.Random(5)
        killed = 0
        for session in itertools.count():
            if killed >= KILLS:
                break
            calm, wild = (os.path.join(self.folder, f"{session}-{n}") for n in ("calm", "wild"))
            for folder in (calm, wild):
                self.market(seed=100 + session, folder=folder)
            began = time.monotonic()
            self.finished(calm)
            took = time.monotonic() - began
            for _ in range(KILLS_A_SESSION):
                with self.service(wild) as running:
                    time.sleep(rng.uniform(0, took))
                    running.send(signal.SIGKILL)
                    running.process.wait()
                killed += 1
            self.finished(wild)
            self.assertEqual(self.results(wild), self.results(calm), f"session {session}")
            self.check_revisions(wild)

    def test_stopped_in_the_middle_all_is_stored_and_it_goes_on(self):
        self.write(feed("spy", "lean", DEMO[:1], 4000), bars("1m", "all", "extended"))
        stops = 0
        while stops < 3:
            with self.service() as running:
                before = running.durable()
                running.until(
                    "some more trades", lambda: running.durable() > before
                )
                self.assertEqual(running.stop(), 0, running.log())
                self.assertIn("all that came in is stored", running.log())
            ls = product.run("tape", "ls", os.path.join(self.folder, "tape"), "--format", "json")
            applied = self.rows("SELECT applied FROM checkpoint")
            end = int(json.loads(ls.out)["segments"][-1]["end"])
            self.assertEqual(applied, [(end,)])
            stops += 1
        self.write(feed("spy", "lean", DEMO[:1], 1_000_000), bars("1m", "all", "extended"))
        self.finished()
        want = product.read(tuple(DEMO[:1])).bars("1m", "all", "extended")
        self.assertEqual(
            compared(self.query("lean/trade/SPY", "1m", "all", "extended")),
            compared(oracle.full_csv_text(want, "1m", "all", "extended")),
        )

    def test_a_second_signal_ends_it_at_once_and_loses_nothing(self):
        path = self.market(seed=31)
        for _ in range(5):
            with self.service() as running:
                running.status()
                running.send(signal.SIGTERM)
                running.send(signal.SIGINT)
                self.assertIn(running.process.wait(DRAIN_S), (0, 1), running.log())
        self.finished()
        calm = os.path.join(self.folder, "calm")
        self.assertEqual(self.market(seed=31, folder=calm)[-9:], path[-9:])
        self.finished(calm)
        self.assertEqual(self.results(), self.results(calm))


class Reload(RunTest):
    def test_other_bars_and_a_bad_file(self):
        self.market(seed=41)
        with self.service() as running:
            running.until_ended()
            self.assertFalse(self.rows("SELECT 1 FROM bar_series WHERE interval_ns = 300000000000"))
            with open(os.path.join(self.folder, "pipeline.toml"), "a", encoding="utf-8") as out:
                out.write(bars("5m", "all", "extended"))
            running.send(signal.SIGHUP)
            running.until_ended(run=2)
            self.assertTrue(self.rows("SELECT 1 FROM bar_series WHERE interval_ns = 300000000000"))

            with open(os.path.join(self.folder, "pipeline.toml"), "a", encoding="utf-8") as out:
                out.write('[[bars]]\ninterval = "7m"\n')
            running.send(signal.SIGHUP)
            running.until("a complaint", lambda: "runs on as before" in running.log())
            self.assertIn("15m", running.log())
            self.assertEqual(running.status()["play"]["run"], 2)
            self.assertEqual(running.stop(), 0)

    def test_the_token_stays(self):
        self.market(seed=42)
        tokens = set()
        for _ in range(2):
            with self.service() as running:
                running.status()
                tokens.add(running.address[2])
        self.assertEqual(len(tokens), 1)
        path = os.path.join(self.folder, "store/token")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)


class Refusals(RunTest):
    def refused(self, code=1):
        done = product.run("run", "pipeline.toml", cwd=self.folder)
        self.assertEqual(done.code, code, done.err)
        return done.err

    def test_what_cannot_be_run_says_why(self):
        self.write('[[feed]]\nid = "x"\nvenue = "lean"\nsymbols = ["SPY"]\n')
        self.assertIn("feed 'x': lean is read from recordings only", self.refused())
        finnhub = f'[[feed]]\nid = "x"\nvenue = "finnhub"\nsymbols = {json.dumps(MANY)}\n'
        self.write(finnhub)
        self.assertIn("finnhub wants a key", self.refused())
        self.write(finnhub + 'token = "env:HOME"\n')
        self.assertIn("serves 50 symbols to a key, and these are 51", self.refused())
        self.write(feed("x", "lean", ["gone.zip"]))
        self.assertIn("gone.zip", self.refused())
        self.write(feed("x", "lean", DEMO[:1]), '[[bars]]\ninterval = "7m"\n')
        self.assertIn("15m", self.refused())
        self.write(feed("x", "krakan", DEMO[:1]))
        self.assertIn("kraken", self.refused())

    def test_two_of_one_pipeline(self):
        self.write(feed("x", "lean", DEMO[:1], 10))
        with self.service() as running:
            running.status()
            self.assertIn("tape", self.refused())


if __name__ == "__main__":
    unittest.main()
