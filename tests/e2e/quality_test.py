#!/usr/bin/env python3
"""tests/e2e/quality_test.py: what `query quality` and `query gaps` say of a tape, with the program.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/quality_test.py

A venue's trades of three days are made, some are left out and some come late; what the program says
of the tape is counted here again from the file that it read.
"""

import collections
import csv
import io
import json
import os
import random
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import product
from run_test import Service, feed

DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000
START_NS = 1_704_067_200_000_000_000  # 2024-01-01
SERIES = ("v/trade/BTC", "v/trade/ETH")


def setUpModule():
    product.require_binary()


def event(series, number, ts_event, delay):
    return {
        **{"kind": "trade", "series": series, "order": "venue_sequence", "calendar": "24x7"},
        **{"ts_event": str(ts_event), "ts_recv": str(ts_event + delay)},
        **{"price": "1.5", "size": "2", "seq": str(number), "venue_sequence": str(number)},
        **{"origin_kind": "venue", "origin": "", "origin_first": "0", "position": "0"},
    }


def made(rng):
    """Trades in the order of their arrival: some left out, some moved back by up to 40 places."""
    events = []
    for series in SERIES:
        ts = START_NS
        for number in range(100, 1900):
            ts += rng.randrange(1, 300_000_000_000)
            if rng.random() > 0.03:
                events.append(event(series, number, ts, rng.randrange(-5_000_000, 90_000_000)))
    arrival = sorted(range(len(events)), key=lambda i: i + rng.choice((0, 0, 0, 40)))
    return [events[i] for i in arrival]


def expected_gaps(events):
    gaps = []
    for series in SERIES:
        times = {int(e["seq"]): e["ts_event"] for e in events if e["series"] == series}
        known = sorted(times)
        for before, after in zip(known, known[1:]):
            if after > before + 1:
                gaps.append(
                    {
                        **{"series": series, "missing": str(after - before - 1)},
                        **{"first_id": str(before + 1), "last_id": str(after - 1)},
                        **{"after": times[before], "before": times[after], "cause": "unknown"},
                    }
                )
    return gaps


def expected_days(events):
    days = collections.defaultdict(list)
    newest = {}
    disorder = collections.defaultdict(list)
    for one in events:
        ts = int(one["ts_event"])
        key = (one["series"], (ts - START_NS) // DAY_NS)
        days[key].append(one)
        if ts < newest.get(one["series"], ts):
            disorder[key].append(newest[one["series"]] - ts)
        newest[one["series"]] = max(ts, newest.get(one["series"], ts))
    missing = collections.Counter()
    for gap in expected_gaps(events):
        day = (int(gap["after"]) - START_NS) // DAY_NS
        missing[gap["series"], day] += int(gap["missing"])
    rows = []
    for (series, day), of_day in sorted(days.items()):
        stamps = [int(e["ts_event"]) for e in of_day]
        delays = [int(e["ts_recv"]) - int(e["ts_event"]) for e in of_day]
        rows.append(
            {
                **{"series": series, "date": f"2024-01-{day + 1:02}", "trades": str(len(of_day))},
                **{"others": "0", "first": str(min(stamps)), "last": str(max(stamps))},
                **{"minutes": str(len({ts // MINUTE_NS for ts in stamps}))},
                **{"session_minutes": "1440", "missing": str(missing[series, day])},
                **{"duplicates": "", "reordered": str(len(disorder[series, day]))},
                **{"late": str(sum(back > 10 * 10**9 for back in disorder[series, day]))},
                **{"disorder_ns": str(max(disorder[series, day], default=0))},
                **{"delay_min_ns": str(min(delays)), "delay_max_ns": str(max(delays))},
            }
        )
    return rows


class Quality(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-quality-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.events = made(random.Random(5))
        path = os.path.join(folder.name, "events.jsonl")
        with open(path, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(one) + "\n" for one in cls.events)
        cls.tape = os.path.join(folder.name, "tape")
        done = product.run("replay", path, "--tape", cls.tape, "--partitions", "2", "--digest")
        assert done.code == 0, done.err

    def rows(self, verb, *options):
        done = product.run("query", verb, self.tape, *options)
        self.assertEqual(done.code, 0, done.err)
        return list(csv.DictReader(io.StringIO(done.out)))

    def test_each_day_is_counted(self):
        expected = expected_days(self.events)
        self.assertGreater(len(expected), 5)
        self.assertTrue(any(row["reordered"] != "0" for row in expected))
        self.assertEqual(self.rows("quality"), expected)

    def test_each_gap_is_named(self):
        expected = expected_gaps(self.events)
        self.assertGreater(len(expected), 50)
        self.assertEqual(self.rows("gaps"), expected)

    def test_the_command_of_its_own(self):
        for options, query in (((), "quality"), (("--gaps",), "gaps")):
            done = product.run("quality", self.tape, *options)
            self.assertEqual(done.code, 0, done.err)
            self.assertEqual(done.out, product.run("query", query, self.tape).out)

    def test_a_running_program_says_the_same(self):
        with tempfile.TemporaryDirectory(prefix="tapedeck-quality-test-") as folder:
            path = os.path.join(folder, "events.jsonl")
            with open(path, "w", encoding="utf-8") as out:
                out.writelines(json.dumps(one) + "\n" for one in self.events * 2)
            with open(os.path.join(folder, "pipeline.toml"), "w", encoding="utf-8") as out:
                out.write(feed("crypto", "events", [path]) + '[api]\nlisten = "127.0.0.1:0"\n')
            service = Service(folder)
            try:
                service.until_ended()
                asked = {}
                for what in ("days", "gaps"):
                    answer = service.until("the whole tape was looked at", self.ask(service, what))
                    self.assertEqual(answer["problem"], "")
                    asked[what] = answer[what]
                metrics = service.get("/metrics")
                address = f"/api/v1/bars?series={SERIES[1]}"
                coverage = json.loads(service.get(address))["coverage"]
            finally:
                service.close()
        expected = expected_days(self.events)
        for row in expected:
            row["duplicates"] = row["trades"]  # all came twice
        self.assertEqual([{k: str(v) for k, v in row.items()} for row in asked["days"]], expected)
        self.assertEqual(asked["gaps"], expected_gaps(self.events))
        # Bars say how much of them is missing.
        ids = [int(gap["missing"]) for gap in asked["gaps"] if gap["series"] == SERIES[1]]
        self.assertEqual((coverage["gaps"], coverage["missing"]), (len(ids), str(sum(ids))))
        for name in ("missing", "reordered", "late"):
            total = sum(int(row[name]) for row in expected)
            self.assertIn(f'tapedeck_quality_{name}{{venue="v"}} {total}\n', metrics)

    def ask(self, service, what):
        def whole():
            answer = json.loads(service.get(f"/api/v1/quality/{what}?limit=10000"))
            return answer if answer["whole"] else None

        return whole

    def test_one_series(self):
        eth = [row for row in expected_gaps(self.events) if row["series"] == SERIES[1]]
        self.assertEqual(self.rows("gaps", "--series", SERIES[1]), eth)
        self.assertEqual(self.rows("gaps", "--series", SERIES[1], "--limit", "3"), eth[:3])

    def test_json_has_the_same(self):
        done = product.run("query", "quality", self.tape, "--format", "json", "--time", "iso")
        days = json.loads(done.out)["days"]
        self.assertEqual(len(days), len(expected_days(self.events)))
        self.assertTrue(days[0]["first"].startswith("2024-01-01T"))

    def test_what_is_wrong_is_said(self):
        unknown = product.run("query", "quality", self.tape, "--series", "v/trade/XRP")
        self.assertEqual(unknown.code, 1)
        self.assertIn("'v/trade/XRP' is not on this tape", unknown.err)
        self.assertIn(SERIES[0], unknown.err)
        nothing = product.run("query", "gaps", self.tape + "-not-there")
        self.assertEqual(nothing.code, 1)
        self.assertIn("there is no folder", nothing.err)


if __name__ == "__main__":
    unittest.main()
