#!/usr/bin/env python3
"""tests/e2e/live_test.py: live feeds against venues that misbehave, over real sockets.

`tapedeck emulate` is the venue, `tapedeck run` its client. The emulator writes down what a client
that misses nothing gets; every trade on the tape must be one of those, digit by digit, and what is
not on the tape must be what `query gaps` says.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/live_test.py
"""

import contextlib
import csv
import io
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

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import product
from run_test import Service

WAIT_S = 60
TRADES = 1500
LENGTH_MS = 6000
MAP = "time=time:ms,price=price,size=size,id=id,side=side"
# These are asked over HTTP for what was missed.
SYMBOLS = {"binance": "BTCUSDT", "coinbase": "BTC-USD", "kraken": "BTC/USD"}
WITHOUT_IDS = {"finnhub": "BINANCE:BTCUSDT", "yahoo": "BTC-USD"}
KEY = "planted&key/4711"


def setUpModule():
    product.require_binary()


def trades_csv(seed):
    rng = random.Random(seed)
    times = sorted(rng.randrange(LENGTH_MS) for _ in range(TRADES))
    lines = [
        f"{1_700_000_000_000 + at},{rng.randrange(1, 10**9)}.{rng.randrange(100):02},"
        f"0.{rng.randrange(1, 10**8):08},{n + 1},{rng.choice(('buy', 'sell'))}"
        for n, at in enumerate(times)
    ]
    return "time,price,size,id,side\n" + "\n".join(lines) + "\n"


class Venue:
    """An emulator, from its start to its end."""

    def __init__(self, folder, venue, *options):
        self.venue = venue
        self.symbol = (SYMBOLS | WITHOUT_IDS)[venue]
        self.capture = os.path.join(folder, f"{venue}.capture")
        trades = os.path.join(folder, f"{venue}.csv")
        with open(trades, "w", encoding="utf-8") as out:
            out.write(trades_csv(venue))
        self.process = subprocess.Popen(
            product.command(
                *("emulate", venue, trades, "--map", MAP, "--symbol", self.symbol),
                *("--venue", "test", "--capture", self.capture, *options),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = re.search(r"at (wss?://\S+)\n", self.process.stdout.readline())[1]
        self.rest_url = re.sub(r"ws(s?)://([^/]+)/.*", r"http\1://\2", self.url)
        self.token = 'token = "file:key"\n' if venue == "finnhub" else ""

    def stop(self):
        self.process.terminate()
        self.process.wait(WAIT_S)
        self.process.stdout.close()

    def truth(self, folder):
        """By id, what `replay` reads in the capture."""
        tape = os.path.join(folder, f"truth-{self.venue}")
        options = ("--venue", self.venue, "--tape", tape, "--digest")
        done = product.run("replay", self.capture, *options)
        assert done.code == 0, done.err
        return trades_of(tape)


def trades_of(tape):
    """The trades of a tape by series and id."""
    done = product.run("tape", "cat", tape, "--kind", "trade")
    assert done.code == 0, done.err
    trades = {}
    for line in done.out.splitlines():
        trade = json.loads(line)
        key = (trade["series"], int(trade["seq"]))
        assert key not in trades, f"{key} is there twice"
        trades[key] = tuple(trade[name] for name in ("ts_event", "price", "size", "side"))
    return trades


def missing_of(tape):
    """What the tape says of itself that it has not."""
    done = product.run("query", "gaps", tape)
    assert done.code == 0, done.err
    return {
        (row["series"], number)
        for row in csv.DictReader(io.StringIO(done.out))
        for number in range(int(row["first_id"]), int(row["last_id"]) + 1)
    }


class LiveCase(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-live-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tape = os.path.join(self.folder, "tape")

    def emulate(self, venue, *options):
        emulator = Venue(self.folder, venue, *options)
        self.addCleanup(emulator.stop)
        return emulator

    def write_pipeline(self, *venues, rest_of=lambda venue: venue.rest_url, more=""):
        feeds = "".join(
            f'[[feed]]\nid = "{venue.venue}"\nvenue = "{venue.venue}"\n'
            f'symbols = ["{venue.symbol}"]\nurl = "{venue.url}"\n'
            f'rest_url = "{rest_of(venue)}"\n{venue.token}{more}'
            for venue in venues
        )
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(
                f'[tape]\ndir = "tape"\n[store]\ndir = "store"\n{feeds}'
                '[[bars]]\ninterval = "1s"\nconditions = "all"\n'
                '[[bars]]\ninterval = "1s"\nsource = "last"\n[api]\nlisten = "127.0.0.1:0"\n'
            )
        self.write_key()

    def write_key(self):
        key = os.open(os.path.join(self.folder, "key"), os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(key, KEY.encode())
        os.close(key)

    @contextlib.contextmanager
    def running(self):
        service = Service(self.folder)
        try:
            yield service
        finally:
            service.process.kill()
            service.process.wait()
            service.out.close()

    def until_played(self, service, venues):
        """Until the last trade of each venue is on the tape."""

        def is_played():
            if not all(os.path.exists(venue.capture) for venue in venues):
                return False
            there = trades_of(self.tape)
            return all((f"{v.venue}/trade/{v.symbol}", TRADES) in there for v in venues)

        service.until("the last trades", is_played)

    def assert_true_and_whole(self, venues):
        """Nothing but what was traded, and each gap is known. Returns how much is missing."""
        there = trades_of(self.tape)
        truth = {}
        for venue in venues:
            truth.update(venue.truth(self.folder))
        for key, trade in there.items():
            self.assertEqual(truth.get(key), trade, key)
        first, last = {}, {}
        for series, number in there:
            first[series] = min(number, first.get(series, number))
            last[series] = max(number, last.get(series, number))
        missing = {(s, n) for s, n in set(truth) - set(there) if first[s] < n < last[s]}
        self.assertEqual(missing_of(self.tape), missing)
        return len(truth) - len(there)

    def assert_bars_are_the_truths(self, venue, before=None):
        """Bars of a second: those of a run that missed nothing, up to a time in ns if given."""
        options = ("--bars", "1s", "--conditions", "all", "--venue", venue.venue)
        truth = product.run("replay", venue.capture, *options, "--columns", "full")
        series = f"{venue.venue}/trade/{venue.symbol}"
        store = os.path.join(self.folder, "store", "store.db")
        options = ("--series", series, "--interval", "1s", "--conditions", "all")
        ours = product.run("query", "bars", store, *options)
        columns = ("ts_open", "open", "high", "low", "close", "volume", "trades", "notional")

        def rows(text):
            read = csv.DictReader(io.StringIO(text))
            return [
                {name: row[name] for name in columns}
                for row in read
                if before is None or int(row["ts_open"]) < before
            ]

        self.assertGreater(len(rows(truth.out)), 4)
        self.assertEqual(rows(ours.out), rows(truth.out))


    def played(self, name, faults, speed="1"):
        """A venue that can be asked again, played to its end with these faults: nothing is
        missing. What the program said, and its status."""
        options = [word for fault in faults for word in ("--fault", fault)]
        venue = self.emulate(name, "--speed", speed, *options)
        self.write_pipeline(venue)
        with self.running() as service:
            self.until_played(service, [venue])
            service.until("repairs", lambda: not missing_of(self.tape))
            status = service.status()
            self.assertEqual(service.stop(), 0)
        self.assertEqual(self.assert_true_and_whole([venue]), 0)
        self.assert_bars_are_the_truths(venue)
        return service.log(), status


class LiveTest(LiveCase):
    def test_three_venues_at_once(self):
        venues = [self.emulate(venue) for venue in SYMBOLS]
        self.write_pipeline(*venues)
        with self.running() as service:
            self.until_played(service, venues)
            feeds = {feed["id"]: feed["state"] for feed in service.status()["feeds"]}
            self.assertEqual(feeds, {f"{venue}/{venue}": "live" for venue in SYMBOLS})
            metrics = service.get("/metrics")
            for stage in ("venue", "received", "durable", "bar"):
                count = rf'tapedeck_stage_seconds_count{{stage="{stage}"}} [1-9]'
                self.assertRegex(metrics, count)
            self.assertEqual(service.stop(), 0)
        self.assertEqual(self.assert_true_and_whole(venues), 0)

    def test_faults_of_every_kind(self):
        for name in SYMBOLS:
            with self.subTest(name):
                self.setUp()
                faults = "cut@1s drop@2s duplicate@2500ms reorder@3s malformed@3500ms unknown@4s"
                log, status = self.played(name, [*faults.split(), "stall@4200ms"])
                self.assertIn("a feed is down", log)
                reasons = status["quarantine"]["reasons"]
                self.assertEqual(reasons, {"malformed": "1", "unknown_message": "1"})
                self.assertGreaterEqual(int(status["feeds"][0]["duplicates"]), 1)

    def test_aggregates_of_binance_are_a_series_of_their_own(self):
        venue = self.emulate("binance", "--fault", "cut@1s", "--fault", "drop@3s")
        venue.symbol += "@aggTrade"
        self.write_pipeline(venue)
        series = "binance/aggTrade/BTCUSDT"
        with self.running() as service:
            service.until("the play", lambda: os.path.exists(venue.capture))
            service.until("the last", lambda: (series, TRADES) in trades_of(self.tape))
            service.until("repairs", lambda: not missing_of(self.tape))
            self.assertEqual(service.stop(), 0)
        truth = {(series, id): trade for (_, id), trade in venue.truth(self.folder).items()}
        self.assertEqual(trades_of(self.tape), truth)

    def test_symbols_are_looked_up_before_they_are_asked_for(self):
        venues = [self.emulate(venue) for venue in SYMBOLS]
        self.write_pipeline(*venues)
        path = os.path.join(self.folder, "pipeline.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as out:
            out.write(text.replace('symbols = [', 'symbols = ["NO-SUCH", '))
        with self.running() as service:
            self.until_played(service, venues)
            status = service.status()
            listed = json.loads(service.get("/api/v1/instruments"))["instruments"]
            self.assertEqual(service.stop(), 0)
        self.assertEqual({one["channel"] for one in listed}, {"trade"})
        self.assertEqual(
            {(one["venue"], one["type"], one["currency"]) for one in listed},
            {("binance", "spot", "USDT"), ("coinbase", "spot", "USD"), ("kraken", "spot", "USD")},
        )
        self.assertEqual(status["quarantine"]["reasons"], {"bad_symbol": "3"})
        self.assertEqual(service.log().count("does not list this symbol"), 3)
        self.assertEqual(self.assert_true_and_whole(venues), 0)
        done = product.run("tape", "cat", self.tape, "--kind", "record")
        records = {row["series"]: row["body"] for row in map(json.loads, done.out.splitlines())}
        self.assertEqual(
            set(records), {f"{venue.venue}/instrument/{venue.symbol}" for venue in venues}
        )
        body = records["binance/instrument/BTCUSDT"]
        body = body if isinstance(body, dict) else json.loads(body)
        self.assertEqual((body["currency"], body["zone"]), ("USDT", "UTC"))

    def test_what_cannot_be_fetched_stays_a_gap_that_is_known(self):
        venue = self.emulate("binance", "--fault", "cut@1s", "--fault", "drop@3s")
        self.write_pipeline(venue, rest_of=lambda _: "http://127.0.0.1:9")
        with self.running() as service:
            self.until_played(service, [venue])
            self.assertEqual(service.stop(), 0)
        self.assertGreater(self.assert_true_and_whole([venue]), 0)
        self.assertIn("missed trades cannot be fetched now", service.log())

    def test_a_recording_and_what_is_live_meet_without_a_seam(self):
        """A file has the beginning, the connection the end; what is between them is fetched."""
        for name in SYMBOLS:
            with self.subTest(name):
                self.setUp()
                venue = self.emulate(name)
                self.write_pipeline(venue)
                with self.running() as service:  # with whom the play begins
                    service.until("the play", lambda v=venue: os.path.exists(v.capture))
                    self.assertEqual(service.stop(), 0)
                with open(venue.capture, encoding="utf-8") as whole:
                    lines = whole.readlines()[:100]
                with open(os.path.join(self.folder, "past.ndjson"), "w", encoding="utf-8") as out:
                    out.writelines(lines)
                shutil.rmtree(self.tape)
                shutil.rmtree(os.path.join(self.folder, "store"))
                time.sleep(1)  # the connection is to begin behind the file
                with open(os.path.join(self.folder, "pipeline.toml"), "a", encoding="utf-8") as out:
                    out.write(f'[[feed]]\nid = "past"\nvenue = "{name}"\nfiles = ["past.ndjson"]\n')
                with self.running() as service:
                    service.until("the file", lambda s=service: s.durable() >= len(lines))
                    self.until_played(service, [venue])
                    service.until("repairs", lambda: not missing_of(self.tape))
                    self.assertIn("missed trades were fetched", service.log())
                    self.assertEqual(service.stop(), 0)
                self.assertEqual(self.assert_true_and_whole([venue]), 0)
                self.assert_bars_are_the_truths(venue)

    def test_each_gap_says_whose_it_is(self):
        """One that the venue dropped, one of a cut, one of a kill: nothing can be fetched."""
        venue = self.emulate("binance", "--fault", "drop@1s", "--fault", "cut@2s")
        self.write_pipeline(venue, rest_of=lambda _: "http://127.0.0.1:9")
        causes = lambda: [row["cause"] for row in self.gaps()]
        with self.running() as service:
            service.until("both gaps", lambda: len(causes()) == 2)
            service.send(signal.SIGKILL)
        with self.running() as service:
            self.until_played(service, [venue])
            service.until("the third gap", lambda: len(causes()) == 3)
            self.assertEqual(service.stop(), 0)
        self.assertEqual(causes(), ["venue", "ours", "ours"])
        self.assertEqual([row["missing"] for row in self.gaps()][0], "1")

    def gaps(self):
        done = product.run("quality", self.tape, "--gaps", "--format", "json")
        return json.loads(done.out)["gaps"] if done.out else []  # there is no tape yet

    def test_killed_in_between(self):
        venue = self.emulate("binance", "--fault", "cut@2s", "--speed", "0.3")
        self.write_pipeline(venue)
        rng = random.Random(3)
        for _ in range(3):
            with self.running() as service:
                service.until("a trade", lambda: service.durable() > 50)
                time.sleep(rng.random())
                service.send(signal.SIGKILL)
        with self.running() as service:
            before = service.durable()
            service.until("more trades", lambda: service.durable() > before + 100)
            service.until("repairs", lambda: not missing_of(self.tape))
            self.assertEqual(service.stop(), 0)
        self.assert_true_and_whole([venue])

    def test_venues_without_ids(self):
        venues = [self.emulate(venue) for venue in WITHOUT_IDS]
        self.write_pipeline(*venues)
        told = []
        with self.running() as service:
            for venue in venues:
                kind = "trade" if venue.venue == "finnhub" else "tick"
                service.until(
                    f"all of {venue.venue}",
                    lambda v=venue, k=kind: (
                        os.path.exists(v.capture) and len(self.events(self.tape, v, k)) == TRADES
                    ),
                )
                truth = os.path.join(self.folder, f"truth-{venue.venue}")
                done = product.run("replay", venue.capture, "--tape", truth, "--digest")
                self.assertEqual(done.code, 0, done.err)
                self.assertEqual(
                    self.events(self.tape, venue, kind), self.events(truth, venue, kind)
                )
            self.assertEqual(missing_of(self.tape), set())
            told += [service.get(path) for path in ("/metrics", "/api/v1/status")]
            self.assertEqual(service.stop(), 0)
        # The key is nowhere: not in the log, not in what is kept, not in what is served.
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if name == "key":
                    continue
                with open(os.path.join(folder, name), "rb") as file:
                    told.append(file.read().decode("latin-1"))
        for text in told:
            self.assertNotIn("planted", text)

    def test_what_a_venue_without_ids_lost_is_known_by_time(self):
        venue = self.emulate("finnhub", "--fault", "cut@2s")
        self.write_pipeline(venue)
        with self.running() as service:
            service.until("the cut", lambda: "a feed is down" in service.log())
            before = service.durable()
            service.until("trades after it", lambda: service.durable() > before + 100)
            served = json.loads(service.get("/api/v1/quality/outages"))["outages"]
            service.send(signal.SIGKILL)
        with self.running() as service:
            is_live = lambda: service.status()["feeds"][0]["state"] == "live"
            service.until("the feed is connected", is_live)
            self.assertEqual(service.stop(), 0)
        done = product.run("quality", self.tape, "--outages", "--format", "json")
        outages = json.loads(done.out)["outages"]
        self.assertEqual([row["feed"] for row in outages], ["finnhub/finnhub"] * 2)
        self.assertEqual(outages[:1], served)
        cut, killed = ((int(row["from"]), int(row["to"])) for row in outages)
        self.assertLess(cut[0], cut[1])
        self.assertLess(cut[1], killed[0])
        self.assertLess(killed[0], killed[1])
        done = product.run("tape", "cat", self.tape, "--kind", "trade")
        times = [int(json.loads(line)["ts_recv"]) for line in done.out.splitlines()]
        self.assertGreater(len(times), 200)
        for begin, end in (cut, killed):
            self.assertFalse([t for t in times if begin < t < end])

    def test_symbols_change_without_a_new_connection(self):
        venue = self.emulate("binance", "--speed", "0.2")
        self.write_pipeline(venue)
        path = os.path.join(self.folder, "pipeline.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()

        def reload(symbols):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace('symbols = ["BTCUSDT"]', f"symbols = {symbols}"))
            service.send(signal.SIGHUP)

        def count():
            return len(trades_of(self.tape)) if os.path.isdir(self.tape) else 0

        def is_quiet():
            before, offset = count(), service.durable()
            service.until("a mark", lambda: service.durable() > offset)
            return count() == before

        with self.running() as service:
            service.until("trades", lambda: count() > 20)
            reload('["ETHUSDT"]')
            service.until("other symbols", lambda: "with other symbols" in service.log())
            service.until("silence", is_quiet)
            reload('["ETHUSDT", "BTCUSDT"]')
            before = count()
            service.until("trades again", lambda: count() > before + 20)
            self.assertEqual(service.log().count("a feed is connected"), 1)
            self.assertEqual(service.stop(), 0)

    def events(self, tape, venue, kind):
        """Time, price and size of each, in the order of its session."""
        done = product.run("tape", "cat", tape, "--kind", kind)
        self.assertEqual(done.code, 0, done.err)
        events = [json.loads(line) for line in done.out.splitlines()]
        return [
            (event["ts_event"], event["price"], event.get("size"))
            for event in events
            if event["series"].startswith(venue.venue + "/")
        ]

    def test_the_comparison_can_fail(self):
        venue = self.emulate("binance")
        self.write_pipeline(venue)
        with self.running() as service:
            self.until_played(service, [venue])
            self.assertEqual(service.stop(), 0)
        with open(venue.capture, encoding="utf-8") as file:
            lines = file.readlines()
        lines[700] = lines[700].replace('"q":"0.', '"q":"1.')
        with open(venue.capture, "w", encoding="utf-8") as file:
            file.writelines(lines)
        with self.assertRaises(AssertionError):
            self.assert_true_and_whole([venue])

    def test_what_cannot_be_is_said(self):
        done = product.run("run", "nasdaq:AAPL", "binance:BTCUSDT", cwd=self.folder)
        self.assertEqual(done.code, 2)
        self.assertIn("'nasdaq:AAPL' is neither a pipeline file nor venue:symbol", done.err)
        done = product.run("emulate", "nasdaq", "x.csv", cwd=self.folder)
        self.assertEqual(done.code, 2)
        self.assertIn("'nasdaq' is no venue", done.err)

    def test_a_venue_that_is_not_there_is_tried_again(self):
        venue = self.emulate("kraken")
        self.write_pipeline(venue)
        venue.stop()
        with self.running() as service:
            service.until("two attempts", lambda: service.log().count("a feed is down") >= 2)
            self.assertIn("nothing listens there", service.log())
            self.assertEqual(service.stop(), 0)


if __name__ == "__main__":
    unittest.main()
