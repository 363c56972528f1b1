#!/usr/bin/env python3
"""tests/indicators/indicators_test.py: our indicators and TA-Lib's say the same of real bars.

[TAPEDECK_BIN=FILE] [TAPEDECK_INDICATORS_CLI=FILE] [TAPEDECK_INDICATORS_PYTHON=FILE]
[TAPEDECK_CORPUS=DIR] python3 tests/indicators/indicators_test.py

`tapedeck replay` makes the bars, td_indicators_cli gives them to our indicators one by one, and
peer.py all at once to TA-Lib. SMA and VWAP are compared with fractions as well, digit by digit.
"""

import csv
import datetime
import functools
import glob
import io
import json
import os
import random
import re
import subprocess
import sys
import unittest
from decimal import Decimal
from fractions import Fraction

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "replay"))
import product
from product import CORPUS, DEMO, NO_CORPUS, ROOT

CLI = os.environ.get("TAPEDECK_INDICATORS_CLI") or os.path.join(
    ROOT, "build/release/td_indicators_cli")
PEER_PYTHON = os.environ.get("TAPEDECK_INDICATORS_PYTHON") or os.path.join(
    ROOT, "build/indicators-venv/bin/python")

SPECS = ["sma(1)", "sma(20)", "sma(200)", "ema(9)", "ema(50)", "rsi(14)", "rsi(2)", "macd(12,26,9)",
         "macd(3,10,16)", "bollinger(20,2)", "bollinger(5,0.5)", "atr(14)", "atr(1)", "vwap"]
# Of the price. Doubles have 16 digits; TA-Lib loses a few in sums that slide.
TOLERANCE = 1e-12
# RSI, of 100: it is a ratio of steps, which TA-Lib takes between rounded prices.
TOLERANCE_RSI = 1e-9
# TA-Lib's MACD begins otherwise; by now what a mean of 27 bars began with has faded from it.
MACD_AGREES_AFTER = 600

def setUpModule():
    product.require_binary()
    for path, remedy in ((CLI, "cmake --build build/release --target td_indicators_cli"),
                         (PEER_PYTHON, "tools/python_environment.sh tests/indicators")):
        if not os.access(path, os.X_OK):
            raise FileNotFoundError(f"nothing at {path}: {remedy}, or ./dev test integration")


COLUMNS = ("ts_open", "open", "high", "low", "close", "volume", "notional")


@functools.lru_cache(maxsize=None)
def replayed(files, interval="1m", conditions="eligible", session="extended", options=()):
    """{instrument: [bar, ...]}"""
    done = product.replay(files, interval, conditions, session, options)
    if done.code != 0:
        raise AssertionError(f"exit {done.code}: {done.err[-2000:]}")
    bars = {}
    for row in csv.DictReader(io.StringIO(done.out)):
        bars.setdefault(row["instrument"], []).append({name: row[name] for name in COLUMNS})
    return bars


def say(spec, bars, *options):
    """What our indicator says in the end: {ts_open: [text, ...]}. Bars come in this order; one of
    them without "final" is taken as final."""
    rows = "".join(",".join((*(bar[name] for name in COLUMNS), bar.get("final", "1"))) + "\n"
                   for bar in bars)
    done = subprocess.run([CLI, spec, *options], input="the names\n" + rows, capture_output=True,
                          text=True, timeout=product.TIMEOUT_S)
    if done.returncode != 0:
        raise AssertionError(f"{spec}: exit {done.returncode}: {done.stderr[-2000:]}")
    lines = (line.split(",") for line in done.stdout.splitlines())
    return {line[0]: line[1:] for line in lines}


def reads(spec):
    """The columns without which a bar does not count."""
    name = spec.split("(")[0]
    return {"atr": ("high", "low", "close"), "vwap": ()}.get(name, ("close",))


def counting(spec, bars):
    return [bar for bar in bars if all(bar[name] for name in reads(spec))]


def ask_peer(specs, bars):
    """{spec: {ts_open: [number or None, ...]}}, of bars that count for all of these."""
    columns = {name: [bar[name] for bar in bars] for name in ("high", "low", "close", "volume")}
    columns = {name: column for name, column in columns.items() if all(column)}
    if all(Fraction(bar["volume"]) for bar in bars):
        columns["mean"] = [float(Fraction(bar["notional"]) / Fraction(bar["volume"]))
                           for bar in bars]
    done = subprocess.run([PEER_PYTHON, os.path.join(HERE, "peer.py")],
                          input=json.dumps({"specs": specs, "bars": columns}),
                          capture_output=True, text=True, timeout=product.TIMEOUT_S)
    if done.returncode != 0:
        raise AssertionError(f"peer: {done.stderr[-2000:]}")
    return {spec: dict(zip((bar["ts_open"] for bar in bars), zip(*outputs)))
            for spec, outputs in json.loads(done.stdout).items()}


def differences(spec, bars, ours, theirs, after=0):
    """Words for what differs, and how far the rest is apart, in parts of the tolerance."""
    found, worst, compared = [], 0.0, 0
    closes = sorted(float(bar["close"]) for bar in bars if bar["close"])
    most = 100 * TOLERANCE_RSI if spec.startswith("rsi") else TOLERANCE * closes[len(closes) // 2]
    for index, (ts_open, want) in enumerate(theirs.items()):
        if index < after:
            continue
        got = ours[ts_open]
        for text, number in zip(got, want, strict=True):
            if (text == "") != (number is None):
                found.append(f"{spec}: {ts_open}: we say '{text}', TA-Lib {number}")
            elif text:
                apart = abs(float(text) - number) / most
                worst = max(worst, apart)
                compared += 1
                if not apart <= 1:
                    found.append(f"{spec}: {ts_open}: we say {text}, TA-Lib {number}")
    for ts_open in ours.keys() - theirs.keys():
        if any(ours[ts_open]):
            found.append(f"{spec}: {ts_open}: does not count, but we say {ours[ts_open]}")
    return found, worst, compared


def rounded(value):
    """Half-even, to 18 significant digits of which at most 18 stand after the point."""
    scale = 18 if abs(value) < 1 else 18 - len(str(int(abs(value))))
    digits = round(value * 10**scale)  # of a Fraction: exact, half-even
    text = f"{abs(digits):0{scale + 1}d}"
    text = f"{text[:len(text) - scale]}.{text[len(text) - scale:]}".rstrip("0").rstrip(".")
    return "-" + text if digits < 0 else text


def exact_sma(bars, period):
    values, total, window = {}, Fraction(), []
    for bar in bars:
        window.append(Fraction(bar["close"]))
        total += window[-1]
        if len(window) > period:
            total -= window.pop(0)
        values[bar["ts_open"]] = rounded(total / period) if len(window) == period else ""
    return values


def exact_vwap(bars):
    values, notional, volume = {}, Fraction(), Fraction()
    for bar in bars:
        notional += Fraction(bar["notional"])
        volume += Fraction(bar["volume"])
        values[bar["ts_open"]] = rounded(notional / volume) if volume else ""
    return values


class Case(unittest.TestCase):
    def same(self, ours, wanted, what):
        """As assertEqual, which takes minutes to say how two long tables differ."""
        self.assertEqual(list(ours), list(wanted), what)
        differing = [key for key in ours if ours[key] != wanted[key]]
        self.assertEqual({key: (ours[key], wanted[key]) for key in differing[:5]}, {},
                         f"{what}: {len(differing)} in all")

    def compare(self, bars, specs=SPECS):
        """Against TA-Lib and fractions; and that a restart anywhere changes no digit."""
        compared = 0
        for spec in specs:
            counted = counting(spec, bars)
            whole = ours = say(spec, bars)
            self.assertEqual(list(ours), [bar["ts_open"] for bar in bars])
            if spec.startswith("vwap"):
                self.same({key: value[0] for key, value in ours.items()}, exact_vwap(bars), spec)
                # TA-Lib divides by volume, so bars without any are not for it.
                counted = [bar for bar in counted if Fraction(bar["volume"])]
                ours = {bar["ts_open"]: ours[bar["ts_open"]] for bar in counted}
            if period := re.fullmatch(r"(?:sma|bollinger)\((\d+).*", spec):
                exact = exact_sma(counted, int(period[1]))
                self.same({key: ours[key][0] for key in exact}, exact, spec)
            if not counted:
                continue
            asked = {spec: 0}
            if spec.startswith("macd"):
                asked[spec.replace("macd", "macd_of_talib")] = MACD_AGREES_AFTER
            for name, after in asked.items():
                theirs = ask_peer([name], counted)[name]
                found, worst, count = differences(name, bars, ours, theirs, after)
                self.assertEqual(found[:10], [], f"and {len(found)} in all")
                WORST[spec] = max(WORST.get(spec, 0), worst)
                compared += count
            for every in ("1", "97"):
                self.same(say(spec, bars, "--restart-every", every), whole, spec)
        return compared

    def revise(self, bars, specs, seed, *options):
        """The bars arrive wrong, late, provisional, and are put right; in the end nothing of that
        shows."""
        rng = random.Random(seed)
        arriving, later = [], []
        for index, bar in enumerate(bars):
            chance = rng.random()
            if index in (0, len(bars) - 1) or chance < 0.02:
                arriving.append(wrong(bar, rng))
                later.append(bar)
            elif chance < 0.03:
                later.append(bar)  # it was not there at all
            elif chance < 0.3:
                arriving += [wrong(bar, rng) | {"final": "0"} for _ in range(rng.randrange(1, 4))]
                arriving.append(bar)
            else:
                arriving.append(bar)
            if later and rng.random() < 0.05:
                arriving.append(later.pop(rng.randrange(len(later))))
        rng.shuffle(later)
        arriving += later
        for spec in specs:
            clean = say(spec, bars, *options)
            self.same(say(spec, arriving, *options), clean, spec)
            self.same(say(spec, arriving, "--restart-every", "13", *options), clean, spec)


def wrong(bar, rng):
    bar = dict(bar)
    for name in ("open", "high", "low", "close"):
        bar[name] = rng.choice(("", "1.25", str(rng.randrange(1, 10**6)))) if bar[name] else "7.5"
    bar["volume"], bar["notional"] = "3", "750.125"
    return bar


WORST = {}


def tearDownModule():
    print("greatest distance from TA-Lib, in parts of the tolerance:",
          {spec: float(f"{worst:.2g}") for spec, worst in WORST.items()})


class Demo(Case):
    def test_against_the_peer_and_after_restarts(self):
        for interval in ("1m", "15s"):
            for instrument, bars in replayed(tuple(DEMO), interval).items():
                with self.subTest(instrument, interval=interval):
                    self.assertGreater(self.compare(bars), 5000)

    def test_after_revisions(self):
        for seed, bars in enumerate(replayed(tuple(DEMO)).values()):
            with self.subTest(seed=seed):
                self.revise(bars, SPECS, seed)

    def test_the_revisions_of_a_session(self):
        bars = next(iter(replayed(tuple(DEMO[:1])).values()))
        self.revise(bars, ["vwap(session)", "rsi(14,session)"], 7, "--calendar", "us_equity")

    def test_bars_without_prices_do_not_count(self):
        bars = [dict(bar) for bar in next(iter(replayed(tuple(DEMO[:1])).values()))]
        rng = random.Random(5)
        for bar in bars[1:]:
            if rng.random() < 0.1:
                bar.update(open="", high="", low="", close="")
            elif rng.random() < 0.05:
                bar[rng.choice(("high", "low"))] = ""
        self.assertTrue(any(not bar["close"] for bar in bars))
        self.compare(bars)
        self.revise(bars, SPECS, 6)


class Planted(Case):
    """The comparison can fail: other bars, or another formula, are found."""

    def found(self, spec, bars, other_spec=None, other_bars=None):
        theirs = ask_peer([other_spec or spec], counting(spec, other_bars or bars))
        return differences(spec, bars, say(spec, bars), theirs[other_spec or spec])[0]

    def test_a_bar_that_is_a_tick_off(self):
        bars = next(iter(replayed(tuple(DEMO[1:2])).values()))
        off = [dict(bar) for bar in bars]
        middle = off[len(off) // 2]
        for name in ("high", "low", "close"):
            middle[name] = str(Decimal(middle[name]) + Decimal("0.01"))
        middle["notional"] = str(Decimal(middle["notional"]) + 1)
        for spec in SPECS:
            with self.subTest(spec):
                self.assertEqual(self.found(spec, bars), [])
                self.assertNotEqual(self.found(spec, bars, other_bars=off), [])

    def test_another_period(self):
        bars = next(iter(replayed(tuple(DEMO[1:2])).values()))
        for spec, other in (("sma(20)", "sma(21)"), ("ema(9)", "ema(10)"), ("rsi(14)", "rsi(13)"),
                            ("macd(12,26,9)", "macd(12,26,8)"), ("atr(14)", "atr(15)"),
                            ("bollinger(20,2)", "bollinger(20,2.001)")):
            with self.subTest(spec):
                self.assertNotEqual(self.found(spec, bars, other_spec=other), [])


def corpus(*names):
    return tuple(sorted(path for name in names for path in glob.glob(os.path.join(CORPUS, name))))


@unittest.skipUnless(CORPUS, NO_CORPUS)
class Corpus(Case):
    RECORDINGS = {
        "SPY": (["lean/equity/tick/spy/*_trade.zip"], "1m", ()),
        "AIG": (["lean/equity/tick/aig/*_trade.zip"], "1m", ()),
        "binance spot": (["hftbacktest/spot/*.gz"], "1s", ()),
        "binance coinm": (["hftbacktest/cm/*.gz"], "1s", ()),
        "coinbase": (["flashbook/coinbase-*.zst"], "1s", ()),
        "kraken": (["flashbook/kraken-*.zst"], "1s", ()),
        "XRP/ETH": (["freqtrade/XRP_ETH-trades.json.gz"], "1m",
                    ("--map", "time=#0:ms,id=#1,side=#3,price=#4,size=#5", "--symbol", "XRP/ETH")),
    }

    def test_against_the_peer_and_after_restarts_and_revisions(self):
        for title, (names, interval, options) in self.RECORDINGS.items():
            files = corpus(*names)
            self.assertTrue(files, f"{title}: nothing at {names} in {CORPUS}")
            for instrument, bars in replayed(files, interval, options=options).items():
                with self.subTest(title, instrument=instrument):
                    self.assertGreater(self.compare(bars), 0)
                    self.revise(bars[:500], SPECS, 1)

    def test_sessions_start_again_each_day(self):
        files = corpus("lean/equity/tick/spy/*_trade.zip")
        bars = next(iter(replayed(files).values()))
        days = {}
        for bar in bars:  # New York's summer time: UTC-4
            instant = datetime.datetime.fromtimestamp(int(bar["ts_open"]) // 10**9 - 4 * 3600,
                                                      datetime.timezone.utc)
            days.setdefault(instant.date(), []).append(bar)
        self.assertGreater(len(days), 1)
        for spec, of_session in (("vwap", "vwap(session)"), ("ema(9)", "ema(9,session)")):
            whole = say(of_session, bars, "--calendar", "us_equity", "--restart-every", "7")
            for day, of_day in days.items():
                self.same({bar["ts_open"]: whole[bar["ts_open"]] for bar in of_day},
                          say(spec, of_day), f"{spec} {day}")


if __name__ == "__main__":
    unittest.main()
