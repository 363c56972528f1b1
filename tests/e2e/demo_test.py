#!/usr/bin/env python3
"""tests/e2e/demo_test.py: the demo as a person starts it, the real program over HTTP.

Its starts and their refusals, its token, and above all: the bars it serves are the oracle's, bar by
bar, after a run without a break, after a restart of the play and after a kill in its middle.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/demo_test.py
"""

import collections
import contextlib
import csv
import functools
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
import product
from product import DEMO, oracle

USUAL_PORT = 8273
FAST = ("--speed", "100000")  # the whole day in a second or two
WAIT_S = 30
STOP_S = 5
SYMBOLS = ("SPY", "IBM", "AIG")
CHOICES = [
    (conditions, session)
    for conditions in ("eligible", "all")
    for session in ("extended", "regular")
]
COLUMNS = ("open", "high", "low", "close", "volume", "trades", "excluded", "notional")


def setUpModule():
    product.require_binary()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def listener(port=0):
    """Holds a port, as some other program would."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        held.listen()
        yield held.getsockname()[1]


def until(what, ask):
    """The first answer that is not None or False; a failure when it does not come."""
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {WAIT_S} s: {what}")
        time.sleep(0.02)


class Demo:
    """A demo that runs, from its printed address to its end."""

    def __init__(self, folder, *arguments):
        self.log_path = os.path.join(folder, "demo.log")
        self.out_path = os.path.join(folder, "demo.out")
        with open(self.out_path, "wb") as out, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                product.command("demo", *arguments),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )

    def __enter__(self):
        try:
            pattern = r"http://127\.0\.0\.1:(\d+)/\?token=([0-9a-zA-Z_-]+)\n"
            found = until(
                "the address", lambda: self.ended_early() or re.search(pattern, self.said())
            )
        except BaseException:
            self.kill()
            raise
        self.port, self.token = int(found[1]), found[2]
        return self

    def __exit__(self, *_):
        self.kill()

    def ended_early(self):
        if self.process.poll() is not None:
            raise AssertionError(f"exit {self.process.returncode}: {self.said()}{self.log()}")

    def said(self):
        with open(self.out_path, encoding="utf-8") as text:
            return text.read()

    def log(self):
        with open(self.log_path, encoding="utf-8") as text:
            return text.read()

    def ask(self, path, method="GET", token=True):
        """(status, body) of one request."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def get(self, path):
        status, body = self.ask(path)
        if status != 200:
            raise AssertionError(f"{path}: {status}: {body}")
        return json.loads(body)

    def status(self):
        return self.get("/api/v1/status")

    def bars(self, symbol, interval, conditions, session):
        query = urllib.parse.urlencode(
            {
                "series": f"lean/trade/{symbol}",
                "interval": interval,
                "conditions": conditions,
                "session": session,
            }
        )
        return self.get(f"/api/v1/bars?{query}")["bars"]

    def until_ended(self, run=1):
        """The status once this run has played all of its day."""

        def ended():
            status = self.status()
            play = status["play"]
            if play["state"] == "failed":
                raise AssertionError(f"the play failed: {play['error']}")
            return status if (play["state"], play["run"]) == ("ended", run) else None

        return until(f"run {run} has ended", ended)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(STOP_S)


def oracle_trades():
    return product.read(tuple(DEMO)).trades()


@functools.lru_cache(maxsize=None)
def oracle_bars(conditions, session, rules=None):
    """{symbol: {ts_open: column values}} of the demo's day."""
    reader = product.read(tuple(DEMO))
    reader.rules = rules or oracle.Rules()
    found = {symbol: {} for symbol in SYMBOLS}
    for bar in reader.bars("1m", conditions, session):
        found[bar.instrument][bar.ts_open] = tuple(getattr(bar, name) for name in COLUMNS)
    return found


def differences(demo, rules=None):
    """What differs between the bars of the API and the oracle's, in words."""
    found = []
    for conditions, session in CHOICES:
        theirs = oracle_bars(conditions, session, rules)
        for symbol in SYMBOLS:
            where = f"{symbol} {conditions} {session}"
            bars = demo.bars(symbol, "1m", conditions, session)
            times = [int(bar["ts_open"]) for bar in bars]
            if times != sorted(theirs[symbol]):
                odd = sorted(set(times) ^ set(theirs[symbol]))
                found.append(f"{where}: other bars: {odd[:5] or 'order, or one twice'}")
            for ts_open, bar in zip(times, bars):
                mine = tuple("" if bar[name] is None else bar[name] for name in COLUMNS)
                other = theirs[symbol].get(ts_open)
                if other is not None and mine != other:
                    found.append(f"{where} {ts_open}: program {mine}, oracle {other}")
                if not bar["final"]:
                    found.append(f"{where} {ts_open}: not final")
    return found[:20]


class DemoTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-demo-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.state = os.path.join(self.folder, "state")

    def demo(self, *arguments, port=None):
        chosen = ("--port", port or free_port(), "--state", self.state)
        return Demo(self.folder, *chosen, *arguments)

    def refused(self, *arguments, says, code=1):
        """A start that must end by itself; each of `says` stands in its message."""
        done = product.run("demo", *arguments, cwd=self.folder, timeout=WAIT_S)
        self.assertEqual(done.code, code, done.out + done.err)
        for words in says:
            self.assertIn(words, done.err)
        self.assertNotIn("token=", done.out)

    def assert_bars_are_the_oracles(self, demo):
        self.assertEqual(differences(demo), [])


class Starts(DemoTest):
    def test_the_address_has_the_token_and_the_api_wants_it(self):
        port = free_port()
        with self.demo(port=port) as demo:
            self.assertEqual(demo.port, port)
            self.assertIn("recorded trades of SPY, IBM, AIG on 2013-10-07", demo.said())
            self.assertEqual(demo.ask("/healthz", token=False)[0], 200)
            status, body = demo.ask("/api/v1/status", token=False)
            self.assertEqual((status, json.loads(body)["error"]["code"]), (401, "unauthorised"))
            self.assertEqual(demo.status()["play"]["label"], "recorded")
            self.assertNotIn(demo.token, demo.log())

    def test_sigterm_ends_it(self):
        with self.demo() as demo:
            self.assertEqual(demo.stop(), 0)

    def test_a_simulated_day_says_so(self):
        with self.demo("--synthetic") as demo:
            self.assertIn("simulated trades", demo.said())
            self.assertEqual(demo.status()["play"]["label"], "simulated")

    def test_a_wrong_interval(self):
        with self.demo() as demo:
            status, body = demo.ask("/api/v1/bars?series=lean/trade/SPY&interval=7m")
            self.assertEqual(status, 400)
            self.assertIn("1s, 5s, 15s, 30s, 1m, 5m, 15m, 30m, 1h", body)
            status, body = demo.ask("/api/v1/bars?series=lean/trade/SPY&interval=5s")
            self.assertEqual(status, 404)
            self.assertIn("there are: 1m eligible extended", body)


class Ports(DemoTest):
    def test_a_chosen_port_in_use(self):
        with listener() as port:
            self.refused("--port", port, "--state", self.state, says=[str(port), "choose another"])

    def test_the_next_free_port(self):
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(listener(USUAL_PORT))
            except OSError:
                pass  # somebody else has it, which is as good
            with Demo(self.folder, "--state", self.state) as demo:
                self.assertIn(demo.port, range(USUAL_PORT + 1, USUAL_PORT + 20))
                self.assertEqual(demo.ask("/healthz", token=False)[0], 200)


class StateFolders(DemoTest):
    def test_a_second_demo_in_the_same_folder(self):
        with self.demo() as demo:
            port = free_port()
            self.refused("--port", port, "--state", self.state, says=[self.state, "another demo"])
            self.assertEqual(demo.ask("/healthz", token=False)[0], 200)

    def test_files_of_somebody_else_are_left_alone(self):
        os.makedirs(os.path.join(self.state, "run-1"))
        thesis = os.path.join(self.state, "run-1", "thesis.txt")
        with open(thesis, "w", encoding="utf-8") as file:
            file.write("years of work")
        port, says = free_port(), [self.state, "--state"]
        self.refused("--port", port, "--state", self.state, says=says, code=2)
        with open(thesis, encoding="utf-8") as file:
            self.assertEqual(file.read(), "years of work")
        self.assertEqual(os.listdir(self.state), ["run-1"])

    def test_where_no_folder_can_be(self):
        file = os.path.join(self.folder, "file")
        with open(file, "w", encoding="utf-8") as made:
            made.write("kept")
        for path in (os.path.join(file, "state"), file, "/proc/tapedeck"):
            with self.subTest(path):
                self.refused("--port", free_port(), "--state", path, says=[path])
        with open(file, encoding="utf-8") as made:
            self.assertEqual(made.read(), "kept")

    def test_data_that_is_not_there(self):
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        for folder in (empty, os.path.join(self.folder, "none")):
            with self.subTest(folder):
                missing = os.path.join(folder, "spy/20131007_trade.zip")
                port = free_port()
                self.refused(
                    "--port", port, "--state", self.state, "--data", folder, says=[missing]
                )


class Bars(DemoTest):
    def test_a_day_and_once_more(self):
        with self.demo(*FAST) as demo:
            status = demo.until_ended()
            self.assertEqual(status["feeds"][0]["duplicates"], "0")
            self.assertEqual(status["quarantine"]["total"], "0")
            self.assert_all_is_on_the_tape(status)
            self.assert_bars_are_the_oracles(demo)

            status, body = demo.ask("/api/v1/play/restart", method="POST")
            self.assertEqual((status, json.loads(body)), (202, {"run": 2}))
            status = demo.until_ended(run=2)
            self.assert_all_is_on_the_tape(status)
            self.assertEqual(status["feeds"][0]["duplicates"], "0")
            self.assert_bars_are_the_oracles(demo)
            self.assert_a_planted_error_is_seen(demo)
            self.assertEqual(demo.stop(), 0)

    def kinds_on_the_tape(self):
        """How many events of each kind the tape of the newest run holds."""
        newest = max(int(name.removeprefix("run-")) for name in os.listdir(self.state)
                     if name.startswith("run-"))
        tape = os.path.join(self.state, f"run-{newest}", "tape")
        ls = json.loads(product.run("tape", "ls", tape, "--format", "json").out)
        kinds = collections.Counter()
        for segment in ls["segments"]:
            kinds.update({kind: int(count) for kind, count in segment["kinds"].items()})
        return kinds

    def assert_all_is_on_the_tape(self, status):
        """Every trade once, and marks of the play's clock, the last of which ends the day."""
        kinds = self.kinds_on_the_tape()
        self.assertEqual(kinds["trade"], oracle_trades())
        self.assertGreaterEqual(kinds["status"], 1)
        self.assertEqual(int(status["tape"]["durable_offset"]), kinds.total())

    def assert_a_planted_error_is_seen(self, demo):
        """The comparison can fail: the oracle without AveragePrice says something else."""
        table = {bit: row for bit, row in oracle.LEAN_CONDITIONS.items() if bit != 20}
        found = differences(demo, oracle.Rules(table=table))
        self.assertTrue(found)
        self.assertTrue(all(" eligible " in difference for difference in found), found)

    def killed_in_the_middle(self):
        """A state folder of a demo that got SIGKILL; how many trades its tape holds."""
        opened = int(next(iter(oracle_bars("all", "regular")["SPY"])))
        with self.demo("--speed", "600") as demo:

            def well_inside():
                status = demo.status()
                inside = int(status["play"]["market_time"]) > opened + 20 * oracle.MINUTE_NS
                return status if inside and int(status["tape"]["durable_offset"]) else None

            status = until("20 minutes of the session", well_inside)
            self.assertEqual(status["play"]["state"], "playing")
            self.assertTrue(demo.bars("SPY", "1m", "eligible", "extended"))
            demo.process.send_signal(signal.SIGKILL)
            demo.process.wait()
        kinds = self.kinds_on_the_tape()
        self.assertGreaterEqual(kinds.total(), int(status["tape"]["durable_offset"]))
        return kinds["trade"]

    def query(self, *options):
        return subprocess.run(
            [
                *(product.BINARY, "query", "bars", os.path.join(self.state, "run-1", "store.db")),
                *("--series", "lean/trade/SPY", *options),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def test_its_store_can_be_queried_beside_it(self):
        with self.demo(*FAST) as demo:
            demo.until_ended()
            want = oracle_bars("all", "regular")["SPY"]
            done = self.query("--conditions", "all", "--session", "regular")
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = list(csv.DictReader(io.StringIO(done.stdout)))
            self.assertEqual([row["ts_open"] for row in rows], [str(ts) for ts in want])
            start = rows[5]["ts_open"]
            some = self.query(
                *("--conditions", "all", "--session", "regular", "--start", start, "--limit", "1")
            )
            self.assertEqual(some.stdout.splitlines()[1], done.stdout.splitlines()[-1])
            unknown = self.query("--interval", "7m")
            self.assertEqual(unknown.returncode, 2)
            self.assertIn("15m", unknown.stderr)
            self.assertEqual(demo.stop(), 0)

    def test_a_kill_in_the_middle_loses_nothing(self):
        on_tape = self.killed_in_the_middle()
        with self.demo("--keep", *FAST) as demo:
            status = demo.until_ended()
            self.assert_all_is_on_the_tape(status)
            self.assertEqual(int(status["feeds"][0]["duplicates"]), on_tape)
            self.assertLess(on_tape, oracle_trades())
            self.assert_bars_are_the_oracles(demo)
            self.assertEqual(demo.stop(), 0)
        with self.demo("--keep", *FAST) as demo:
            status = demo.until_ended()
            self.assertEqual(int(status["feeds"][0]["duplicates"]), oracle_trades())
            self.assert_bars_are_the_oracles(demo)

    def test_without_keep_it_starts_anew(self):
        self.killed_in_the_middle()
        with self.demo(*FAST) as demo:
            status = demo.until_ended()
            self.assertEqual(status["feeds"][0]["duplicates"], "0")
            self.assert_all_is_on_the_tape(status)
            self.assert_bars_are_the_oracles(demo)


if __name__ == "__main__":
    unittest.main()
