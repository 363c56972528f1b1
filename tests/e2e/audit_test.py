#!/usr/bin/env python3
"""tests/e2e/audit_test.py: `tapedeck audit` with the real program, and every count once more.

    [TAPEDECK_BIN=FILE] [TAPEDECK_CORPUS=DIR] python3 tests/e2e/audit_test.py

The counts are computed here from the source files, with plain integers and dictionaries, and share
nothing with the program but the definitions of the old tables.
"""

import collections
import datetime
import gzip
import hashlib
import json
import os
import sys
import tempfile
import unittest
import zipfile
from zoneinfo import ZoneInfo

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
import product
from product import CORPUS, DEMO, NO_CORPUS, oracle

FAILED, USAGE, REFUSED = 1, 2, 3
PIPELINES = ("s1", "s2", "s3", "s4", "s5")
SCALE = 8
NS, MS = 10**9, 10**6
MINUTE, HOUR, DAY = 60 * NS, 3600 * NS, 86400 * NS
NEW_YORK = ZoneInfo("America/New_York")

# In the order of the file. `place`: what orders trades of one instant, and their `seq`.
Trade = collections.namedtuple("Trade", "series ts recv price size place")


def setUpModule():
    product.require_binary()


# ---- The files once more


def scaled(text):
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(SCALE, "0")[:SCALE])


def lean(path, symbol, date):
    midnight = datetime.datetime.strptime(date, "%Y%m%d").replace(tzinfo=NEW_YORK)
    # Of a day without a change of the clocks.
    midnight_ns = int(midnight.timestamp()) * NS
    with zipfile.ZipFile(path) as packed:
        (name,) = packed.namelist()
        lines = packed.read(name).decode().split()
    for number, line in enumerate(lines):
        ms, price, size = line.split(",")[:3]
        ts = midnight_ns + int(ms) * MS
        yield Trade(
            f"lean/trade/{symbol}", ts, ts, int(price) * 10 ** (SCALE - 4), scaled(size), number
        )


def binance(path):
    with gzip.open(path, "rt") as lines:
        for line in lines:
            recv, frame = line.split(" ", 1)
            frame = json.loads(frame)
            data = frame.get("data", {})
            if isinstance(data, dict) and data.get("e") == "trade":
                yield Trade(
                    f"binance/trade/{data['s']}",
                    data["T"] * MS,
                    int(recv),
                    scaled(data["p"]),
                    scaled(data["q"]),
                    data["t"],
                )


# ---- What the old tables would hold


def text(value):
    return None if value is None else oracle.format_decimal(value, SCALE)


def total(values, scale=SCALE):
    return oracle.format_decimal(sum(values), scale)


def notional(trades):
    return total((t.price * t.size for t in trades), 2 * SCALE)


def bar(trades):
    """Of trades in their order."""
    return {
        "open": text(trades[0].price),
        "high": text(max(t.price for t in trades)),
        "low": text(min(t.price for t in trades)),
        "close": text(trades[-1].price),
        "volume": total(t.size for t in trades),
        "notional": notional(trades),
    }


def by_minute(trades, order):
    minutes = collections.defaultdict(list)
    for trade in sorted(trades, key=order):
        minutes[trade.ts - trade.ts % MINUTE].append(trade)
    return minutes


def by_place(trade):
    return (trade.ts, trade.place)


def rows_of(trades, key):
    """(what is left, [(lost, what overwrote it)])"""
    table, lost = {}, []
    for trade in trades:
        if key(trade) in table:
            lost.append((table[key(trade)], trade))
        table[key(trade)] = trade
    return list(table.values()), lost


def bar_faults(trades, old_bars):
    """`old_bars`: by minute, a bar or None."""
    columns = ("volume", "open", "high", "low", "close")
    faults = dict.fromkeys(("bars", "misstated", "absent", *columns), 0)
    worst = None
    for ts_open, minute in sorted(by_minute(trades, by_place).items()):
        truth, old = bar(minute), old_bars(ts_open, minute)
        differ = [column for column in columns if old and old[column] != truth[column]]
        faults["bars"] += 1
        faults["absent"] += old is None
        faults["misstated"] += old is None or bool(differ)
        for column in differ:
            faults[column] += 1
        if old is None or differ:
            missing = abs(float(truth["notional"]) - (float(old["notional"]) if old else 0))
            if worst is None or missing > worst[0]:
                worst = (missing, {"ts_open": str(ts_open), "true": truth, "old": old})
    if worst:
        faults["worst"] = worst[1]
    return faults


def keyed_by_time(trades, trigger_ns, key=lambda trade: trade.ts // MS):
    rows, lost = rows_of(trades, key)
    left = by_minute(rows, key)
    found = {
        "rows": len(rows),
        "lost": len(lost),
        "volume_lost": total(a.size for a, _ in lost),
        "notional_lost": notional([a for a, _ in lost]),
        "bars_1m": bar_faults(trades, lambda ts_open, _: bar(left[ts_open])),
    }
    windows = collections.defaultdict(list)
    for trade in trades:
        windows[trade.ts // (15 * NS)].append(trade.price * trade.size)
    value = count = off_1 = off_50 = 0
    for _, values in sorted(windows.items()):
        value, count = value + sum(values), count + len(values)
        shown, truth = value * len(values), sum(values) * count  # both times the same
        off_1 += 100 * abs(shown - truth) > truth
        off_50 += 2 * abs(shown - truth) > truth
    found["running_averages_15_sec"] = {
        "windows": len(windows),
        "off_by_1_percent": off_1,
        "off_by_50_percent": off_50,
    }
    found["last_mean"] = (
        value / count / 10 ** (2 * SCALE),
        sum(values) / len(values) / 10 ** (2 * SCALE),
    )
    ingest = [-(-trade.recv // trigger_ns) * trigger_ns for trade in trades]
    found["ingest_timestamp"] = {
        "in_another_minute": sum(
            at // MINUTE != trade.ts // MINUTE for at, trade in zip(ingest, trades)
        )
    }
    if trigger_ns > 1:
        found["ingest_timestamp"]["average_rows"] = len(set(ingest))
    named = [("overwritten", a, b) for a, b in lost]
    return found, named


def hours_of(trades):
    hours, date_of = collections.defaultdict(list), {}
    for trade in sorted(trades, key=by_place):
        start = trade.ts - trade.ts % HOUR
        hours[start].append(trade)
    labels = {}
    for start in sorted(hours):
        local = datetime.datetime.fromtimestamp(start // NS, NEW_YORK)
        labels[local.strftime("%Y-%m-%d %H:%M:%S")] = start
    last = max(labels)
    midnight = f"{last[:10]} 00:00:00"
    hidden = [hours[start] for label, start in sorted(labels.items()) if label > midnight]
    lost = [hours[start] for start in sorted(hours) if start not in labels.values()]
    first = min(label for label in labels if label >= midnight)
    bars = {label: hours[start] for label, start in labels.items()}
    found = {
        "rows": len(labels),
        "lost": sum(map(len, lost)),
        "volume_lost": total(t.size for hour in lost for t in hour),
        "bars_1m": bar_faults(trades, lambda *_: None),
        "hours": {
            "hours": len(hours),
            "overwritten": len(lost),
            "last_date": last[:10],
            "hidden_rows": len(hidden),
            "hidden_trades": sum(map(len, hidden)),
            "daily_change_shown": total([bars[last][-1].price, -bars[last][0].price]),
            "daily_change": total([bars[last][-1].price, -bars[first][0].price]),
        },
    }
    named = [("hidden", trade, None) for hour in hidden for trade in hour]
    for hour in lost:
        later = hours[hour[0].ts - hour[0].ts % HOUR + HOUR]
        named += [("bar_overwritten", trade, later[0]) for trade in hour]
    return found, named


def keyed_by_uuid(trades, repeats):
    named = []

    def old(ts_open, minute):
        made = bar(minute + [t for t in repeats if t.ts - t.ts % MINUTE == ts_open])
        made.update(open=bar(minute)["open"], close=bar(minute)["close"])
        pairs = []
        for column, end in (("open", minute[0].ts), ("close", minute[-1].ts)):
            at_end = [t for t in trades_at[end] if t.ts == end]
            other = next((t for t in at_end if t.price != at_end[0].price), None)
            if other:
                made[column] = None
                if (at_end[0], other) not in pairs:
                    pairs.append((at_end[0], other))
        named.extend(("order_unknown", a, b) for a, b in pairs)
        return made

    trades_at = collections.defaultdict(list)
    for trade in trades:
        trades_at[trade.ts].append(trade)
    found = {
        "rows": len(trades) + len(repeats),
        "lost": 0,
        "repeats": len(repeats),
        "volume_repeated": total(t.size for t in repeats),
        "bars_1m": bar_faults(trades, old),
    }
    return found, named


def keyed_by_ticker(trades):
    rows, lost = rows_of(trades, lambda trade: 0)
    found = {
        "rows": 1,
        "lost": len(trades) - 1,
        "volume_lost": total(t.size for t in trades),
        "bars_1m": bar_faults(trades, lambda *_: None),
    }
    found["mean"] = sum(t.price for t in trades) / len(trades) / 10**SCALE
    return found, [("overwritten", a, b) for a, b in lost]


def model(name, trades, repeats=()):
    """(the series as the program should have it, every loss by name)"""
    if name == "s1":
        found, named = hours_of(trades)
    elif name in ("s2", "s5"):
        found, named = keyed_by_time(trades, 5 * NS if name == "s5" else 1)
    elif name == "s3":
        found, named = keyed_by_uuid(trades, list(repeats))
    else:
        found, named = keyed_by_ticker(trades)
    found["trades"] = len(trades)
    found["volume"] = total(t.size for t in trades)
    found["notional"] = notional(trades)
    return found, named


def as_named(loss, trade, other):
    def one(trade):
        return {
            "series": trade.series,
            "ts_event": str(trade.ts),
            "price": text(trade.price),
            "size": text(trade.size),
            "seq": str(trade.place),
        }

    return {"loss": loss, "trade": one(trade), **({"other": one(other)} if other else {})}


def contained(want, found, path=""):
    """What of `want` is otherwise in `found`, in words."""
    if isinstance(want, dict) and isinstance(found, dict):
        return [
            wrong
            for key in want
            for wrong in contained(want[key], found.get(key, "nothing"), f"{path}/{key}")
        ]
    return [] if want == found else [f"{path}: want {want!r}, found {found!r}"]


def audit(name, files, *options, code=0):
    done = product.run("audit", "--as", name, *files, "--json", *options)
    if done.code != code:
        raise AssertionError(f"exit {done.code}: {done.err[-2000:]}")
    return json.loads(done.out)


class Case(unittest.TestCase):
    maxDiff = 4000

    def agrees(self, name, files, trades, options=(), repeats=()):
        report = audit(name, files, *options)
        by_series = collections.defaultdict(list)
        for trade in trades:
            by_series[trade.series].append(trade)
        self.assertEqual([s["series"] for s in report["series"]], sorted(by_series))
        named = []
        for series in report["series"]:
            want, losses = model(name, by_series[series["series"]], repeats)
            named += losses
            if "last_mean" in want:
                shown, truth = want.pop("last_mean")
                last = series["running_averages_15_sec"]["last"]
                self.assertAlmostEqual(last["shown"] / shown, 1, places=9)
                self.assertAlmostEqual(last["true"] / truth, 1, places=9)
            if "mean" in want:
                mean = series["cumulative_avg_price"]["shown"]
                self.assertAlmostEqual(mean / want.pop("mean"), 1, places=9)
            self.assertEqual(contained(want, series), [])
            self.assertAlmostEqual(series["lost_share"], want["lost"] / want["trades"], places=5)
        arrival = {trade: number for number, trade in enumerate(trades)}
        named.sort(key=lambda loss: (loss[1].ts, loss[1].series, arrival[loss[1]]))
        want = [as_named(*loss) for loss in named[:5]]
        self.assertEqual(len(report["named"]), len(want))
        for one, found in zip(want, report["named"]):
            self.assertEqual(contained(one, found), [])
        for key in ("trades", "rows", "lost"):
            self.assertEqual(report[key], sum(series[key] for series in report["series"]))
        return report


class Recorded(Case):
    def test_the_demo_day(self):
        trades = [
            trade
            for path, symbol in zip(DEMO, ("SPY", "IBM", "AIG"))
            for trade in lean(path, symbol, "20131007")
        ]
        for name in PIPELINES:
            with self.subTest(name):
                report = self.agrees(name, DEMO, trades)
                self.assertEqual(report["as"], name)

    def test_what_is_known_of_spy(self):
        """Not from this file's model."""
        report = audit("s2", DEMO[:1])
        self.assertEqual(report["trades"], 250601)
        self.assertEqual(report["rows"], 116162)
        with zipfile.ZipFile(DEMO[0]) as packed:
            sha = hashlib.sha256(packed.read(packed.namelist()[0])).hexdigest()
        self.assertEqual({one["trade"]["origin"] for one in report["named"]}, {sha})

    @unittest.skipUnless(CORPUS, NO_CORPUS)
    def test_a_day_of_spy(self):
        path = os.path.join(CORPUS or "", "lean/equity/tick/spy/20131008_trade.zip")
        trades = list(lean(path, "SPY", "20131008"))
        for name in PIPELINES:
            with self.subTest(name):
                self.agrees(name, [path], trades)

    @unittest.skipUnless(CORPUS, NO_CORPUS)
    def test_a_capture_of_binance(self):
        for part in ("20240808", "20240809"):
            path = os.path.join(CORPUS or "", f"hftbacktest/spot/btcusdt_{part}.gz")
            trades = list(binance(path))
            for name in PIPELINES:
                with self.subTest(name, part=part):
                    self.agrees(name, [path], trades)

    @unittest.skipUnless(CORPUS, NO_CORPUS)
    def test_a_wrong_model_is_noticed(self):
        path = os.path.join(CORPUS or "", "hftbacktest/spot/btcusdt_20240808.gz")
        trades = list(binance(path))
        series = audit("s2", [path])["series"][0]
        for wrong in (
            keyed_by_time(trades, 1, lambda trade: trade.ts // NS),
            keyed_by_time(trades, 1, lambda trade: (trade.ts // MS, trade.price)),
            keyed_by_time(trades[::-1], 1),
            keyed_by_time(trades[:-1], 1),
        ):
            wrong[0].pop("last_mean")
            self.assertNotEqual(contained(wrong[0], series), [])
        self.assertNotEqual(contained(keyed_by_time(trades, 5 * NS)[0], series), [])


class HandMade(Case):
    MAP = ("--map", "time=#0:ns,price=#1,size=#2,id=#3", "--venue", "v")

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-audit-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, trades):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            for t in trades:
                out.write(f"{t.ts},{text(t.price)},{text(t.size)},{t.place}\n")
        return path

    def trades(self, symbol, times, first_id=1):
        return [
            Trade(f"v/trade/{symbol}", ts, ts, scaled(str(100 + n % 3)), scaled(str(n)), n)
            for n, ts in enumerate(times, first_id)
        ]

    def test_the_hour_that_comes_twice(self):
        first = 1383456600 * NS  # 2013-11-03T05:30Z, 01:30 in New York
        trades = self.trades("BTC", [first + n * 10 * MINUTE for n in range(-3, 30)])
        path = self.write("fall.csv", trades)
        report = self.agrees("s1", [path], trades, (*self.MAP, "--symbol", "BTC"))
        self.assertEqual(report["series"][0]["hours"]["overwritten"], 1)
        self.assertEqual(report["named"][0]["loss"], "bar_overwritten")

    def test_a_file_given_twice_in_two_packings(self):
        trades = self.trades("S", [1672531200 * NS + n // 3 * 20 * NS for n in range(40)])
        path = self.write("a.csv", trades)
        packed = path + ".gz"
        with open(path, "rb") as plain, gzip.open(packed, "wb") as out:
            out.write(plain.read())
        options = (*self.MAP, "--symbol", "S")
        self.agrees("s3", [path, packed], trades, options, repeats=trades)
        self.agrees("s2", [path, packed], trades, options)

    def test_a_symbol_without_a_table(self):
        trades = self.trades("BTC/USD", [1672531200 * NS, 1672531201 * NS])
        path = self.write("a.csv", trades)
        report = audit("s1", [path], *self.MAP, "--symbol", "BTC/USD")
        self.assertEqual((report["rows"], report["lost"]), (0, 2))
        self.assertEqual([one["loss"] for one in report["named"]], ["no_table"] * 2)

    def test_text_for_people(self):
        for name in PIPELINES:
            with self.subTest(name):
                done = product.run("audit", "--as", name, *DEMO)
                self.assertEqual(done.code, 0, done.err)
                report = audit(name, DEMO)
                self.assertIn(report["table"], done.out)
                for series in report["series"]:
                    self.assertIn(f"\n{series['series']}\n", done.out)
                for one in report["named"]:
                    named = "  {series} {price} x {size} at ".format(**one["trade"])
                    self.assertIn(named, done.out)
                for assumed in report["assumed"]:
                    self.assertIn(f"  - {assumed}\n", done.out)
                self.assertIn("300245 trades in all", done.err)

    def test_what_the_guide_shows(self):
        with open(os.path.join(product.ROOT, "docs/how-to/audit-your-data.md")) as guide:
            blocks = [line[4:].rstrip() for line in guide if line.startswith("    ")]
        command, *shown = blocks
        done = product.run(*command.split()[1:], cwd=product.ROOT)
        said = done.out.split("\n")
        self.assertGreater(len(shown), 15)
        self.assertEqual([line for line in shown if line not in [*said, "    ..."]], [])

    def test_nothing_to_audit(self):
        path = self.write("empty.csv", [])
        report = audit("s2", [path], *self.MAP, "--symbol", "S", code=REFUSED)
        self.assertEqual((report["trades"], report["series"], report["named"]), (0, [], []))

    def test_exit_codes(self):
        path = self.write("a.csv", self.trades("S", [1672531200 * NS]))
        with open(path, "a", encoding="utf-8") as out:
            out.write("not a time,1,1,2\n")
        options = (*self.MAP, "--symbol", "S")
        self.assertEqual(audit("s2", [path], *options, code=REFUSED)["trades"], 1)
        for arguments, code, words in (
            (("--as", "s6", path, *options), USAGE, "s1, s2, s3, s4 or s5"),
            ((path, *options), USAGE, "--as"),
            (("--as", "s2"), USAGE, "files"),
            (("--as", "s2", os.path.join(self.folder, "none")), FAILED, "none"),
            (("--as", "s2", path), FAILED, "--map"),
        ):
            with self.subTest(arguments):
                done = product.run("audit", *arguments)
                self.assertEqual((done.code, done.out), (code, ""), done.err)
                self.assertIn(words, done.err)


if __name__ == "__main__":
    unittest.main()
