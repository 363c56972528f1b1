#!/usr/bin/env python3
"""tests/e2e/api_test.py: the API of the real program, as docs/reference/api.md says it works.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/api_test.py

The commands and the program of that page are run as they stand there. Then: the raw trades are the
recording's, indicators are those of a few lines of arithmetic, formats agree with each other, and
`tapedeck query` says what the API says. build/e2e-venv (tools/python_environment.sh tests/e2e, as
`./dev test` does) has the packages of the Python example.
"""

import contextlib
import csv
import decimal
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "replay"))
import product
from demo_test import FAST, Demo, oracle_bars

SERIES = "lean/trade/SPY"
NEW_YORK_MIDNIGHT_NS = 1381118400 * 10**9  # 2013-10-07T04:00:00Z
PAGE = os.path.join(product.ROOT, "docs/reference/api.md")


def setUpModule():
    product.require_binary()


def examples(language):
    with open(PAGE, encoding="utf-8") as page:
        return re.findall(rf"^```{language}\n(.*?)^```$", page.read(), re.M | re.S)


class ApiTest(unittest.TestCase):
    """One demo that has played its day serves all of them."""

    @classmethod
    def setUpClass(cls):
        cls.exit = contextlib.ExitStack()
        folder = cls.exit.enter_context(tempfile.TemporaryDirectory(prefix="tapedeck-api-test-"))
        cls.run_folder = os.path.join(folder, "state", "run-1")
        cls.demo = cls.exit.enter_context(
            Demo(
                folder,
                *(*FAST, "--port", "0", "--state", os.path.join(folder, "state")),
                *("--data", os.path.join(product.ROOT, "demo/2013-10-07")),
            )
        )
        cls.demo.until_ended()
        cls.environment = {
            **os.environ,
            "TAPEDECK_URL": f"http://127.0.0.1:{cls.demo.port}",
            "TAPEDECK_TOKEN": cls.demo.token,
        }

    @classmethod
    def tearDownClass(cls):
        cls.exit.close()

    def ask(self, path, **parameters):
        """(status, headers, text), without following anything."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.demo.port}{path}?{urllib.parse.urlencode(parameters)}",
            headers={"Authorization": f"Bearer {self.demo.token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def get(self, path, **parameters):
        status, _, text = self.ask(path, **parameters)
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def shell(self, command):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def query(self, *arguments):
        done = product.run("query", *arguments)
        self.assertEqual(done.code, 0, done.err)
        return done.out

    def test_the_commands_of_the_page_work(self):
        bars, trades, last, sql = (self.shell(command) for command in examples("sh"))
        self.assertEqual(bars[0].split(), ["ts_open", "close", "volume", "sma(3)", "rsi(14)"])
        self.assertEqual(len(bars), 13)
        self.assertRegex(bars[1], r"^2013-10-07T1\d:\d\d:00\.0{9}-04:00 +1\d\d")
        self.assertEqual(trades[0].split()[:4], ["ts_event", "ts_recv", "price", "size"])
        self.assertEqual(len(trades), 11)
        self.assertRegex(trades[1], r"^2013-10-07T09:30:00\.0")
        self.assertEqual(len(last), 4)
        self.assertIn("session_open", last[1])
        self.assertEqual(sql[0].split(), ["instrument", "minutes", "bars"])
        self.assertEqual(len(sql), 1 + 3 * 4)

    def test_the_program_of_the_page_works(self):
        python = os.path.join(product.ROOT, "build/e2e-venv/bin/python")
        if not os.access(python, os.X_OK):
            self.skipTest("no pandas: run tools/python_environment.sh tests/e2e")
        (program,) = examples("python")
        done = subprocess.run(
            [python, "-c", program],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"2013-10-07 \d\d:\d\d:00-04:00")
        self.assertIn("'gaps': None", done.stdout)

    def test_trades_are_the_recordings(self):
        first = self.get("/api/v1/trades", series=SERIES, order="oldest", start=0, limit=10_000)
        self.assertTrue(first["limited"])
        seen = first["trades"]
        self.assertEqual(len(seen), 10_000)
        self.assertEqual(seen, sorted(seen, key=lambda t: (int(t["ts_event"]), int(t["offset"]))))
        self.assertEqual([t["seq"] for t in seen], sorted((t["seq"] for t in seen), key=int))
        self.assertTrue(all(t["origin"] == "file" for t in seen))
        self.assertTrue(any(t["conditions"] for t in seen))
        for trade in seen:
            self.assertEqual(trade["eligible"], len(trade["updates"]) == 3)
        with zipfile.ZipFile(product.DEMO[0]) as recording:
            lines = recording.read(recording.namelist()[0]).decode().splitlines()
        for trade in seen:
            milliseconds, price, size = lines[int(trade["seq"])].split(",")[:3]
            since_midnight = int(trade["ts_event"]) - NEW_YORK_MIDNIGHT_NS
            self.assertEqual(since_midnight, int(milliseconds) * 10**6)
            self.assertEqual(decimal.Decimal(trade["price"]), decimal.Decimal(price) / 10_000)
            self.assertEqual(decimal.Decimal(trade["size"]), decimal.Decimal(size))
        newest = self.get("/api/v1/trades", series=SERIES, limit=5)["trades"]
        times = [int(t["ts_event"]) for t in newest]
        self.assertEqual(times, sorted(times, reverse=True))
        again = self.get(
            "/api/v1/trades", series=SERIES, start=times[-1], end=times[0] + 1, limit=10_000
        )["trades"]
        self.assertEqual([t for t in again if t in newest], newest)

    def test_trades_of_a_bar_are_its_volume(self):
        bars = self.get("/api/v1/bars", series=SERIES, session="regular", limit=200)["bars"]
        bar = max(bars, key=lambda b: b["trades"])
        end = int(bar["ts_open"]) + 60 * 10**9
        trades = self.get(
            "/api/v1/trades", series=SERIES, start=bar["ts_open"], end=end, limit=10_000
        )["trades"]
        counted = [t for t in trades if "volume" in t["updates"] and t["session"] == "regular"]
        self.assertEqual(len(counted), bar["trades"])
        self.assertEqual(
            sum(decimal.Decimal(t["size"]) for t in counted), decimal.Decimal(bar["volume"])
        )

    def test_indicators_do_not_depend_on_the_range(self):
        whole = self.get("/api/v1/bars", series=SERIES, indicators="sma(20),rsi(14),macd(12,26,9)")
        self.assertEqual(
            whole["indicators"],
            [
                "sma(20)",
                "rsi(14)",
                "macd(12,26,9).macd",
                "macd(12,26,9).signal",
                "macd(12,26,9).histogram",
            ],
        )
        self.assertEqual(whole["indicator_anchor"], whole["bars"][0]["ts_open"])
        part = self.get(
            "/api/v1/bars",
            series=SERIES,
            indicators="sma(20),rsi(14),macd(12,26,9)",
            start=whole["bars"][100]["ts_open"],
            end=whole["bars"][200]["ts_open"],
        )
        self.assertEqual(part["bars"], whole["bars"][100:200])
        closes = []
        for bar in whole["bars"]:
            if bar["close"] is not None:
                closes.append(decimal.Decimal(bar["close"]))
            if bar["close"] is None or len(closes) < 20:
                self.assertIsNone(bar["sma(20)"])
            else:
                mean = sum(closes[-20:]) / 20
                self.assertAlmostEqual(decimal.Decimal(bar["sma(20)"]), mean, places=12)

    def test_formats_say_the_same(self):
        query = {"series": SERIES, "limit": 50, "indicators": "vwap(session)"}
        whole = self.get("/api/v1/bars", **query)
        rows = whole["bars"]
        status, headers, text = self.ask("/api/v1/bars", format="ndjson", **query)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/x-ndjson"))
        self.assertEqual([json.loads(line) for line in text.splitlines()], rows)
        head = json.loads(headers["Tapedeck-Answer"])
        self.assertEqual(head["coverage"], whole["coverage"])
        _, headers, text = self.ask("/api/v1/bars", format="csv", **query)
        self.assertEqual(headers["Content-Type"], "text/csv; charset=utf-8")
        for row, line in zip(rows, csv.DictReader(io.StringIO(text)), strict=True):
            for name, value in row.items():
                plain = "" if value is None else str(value)
                self.assertEqual(line[name], plain.lower() if isinstance(value, bool) else plain)
        numbers = json.loads(
            self.ask("/api/v1/bars", numbers="number", time="ms", **query)[2],
            parse_float=decimal.Decimal,
        )["bars"]
        for row, number in zip(rows, numbers, strict=True):
            self.assertEqual(number["ts_open"], int(row["ts_open"]) // 10**6)
            self.assertEqual(decimal.Decimal(number["volume"]), decimal.Decimal(row["volume"]))

    def test_a_range_as_people_write_it(self):
        want = sorted(oracle_bars("eligible", "regular")["SPY"])
        for start, end, zone in (
            ("2013-10-07T13:30:00Z", "2013-10-07T14:00:00Z", "UTC"),
            ("2013-10-07T09:30:00", "2013-10-07T10:00", "America/New_York"),
        ):
            if len(end) == 16:
                end += ":00"
            bars = self.get(
                "/api/v1/bars", series=SERIES, session="regular", start=start, end=end, tz=zone
            )["bars"]
            self.assertEqual([int(bar["ts_open"]) for bar in bars], want[:30])
        now = int(self.get("/api/v1/session")["now"])
        last_hour = self.get("/api/v1/bars", series=SERIES, start="-1h")["bars"]
        self.assertTrue(all(int(bar["ts_open"]) >= now - 3600 * 10**9 for bar in last_hour))

    def test_the_command_line_says_what_the_api_says(self):
        store = os.path.join(self.run_folder, "store.db")
        ours = json.loads(
            self.query(
                *("bars", store, "--series", SERIES, "--indicators", "sma(20)"),
                *("--limit", "30", "--format", "json"),
            )
        )
        theirs = self.get("/api/v1/bars", series=SERIES, indicators="sma(20)", limit=30)
        self.assertEqual(ours["bars"], theirs["bars"])
        tape = os.path.join(self.run_folder, "tape")
        self.assertEqual(
            self.query("trades", tape, "--series", SERIES, "--limit", "20", "--time", "iso"),
            self.ask("/api/v1/trades", series=SERIES, limit=20, format="csv", time="iso")[2],
        )
        statement = "SELECT venue, instrument FROM series ORDER BY id"
        self.assertEqual(
            self.query(statement, store), self.ask("/api/v1/sql", query=statement, format="csv")[2]
        )
        refused = product.run("query", "sql", "DROP TABLE bars", store)
        self.assertEqual(refused.code, 2)
        self.assertIn("one SELECT", refused.err)

    def test_sql_only_reads(self):
        answer = self.get("/api/v1/sql", query="SELECT count(*), 1.5, NULL FROM bars")
        self.assertEqual(answer["columns"], ["count(*)", "1.5", "NULL"])
        self.assertGreater(int(answer["rows"][0][0]), 1000)
        self.assertEqual(answer["rows"][0][1:], [1.5, None])
        for statement in ("DELETE FROM bars", "SELECT * FROM sqlite_master", "SELECT 1; SELECT 2"):
            status, _, text = self.ask("/api/v1/sql", query=statement)
            self.assertEqual(status, 400, text)
        endless = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )
        status, _, text = self.ask("/api/v1/sql", query=endless)
        self.assertEqual((status, json.loads(text)["error"]["code"]), (503, "timeout"))

    def test_every_error_says_what_to_do(self):
        for path, parameters, code in (
            ("/api/v1/bars", {}, "invalid_argument"),
            ("/api/v1/bars", {"series": "a/b/c"}, "not_found"),
            ("/api/v1/bars", {"series": SERIES, "indicators": "sma(x)"}, "invalid_argument"),
            ("/api/v1/trades", {"series": "a/b/c"}, "not_found"),
            ("/api/v1/nothing", {}, "not_found"),
            ("/api/v1/live", {}, "upgrade_required"),
        ):
            status, _, text = self.ask(path, **parameters)
            error = json.loads(text)["error"]
            self.assertGreaterEqual(status, 400)
            self.assertEqual(error["code"], code)
            self.assertTrue(error["message"] and error["action"])

    def test_metrics_say_how_long_the_stages_take(self):
        status, headers, text = self.ask("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("application/openmetrics-text", headers["Content-Type"])
        self.assertTrue(text.endswith("\n# EOF\n"))
        samples = dict(
            line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")
        )
        families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        self.assertEqual(len(families), len(set(families)))
        for stage in ("durable", "bar"):
            counts = [
                int(count)
                for name, count in samples.items()
                if name.startswith(f'tapedeck_stage_seconds_bucket{{stage="{stage}"')
            ]
            self.assertEqual(counts, sorted(counts))
            self.assertGreater(counts[-1], 0, stage)
            self.assertEqual(
                samples[f'tapedeck_stage_seconds_count{{stage="{stage}"}}'], str(counts[-1])
            )
        events = sum(
            int(count)
            for name, count in samples.items()
            if name.startswith("tapedeck_feed_events_total")
        )
        self.assertGreater(events, 100_000)
        self.assertEqual(samples["tapedeck_windows_unapplied_total"], "0")

    def test_quality_and_the_rest(self):
        quality = self.get("/api/v1/quality")
        self.assertEqual(quality["duplicates"], "0")
        self.assertEqual(quality["quarantine"]["total"], "0")
        self.assertEqual(self.get("/api/v1/tape")["state"], "writing")
        self.assertEqual(self.get("/api/v1/feeds")["feeds"][0]["state"], "ended")
        self.assertEqual(self.get("/api/v1/session")["role"], "operator")
        instruments = self.get("/api/v1/instruments")
        self.assertEqual(len(instruments["instruments"]), 3)
        self.assertIn("1m", {bars["interval"] for bars in instruments["bars"]})


if __name__ == "__main__":
    unittest.main()
