#!/usr/bin/env python3
"""tests/oracle.py: every bar once more, from the source files, with nothing of the product in it.

Plain Python integers do all the arithmetic: a price or a size is its value times 10**18, price
times size is exact at 10**36. Speed comes second; being obviously right comes first.

    python3 tests/oracle.py FILE... --bars 1m [--conditions all|eligible]
                                    [--session extended|regular] [--digest]
                                    [--map SPEC] [--symbol S] [--venue V]

It prints the bars as CSV (or only the SHA-256 of --digest) on stdout, what it counted on stderr.

How it reads the rules
----------------------
Files       zip (every member), gzip and zstd are told by their first bytes, never by their name.
            A file is then
            * with --map: a JSON array if its first character is `[`, else CSV;
            * a Lean equity member YYYYMMDD_sym_Trade_Tick.csv: wall clock milliseconds of New York
              (so 34200000 is 09:30 on every day of the year), price x 10000, size, exchange,
              conditions in hex, suspicious;
            * a Lean futures member YYYYMMDD_sym_tick_trade_YYYYMM.csv: milliseconds since midnight
              UTC, plain price, size, exchange, two more columns that are not used;
            * a capture: one JSON frame a line, with or without "receive-ns " before it.
Numbers     taken from their text, JSON numbers too. A price must be above zero. A size may be zero
            (GC has such trades: they set prices and count as trades) but not negative. 18 decimals
            at most; the digits must fit an int64.
Identity    venue trade id per series (Binance, Coinbase, Kraken; Coinbase's last_match is a trade
            like any other), else (SHA-256 of the decompressed member, record number) per series.
            The same identity twice counts once.
Order       by (ts_event, venue id) for those venues, else by (ts_event, ts_event of the member's
            first good record, SHA-256 of the member, record number).
Bars        [ts_open, ts_open + interval) on the UTC clock. A bar exists if at least one trade of
            the session falls into it, even one that updates nothing: then it has no prices,
            volume 0, trades 0 and excluded 1. `trades` counts the trades that update volume,
            `excluded` the others; notional covers what volume covers.
Conditions  all: every trade updates everything. eligible: the table below; a trade updates a
            column only if all its flags allow it. suspicious = 1 updates nothing. A Binance
            futures trade whose X is there and not MARKET updates nothing. Other venues have no
            table: everything is eligible.
Clock       "inside regular hours" is asked of ts_event and the US equity calendar, and of nothing
            else. It alone decides whether Form T and ExtendedHours (bits 10 and 13) let a trade
            set a price: outside yes, inside (a late report) no. Volume always.
Session     of a Lean equity trade: an opening, reopening or closing print (bits 6, 7, 8) and an
            official open or close (24, 26) are regular whatever the clock says; any other trade,
            Form T or not, is regular if the clock says regular. So a print that carries Form T too
            and is stamped 16:00:07 is of the regular session (print bit) and sets its prices (the
            clock says outside). No other venue here has a calendar with more than one session:
            there `regular` is everything.
"""

import argparse
import collections
import csv
import datetime
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
import zlib
from zoneinfo import ZoneInfo

NS = 10**9
MINUTE_NS = 60 * NS
SCALE = 18
UNIT = 10**SCALE
NEW_YORK = ZoneInfo("America/New_York")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

INTERVALS = {
    "1s": 1,
    "5s": 5,
    "15s": 15,
    "30s": 30,
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
}
COLUMNS = (
    "instrument,ts_open,open,high,low,close,volume,trades,notional,excluded,"
    "interval,conditions,session,venue,channel"
)

Bar = collections.namedtuple(
    "Bar", "venue channel instrument ts_open open high low close volume trades excluded notional"
)


class Refused(Exception):
    """A record that is not a trade we can take; its text is the reason."""


class Unreadable(Exception):
    """A whole file that cannot be read."""


# --- numbers --------------------------------------------------------------------------------------

NUMBER = re.compile(r"([+-]?)(?=\.?\d)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?\Z", re.A)


def parse_decimal(text):
    """The exact value times 10**18."""
    match = NUMBER.match(text)
    if not match:
        raise Refused("not a number")
    sign, whole, fraction, exponent = match.groups()
    fraction = fraction or ""
    digits = (whole + fraction).strip("0") or "0"
    if len(digits) > 19 or int(digits) >= 2**63:
        raise Refused("number too long")
    shift = SCALE - len(fraction) + int(exponent or 0)
    if not -40 < shift < 60:
        raise Refused("number out of range")
    value = int(whole + fraction or 0)
    if shift < 0:
        value, rest = divmod(value, 10**-shift)
        if rest:
            raise Refused("more than 18 decimals")
    else:
        value *= 10**shift
    if value >= 2**63 * UNIT:
        raise Refused("number out of range")
    return -value if sign == "-" else value


def format_decimal(value, scale):
    """Canonical text of value / 10**scale: no exponent, no trailing zero, no trailing dot."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(value, 10**scale)
    text = f"{whole}.{fraction:0{scale}d}".rstrip("0").rstrip(".")
    return sign + text


class Numbers(dict):
    """text -> exact value; a day has few different ones, so each is parsed once."""

    def __missing__(self, text):
        value = self[text] = parse_decimal(text)
        return value


# --- time and the US equity calendar --------------------------------------------------------------

ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)\Z"
)
EARLIEST = datetime.date(1990, 1, 1)
LATEST = datetime.date(2100, 1, 1)


def ns_of_day(day):
    return (day - datetime.date(1970, 1, 1)).days * 86400 * NS


def plausible(ts):
    if not ns_of_day(EARLIEST) <= ts < ns_of_day(LATEST):
        raise Refused("implausible time")
    return ts


def parse_iso(text):
    match = ISO.match(text)
    if not match:
        raise Refused("not an ISO 8601 time")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        seconds = int(
            (
                datetime.datetime(year, month, day, hour, minute, second)
                - datetime.datetime(1970, 1, 1)
            ).total_seconds()
        )
    except ValueError:
        raise Refused("not an ISO 8601 time")
    zone = match.group(8)
    if zone != "Z":
        offset = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return plausible(seconds * NS + int((match.group(7) or "").ljust(9, "0")))


UNIT_NS = {"s": NS, "ms": 10**6, "us": 10**3, "ns": 1}


def parse_time(text, unit):
    if unit == "iso":
        return parse_iso(text)
    ts, rest = divmod(parse_decimal(text) * UNIT_NS[unit], UNIT)
    if rest:
        raise Refused("time finer than a nanosecond")
    return plausible(ts)


def new_york_ns(day, milliseconds):
    """Wall clock of New York on that day -> ns since 1970 UTC."""
    minute, rest = divmod(milliseconds, 60000)
    wall = datetime.datetime(day.year, day.month, day.day) + datetime.timedelta(minutes=minute)
    utc = wall.replace(tzinfo=NEW_YORK) - EPOCH
    return (utc.days * 86400 + utc.seconds) * NS + rest * 10**6


def nth_weekday(year, month, weekday, nth):
    """nth Monday (weekday 0) ... of a month; nth = -1 is the last one."""
    if nth > 0:
        first = datetime.date(year, month, 1)
        return first + datetime.timedelta((weekday - first.weekday()) % 7 + 7 * (nth - 1))
    last = datetime.date(year + month // 12, month % 12 + 1, 1) - datetime.timedelta(1)
    return last - datetime.timedelta((last.weekday() - weekday) % 7)


def easter(year):
    """Gregorian Easter Sunday (the anonymous algorithm)."""
    a, (b, c) = year % 19, divmod(year, 100)
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    k = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * k) // 451
    month, day = divmod(h + k - 7 * m + 114, 31)
    return datetime.date(year, month, day + 1)


def observed(day):
    """Saturday's holiday is kept on Friday, Sunday's on Monday."""
    return day + datetime.timedelta({5: -1, 6: 1}.get(day.weekday(), 0))


SPECIAL_CLOSINGS = {
    datetime.date(2001, 9, 11),
    datetime.date(2001, 9, 12),
    datetime.date(2001, 9, 13),
    datetime.date(2001, 9, 14),
    datetime.date(2004, 6, 11),  # President Reagan
    datetime.date(2007, 1, 2),  # President Ford
    datetime.date(2012, 10, 29),
    datetime.date(2012, 10, 30),  # hurricane Sandy
    datetime.date(2018, 12, 5),  # President G. H. W. Bush
    datetime.date(2025, 1, 9),  # President Carter
}


def holidays(year):
    """Full closings of the US equity exchanges, as the rules stand since 1998."""
    new_year = datetime.date(year, 1, 1)
    days = {
        nth_weekday(year, 1, 0, 3),  # Martin Luther King
        nth_weekday(year, 2, 0, 3),  # Washington's birthday
        easter(year) - datetime.timedelta(2),  # Good Friday
        nth_weekday(year, 5, 0, -1),  # Memorial Day
        observed(datetime.date(year, 7, 4)),
        nth_weekday(year, 9, 0, 1),  # Labor Day
        nth_weekday(year, 11, 3, 4),  # Thanksgiving
        observed(datetime.date(year, 12, 25)),
    }
    if new_year.weekday() != 5:  # on a Saturday nobody makes up for it in the old year
        days.add(observed(new_year))
    if year >= 2022:
        days.add(observed(datetime.date(year, 6, 19)))  # Juneteenth
    return days | {day for day in SPECIAL_CLOSINGS if day.year == year}


def half_days(year):
    """Days that end at 13:00: around Independence Day, after Thanksgiving, before Christmas."""
    days = {nth_weekday(year, 11, 3, 4) + datetime.timedelta(1)}
    third, eve = datetime.date(year, 7, 3), datetime.date(year, 12, 24)
    if third.weekday() < 4:  # Monday to Thursday: the 4th itself is a weekday
        days.add(third)
    if eve.weekday() < 4:
        days.add(eve)
    return days - holidays(year)


class UsEquityCalendar:
    """Regular hours of the US equity exchanges, in minutes of the New York day."""

    opens = 9 * 60 + 30
    closes = 16 * 60
    closes_half_day = 13 * 60

    def __init__(self):
        self.years_ = {}
        self.minutes_ = {}

    def hours(self, day):
        """(first minute, minute after the last) of that date's regular hours, or None."""
        if day.year not in self.years_:
            self.years_[day.year] = holidays(day.year), half_days(day.year)
        closed, half = self.years_[day.year]
        if day.weekday() > 4 or day in closed:
            return None
        return self.opens, self.closes_half_day if day in half else self.closes

    def is_regular(self, ts):
        """Both edges are whole minutes, so the answer holds for the minute of ts."""
        minute = ts // MINUTE_NS
        answer = self.minutes_.get(minute)
        if answer is None:
            local = (EPOCH + datetime.timedelta(minutes=minute)).astimezone(NEW_YORK)
            hours = self.hours(local.date())
            answer = bool(hours) and hours[0] <= local.hour * 60 + local.minute < hours[1]
            self.minutes_[minute] = answer
        return answer


# --- conditions -----------------------------------------------------------------------------------

YES, NO, OUTSIDE = "yes", "no", "outside regular hours"
CLOCK, REGULAR = "clock", "regular"

# bit: (open and close, high and low, volume, session)
LEAN_CONDITIONS = {
    0: (YES, YES, YES, CLOCK),  # Regular
    1: (NO, NO, YES, CLOCK),  # Cash
    2: (NO, NO, YES, CLOCK),  # NextDay
    3: (NO, NO, YES, CLOCK),  # Seller
    4: (YES, YES, YES, CLOCK),  # YellowFlag
    5: (YES, YES, YES, CLOCK),  # IntermarketSweep
    6: (YES, YES, YES, REGULAR),  # OpeningPrints
    7: (YES, YES, YES, REGULAR),  # ClosingPrints
    8: (YES, YES, YES, REGULAR),  # ReOpeningPrints
    9: (NO, YES, YES, CLOCK),  # DerivativelyPriced
    10: (OUTSIDE, OUTSIDE, YES, CLOCK),  # FormT
    11: (NO, YES, YES, CLOCK),  # Sold
    12: (YES, YES, YES, CLOCK),  # Stopped
    13: (OUTSIDE, OUTSIDE, YES, CLOCK),  # ExtendedHours
    14: (NO, YES, YES, CLOCK),  # OutOfSequence
    15: (YES, YES, YES, CLOCK),  # Split
    16: (YES, YES, YES, CLOCK),  # Acquisition
    17: (YES, YES, YES, CLOCK),  # Bunched
    18: (NO, NO, YES, CLOCK),  # StockOption
    19: (YES, YES, YES, CLOCK),  # Distribution
    20: (NO, NO, YES, CLOCK),  # AveragePrice
    21: (YES, YES, YES, CLOCK),  # Cross
    22: (NO, NO, YES, CLOCK),  # PriceVariation
    23: (YES, YES, YES, CLOCK),  # Rule155
    24: (NO, NO, NO, REGULAR),  # OfficialClose
    25: (NO, YES, YES, CLOCK),  # PriorReferencePrice
    26: (NO, NO, NO, REGULAR),  # OfficialOpen
    27: (YES, YES, YES, CLOCK),  # CapElection
    28: (YES, YES, YES, CLOCK),  # AutoExecution
    29: (YES, YES, YES, CLOCK),  # TradeThroughExempt
    30: (YES, YES, YES, CLOCK),  # undocumented
    31: (NO, NO, YES, CLOCK),  # OddLot
}

EVERYTHING = (True, True, True)
NOTHING = (False, False, False)


class Rules:
    """The rules that decide which trades make a bar; a test plants an error by changing a copy."""

    def __init__(self, table=LEAN_CONDITIONS, calendar=None, ties_reversed=False):
        self.table = table
        self.calendar = calendar or UsEquityCalendar()
        self.ties_reversed = ties_reversed

    def eligible(self, venue, mark, inside):
        """(open and close, high and low, volume) of a trade with that mark."""
        if venue == "lean":
            flags, suspicious = mark
            if suspicious:
                return NOTHING
            answer = [True, True, True]
            for bit, row in self.table.items():
                if flags >> bit & 1:
                    for column in range(3):
                        if row[column] == NO or (row[column] == OUTSIDE and inside):
                            answer[column] = False
            return tuple(answer)
        if venue in ("binance-usdm", "binance-coinm"):
            return EVERYTHING if mark in (None, "MARKET") else NOTHING
        return EVERYTHING

    def in_regular_session(self, venue, mark, inside):
        if venue != "lean":
            return True
        flags = mark[0]
        return inside or any(
            flags >> bit & 1 and row[3] == REGULAR for bit, row in self.table.items()
        )


# --- from files to trades -------------------------------------------------------------------------

csv.field_size_limit(2**31 - 1)  # a field of any length is read, then refused

LEAN_EQUITY = re.compile(r"(\d{8})_([^_/]+)_trade_tick\.csv\Z", re.I)
LEAN_FUTURE = re.compile(r"(\d{8})_([^_/]+)_tick_trade_(\d{6})\.csv\Z", re.I)
COIN_MARGINED = re.compile(r"USD_(PERP|\d{6})\Z")
CAPTURE_LINE = re.compile(rb"(?:(\d{16,20}) )?(\{.*)", re.S)


def members(path):
    """(name, decompressed bytes) of every member of the file."""
    with open(path, "rb") as file:
        data = file.read()
    name = path.rsplit("/", 1)[-1]
    try:
        if data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return [
                    (entry.filename.rsplit("/", 1)[-1], archive.read(entry))
                    for entry in archive.infolist()
                    if not entry.is_dir()
                ]
        if data[:2] == b"\x1f\x8b":
            return [(name.removesuffix(".gz"), gzip.decompress(data))]
        if data[:4] == b"\x28\xb5\x2f\xfd":
            run = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True)
            return [(name.removesuffix(".zst"), run.stdout)]
    except (
        OSError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        subprocess.CalledProcessError,
    ) as error:
        raise Unreadable(f"{path}: {error}")
    return [(name, data)]


class FieldMap:
    """--map: which column is what."""

    def __init__(self, spec):
        self.columns = {}
        for part in spec.split(","):
            field, _, column = part.partition("=")
            column, _, unit = column.partition(":")
            index = int(column[1:]) if re.fullmatch(r"#\d+", column) else None
            self.columns[field] = (column, index, unit)
        self.uses_names = any(index is None for _, index, _ in self.columns.values())

    def get(self, field, row, header):
        """The field's text in a row (a dict for a JSON object), or None if it is not mapped."""
        if field not in self.columns:
            return None
        column, index, _ = self.columns[field]
        try:
            if isinstance(row, dict):
                value = row[column]
            else:
                value = row[header[column] if index is None else index]
        except (KeyError, IndexError):
            raise Refused(f"no column {column}")
        if not isinstance(value, str):
            raise Refused(f"column {column} is not a number or a text")
        return value


class Oracle:
    """Files in, exact bars out. Add files, then ask for bars as often as wanted."""

    def __init__(self, field_map=None, symbol=None, venue=None, rules=None):
        self.map_ = FieldMap(field_map) if field_map else None
        self.symbol_ = symbol
        self.venue_ = venue or "file"
        self.rules = rules or Rules()
        self.with_ids_ = {}  # series -> {id: trade}
        self.from_files_ = {}  # series -> {sha: (ts of the file's first record, [trade])}
        self.refused = collections.Counter()
        self.duplicates = 0

    # A trade is (ts_event, id or record number, price, size, mark).

    def add_file(self, path):
        for name, data in members(str(path)):
            if not data.strip():
                continue
            if self.map_:
                self.add_to_files_(data, self.mapped_(data))
            elif match := LEAN_EQUITY.match(name):
                self.add_to_files_(data, self.lean_equity_(data, *match.groups()))
            elif match := LEAN_FUTURE.match(name):
                self.add_to_files_(data, self.lean_future_(data, *match.groups()))
            elif CAPTURE_LINE.match(data):
                self.capture_(data)
            else:
                raise Unreadable(f"{path}: {name}: neither Lean nor a capture; a --map is needed")
        return self

    def add_to_files_(self, data, trades):
        sha = hashlib.sha256(data).digest()
        first, by_series = None, {}
        for series, trade in trades:
            first = trade[0] if first is None else first
            by_series.setdefault(series, []).append(trade)
        for series, batch in by_series.items():
            seen = self.from_files_.setdefault(series, {})
            if sha in seen:
                self.duplicates += len(batch)
            else:
                seen[sha] = (first, batch)

    def add_with_id_(self, series, trade):
        seen = self.with_ids_.setdefault(series, {})
        if trade[1] in seen:
            self.duplicates += 1
        else:
            seen[trade[1]] = trade

    def lean_equity_(self, data, day, symbol):
        series = ("lean", "trade", symbol.upper())
        day = datetime.datetime.strptime(day, "%Y%m%d").date()
        numbers, minutes, marks = Numbers(), {}, {}
        for number, line in enumerate(data.decode("latin-1").split("\n")):
            if not line:
                continue
            try:
                time, price, size, _, conditions, suspicious = line.split(",")
                minute, rest = divmod(int(time), 60000)
                if minute not in minutes:
                    if not 0 <= minute < 1440:
                        raise Refused("time is not of this day")
                    minutes[minute] = new_york_ns(day, minute * 60000)
                mark = marks.get((conditions, suspicious))
                if mark is None:
                    suspicious_text = suspicious.rstrip("\r")
                    if suspicious_text not in ("0", "1"):
                        raise Refused("suspicious is neither 0 nor 1")
                    mark = (int(conditions or "0", 16), suspicious_text == "1")
                    marks[conditions, suspicious] = mark
                price, size = numbers[price], numbers[size]
                if price <= 0 or size < 0:
                    raise Refused("price or size not positive")
                if price % 10**4:
                    raise Refused("more than 18 decimals")
            except Refused as reason:
                self.refused[str(reason)] += 1
                continue
            except ValueError:
                self.refused["malformed"] += 1
                continue
            yield series, (minutes[minute] + rest * 10**6, number, price // 10**4, size, mark)

    def lean_future_(self, data, day, symbol, expiry):
        series = ("lean-future", "trade", f"{symbol.upper()}-{expiry}")
        midnight = ns_of_day(datetime.datetime.strptime(day, "%Y%m%d").date())
        numbers = Numbers()
        for number, line in enumerate(data.decode("latin-1").split("\n")):
            if not line:
                continue
            try:
                time, price, size, _, _, _ = line.split(",")
                milliseconds = int(time)
                if not 0 <= milliseconds < 86400000:
                    raise Refused("time is not of this day")
                price, size = numbers[price], numbers[size]
                if price <= 0 or size < 0:
                    raise Refused("price or size not positive")
            except Refused as reason:
                self.refused[str(reason)] += 1
                continue
            except ValueError:
                self.refused["malformed"] += 1
                continue
            yield series, (midnight + milliseconds * 10**6, number, price, size, None)

    def mapped_(self, data):
        spec, header = self.map_, {}
        text = data.decode("utf-8", "surrogateescape")
        if text.lstrip()[:1] == "[":
            rows = json.loads(text, parse_float=str, parse_int=str)
        else:
            rows = csv.reader(io.StringIO(text, newline=""))
            if spec.uses_names:
                header = {name: index for index, name in enumerate(next(rows))}
        numbers = Numbers()
        for number, row in enumerate(rows):
            if not row:
                continue
            try:
                ts = parse_time(spec.get("time", row, header), spec.columns["time"][2])
                price = numbers[spec.get("price", row, header)]
                size = numbers[spec.get("size", row, header)]
                symbol = spec.get("symbol", row, header) or self.symbol_
                if not symbol:
                    raise Refused("no symbol")
                if price <= 0 or size < 0:
                    raise Refused("price or size not positive")
            except Refused as reason:
                self.refused[str(reason)] += 1
                continue
            yield (self.venue_, "trade", symbol), (ts, number, price, size, None)

    def capture_(self, data):
        numbers = Numbers()
        for line in data.split(b"\n"):
            if not line.strip():
                continue
            match = CAPTURE_LINE.match(line)
            try:
                frame = json.loads(match.group(2), parse_float=str) if match else None
            except ValueError:
                frame = None
            if not isinstance(frame, dict):
                self.refused["malformed"] += 1
                continue
            for read in trades_of_frame(frame):
                try:
                    series, time, identity, price, size, mark = read()
                    price, size = numbers[str(price)], numbers[str(size)]
                    if price <= 0 or size < 0:
                        raise Refused("price or size not positive")
                    ts = time if isinstance(time, int) else parse_iso(time)
                    self.add_with_id_(series, (plausible(ts), int(identity), price, size, mark))
                except Refused as reason:
                    self.refused[str(reason)] += 1
                except (KeyError, TypeError, ValueError):
                    self.refused["malformed"] += 1

    def ordered_(self):
        """(series, its trades in order), sorted by series."""
        step = -1 if self.rules.ties_reversed else 1
        result = []
        for series, trades in self.with_ids_.items():
            result.append(
                (series, sorted(trades.values(), key=lambda trade: (trade[0], step * trade[1])))
            )
        for series, files in self.from_files_.items():
            trades = []
            for _, _, batch in sorted((first, sha, batch) for sha, (first, batch) in files.items())[
                ::step
            ]:
                trades += batch[::step]
            # the sort is stable: what is equal in ts_event stays as it was put together
            result.append((series, sorted(trades, key=lambda trade: trade[0])))
        return sorted(result)

    def bars(self, interval, conditions="all", session="extended"):
        """Every bar of an interval ("1m"), sorted by (venue, channel, instrument, ts_open)."""
        width = interval_ns(interval)
        rules = self.rules
        result = []
        for series, trades in self.ordered_():
            venue = series[0]
            answers = {}  # (mark, inside regular hours) -> (in the session, updates)
            inside = False
            minute = None
            bar_open = None
            for ts, _, price, size, mark in trades:
                if venue == "lean" and ts // MINUTE_NS != minute:
                    minute = ts // MINUTE_NS
                    inside = rules.calendar.is_regular(ts)
                answer = answers.get((mark, inside))
                if answer is None:
                    answer = answers[mark, inside] = (
                        session == "extended" or rules.in_regular_session(venue, mark, inside),
                        EVERYTHING if conditions == "all" else rules.eligible(venue, mark, inside),
                    )
                wanted, (sets_open_close, sets_high_low, adds_volume) = answer
                if not wanted:
                    continue
                if bar_open is None or not bar_open <= ts < bar_open + width:
                    if bar_open is not None:
                        result.append(
                            make_bar(
                                series,
                                bar_open,
                                first,
                                high,
                                low,
                                last,
                                volume,
                                count,
                                excluded,
                                notional,
                            )
                        )
                    bar_open = ts - ts % width
                    first = high = low = last = None
                    volume = count = excluded = notional = 0
                if sets_open_close:
                    if first is None:
                        first = price
                    last = price
                if sets_high_low:
                    if high is None or price > high:
                        high = price
                    if low is None or price < low:
                        low = price
                if adds_volume:
                    volume += size
                    count += 1
                    notional += price * size
                else:
                    excluded += 1
            if bar_open is not None:
                result.append(
                    make_bar(
                        series, bar_open, first, high, low, last, volume, count, excluded, notional
                    )
                )
        return result

    def trades(self):
        """How many distinct trades were taken."""
        return sum(len(seen) for seen in self.with_ids_.values()) + sum(
            len(batch) for files in self.from_files_.values() for _, batch in files.values()
        )


def make_bar(series, ts_open, first, high, low, last, volume, count, excluded, notional):
    prices = (
        "" if price is None else format_decimal(price, SCALE) for price in (first, high, low, last)
    )
    return Bar(
        *series,
        ts_open,
        *prices,
        format_decimal(volume, SCALE),
        count,
        excluded,
        format_decimal(notional, 2 * SCALE),
    )


def trades_of_frame(frame):
    """One function per trade; calling it gives (series, ts or ISO text, id, price, size, mark)."""
    data = frame.get("data") if "stream" in frame else frame
    if isinstance(data, dict) and data.get("e") == "trade":
        yield lambda: binance_trade(data)
    elif frame.get("type") in ("match", "last_match"):
        yield lambda: (
            ("coinbase", "trade", frame["product_id"]),
            frame["time"],
            frame["trade_id"],
            frame["price"],
            frame["size"],
            None,
        )
    elif frame.get("channel") == "trade" and isinstance(frame.get("data"), list):
        for item in frame["data"]:
            yield lambda item=item: (
                ("kraken", "trade", item["symbol"]),
                item["timestamp"],
                item["trade_id"],
                item["price"],
                item["qty"],
                None,
            )


def binance_trade(data):
    """COIN-M by its symbol (BTCUSD_PERP, BTCUSD_240927); only spot has M; the rest is USD-M."""
    symbol = data["s"]
    if COIN_MARGINED.search(symbol):
        venue = "binance-coinm"
    else:
        venue = "binance" if "M" in data else "binance-usdm"
    return (
        (venue, "trade", symbol),
        int(data["T"]) * 10**6,
        data["t"],
        data["p"],
        data["q"],
        data.get("X"),
    )


# --- output ---------------------------------------------------------------------------------------


def interval_ns(interval):
    return INTERVALS[interval] * NS if isinstance(interval, str) else interval


def csv_field(text):
    """RFC 4180."""
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text


def csv_row(bar, interval, conditions, session):
    return ",".join(
        (
            csv_field(bar.instrument),
            str(bar.ts_open),
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            str(bar.trades),
            bar.notional,
            str(bar.excluded),
            interval,
            conditions,
            session,
            csv_field(bar.venue),
            bar.channel,
        )
    )


def csv_text(bars, interval, conditions, session):
    return "".join(
        [COLUMNS + "\n"] + [csv_row(bar, interval, conditions, session) + "\n" for bar in bars]
    )


def digest(bars, interval, conditions, session):
    """SHA-256 over a line per bar, sorted by (venue, channel, instrument, interval, ts_open)."""
    sha = hashlib.sha256()
    for bar in sorted(bars, key=lambda bar: bar[:4]):
        sha.update(
            f"{bar.venue}/{bar.channel}/{bar.instrument}|{interval_ns(interval)}|{conditions}|"
            f"{session}|{bar.ts_open}|{bar.open}|{bar.high}|{bar.low}|{bar.close}|{bar.volume}|"
            f"{bar.trades}|{bar.excluded}|{bar.notional}\n".encode()
        )
    return sha.hexdigest()


def main(arguments):
    parser = argparse.ArgumentParser(
        description="Exact bars from source files, independent of the product."
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--bars", required=True, choices=INTERVALS)
    parser.add_argument("--conditions", default="eligible", choices=("eligible", "all"))
    parser.add_argument("--session", default="extended", choices=("extended", "regular"))
    parser.add_argument("--map")
    parser.add_argument("--symbol")
    parser.add_argument("--venue")
    parser.add_argument("--digest", action="store_true")
    options = parser.parse_args(arguments)
    oracle = Oracle(options.map, options.symbol, options.venue)
    try:
        for path in options.files:
            oracle.add_file(path)
    except (OSError, Unreadable) as error:
        print(f"oracle: {error}", file=sys.stderr)
        return 1
    bars = oracle.bars(options.bars, options.conditions, options.session)
    if options.digest:
        print(digest(bars, options.bars, options.conditions, options.session))
    else:
        sys.stdout.write(csv_text(bars, options.bars, options.conditions, options.session))
    print(
        f"oracle: {oracle.trades()} trades, {len(bars)} bars, {oracle.duplicates} duplicates, "
        f"refused {dict(oracle.refused)}",
        file=sys.stderr,
    )
    return 3 if oracle.refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
