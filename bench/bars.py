"""bench/bars.py: bars of a minute and averages of 15 s, as each contender wrote them, compared one
by one. Everything that is a sum or a price is compared as an integer; an average, which we round at
nine decimals and others make as doubles, to 1e-9.

A contender writes two CSV files, with prices and sizes as mantissas (integers in units of
10**-scale of the series), in any order:

    bars.csv      series,ts_open,open,high,low,close,volume,trades
    averages.csv  series,ts_end,trades,price_sum,notional,average_price,average_notional

Ours are those that `tapedeck replay` writes.
"""

import csv
import hashlib
import os

FILES = {"bars.csv": 6, "averages.csv": 3}  # how many columns behind the key are integers
OURS = {
    "bars.csv": ("ts_open", ["open", "high", "low", "close", "volume", "trades"]),
    "averages.csv": ("ts_end", ["trades", "price_sum", "notional", "average_price",
                                "average_notional"]),
}
AVERAGE_DIFFERENCE_MAX = 1e-9


class Differ(Exception):
    pass


def mantissa(text, scale):
    whole, _, fraction = text.partition(".")
    if len(fraction) > scale:
        raise Differ(f"{text} has more than {scale} decimals")
    return int(whole + fraction.ljust(scale, "0"))


def read_ours(folder, series):
    """{file: {(series, time): values}}; `series` as the rows' side file lists them."""
    number_of = {(one["venue"], one["channel"], one["instrument"]): number
                 for number, one in enumerate(series)}
    found = {}
    for name, (time, columns) in OURS.items():
        rows = found[name] = {}
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as source:
            lines = csv.reader(source)
            head = next(lines)
            key = [head.index(column) for column in ("venue", "channel", "instrument", time)]
            wanted = [head.index(column) for column in columns]
            for line in lines:
                venue, channel, instrument, at = (line[index] for index in key)
                number = number_of[venue, channel, instrument]
                price, size = (series[number][what] for what in ("price_scale", "size_scale"))
                scales = {"open": price, "high": price, "low": price, "close": price,
                          "volume": size, "trades": 0, "price_sum": price,
                          "notional": price + size}
                values = tuple(
                    mantissa(line[index], scales[column]) if column in scales else
                    float(line[index]) for column, index in zip(columns, wanted))
                if (number, int(at)) in rows:
                    raise Differ(f"ours: {name}: {instrument} at {at} is there twice")
                rows[number, int(at)] = values
    return found


def check(ours, folder, series, who):
    """Raises Differ unless the files in `folder` say exactly what `ours` (read_ours) says."""
    for name, integers in FILES.items():
        left = dict(ours[name])
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as source:
            lines = csv.reader(source)
            next(lines)
            for line in lines:
                key = int(line[0]), int(line[1])
                mine = left.pop(key, None)
                if mine is None:
                    raise Differ(f"{who}: {name}: series {key[0]} at {key[1]} is not in ours, or "
                                 "is there twice")
                same = mine[:integers] == tuple(int(text) for text in line[2:2 + integers])
                if len(mine) > integers:
                    price = series[key[0]]["price_scale"]
                    notional = price + series[key[0]]["size_scale"]
                    for average, text, scale in zip(mine[integers:], line[2 + integers:],
                                                    (price, notional)):
                        theirs = float(text) / 10**scale
                        same = same and (abs(average - theirs) <=
                                         AVERAGE_DIFFERENCE_MAX * max(1.0, abs(theirs)))
                if not same or len(line) != 2 + len(mine):
                    raise Differ(f"{who}: {name}: series {key[0]} at {key[1]}: ours are {mine}, "
                                 f"its are {line[2:]}")
        if left:
            series_number, at = min(left)
            raise Differ(f"{who}: {name}: {len(left)} of ours are not there, such as series "
                         f"{series_number} at {at}")


def digest(folder):
    """Of both files: what was checked once need not be checked again."""
    sha = hashlib.sha256()
    for name in FILES:
        with open(os.path.join(folder, name), "rb") as source:
            while piece := source.read(1 << 20):
                sha.update(piece)
    return sha.hexdigest()
