#!/usr/bin/env python3
"""tests/oracle.py: every result once more, from the files, with nothing of the product in it.

Plain Python integers do all the arithmetic: a price or a size is its value times 10**18, price
times size is exact at 10**36. Speed comes second; being obviously right comes first.

    python3 tests/oracle.py FILE... --bars 1m [--source trades|last|vendor] [--columns replay|full]
                                    | --averages 15s | --means 5s
                                    [--conditions all|eligible] [--session extended|regular]
                                    [--digest] [--map SPEC] [--symbol S] [--venue V]

It prints CSV (or, of bars, only the SHA-256 of --digest) on stdout, what it counted on stderr.
Exit status 1: a file cannot be read; 3: something was refused.

Columns
-------
--bars      instrument,ts_open,open,high,low,close,volume,trades,notional,excluded,interval,
            conditions,session,venue,channel (--columns replay, as `tapedeck replay` prints them)
            venue,channel,instrument,ts_open,open,high,low,close,volume,notional,trades,excluded,
            buy_volume,sell_volume,vwap,interval,conditions,session,source,adjusted (full)
            sorted by (venue, channel, instrument, adjusted, ts_open). --bars is one of 1s 5s 15s
            30s 1m 5m 15m 30m 1h 1d. An absent price is empty.
--averages  venue,channel,instrument,ts_end,trades,price_sum,notional,average_price,
            average_notional,window,conditions,session
--means     venue,channel,instrument,ts_tick,trades,price_sum,notional,mean_price,mean_notional,
            tick,conditions,session
Times are ns since 1970 UTC. Sums are exact. vwap = notional / volume, average_ and mean_price =
price_sum / trades, average_ and mean_notional = notional / trades are exact ratios rounded half to
even at 9 decimals (then written without trailing zeros), empty where they would divide by zero.
The default of --session is extended, and regular for --bars 1d.

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
            * events, as `tapedeck tape cat` prints them (src/feeds/events/README.md), if the first
              line is a JSON object with `kind` and `ts_recv`;
            * a capture: one JSON frame a line, with or without "receive-ns " before it.
Numbers     taken from their text, JSON numbers too. A price must be above zero. A size may be zero
            (GC has such trades: they set prices and count as trades) but not negative. 18 decimals
            at most; the digits must fit an int64.
Identity    venue trade id per series (Binance, Coinbase, Kraken; Coinbase's last_match is a trade
            like any other), else (SHA-256 of the decompressed member, record number) per series;
            of an event what its line says. The same identity of one kind twice counts once: the
            first stays.
Order       by (ts_event, venue id) for those venues, else by (ts_event, ts_event of the member's
            first good record, SHA-256 of the member, record number). Of events by (ts_event,
            venue_sequence) or (ts_event, origin_first, origin, seq, position), as their series'
            `order` says.
Tape order  the order of the files and of the records in them, as a replay without --speed takes
            them.
Corrections all trades of a series, then for each trade the last of the corrections and cancels that
            name its identity, by (ts_event, venue_sequence, origin_first, origin, seq, position): a
            cancel takes the trade out, a correction gives its price, size and side, and nothing
            else of it changes. A target that never comes: counted, changes nothing.
Bars        [ts_open, ts_open + interval) on the UTC clock. 1d is the trading date of the series'
            calendar: the date on the clocks of New York (us_equity) or UTC (24x7); ts_open is its
            midnight there, so such a day may have 23 or 25 hours. A bar exists if at least one
            trade of the session falls into it, even one that updates nothing: then it has no
            prices, volume 0, trades 0 and excluded 1. `trades` counts the trades that update
            volume, `excluded` the others; notional, buy_volume and sell_volume (by the taker; a
            trade of unknown side is in neither) cover what volume covers.
Sources     trades; last: price ticks, each like a trade of size 0, so that prices and counts are
            made and all sums are 0; vendor: the bars that came as bars with just this interval, of
            one (series, adjusted, ts_event) the last by order; their notional, counts, buy_volume
            and sell_volume are 0 and their vwap is empty. Sources never mix.
Averages    sliding windows [ts_end - 15 s, ts_end) of event time, ts_end at every whole 5 s (the
            panes), over the final trades that update volume; a window exists where at least one
            such trade lies in it.
Means       cumulative, in tape order. The clock of a series is the running maximum of the ts_recv
            of its trades and corrections; ts_tick is the first whole 5 s above it. A row says what
            the trades are (those that update volume, corrected as known then) after the last event
            of its tick; a tick in which nothing of that changed has none. Rows are never revised:
            what comes late, is cancelled or corrected counts from the tick at which it came.
Conditions  all: every trade updates everything. eligible: the table below; a trade updates a
            column only if all its flags allow it. suspicious = 1 (bit 63) updates nothing. A
            Binance futures trade whose X is there and not MARKET (bits 0 to 3) updates nothing.
            Other venues have no table: everything is eligible.
Clock       "inside regular hours" is asked of ts_event and the US equity calendar, and of nothing
            else. It alone decides whether Form T and ExtendedHours (bits 10 and 13) let a trade
            set a price: outside yes, inside (a late report) no. Volume always.
Session     of a trade of US equities: an opening, reopening or closing print (bits 6, 7, 8) and an
            official open or close (24, 26) are regular whatever the clock says; any other trade,
            Form T or not, is regular if the clock says regular. So a print that carries Form T too
            and is stamped 16:00:07 is of the regular session (print bit) and sets its prices (the
            clock says outside). A 24x7 calendar has one session: there `regular` is everything.
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
    "1d": 86400,
}
RATIO_SCALE = 9
COLUMNS = (
    "instrument,ts_open,open,high,low,close,volume,trades,notional,excluded,"
    "interval,conditions,session,venue,channel"
)

FULL_COLUMNS = (
    "venue,channel,instrument,ts_open,open,high,low,close,volume,notional,trades,excluded,"
    "buy_volume,sell_volume,vwap,interval,conditions,session,source,adjusted"
)

# Numbers are canonical texts, counts and times are integers.
Bar = collections.namedtuple(
    "Bar",
    "venue channel instrument ts_open open high low close volume trades excluded notional"
    " buy_volume sell_volume vwap adjusted",
)
# Of a window of sliding averages, or of all so far: `ts` is ts_end, or ts_tick.
Mean = collections.namedtuple(
    "Mean", "venue channel instrument ts trades price_sum notional mean_price mean_notional"
)

# What a series is: how it is ordered, its calendar, its table of conditions.
Definition = collections.namedtuple(
    "Definition", "order calendar table", defaults=("identity", "24x7", "")
)
# Who numbered an event, and its number.
Identity = collections.namedtuple("Identity", "kind key first assumed seq position")
# tie: what decides the order of one instant. bits: conditions. arrival: the place in tape order.
Trade = collections.namedtuple("Trade", "ts tie price size bits side recv arrival identity")
Correction = collections.namedtuple(
    "Correction", "order is_cancel price size side target recv arrival"
)
VendorBar = collections.namedtuple("VendorBar", "order interval adjusted ts prices volume")


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


def ratio(numerator, denominator, scale=RATIO_SCALE):
    """Text of the exact ratio rounded half to even at `scale` decimals; empty for 0 / 0."""
    if denominator == 0:
        return ""
    value, rest = divmod(numerator * 10**scale, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and value % 2 == 1):
        value += 1
    return format_decimal(value, scale)


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
        self.hours_ = {}

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


    def day_open(self, ts):
        """Midnight in New York that begins the trading date of ts; it is at a whole hour of UTC."""
        hour = ts // (60 * MINUTE_NS)
        if hour not in self.hours_:
            local = (EPOCH + datetime.timedelta(hours=hour)).astimezone(NEW_YORK)
            self.hours_[hour] = new_york_ns(local.date(), 0)
        return self.hours_[hour]


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

    def eligible(self, table, bits, inside):
        """(open and close, high and low, volume) of a trade with those bits."""
        if table in ("lean", "lean-future") and bits >> 63 & 1:
            return NOTHING  # suspicious
        if table == "lean":
            answer = [True, True, True]
            for bit, row in self.table.items():
                if bits >> bit & 1:
                    for column in range(3):
                        if row[column] == NO or (row[column] == OUTSIDE and inside):
                            answer[column] = False
            return tuple(answer)
        if table == "binance-futures":
            return NOTHING if bits & 0b1111 else EVERYTHING
        return EVERYTHING

    def in_regular_session(self, definition, bits, inside):
        if definition.calendar == "24x7" or inside:
            return True
        return definition.table == "lean" and any(
            bits >> bit & 1 and row[3] == REGULAR for bit, row in self.table.items()
        )


# --- from files to trades -------------------------------------------------------------------------

csv.field_size_limit(2**31 - 1)  # a field of any length is read, then refused

LEAN_EQUITY = re.compile(r"(\d{8})_([^_/]+)_trade_tick\.csv\Z", re.I)
LEAN_FUTURE = re.compile(r"(\d{8})_([^_/]+)_tick_trade_(\d{6})\.csv\Z", re.I)
SUSPICIOUS = 1 << 63
BINANCE_KINDS = {None: 0, "MARKET": 0, "INSURANCE_FUND": 1, "ADL": 2, "NA": 4}  # any other: 8
TABLES = ("", "lean", "lean-future", "binance-futures")
DEFINITIONS = {
    "lean": Definition("identity", "us_equity", "lean"),
    "lean-future": Definition("identity", "24x7", "lean-future"),
    "binance": Definition("venue_sequence"),
    "binance-usdm": Definition("venue_sequence", "24x7", "binance-futures"),
    "binance-coinm": Definition("venue_sequence", "24x7", "binance-futures"),
    "coinbase": Definition("venue_sequence"),
    "kraken": Definition("venue_sequence"),
}
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
        self.from_files_ = {}  # series -> {sha: (ts of the file's first record, arrival, [trade])}
        self.definitions = {}  # series -> Definition
        self.events_ = {}  # (kind, series) -> {identity: trade, tick, correction or vendor bar}
        self.arrivals_ = 0
        self.refused = collections.Counter()
        self.duplicates = 0
        self.kinds = collections.Counter()  # of events, as they came

    # A trade of a capture is (ts_event, id, price, size, bits, side, ts_recv, arrival), one of a
    # file (ts_event, record number, price, size, bits, side, ts_recv): a day has many.

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
            elif is_events(data):
                self.events_of_(data)
            elif CAPTURE_LINE.match(data):
                self.capture_(data)
            else:
                raise Unreadable(f"{path}: {name}: neither Lean nor a capture; a --map is needed")
        return self

    def define_(self, series, definition=None):
        self.definitions.setdefault(series, definition or DEFINITIONS.get(series[0], Definition()))

    def add_to_files_(self, data, trades):
        sha = hashlib.sha256(data).digest()
        first, by_series = None, {}
        for series, trade in trades:
            first = trade[0] if first is None else first
            by_series.setdefault(series, []).append(trade)
        for series, batch in by_series.items():
            self.define_(series)
            seen = self.from_files_.setdefault(series, {})
            if sha in seen:
                self.duplicates += len(batch)
            else:
                seen[sha] = (first, self.arrivals_, batch)
        self.arrivals_ += 1 + max((batch[-1][1] for batch in by_series.values()), default=0)

    def add_with_id_(self, series, trade):
        self.define_(series)
        seen = self.with_ids_.setdefault(series, {})
        if trade[1] in seen:
            self.duplicates += 1
        else:
            seen[trade[1]] = trade + (self.arrivals_,)
            self.arrivals_ += 1

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
                    mark = int(conditions or "0", 16)
                    if suspicious_text == "1":
                        mark |= SUSPICIOUS
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
            ts = minutes[minute] + rest * 10**6
            yield series, (ts, number, price // 10**4, size, mark, "unknown", ts)

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
            ts = midnight + milliseconds * 10**6
            yield series, (ts, number, price, size, 0, "unknown", ts)

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
                recv = ts
                if "recv" in spec.columns:
                    recv = parse_time(spec.get("recv", row, header), spec.columns["recv"][2])
                side = MAPPED_SIDES.get((spec.get("side", row, header) or "").lower(), "unknown")
                symbol = spec.get("symbol", row, header) or self.symbol_
                if not symbol:
                    raise Refused("no symbol")
                if price <= 0 or size < 0:
                    raise Refused("price or size not positive")
            except Refused as reason:
                self.refused[str(reason)] += 1
                continue
            yield (self.venue_, "trade", symbol), (ts, number, price, size, 0, side, recv)

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
                    series, time, identity, price, size, bits, side = read()
                    price, size = numbers[str(price)], numbers[str(size)]
                    if price <= 0 or size < 0:
                        raise Refused("price or size not positive")
                    ts = time if isinstance(time, int) else parse_iso(time)
                    recv = int(match.group(1)) if match.group(1) else ts
                    self.add_with_id_(
                        series,
                        (plausible(ts), int(identity), price, size, bits, side, plausible(recv)),
                    )
                except Refused as reason:
                    self.refused[str(reason)] += 1
                except (KeyError, TypeError, ValueError):
                    self.refused["malformed"] += 1

    def events_of_(self, data):
        for line in data.split(b"\n"):
            if not line.strip():
                continue
            try:
                event = parse_event(line)
                if event.series:
                    definition = self.definitions.get(event.series) or new_definition(event)
                    if not agrees(definition, event):
                        raise Refused("the series is another already")
                    self.definitions[event.series] = definition
            except Refused as reason:
                self.refused[str(reason)] += 1
                continue
            self.kinds[event.kind] += 1
            arrival = self.arrivals_
            self.arrivals_ += 1
            if event.kind == "status":
                continue
            seen = self.events_.setdefault((event.kind, event.series), {})
            if event.identity in seen:
                self.duplicates += 1
            else:
                seen[event.identity] = made_of(event, definition, arrival)

    def series_(self):
        return sorted(self.definitions)

    def distinct_(self, series):
        """{identity: Trade} of every distinct trade of the series, in no order."""
        definition = self.definitions[series]
        trades = {}
        for trade in self.with_ids_.get(series, {}).values():
            ts, number, price, size, bits, side, recv, arrival = trade
            identity = Identity("venue", "", 0, False, number, 0)
            trades[identity] = Trade(
                ts, (number,), price, size, bits, side, recv, arrival, identity
            )
        assumed = not (self.map_ and "recv" in self.map_.columns)
        for sha, (first, arrival, batch) in self.from_files_.get(series, {}).items():
            key = sha.hex()
            for ts, number, price, size, bits, side, recv in batch:
                identity = Identity("file", key, first, assumed, number, 0)
                tie = (first, key, number, 0)
                trades[identity] = Trade(
                    ts, tie, price, size, bits, side, recv, arrival + number, identity
                )
        for identity, trade in self.events_.get(("trade", series), {}).items():
            # also in a capture or a file that was read: the one that came first stays
            if identity not in trades or trade.arrival < trades[identity].arrival:
                trades[identity] = trade
        return trades

    def final_(self, series):
        """The trades as they are in the end, in order."""
        trades = self.distinct_(series)
        for correction in last_corrections(self.corrections_(series)).values():
            trade = trades.get(correction.target)
            if trade is None:
                continue
            if correction.is_cancel:
                del trades[correction.target]
            else:
                trades[correction.target] = corrected(trade, correction)
        return self.in_order_(trades.values())

    def in_order_(self, trades):
        trades = sorted(trades, key=lambda trade: trade.tie, reverse=self.rules.ties_reversed)
        # the sort is stable: what is equal in ts_event stays as it was put together
        return sorted(trades, key=lambda trade: trade.ts)

    def corrections_(self, series):
        return list(self.events_.get(("correction", series), {}).values())

    def unknown_targets(self):
        """How many corrections and cancels name a trade that never came."""
        count = 0
        for kind, series in self.events_:
            if kind == "correction":
                trades = self.distinct_(series)
                count += sum(step.target not in trades for step in self.corrections_(series))
        return count

    def answers_(self, series, trades, conditions, session):
        """(trade, (sets open and close, high and low, adds volume)) of those in the session."""
        rules = self.rules
        definition = self.definitions[series]
        answers = {}  # (bits, inside regular hours) -> (in the session, updates)
        inside = False
        minute = None
        for trade in trades:
            if definition.calendar == "us_equity" and trade.ts // MINUTE_NS != minute:
                minute = trade.ts // MINUTE_NS
                inside = rules.calendar.is_regular(trade.ts)
            answer = answers.get((trade.bits, inside))
            if answer is None:
                bits = trade.bits
                answer = answers[bits, inside] = (
                    session == "extended" or rules.in_regular_session(definition, bits, inside),
                    EVERYTHING
                    if conditions == "all"
                    else rules.eligible(definition.table, bits, inside),
                )
            if answer[0]:
                yield trade, answer[1]

    def bars(self, interval, conditions="all", session="extended", source="trades"):
        """Every bar of an interval ("1m"), sorted by (series, adjusted, ts_open)."""
        if source == "vendor":
            return self.vendor_bars_(interval)
        result = []
        for series in self.series_():
            if source == "last":
                trades = self.in_order_(self.events_.get(("tick", series), {}).values())
            else:
                trades = self.final_(series)
            open_of = self.opener_(series, interval)
            bar_open = None
            for trade, updates in self.answers_(series, trades, conditions, session):
                if open_of(trade.ts) != bar_open:
                    if bar_open is not None:
                        result.append(bar.made(series, bar_open))
                    bar_open = open_of(trade.ts)
                    bar = OpenBar()
                bar.add(trade, *updates)
            if bar_open is not None:
                result.append(bar.made(series, bar_open))
        return result

    def opener_(self, series, interval):
        """From the time of a trade to the ts_open of its bar."""
        if interval == "1d" and self.definitions[series].calendar == "us_equity":
            return self.rules.calendar.day_open
        width = interval_ns(interval)
        return lambda ts: ts - ts % width

    def vendor_bars_(self, interval):
        result = []
        for series in self.series_():
            last = {}
            bars = self.events_.get(("bar", series), {}).values()
            for bar in sorted(bars, key=lambda bar: bar.order):
                if bar.interval == interval_ns(interval):
                    last[ADJUSTED.index(bar.adjusted), bar.ts] = bar
            for _, bar in sorted(last.items()):
                prices = (format_decimal(price, SCALE) for price in bar.prices)
                volume = format_decimal(bar.volume, SCALE)
                result.append(
                    Bar(
                        *series, bar.ts, *prices, volume, 0, 0, "0", "0", "0", "", bar.adjusted
                    )
                )
        return result

    def counting_(self, series, trades, conditions, session):
        """Those that update volume."""
        return [
            trade
            for trade, (_, _, adds_volume) in self.answers_(series, trades, conditions, session)
            if adds_volume
        ]

    def averages(self, window="15s", conditions="all", session="extended", pane="5s"):
        """The mean of every window that ends at the end of a pane and holds a trade."""
        width, step = interval_ns(window), interval_ns(pane)
        result = []
        for series in self.series_():
            windows = {}  # ts_end -> [trades, price_sum, notional]
            for trade in self.counting_(series, self.final_(series), conditions, session):
                end = trade.ts - trade.ts % step + step
                while end - width <= trade.ts:
                    sums = windows.setdefault(end, [0, 0, 0])
                    sums[0] += 1
                    sums[1] += trade.price
                    sums[2] += trade.price * trade.size
                    end += step
            result += [mean(series, end, *sums) for end, sums in sorted(windows.items())]
        return result

    def means(self, tick="5s", conditions="all", session="extended"):
        """What all trades so far say, after each tick of a series' ts_recv that changed it."""
        result = []
        for series in self.series_():
            trades = self.distinct_(series)
            counting = self.counting_(series, trades.values(), conditions, session)
            counts = {trade.identity for trade in counting}
            steps = sorted(
                [*trades.values(), *self.corrections_(series)], key=lambda step: step.arrival
            )
            clock, ts_tick, changed = 0, None, False
            there, known = {}, {}  # identity -> trade; identity -> its last correction so far
            sums = (0, 0, 0)
            for step in steps:
                clock = max(clock, step.recv)
                now = clock - clock % interval_ns(tick) + interval_ns(tick)
                if changed and now != ts_tick:
                    result.append(mean(series, ts_tick, *sums))
                    changed = False
                ts_tick = now
                if isinstance(step, Trade):
                    identity = step.identity
                    before = (0, 0, 0)
                    if identity in counts:
                        there[identity] = step
                else:
                    identity = step.target
                    before = share(there.get(identity), known.get(identity))
                    if identity not in known or known[identity].order < step.order:
                        known[identity] = step
                after = share(there.get(identity), known.get(identity))
                if after != before:
                    sums = tuple(s - b + a for s, b, a in zip(sums, before, after))
                    changed = True
            if changed:
                result.append(mean(series, ts_tick, *sums))
        return result

    def trades(self):
        """How many distinct trades were taken."""
        return sum(len(self.distinct_(series)) for series in self.definitions)


class OpenBar:
    """What the trades of a bar add up to so far; they come in order."""

    def __init__(self):
        self.first = self.high = self.low = self.last = None
        self.volume = self.notional = self.buys = self.sells = 0
        self.count = self.excluded = 0

    def add(self, trade, sets_open_close, sets_high_low, adds_volume):
        price = trade.price
        if sets_open_close:
            if self.first is None:
                self.first = price
            self.last = price
        if sets_high_low:
            if self.high is None or price > self.high:
                self.high = price
            if self.low is None or price < self.low:
                self.low = price
        if adds_volume:
            self.count += 1
            self.volume += trade.size
            self.notional += price * trade.size
            if trade.side == "buy":
                self.buys += trade.size
            if trade.side == "sell":
                self.sells += trade.size
        else:
            self.excluded += 1

    def made(self, series, ts_open):
        prices = (
            "" if price is None else format_decimal(price, SCALE)
            for price in (self.first, self.high, self.low, self.last)
        )
        return Bar(
            *series,
            ts_open,
            *prices,
            format_decimal(self.volume, SCALE),
            self.count,
            self.excluded,
            format_decimal(self.notional, 2 * SCALE),
            format_decimal(self.buys, SCALE),
            format_decimal(self.sells, SCALE),
            ratio(self.notional, self.volume * UNIT),
            "",
        )


def mean(series, ts, count, price_sum, notional):
    return Mean(
        *series,
        ts,
        count,
        format_decimal(price_sum, SCALE),
        format_decimal(notional, 2 * SCALE),
        ratio(price_sum, count * UNIT),
        ratio(notional, count * UNIT * UNIT),
    )


def last_corrections(corrections):
    """{identity of a trade: the last that names it}"""
    last = {}
    for correction in sorted(corrections, key=lambda correction: correction.order):
        last[correction.target] = correction
    return last


def corrected(trade, correction):
    return trade._replace(price=correction.price, size=correction.size, side=correction.side)


def share(trade, correction):
    """What a trade, as it was corrected, adds to (trades, price_sum, notional)."""
    if trade is None or (correction and correction.is_cancel):
        return (0, 0, 0)
    if correction:
        trade = corrected(trade, correction)
    return (1, trade.price, trade.price * trade.size)


def trades_of_frame(frame):
    """Functions, one a trade, that give (series, ts or ISO text, id, price, size, bits, side)."""
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
            0,
            {"buy": "sell", "sell": "buy"}[frame["side"]],  # it says the maker's
        )
    elif frame.get("channel") == "trade" and isinstance(frame.get("data"), list):
        for item in frame["data"]:
            yield lambda item=item: (
                ("kraken", "trade", item["symbol"]),
                item["timestamp"],
                item["trade_id"],
                item["price"],
                item["qty"],
                0,
                {"buy": "buy", "sell": "sell"}[item["side"]],
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
        0 if venue == "binance" else BINANCE_KINDS.get(data.get("X"), 8),
        "sell" if data["m"] else "buy",  # m: the buyer is the maker
    )


# --- files of events ------------------------------------------------------------------------------

SIDES = ("unknown", "buy", "sell")
MAPPED_SIDES = {"buy": "buy", "b": "buy", "sell": "sell", "s": "sell"}
ADJUSTED = ("raw", "split", "total")
ORDERS = ("identity", "venue_sequence")
CALENDARS = ("24x7", "us_equity")
ORIGIN_KINDS = ("venue", "file", "session", "topic")
ORIGIN = ("origin_kind", "origin", "origin_first", "recv_assumed", "seq", "position")
TARGET = tuple("target_" + name for name in ORIGIN)
EVERY_EVENT = {
    *("kind", "series", "order", "calendar", "condition_table", "ts_event", "ts_recv"),
    *("conditions", "venue_sequence", *ORIGIN),
}
NOT_READ = {"log", "offset"}  # where it stood on a tape
FIELDS = {
    "trade": EVERY_EVENT | {"price", "size", "side"},
    "quote": EVERY_EVENT | {"bid", "bid_size", "ask", "ask_size"},
    "tick": EVERY_EVENT | {"price"},
    "bar": EVERY_EVENT | {"interval", "adjusted", "open", "high", "low", "close", "volume"},
    "correction": EVERY_EVENT | {"correction", "price", "size", "side", *TARGET},
    "record": EVERY_EVENT | {"body", "body_hex"},
    "status": {"kind", "feed", "state", "ts_recv"},
}

# series and identity are None of a status. `said`: what the line says of its series.
Event = collections.namedtuple("Event", "kind series said identity fields")


def is_events(data):
    try:
        first = json.loads(data.lstrip().split(b"\n", 1)[0])
    except ValueError:
        return False
    return isinstance(first, dict) and first.get("kind") in FIELDS and "ts_recv" in first


def parse_event(line):
    try:
        pairs = json.loads(
            line, object_pairs_hook=list, parse_float=str, parse_int=str, parse_constant=str
        )
    except ValueError:
        raise Refused("malformed")
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise Refused("malformed")
    fields = dict(pairs)
    kind = fields.get("kind")
    if kind not in FIELDS:
        raise Refused("no kind of event")
    if len(fields) != len(pairs) or not set(fields) <= FIELDS[kind] | NOT_READ:
        raise Refused("a field twice, or one that this kind has not")
    if not all(isinstance(value, (str, bool)) for value in fields.values()):
        raise Refused("a field that is neither a text nor a number")
    event_time(fields, "ts_recv", zero=kind == "status")
    if kind == "status":
        word(fields, "state", ("live", "down", "ended"), must=True)
        if "feed" not in fields:
            raise Refused("no feed")
        return Event(kind, None, None, None, fields)
    event_time(fields, "ts_event")
    series = tuple(need(fields, "series").split("/", 2))
    if len(series) != 3 or not all(series):
        raise Refused("no series")
    said = Definition(
        word(fields, "order", ORDERS) if "order" in fields else None,
        word(fields, "calendar", CALENDARS) if "calendar" in fields else None,
        word(fields, "condition_table", TABLES) if "condition_table" in fields else None,
    )
    event = Event(kind, series, said, identity_of(fields, ORIGIN), fields)
    made_of(event, Definition(), 0)  # whatever is wrong with it shows
    return event


def new_definition(event):
    return Definition(*(said or usual for said, usual in zip(event.said, Definition())))


def agrees(definition, event):
    return all(said in (None, known) for said, known in zip(event.said, definition))


def need(fields, name):
    if name not in fields or not isinstance(fields[name], str):
        raise Refused(f"no {name}")
    return fields[name]


def word(fields, name, words, must=False):
    if name not in fields and not must:
        return words[0]
    if fields.get(name) not in words:
        raise Refused(f"{name} is no word of its")
    return fields[name]


def whole(fields, name, must=True):
    if name not in fields and not must:
        return 0
    text = need(fields, name)
    if not re.fullmatch(r"[0-9]{1,20}", text) or int(text) >= 2**64:
        raise Refused(f"{name} is no whole number below 2**64")
    return int(text)


def event_time(fields, name, zero=False):
    if zero and fields.get(name, "0") == "0":
        return 0
    return parse_time(need(fields, name), "ns")


def amount(fields, name, must=True):
    """Zero or more."""
    if name not in fields and not must:
        return 0
    value = parse_decimal(need(fields, name))
    if value < 0:
        raise Refused(f"{name} below zero")
    return value


def event_price(fields, name="price"):
    value = parse_decimal(need(fields, name))
    if value <= 0:
        raise Refused(f"{name} not above zero")
    return value


def flags(fields):
    text = fields.get("conditions", "0x0")
    if not isinstance(text, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", text):
        raise Refused("conditions are not 0x and hex digits")
    return int(text, 16)


def identity_of(fields, names):
    kind, key, first, assumed, seq, position = names
    if fields.get(assumed, False) not in (True, False, "true", "false"):
        raise Refused(f"{assumed} is neither true nor false")
    return Identity(
        word(fields, kind, ORIGIN_KINDS),
        need(fields, key) if key in fields else "",
        event_time(fields, first, zero=True),
        fields.get(assumed, False) in (True, "true"),
        whole(fields, seq),
        whole(fields, position, must=False),
    )


def made_of(event, definition, arrival):
    """What is kept: a Trade (a tick is one of size 0), a Correction, a VendorBar or nothing."""
    fields, identity = event.fields, event.identity
    ts, recv = event_time(fields, "ts_event"), event_time(fields, "ts_recv")
    sequence = whole(fields, "venue_sequence", must=False)
    by_identity = (identity.first, identity.key, identity.seq, identity.position)
    tie = (sequence,) if definition.order == "venue_sequence" else by_identity
    bits = flags(fields)
    if event.kind in ("trade", "tick"):
        size = amount(fields, "size") if event.kind == "trade" else 0
        side = word(fields, "side", SIDES)
        return Trade(ts, tie, event_price(fields), size, bits, side, recv, arrival, identity)
    if event.kind == "bar":
        interval = whole(fields, "interval")
        if not 0 < interval < 2**63:
            raise Refused("interval is not above zero")
        prices = tuple(event_price(fields, name) for name in ("open", "high", "low", "close"))
        volume = amount(fields, "volume")
        adjusted = word(fields, "adjusted", ADJUSTED)
        return VendorBar((ts, tie), interval, adjusted, ts, prices, volume)
    if event.kind == "correction":
        order = (ts, sequence, *by_identity)
        target = identity_of(fields, TARGET)
        side = word(fields, "side", SIDES)
        if word(fields, "correction", ("cancel", "correct"), must=True) == "cancel":
            price, size = amount(fields, "price", must=False), amount(fields, "size", must=False)
            return Correction(order, True, price, size, side, target, recv, arrival)
        price, size = event_price(fields), amount(fields, "size")
        return Correction(order, False, price, size, side, target, recv, arrival)
    if event.kind == "quote":
        for name in ("bid", "ask"):
            if amount(fields, name + "_size") > 0:
                event_price(fields, name)
            amount(fields, name)
    if event.kind == "record" and "body_hex" in fields:
        if not re.fullmatch(r"([0-9a-fA-F]{2})*", need(fields, "body_hex")):
            raise Refused("body_hex is not pairs of hex digits")
    elif event.kind == "record":
        need(fields, "body")
    return None


# --- output ---------------------------------------------------------------------------------------


def interval_ns(interval):
    return INTERVALS[interval] * NS if isinstance(interval, str) else interval


def csv_field(text):
    """RFC 4180."""
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text


def csv_row(*values):
    return ",".join(csv_field(str(value)) for value in values) + "\n"


def csv_text(bars, interval, conditions, session):
    """As `tapedeck replay` prints bars."""
    return COLUMNS + "\n" + "".join(
        csv_row(
            *(bar.instrument, bar.ts_open, bar.open, bar.high, bar.low, bar.close, bar.volume),
            *(bar.trades, bar.notional, bar.excluded, interval, conditions, session),
            *(bar.venue, bar.channel),
        )
        for bar in bars
    )


def full_csv_text(bars, interval, conditions, session, source="trades"):
    return FULL_COLUMNS + "\n" + "".join(
        csv_row(
            *(bar.venue, bar.channel, bar.instrument, bar.ts_open),
            *(bar.open, bar.high, bar.low, bar.close, bar.volume, bar.notional),
            *(bar.trades, bar.excluded, bar.buy_volume, bar.sell_volume, bar.vwap),
            *(interval, conditions, session, source, bar.adjusted),
        )
        for bar in bars
    )


def averages_csv_text(means, window, conditions, session):
    columns = (
        "venue,channel,instrument,ts_end,trades,price_sum,notional,average_price,average_notional,"
        "window,conditions,session\n"
    )
    return columns + "".join(csv_row(*row, window, conditions, session) for row in means)


def means_csv_text(means, tick, conditions, session):
    columns = (
        "venue,channel,instrument,ts_tick,trades,price_sum,notional,mean_price,mean_notional,"
        "tick,conditions,session\n"
    )
    return columns + "".join(csv_row(*row, tick, conditions, session) for row in means)


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
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--bars", choices=INTERVALS)
    wanted.add_argument("--averages", choices=INTERVALS, help="length of the window; panes of 5 s")
    wanted.add_argument("--means", choices=INTERVALS, help="length of a tick")
    parser.add_argument("--source", default="trades", choices=("trades", "last", "vendor"))
    parser.add_argument("--columns", default="replay", choices=("replay", "full"))
    parser.add_argument("--conditions", default="eligible", choices=("eligible", "all"))
    parser.add_argument("--session", choices=("extended", "regular"))
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
    session = options.session or ("regular" if options.bars == "1d" else "extended")
    choice = (options.conditions, session)
    if options.averages:
        rows = oracle.averages(options.averages, *choice)
        text = averages_csv_text(rows, options.averages, *choice)
    elif options.means:
        rows = oracle.means(options.means, *choice)
        text = means_csv_text(rows, options.means, *choice)
    else:
        rows = oracle.bars(options.bars, *choice, options.source)
        if options.digest:
            text = digest(rows, options.bars, *choice) + "\n"
        elif options.columns == "full":
            text = full_csv_text(rows, options.bars, *choice, options.source)
        else:
            text = csv_text(rows, options.bars, *choice)
    sys.stdout.write(text)
    print(
        f"oracle: {oracle.trades()} trades, {len(rows)} rows, {oracle.duplicates} duplicates, "
        f"events {dict(oracle.kinds)}, {oracle.unknown_targets()} unknown targets, "
        f"refused {dict(oracle.refused)}",
        file=sys.stderr,
    )
    return 3 if oracle.refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
