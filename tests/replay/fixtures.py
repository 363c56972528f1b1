"""tests/replay/fixtures.py: small recordings in every format, made from a seed.

They hold what real ones hold seldom: every condition, equal times, records out of order, trades
that come again, hours of silence, sizes of zero, decimals of every length.
"""

import datetime
import gzip
import io
import json
import os
import random
import subprocess
import zipfile


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content if isinstance(content, bytes) else content.encode())
    return path


def zipped(files):
    """{member name: text} -> bytes of a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def zst(text):
    return subprocess.run(
        ["zstd", "-cq"], input=text.encode(), capture_output=True, check=True
    ).stdout


def gz(text):
    return gzip.compress(text.encode(), mtime=0)


def out_of_order(rng, rows, time_of):
    """Mostly ascending; neighbours swapped, and a few records that come much too late."""
    rows = sorted(rows, key=time_of)
    for index in range(len(rows) - 1):
        if rng.random() < 0.1:
            rows[index], rows[index + 1] = rows[index + 1], rows[index]
    for _ in range(3):
        rows.append(rows.pop(rng.randrange(len(rows))))
    return rows


CONDITIONS = [
    "1",
    "20000020",
    "20",
    "20002020",
    "2000",
    "20002000",
    "40",
    "80",
    "100",
    "20200080",
    "102000",
    "1000000",
    "4000000",
    "1000001",
    "20100200",
    "4800",
    "6004",
    "22000200",
    "40000",
    "0",
    "80000000",
    "400",
    "2080",
    "40002000",
] + [f"{1 << bit:x}" for bit in range(32)]


def lean_equity(seed, trades=1500):
    """A day around the edges of the regular session, thin in between."""
    rng = random.Random(seed)
    centres = [4 * 3600, 9 * 3600 + 1800, 12 * 3600, 13 * 3600, 16 * 3600, 19 * 3600 + 3590]
    rows = []
    for _ in range(trades):
        second = rng.choice(centres) + rng.gauss(0, 40)
        milli = min(max(int(second * 1000), 0), 86399999)
        if rng.random() < 0.5:
            milli -= milli % 1000
        rows.append(
            (
                milli,
                rng.randrange(1670000, 1690000, 100),
                rng.choice((1, 100, 200, 253146)),
                rng.choice("PQNZ"),
                rng.choice(CONDITIONS),
                int(rng.random() < 0.03),
            )
        )
    return "".join(
        ",".join(map(str, row)) + "\n" for row in out_of_order(rng, rows, lambda row: row[0])
    )


def lean_future(seed, trades=400):
    rng = random.Random(seed)
    rows = [
        (
            rng.randrange(86400) * 1000 + rng.choice((0, 0, 17, 999)),
            rng.randrange(13200, 13300) / 10,
            rng.choice((0, 1, 1, 2, 15)),
        )
        for _ in range(trades)
    ]
    return "".join(
        f"{milli},{price},{size},usa,,0\n"
        for milli, price, size in out_of_order(rng, rows, lambda row: row[0])
    )


def decimal(rng, whole, places):
    digits = rng.randrange(0, places + 1)
    return f"{rng.randrange(1, whole)}" + (
        f".{rng.randrange(10**digits):0{digits}d}" if digits else ""
    )


BINANCE_SYMBOLS = {
    "spot": ("BTCUSDT", "ETHUSDT"),
    "usdm": ("BTCUSDT", "ETHUSDT"),
    "coinm": ("BTCUSD_PERP", "ETHUSD_241227"),
}


def binance(seed, kind, trades=500):
    """Frames as received: ids ascend, times are shared, some trades come twice."""
    rng = random.Random(seed)
    time = 1723161250000
    ids = dict.fromkeys(BINANCE_SYMBOLS[kind], 849714402)
    lines = []
    for _ in range(trades):
        if rng.random() < 0.4:
            time += rng.choice((1, 20, 900, 45000))
        symbol = rng.choice(BINANCE_SYMBOLS[kind])
        ids[symbol] += 1
        data = {
            "e": "trade",
            "E": time + 7,
            "T": time,
            "s": symbol,
            "t": ids[symbol],
            "p": decimal(rng, 62000, 2),
            "q": decimal(rng, 40, 8),
        }
        if kind == "spot":
            data |= {"m": rng.random() < 0.5, "M": True}
        else:
            if rng.random() < 0.9:
                data["X"] = rng.choice(["MARKET"] * 8 + ["INSURANCE_FUND", "ADL", "NA"])
            data["m"] = rng.random() < 0.5
        stamp = time * 10**6 - 1250000000 + rng.randrange(10**6)
        lines.append(
            (
                stamp,
                json.dumps(
                    {"stream": f"{symbol.lower()}@trade", "data": data}, separators=(",", ":")
                ),
            )
        )
        if rng.random() < 0.1:
            lines.append((stamp + 1, rng.choice(lines)[1]))
        if rng.random() < 0.1:
            lines.append(
                (
                    stamp + 2,
                    '{"stream":"x@bookTicker","data":{"e":"bookTicker","u":1,"s":"X","b":"1.0",'
                    '"B":"2","a":"1.1","A":"3"}}',
                )
            )
    for _ in range(10):
        index = rng.randrange(len(lines) - 1)
        lines[index], lines[index + 1] = lines[index + 1], lines[index]
    lines.insert(
        2, (lines[2][0], '{"lastUpdateId":50093239218,"bids":[["61837.63","3.78"]],"asks":[]}')
    )
    return "".join(f"{stamp} {frame}\n" for stamp, frame in lines)


def iso(micros):
    time = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def coinbase(seed, trades=300):
    rng = random.Random(seed)
    micros = 1783465096156605
    ids = {"BTC-USD": 1052119288, "ETH-USD": 825468236}
    lines = [
        '{"type":"subscriptions","channels":[{"name":"matches",'
        '"product_ids":["BTC-USD","ETH-USD"],"account_ids":null}]}'
    ]
    for index in range(trades):
        micros += rng.choice((0, 0, 0, 1, 1000, 900000, 30000000))
        product = rng.choice(list(ids)) if index > 1 else list(ids)[index]
        match = {
            "type": "last_match" if index < 2 else "match",
            "trade_id": ids[product],
            "maker_order_id": "6e918404",
            "taker_order_id": "de6222fd",
            "side": rng.choice(("buy", "sell")),
            "size": decimal(rng, 3, 8),
            "price": decimal(rng, 64000, 2),
            "product_id": product,
            "sequence": 132235025345 + 3 * index,
            "time": iso(micros),
        }
        ids[product] += 1
        lines.append(json.dumps(match, separators=(",", ":")))
        if rng.random() < 0.1:
            lines.append(
                rng.choice(lines[1:]).replace('"match"', '"last_match"')
            )  # as after a reconnect
        if rng.random() < 0.1:
            lines.append(
                '{"type":"heartbeat","last_trade_id":%d,"product_id":"%s","sequence":1,"time":"%s"}'
                % (ids[product], product, iso(micros))
            )
    return "\n".join(lines) + "\n"


def kraken(seed, trades=300):
    """Prices and sizes are JSON numbers with digits that a double would lose or rewrite."""
    rng = random.Random(seed)
    micros = 1783465204585581
    ids = {"BTC/USD": 103436768, "ETH/USD": 64175815}
    lines = [
        '{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online",'
        '"api_version":"v2"}]}'
    ]
    while trades > 0:
        items = []
        for _ in range(rng.randrange(1, 4)):
            micros += rng.choice((0, 0, 1, 250000, 20000000))
            symbol = rng.choice(list(ids))
            items.append(
                '{"symbol":"%s","side":"buy","price":%s,"qty":%s,"ord_type":"limit","trade_id":%d,'
                '"timestamp":"%s"}'
                % (symbol, decimal(rng, 64000, 4), decimal(rng, 5, 16), ids[symbol], iso(micros))
            )
            ids[symbol] += 1
            trades -= 1
        frame = '{"channel":"trade","type":"%s","data":[%s]}'
        lines.append(frame % ("update", ",".join(items)))
        if rng.random() < 0.1:
            lines.append(frame % ("snapshot", ",".join(reversed(items))))
        if rng.random() < 0.2:
            lines.append('{"channel":"heartbeat"}')
    return "\n".join(lines) + "\n"


def tardis_csv(seed, trades=300):
    rng = random.Random(seed)
    micros = 1583020803145000
    rows = ["exchange,symbol,timestamp,local_timestamp,id,side,price,amount"]
    body = []
    for index in range(trades):
        micros += rng.choice((0, 0, 1, 131000, 40000000))
        body.append(
            (
                micros,
                f'bitmex,{rng.choice(("XBTUSD", "ETHUSD"))},{micros},{micros + 162307},{index:08x},'
                f'{rng.choice(("buy", "sell"))},{decimal(rng, 9000, 1)},{rng.randrange(1, 3000)}',
            )
        )
    rows += [row for _, row in out_of_order(rng, body, lambda row: row[0])]
    return "\n".join(rows) + "\n"


TARDIS_MAP = (
    "symbol=symbol,time=timestamp:us,recv=local_timestamp:us,"
    "id=id,side=side,price=price,size=amount"
)


def bare_csv(seed, trades=200):
    rng = random.Random(seed)
    second = 1672531436
    rows = []
    for _ in range(trades):
        second += rng.choice((0, 0, 1, 35, 2000))
        rows.append(f"{second},{decimal(rng, 91, 6)},{decimal(rng, 4, 8)}\n")
    return "".join(rows)


BARE_MAP = "time=#0:s,price=#1,size=#2"


def iso_csv(seed, trades=200):
    """Times as text, with a zone; quoted names; CRLF."""
    rng = random.Random(seed)
    micros = 1583020803145000
    rows = ['"the time",pair,px,"size, base"\r\n']
    for _ in range(trades):
        micros += rng.choice((0, 1, 131000, 40000000))
        time = (
            iso(micros) if rng.random() < 0.5 else iso(micros + 3600 * 10**6).replace("Z", "+01:00")
        )
        rows.append(
            f'{time},"{rng.choice(("AB/EUR", "CD/EUR"))}",'
            f"{decimal(rng, 100, 9)},{decimal(rng, 9, 3)}\r\n"
        )
    return "".join(rows)


ISO_MAP = "time=the time:iso,symbol=pair,price=px,size=#3"


def json_rows(seed, trades=300):
    rng = random.Random(seed)
    milli = 1570752011620
    rows = []
    for index in range(trades):
        milli += rng.choice((0, 0, 1, 6000, 90000))
        price = rng.choice(
            (
                f"0.00{rng.randrange(141000, 142000)}",
                f"{rng.randrange(1, 99)}e-05",
                f"{rng.randrange(1, 9)}E-4",
            )
        )
        rows.append(
            f'[{milli},"{13519807 + index}",null,"sell",{price},'
            f"{rng.randrange(1, 900)}.0,0.03250866]"
        )
    return "[" + ",".join(rows) + "]"


JSON_ROWS_MAP = "time=#0:ms,id=#1,side=#3,price=#4,size=#5"


def json_objects(seed, trades=200):
    rng = random.Random(seed)
    nanos = 1570752011620000001
    rows = []
    for _ in range(trades):
        nanos += rng.choice((0, 1, 999, 10**9, 7 * 10**10))
        rows.append(
            {
                "when": nanos,
                "what": rng.choice(("AAA", "BBB")),
                "px": decimal(rng, 50, 10),
                "qty": rng.randrange(1, 90),
            }
        )
    return json.dumps(rows, indent=1)


JSON_OBJECTS_MAP = "time=when:ns,symbol=what,price=px,size=qty"


def all_formats(folder, seed):
    """[(title, files, map options)] of every format, each in one or more packings."""

    def file(name, content):
        return write(folder, f"{seed}/{name}", content)

    equity = {
        f"201310{day:02}_{symbol}_Trade_Tick.csv": lean_equity(repr((seed, day, symbol)))
        for day in (7, 8)
        for symbol in ("xyz", "brk.b")
    }
    half_day = {"20131129_xyz_Trade_Tick.csv": lean_equity(seed + 100)}
    winter = {
        "20140310_xyz_Trade_Tick.csv": lean_equity(seed + 101),
        "20140307_xyz_Trade_Tick.csv": lean_equity(seed + 102),
    }
    plain_name, plain_text = next(iter(half_day.items()))
    futures = {
        f"20131007_gc_tick_trade_{expiry}.csv": lean_future(seed + int(expiry))
        for expiry in ("201312", "201402")
    }
    return [
        ("lean equity, several members in one zip", [file("equity.zip", zipped(equity))], {}),
        ("lean equity, a zip that is not called zip", [file("half-day.bin", zipped(half_day))], {}),
        ("lean equity, plain", [file(plain_name, plain_text)], {}),
        ("lean equity, both sides of a clock change", [file("winter.zip", zipped(winter))], {}),
        ("lean futures", [file("20131007_trade.zip", zipped(futures))], {}),
        ("binance spot, gz", [file("spot.gz", gz(binance(seed, "spot")))], {}),
        ("binance usdm, plain", [file("usdm.ndjson", binance(seed, "usdm"))], {}),
        ("binance coinm, zst", [file("coinm.zst", zst(binance(seed, "coinm")))], {}),
        (
            "binance, all three at once",
            [
                file("1.gz", gz(binance(seed + 1, "coinm"))),
                file("2.gz", gz(binance(seed + 1, "spot"))),
                file("3.gz", gz(binance(seed + 1, "usdm"))),
            ],
            {},
        ),
        ("coinbase, zst", [file("coinbase.ndjson.zst", zst(coinbase(seed)))], {}),
        ("kraken, zip", [file("kraken.zip", zipped({"kraken.ndjson": kraken(seed)}))], {}),
        (
            "csv by name",
            [file("tardis.csv", tardis_csv(seed))],
            dict(field_map=TARDIS_MAP, venue="bitmex"),
        ),
        (
            "csv by index, gz without the name",
            [file("bare", gz(bare_csv(seed)))],
            dict(field_map=BARE_MAP, symbol="BCH/EUR"),
        ),
        (
            "csv with times as text, zst",
            [file("iso.csv.zst", zst(iso_csv(seed)))],
            dict(field_map=ISO_MAP),
        ),
        (
            "csv, two files of one series",
            [file("a.csv", bare_csv(seed + 1)), file("b.csv", bare_csv(seed + 2))],
            dict(field_map=BARE_MAP, symbol="BCH/EUR"),
        ),
        (
            "json rows, gz",
            [file("rows.json.gz", gz(json_rows(seed)))],
            dict(field_map=JSON_ROWS_MAP, symbol="XRP/ETH"),
        ),
        (
            "json objects",
            [file("objects.json", json_objects(seed))],
            dict(field_map=JSON_OBJECTS_MAP, venue="desk"),
        ),
    ]
