#!/usr/bin/env python3
"""tests/indicators/peer.py: what TA-Lib says of the same bars.

Runs in the environment of requirements.txt. Standard input, JSON: {"specs": [...], "bars": {"high":
[...], "low": ..., "close": ..., "mean": ..., "volume": ...}}, all of them of the bars that count.
Standard output: {spec: [[value or null, ...] for each output]}.
"""

import json
import math
import re
import sys

import numpy
import talib


def macd(bars, fast, slow, signal):
    """By its definition: a difference of two means, and their mean. TA-Lib's MACD begins its fast
    mean later; macd_of_talib is what that gives."""
    line = talib.EMA(bars["close"], fast) - talib.EMA(bars["close"], slow)
    mean = numpy.full(len(line), math.nan)
    mean[slow - 1 :] = talib.EMA(line[slow - 1 :], signal)
    return line, mean, line - mean


def macd_of_talib(bars, fast, slow, signal):
    return talib.MACD(bars["close"], fast, slow, signal)


def bollinger(bars, period, width):
    """Around a middle price: TA-Lib takes the small difference of two large squares."""
    base = numpy.median(bars["close"])
    upper, middle, lower = talib.BBANDS(bars["close"] - base, period, width, width)
    return middle + base, upper + base, lower + base


def rsi(bars, period):
    """TA-Lib says 0 while the price has never moved; we say nothing."""
    close = bars["close"]
    values = talib.RSI(close, period)
    moved = numpy.flatnonzero(close != close[0])
    values[: moved[0] if len(moved) else len(close)] = math.nan
    return (values,)


FORMULAS = {
    "sma": lambda bars, period: (talib.SMA(bars["close"], period),),
    "ema": lambda bars, period: (talib.EMA(bars["close"], period),),
    "rsi": rsi,
    "macd": macd,
    "macd_of_talib": macd_of_talib,
    "bollinger": bollinger,
    "atr": lambda bars, period: (talib.ATR(bars["high"], bars["low"], bars["close"], period),),
    # TA-Lib weighs typical prices; with all three prices at the bar's mean it weighs that.
    "vwap": lambda bars: (talib.VWAP(bars["mean"], bars["mean"], bars["mean"], bars["volume"]),),
}


def values_of(spec, bars):
    name, inside = re.fullmatch(r"(\w+)(?:\((.*)\))?", spec).groups()
    arguments = [float(part) if "." in part else int(part) for part in (inside or "").split(",")
                 if part]
    return [[None if math.isnan(value) else value for value in output.tolist()]
            for output in FORMULAS[name](bars, *arguments)]


def main():
    asked = json.load(sys.stdin)
    bars = {name: numpy.array(values, dtype=float) for name, values in asked["bars"].items()}
    json.dump({spec: values_of(spec, bars) for spec in asked["specs"]}, sys.stdout)


if __name__ == "__main__":
    main()
