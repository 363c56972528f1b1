#!/usr/bin/env python3
"""bench/rows.py: makes the trades that every contender of a benchmark takes in. It shares nothing
with the product, so the product's own tape is checked against it too.

    rows.py synthetic OUT [--rows N] [--series N] [--hours H]
                                         500 symbols, one day, from a fixed seed
    rows.py equities OUT --corpus DIR    SPY, IBM and AIG of October 2013, as they would come live
    rows.py crypto OUT --corpus DIR      Binance spot and futures, with venue ids and receive times

    rows.py sort OUT --source FILE       those of FILE, sorted by (series, ts_event)
    rows.py head OUT --source FILE --rows N

OUT is a file of 64-byte little-endian records (RECORD below); OUT.json beside it says what the
series and the origins are, and the two numbers that every contender's copy must give again: how
many rows there are, and the sum of (series + 1) * price * size over their mantissas.
"""

import argparse
import datetime
import glob
import gzip
import hashlib
import json
import os
import sys
import zipfile
from zoneinfo import ZoneInfo

import numpy

# As in tape_bench.cpp. A price is its mantissa / 10**price_scale; the scales are a series' own.
RECORD = numpy.dtype([
    ("ts_event", "<i8"), ("ts_recv", "<i8"),  # ns since 1970 UTC
    ("seq", "<u8"),  # the identity, within its origin and series
    ("conditions", "<u8"),
    ("price", "<i8"), ("size", "<i8"),  # mantissas
    ("series", "<u4"),
    ("side", "u1"),  # 0 unknown, 1 buy, 2 sell: the taker's
    ("price_scale", "u1"), ("size_scale", "u1"), ("origin", "u1"),
    ("venue_sequence", "<u8"),
])
assert RECORD.itemsize == 64

NS = 10**9
SEED = 20_260_101
SYNTHETIC_SERIES = 500
SYNTHETIC_DAY_NS = 1_767_225_600 * NS  # 2026-01-01
SUSPICIOUS = 1 << 63
NEW_YORK = ZoneInfo("America/New_York")


def checksum(series, price, size):
    """The sum of (series + 1) * price * size, exact."""
    total = 0
    for start in range(0, len(series), 1 << 20):
        part = slice(start, start + (1 << 20))
        factors = [series[part].astype(numpy.int64) + 1, price[part], size[part]]
        bound = len(factors[0])
        for factor in factors:
            bound *= int(numpy.abs(factor).max())
        if bound >= 1 << 63:
            factors = [factor.astype(object) for factor in factors]
        total += int((factors[0] * factors[1] * factors[2]).sum())
    return total


def synthetic(count, series_count=SYNTHETIC_SERIES, hours=24, seed=SEED):
    """`count` trades: (rows, series, origins)."""
    random = numpy.random.Generator(numpy.random.PCG64(seed))
    # A sweep hits several resting orders at once: its trades share series and timestamp. With one
    # in 4.85 continuing the one before, 37 % share a timestamp.
    starts = random.random(count) >= 1 - 0.63**0.5
    starts[0] = True
    sweep = numpy.cumsum(starts) - 1
    sweeps = int(sweep[-1]) + 1

    popularity = 1 / numpy.arange(1, series_count + 1)
    series = random.choice(series_count, sweeps, p=popularity / popularity.sum())
    # Distinct microseconds, spread over the hours.
    gaps = random.exponential(1, sweeps)
    span_us = hours * 3_600_000_000 - 400_000_000
    micros = (numpy.cumsum(gaps) / gaps.sum() * span_us).astype(numpy.int64)
    micros = numpy.maximum.accumulate(micros - numpy.arange(sweeps)) + numpy.arange(sweeps)
    event = SYNTHETIC_DAY_NS + micros * 1000
    # The network keeps the order within a sweep, not between two.
    received = event + 1_000_000 + (random.exponential(2_000_000, sweeps)).astype(numpy.int64)

    rows = numpy.zeros(count, RECORD)
    rows["series"] = series[sweep]
    rows["ts_event"] = event[sweep]
    rows["ts_recv"] = received[sweep]
    rows["ts_recv"] += (numpy.arange(count) - numpy.flatnonzero(starts)[sweep]) * 700
    rows["side"] = random.integers(1, 3, sweeps)[sweep]
    rows["conditions"] = random.choice(
        numpy.array([0, 1, 1 << 5, 1 << 5 | 1 << 29, 1 << 13, 1 << 31], numpy.uint64),
        sweeps, p=[0.4, 0.2, 0.1, 0.2, 0.05, 0.05])[sweep]
    rows["size"] = numpy.where(random.random(count) < 0.6, 100,
                               1 + random.geometric(1 / 80, count))
    rows["price_scale"] = 2
    steps = random.choice(numpy.array([-2, -1, 0, 0, 0, 0, 1, 2]), count)
    first_price = random.integers(2_000, 60_000, series_count)
    by_series = numpy.argsort(rows["series"], kind="stable")  # times ascend within each
    ordered = rows["series"][by_series]
    begins = numpy.flatnonzero(numpy.r_[True, ordered[1:] != ordered[:-1]])
    lengths = numpy.diff(numpy.r_[begins, count])
    walk = numpy.cumsum(steps[by_series])
    walk -= numpy.repeat(walk[begins], lengths)
    rows["price"][by_series] = numpy.maximum(first_price[ordered] + walk, 100)
    rows["seq"][by_series] = (numpy.arange(count) - numpy.repeat(begins, lengths) + 1_000_000)
    rows["venue_sequence"] = rows["seq"]
    rows = rows[numpy.argsort(rows["ts_recv"], kind="stable")]
    names = [{"venue": "synthetic", "channel": "trade", "instrument": f"SYM{i:03}",
              "order": "venue_sequence", "price_scale": 2, "size_scale": 0}
             for i in range(series_count)]
    return rows, names, [{"kind": "venue", "key": "", "first_ns": 0, "recv_assumed": False}]


def equities(corpus):
    """Lean's files: New York ms, price x 10000, size, exchange, hex conditions, suspicious. A file
    has no receive times: ts_recv = ts_event. The identity is the record's number."""
    symbols = ["SPY", "IBM", "AIG"]
    parts, origins = [], []
    for path in sorted(glob.glob(os.path.join(corpus, "lean/equity/tick/*/*_trade.zip"))):
        symbol = os.path.basename(os.path.dirname(path)).upper()
        with zipfile.ZipFile(path) as archive:
            (member,) = archive.namelist()
            content = archive.read(member)
        date = datetime.date.fromisoformat(os.path.basename(path)[:8])
        midnight = datetime.datetime(date.year, date.month, date.day, tzinfo=NEW_YORK)
        midnight_ns = int(midnight.timestamp()) * NS
        lines = [line.split(",") for line in content.decode().splitlines()]
        rows = numpy.zeros(len(lines), RECORD)
        rows["ts_event"] = [midnight_ns + int(line[0]) * 1_000_000 for line in lines]
        rows["ts_recv"] = rows["ts_event"]
        rows["seq"] = numpy.arange(len(lines))
        rows["conditions"] = [int(line[4], 16) | (SUSPICIOUS if line[5] == "1" else 0)
                              for line in lines]
        rows["price"] = [int(line[1]) for line in lines]
        rows["size"] = [int(line[2]) for line in lines]
        rows["series"] = symbols.index(symbol)
        rows["origin"] = len(origins)
        parts.append(rows)
        origins.append({"kind": "file", "key": hashlib.sha256(content).hexdigest(),
                        "first_ns": int(rows["ts_event"][0]), "recv_assumed": True})
    if not parts:
        sys.exit(f"rows.py: no lean/equity/tick/*/*_trade.zip in {corpus}")
    rows = numpy.concatenate(parts)
    rows = rows[numpy.argsort(rows["ts_event"], kind="stable")]
    scale = 4
    while scale > 0 and not (rows["price"] % 10).any():
        rows["price"] //= 10
        scale -= 1
    rows["price_scale"] = scale
    names = [{"venue": "lean", "channel": "trade", "instrument": symbol, "order": "identity",
              "price_scale": scale, "size_scale": 0} for symbol in symbols]
    return rows, names, origins


def mantissa(text, scale):
    whole, _, fraction = text.partition(".")
    rest = fraction[scale:].strip("0")
    if rest:
        raise ValueError(f"{text} has more than {scale} decimals")
    return int(whole + fraction[:scale].ljust(scale, "0"))


def decimals(texts):
    return max(len(text.partition(".")[2].rstrip("0")) for text in texts)


def crypto(corpus):
    """Binance's trades as recorded (with receive times), and older ones of its REST (without)."""
    trades = {}  # (venue, instrument) -> [(ts_event, ts_recv, id, conditions, side, price, size)]
    for path in sorted(glob.glob(os.path.join(corpus, "hftbacktest/*/*.gz"))):
        market = os.path.basename(os.path.dirname(path))
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                received, _, frame = line.partition(" ")
                if '"e":"trade"' not in frame:
                    continue
                data = json.loads(frame)["data"]
                trades.setdefault((f"binance-{market}", data["s"]), []).append(
                    (data["T"] * 1_000_000, int(received), data["t"],
                     0 if data.get("X", "MARKET") == "MARKET" else 1,
                     2 if data["m"] else 1, data["p"], data["q"]))
    recorded = len(trades)
    path = os.path.join(corpus, "freqtrade/XRP_ETH-trades.json.gz")
    if os.path.exists(path):
        with gzip.open(path, "rt", encoding="utf-8") as source:
            trades["binance-spot", "XRPETH"] = [
                (at * 1_000_000, at * 1_000_000, int(number), 0, 1 if side == "buy" else 2,
                 price, size)
                for at, number, _, side, price, size, _ in json.load(source, parse_float=str)]
    if not trades:
        sys.exit(f"rows.py: no hftbacktest/*/*.gz in {corpus}")
    parts, names = [], []
    for (venue, instrument), of_series in trades.items():
        price_scale = decimals([trade[5] for trade in of_series])
        size_scale = decimals([trade[6] for trade in of_series])
        rows = numpy.zeros(len(of_series), RECORD)
        for column, index in [("ts_event", 0), ("ts_recv", 1), ("seq", 2), ("venue_sequence", 2),
                              ("conditions", 3), ("side", 4)]:
            rows[column] = [trade[index] for trade in of_series]
        rows["price"] = [mantissa(trade[5], price_scale) for trade in of_series]
        rows["size"] = [mantissa(trade[6], size_scale) for trade in of_series]
        rows["series"] = len(names)
        rows["price_scale"], rows["size_scale"] = price_scale, size_scale
        rows["origin"] = 0 if len(names) < recorded else 1
        parts.append(rows)
        names.append({"venue": venue, "channel": "trade", "instrument": instrument,
                      "order": "venue_sequence", "price_scale": price_scale,
                      "size_scale": size_scale})
    rows = numpy.concatenate(parts)
    rows = rows[numpy.argsort(rows["ts_recv"], kind="stable")]
    return rows, names, [{"kind": "venue", "key": "", "first_ns": 0, "recv_assumed": assumed}
                         for assumed in (False, True)]


def by_series(rows):
    """Sorted by (series, ts_event); of one time, in the order in which they came."""
    return rows[numpy.lexsort([rows["ts_event"], rows["series"]])]


def places(rows, series):
    """Of each row its place in the order of its series (docs/time-order-identity.md); ascending
    within a series, and with gaps."""
    by_sequence = numpy.array([one["order"] == "venue_sequence" for one in series])[rows["series"]]
    # Files of one series do not overlap, and origins are numbered by their first time.
    then = [rows["seq"], rows["origin"], numpy.where(by_sequence, rows["venue_sequence"], 0)]
    then[:2] = [numpy.where(by_sequence, 0, column) for column in then[:2]]
    found = numpy.empty(len(rows), numpy.int64)
    found[numpy.lexsort([*then, rows["ts_event"]])] = numpy.arange(len(rows))
    return found


def write(path, rows, series, origins):
    total = checksum(rows["series"], rows["price"], rows["size"])
    about = {"rows": len(rows), "checksum": str(total), "series": series, "origins": origins}
    rows.tofile(path + ".new")
    with open(path + ".json", "w", encoding="utf-8") as out:
        json.dump(about, out, indent=1)
    os.replace(path + ".new", path)  # last: a file that is there is whole


def read(path):
    """(rows, what OUT.json says)."""
    with open(path + ".json", encoding="utf-8") as source:
        about = json.load(source)
    return numpy.fromfile(path, RECORD), about


def columns_of(rows):
    """The columns that a contender has to keep. What is the same in every row, or a copy of another
    column, or follows from the series (the scales) is left out: each may know it without storing
    it."""
    columns = ["ts_event", "ts_recv", "seq", "conditions", "price", "size", "series"]
    columns += [name for name in ("side", "origin") if rows[name].min() != rows[name].max()]
    if rows["venue_sequence"].any() and (rows["venue_sequence"] != rows["seq"]).any():
        columns.append("venue_sequence")
    if (rows["ts_recv"] == rows["ts_event"]).all():
        columns.remove("ts_recv")
    if not rows["conditions"].any():
        columns.remove("conditions")
    return columns


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=["synthetic", "equities", "crypto", "sort", "head"])
    parser.add_argument("out")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--series", type=int, default=SYNTHETIC_SERIES)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--source")
    parser.add_argument("--corpus", default=os.environ.get("TAPEDECK_CORPUS"))
    options = parser.parse_args()
    if options.set == "synthetic":
        made = synthetic(options.rows, options.series, options.hours)
    elif options.set in ("sort", "head"):
        rows, about = read(options.source)
        rows = by_series(rows) if options.set == "sort" else rows[:options.rows]
        made = rows, about["series"], about["origins"]
    else:
        if not options.corpus:
            parser.error("which folder holds the recordings? --corpus DIR or TAPEDECK_CORPUS")
        made = {"equities": equities, "crypto": crypto}[options.set](options.corpus)
    write(options.out, *made)


if __name__ == "__main__":
    main()
