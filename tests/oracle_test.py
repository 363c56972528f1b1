#!/usr/bin/env python3
"""tests/oracle_test.py: small cases computed by hand hold the oracle itself to something.

python3 tests/oracle_test.py
"""

import datetime
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle
from oracle import Oracle, Refused, Rules, UsEquityCalendar

# Monday 2013-10-07: New York is UTC-4, midnight there is 04:00 UTC.
MIDNIGHT = 1381118400 * 10**9
MS = 10**6


def clock(text):
    """'09:30:00.000' -> milliseconds since midnight."""
    hour, minute, rest = text.split(":")
    second, _, milli = rest.partition(".")
    return (int(hour) * 3600 + int(minute) * 60 + int(second)) * 1000 + int(milli.ljust(3, "0"))


def lean(*trades):
    """Lean lines from (clock, price x 10000, size, conditions[, suspicious])."""
    return "".join(
        f"{clock(trade[0])},{trade[1]},{trade[2]},P,{trade[3]},{(*trade, 0)[4]}\n"
        for trade in trades
    )


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return path

    def day(self, *trades, day="20131007", symbol="xyz", folder="a"):
        return self.file(f"{folder}/{day}_{symbol}_Trade_Tick.csv", lean(*trades))

    def bars(self, *paths, interval="1m", conditions="all", session="extended", **options):
        reader = Oracle(**options)
        for path in paths:
            reader.add_file(path)
        self.reader = reader
        return reader.bars(interval, conditions, session)

    def one(self, *paths, **options):
        bars = self.bars(*paths, **options)
        self.assertEqual(len(bars), 1, bars)
        return bars[0]

    def prices(self, bar):
        return [bar.open, bar.high, bar.low, bar.close]


class Numbers(Case):
    def test_text_to_exact_value(self):
        for text, value in (
            ("1", 10**18),
            ("0.1", 10**17),
            ("1.50", 15 * 10**17),
            ("1e-05", 10**13),
            ("2E3", 2 * 10**21),
            ("0.000000000000000001", 1),
            ("-3", -3 * 10**18),
            ("0.0", 0),
            ("23.0", 23 * 10**18),
            (".5", 5 * 10**17),
            ("5.", 5 * 10**18),
            ("+1", 10**18),
        ):
            self.assertEqual(oracle.parse_decimal(text), value, text)

    def test_what_is_not_a_number_is_refused(self):
        for text in (
            "",
            "NaN",
            "inf",
            "1e400",
            "0x10",
            "1,5",
            " 1",
            "1.0.0",
            "0.0000000000000000001",
            "9223372036854775808",
            ".",
            "-",
            "1 ",
            "1_000",
            "e5",
            "\u0661",
        ):
            with self.assertRaises(Refused, msg=text):
                oracle.parse_decimal(text)

    def test_canonical_text(self):
        for value, text in (
            (0, "0"),
            (10**18, "1"),
            (15 * 10**17, "1.5"),
            (1, "0.000000000000000001"),
            (-25 * 10**16, "-0.25"),
            (1200 * 10**18, "1200"),
        ):
            self.assertEqual(oracle.format_decimal(value, 18), text)

    def test_json_numbers_keep_their_digits(self):
        # 0.1 + 0.2 would betray a double; so would the 17th digit of the size
        path = self.file(
            "c.ndjson",
            '{"channel":"trade","type":"update","data":['
            '{"symbol":"A/B","side":"buy","price":0.1,"qty":1.00000000000000001,"trade_id":1,'
            '"timestamp":"2026-07-07T23:00:00.000001Z"},'
            '{"symbol":"A/B","side":"buy","price":0.2,"qty":1,"trade_id":2,'
            '"timestamp":"2026-07-07T23:00:00.000001Z"}]}\n',
        )
        bar = self.one(path)
        self.assertEqual(
            (bar.volume, bar.notional), ("2.00000000000000001", "0.300000000000000001")
        )


class Bars(Case):
    def test_a_minute_by_hand(self):
        bars = self.bars(
            self.day(
                ("09:30:00.000", 1000000, 100, "1"),
                ("09:30:59.999", 1010000, 50, "1"),
                ("09:31:00.000", 990000, 10, "1"),
            )
        )
        self.assertEqual(
            [bar.ts_open for bar in bars],
            [MIDNIGHT + clock("09:30:00") * MS, MIDNIGHT + clock("09:31:00") * MS],
        )
        self.assertEqual(bars[0][4:12], ("100", "101", "100", "101", "150", 2, 0, "15050"))
        self.assertEqual(bars[1][4:12], ("99", "99", "99", "99", "10", 1, 0, "990"))

    def test_intervals_tile_the_utc_clock(self):
        path = self.day(("09:30:07.500", 1000000, 1, "1"))
        for interval, start in (
            ("1s", "09:30:07"),
            ("5s", "09:30:05"),
            ("15s", "09:30:00"),
            ("30s", "09:30:00"),
            ("1m", "09:30:00"),
            ("5m", "09:30:00"),
            ("15m", "09:30:00"),
            ("30m", "09:30:00"),
            ("1h", "09:00:00"),
        ):
            self.assertEqual(
                self.one(path, interval=interval).ts_open, MIDNIGHT + clock(start) * MS, interval
            )

    def test_the_csv_line(self):
        path = self.day(("09:30:00.000", 1000000, 100, "1"))
        text = oracle.csv_text(self.bars(path), "1m", "all", "extended")
        self.assertEqual(
            text,
            "instrument,ts_open,open,high,low,close,volume,trades,notional,excluded,interval,"
            "conditions,session,venue,channel\n"
            "XYZ,1381152600000000000,100,100,100,100,100,1,10000,0,1m,all,extended,lean,trade\n",
        )

    def test_the_digest(self):
        path = self.day(
            ("09:30:00.000", 1000000, 100, "1"), ("09:31:00.000", 1000000, 100, "1000000")
        )
        lines = (
            b"lean/trade/XYZ|60000000000|eligible|extended|1381152600000000000|"
            b"100|100|100|100|100|1|0|10000\n"
            b"lean/trade/XYZ|60000000000|eligible|extended|1381152660000000000|||||0|0|1|0\n"
        )
        bars = self.bars(path, conditions="eligible")
        self.assertEqual(
            oracle.digest(bars, "1m", "eligible", "extended"), hashlib.sha256(lines).hexdigest()
        )

    def test_command_line(self):
        path = self.day(("09:30:00.000", 1000000, 100, "1"))
        run = subprocess.run(
            [sys.executable, oracle.__file__, path, "--bars", "1h", "--conditions", "all"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(
            (run.returncode, run.stdout.splitlines()[1]),
            (0, "XYZ,1381150800000000000,100,100,100,100,100,1,10000,0,1h,all,extended,lean,trade"),
        )


class Order(Case):
    def test_one_millisecond_keeps_the_order_of_the_file(self):
        path = self.day(
            ("10:00:00.001", 1030000, 1, "1"),
            ("10:00:00.001", 1010000, 1, "1"),
            ("10:00:00.001", 1020000, 1, "1"),
        )
        self.assertEqual(self.prices(self.one(path)), ["103", "103", "101", "102"])

    def test_a_later_record_may_be_earlier(self):
        path = self.day(("10:00:00.009", 1030000, 1, "1"), ("10:00:00.001", 1010000, 1, "1"))
        self.assertEqual(self.prices(self.one(path)), ["101", "103", "101", "103"])

    def test_two_files_go_by_their_first_record_then_by_their_sha(self):
        # both have a trade at 10:00:30.000; the file that began earlier goes first
        late = self.day(
            ("10:00:20.000", 1000000, 1, "1"), ("10:00:30.000", 1200000, 1, "1"), folder="a"
        )
        early = self.day(
            ("10:00:10.000", 1000000, 1, "1"), ("10:00:30.000", 1100000, 1, "1"), folder="b"
        )
        for paths in ((late, early), (early, late)):
            self.assertEqual(self.one(*paths).close, "120")

        one = self.day(("10:00:10.000", 1000000, 1, "1"), folder="c")
        two = self.day(("10:00:10.000", 1100000, 1, "1"), folder="d")
        shas = [
            (
                hashlib.sha256(lean(("10:00:10.000", price * 10000, 1, "1")).encode()).digest(),
                str(price),
            )
            for price in (100, 110)
        ]
        first, last = (price for _, price in sorted(shas))
        for paths in ((one, two), (two, one)):
            bar = self.one(*paths)
            self.assertEqual((bar.open, bar.close), (first, last))

    def test_venue_ids_order_what_shares_a_time(self):
        line = (
            '1723161256000000000 {{"stream":"btcusdt@trade","data":{{"e":"trade",'
            '"E":1723161256001,"s":"BTCUSDT","t":{},"p":"{}","q":"1",'
            '"T":1723161256000,"m":true,"M":true}}}}\n'
        )
        path = self.file("c", line.format(12, "7") + line.format(11, "5") + line.format(100, "6"))
        bar = self.one(path)
        self.assertEqual((self.prices(bar), bar.venue), (["5", "7", "5", "6"], "binance"))

    def test_reversed_ties_are_an_error_that_shows(self):
        path = self.day(("10:00:00.001", 1030000, 1, "1"), ("10:00:00.001", 1010000, 1, "1"))
        bar = self.one(path, rules=Rules(ties_reversed=True))
        self.assertEqual((bar.open, bar.close), ("101", "103"))


class Conditions(Case):
    """One trade each; o: sets open and close, h: high and low, v: volume."""

    # inside regular hours, outside; by bit, written down a second time
    ANSWERS = {
        0: ("ohv", "ohv"),
        1: ("v", "v"),
        2: ("v", "v"),
        3: ("v", "v"),
        4: ("ohv", "ohv"),
        5: ("ohv", "ohv"),
        6: ("ohv", "ohv"),
        7: ("ohv", "ohv"),
        8: ("ohv", "ohv"),
        9: ("hv", "hv"),
        10: ("v", "ohv"),
        11: ("hv", "hv"),
        12: ("ohv", "ohv"),
        13: ("v", "ohv"),
        14: ("hv", "hv"),
        15: ("ohv", "ohv"),
        16: ("ohv", "ohv"),
        17: ("ohv", "ohv"),
        18: ("v", "v"),
        19: ("ohv", "ohv"),
        20: ("v", "v"),
        21: ("ohv", "ohv"),
        22: ("v", "v"),
        23: ("ohv", "ohv"),
        24: ("", ""),
        25: ("hv", "hv"),
        26: ("", ""),
        27: ("ohv", "ohv"),
        28: ("ohv", "ohv"),
        29: ("ohv", "ohv"),
        30: ("ohv", "ohv"),
        31: ("v", "v"),
    }

    def updates(self, time, flags, suspicious=0):
        bar = self.one(
            self.day((time, 1000000, 7, f"{flags:x}", suspicious)), conditions="eligible"
        )
        self.assertEqual((bar.open, bar.high), (bar.close, bar.low))
        self.assertEqual(
            (bar.volume, bar.trades, bar.excluded, bar.notional),
            ("7", 1, 0, "700") if bar.trades else ("0", 0, 1, "0"),
        )
        return ("o" if bar.open else "") + ("h" if bar.high else "") + ("v" if bar.trades else "")

    def test_every_bit(self):
        for bit, (inside, outside) in self.ANSWERS.items():
            self.assertEqual(self.updates("12:00:00", 1 << bit), inside, bit)
            self.assertEqual(self.updates("08:00:00", 1 << bit), outside, bit)
            self.assertEqual(self.updates("18:00:00", 1 << bit), outside, bit)

    def test_every_flag_must_allow_it(self):
        for flags, inside, outside in (
            (0x0, "ohv", "ohv"),
            (0x20000020, "ohv", "ohv"),  # sweep, exempt
            (0x20002020, "v", "ohv"),  # Form T sweep
            (0x102000, "v", "v"),  # average price, Form T
            (0x20100200, "v", "v"),  # average price, derivatively priced
            (0x4800, "hv", "hv"),  # sold, out of sequence
            (0x6004, "v", "v"),  # next day, Form T, out of sequence
            (0x6000, "v", "hv"),  # Form T, out of sequence
            (0x22000200, "hv", "hv"),  # prior reference price, derivatively priced
            (0x1000001, "", ""),  # official close marked regular
            (0x20200080, "ohv", "ohv"),
        ):  # closing cross
            self.assertEqual(
                (self.updates("12:00:00", flags), self.updates("16:30:00", flags)),
                (inside, outside),
                f"{flags:x}",
            )

    def test_suspicious_updates_nothing(self):
        self.assertEqual(self.updates("12:00:00", 1, suspicious=1), "")

    def test_all_takes_everything(self):
        for flags in (1 << 24, 1 << 20, 1 << 13):
            bar = self.one(self.day(("12:00:00", 1000000, 7, f"{flags:x}", 1)))
            self.assertEqual((bar.open, bar.trades, bar.excluded), ("100", 1, 0))

    def test_volume_without_a_price(self):
        path = self.day(
            ("12:00:00", 1000000, 100, "100000"),
            ("12:00:01", 1200000, 5, "1"),
            ("12:00:02", 900000, 3, "1000000"),
            ("12:01:00", 1300000, 9, "2000"),
            ("12:02:00", 1300000, 9, "4000000"),
        )
        first, second, third = self.bars(path, conditions="eligible")
        self.assertEqual(first[4:12], ("120", "120", "120", "120", "105", 2, 1, "10600"))
        self.assertEqual(second[4:12], ("", "", "", "", "9", 1, 0, "1170"))
        self.assertEqual(third[4:12], ("", "", "", "", "0", 0, 1, "0"))

    def test_high_and_low_without_open_and_close(self):
        bar = self.one(
            self.day(("12:00:00", 1000000, 1, "800"), ("12:00:01", 1100000, 1, "200")),
            conditions="eligible",
        )
        self.assertEqual(self.prices(bar), ["", "110", "100", ""])

    def test_binance_futures_kinds(self):
        line = (
            '1723161256000000000 {{"stream":"s@trade","data":{{"e":"trade",'
            '"E":1723161256001,"T":1723161256000,"s":"{}","t":{},"p":"{}","q":"2"{},"m":true}}}}\n'
        )
        for symbol, venue in (
            ("BTCUSDT", "binance-usdm"),
            ("BTCUSD_PERP", "binance-coinm"),
            ("BTCUSDT_241227", "binance-usdm"),
            ("ETHUSD_241227", "binance-coinm"),
        ):
            path = self.file(
                "c",
                "".join(
                    line.format(symbol, index, index + 1, kind)
                    for index, kind in enumerate(
                        ("", ',"X":"MARKET"', ',"X":"INSURANCE_FUND"', ',"X":"ADL"', ',"X":"NA"')
                    )
                ),
            )
            bar = self.one(path, conditions="eligible")
            self.assertEqual(
                (bar.venue, self.prices(bar), bar.volume, bar.trades, bar.excluded),
                (venue, ["1", "2", "1", "2"], "4", 2, 3),
            )
            self.assertEqual(self.one(path).trades, 5)


class Sessions(Case):
    def regular(self, *trades, day="20131007"):
        bars = self.bars(self.day(*trades, day=day), interval="1h", session="regular")
        return sum(bar.trades for bar in bars)

    def test_edges(self):
        for time, inside in (
            ("09:29:59.999", 0),
            ("09:30:00.000", 1),
            ("15:59:59.999", 1),
            ("16:00:00.000", 0),
        ):
            self.assertEqual(self.regular((time, 1000000, 1, "1")), inside, time)

    def test_prints_belong_to_the_regular_session(self):
        for flags in ("40", "80", "100", "1000000", "4000000", "2080"):
            self.assertEqual(self.regular(("16:01:04.221", 1000000, 1, flags)), 1, flags)
        for flags in ("1", "2000", "400", "20"):
            self.assertEqual(self.regular(("16:01:04.221", 1000000, 1, flags)), 0, flags)

    def test_form_t_inside_regular_hours_is_a_late_report(self):
        bar = self.one(
            self.day(("12:00:00", 1000000, 5, "2000")), conditions="eligible", session="regular"
        )
        self.assertEqual((bar.open, bar.high, bar.volume), ("", "", "5"))

    def test_closing_print_with_form_t_sets_the_price_by_the_clock(self):
        bar = self.one(
            self.day(("16:00:07", 1000000, 5, "2080")), conditions="eligible", session="regular"
        )
        self.assertEqual((bar.open, bar.volume), ("100", "5"))

    def test_half_days_and_holidays(self):
        for day, time, inside in (
            ("20131129", "12:59:59.999", 1),
            ("20131129", "13:00:00.000", 0),
            ("20131128", "12:00:00", 0),
            ("20131224", "13:30:00", 0),
            ("20130329", "12:00:00", 0),
            ("20131006", "12:00:00", 0),
        ):
            self.assertEqual(self.regular((time, 1000000, 1, "1"), day=day), inside, (day, time))

    def test_a_venue_round_the_clock_has_one_session(self):
        path = self.file("c.csv", "2013-10-06T03:00:00Z,1,1\n")
        self.assertEqual(
            self.one(
                path, session="regular", field_map="time=#0:iso,price=#1,size=#2", symbol="X"
            ).trades,
            1,
        )


class Time(Case):
    def test_daylight_saving(self):
        # Friday and Monday around both changes of 2013; 09:30 is 14:30 UTC in winter, else 13:30
        for day, utc in (
            ("20130308", "2013-03-08T14:30:00Z"),
            ("20130311", "2013-03-11T13:30:00Z"),
            ("20131101", "2013-11-01T13:30:00Z"),
            ("20131104", "2013-11-04T14:30:00Z"),
        ):
            path = self.day(("09:30:00.000", 1000000, 1, "1"), day=day)
            bar = self.one(path, session="regular")
            self.assertEqual(bar.ts_open, oracle.parse_iso(utc), day)
            self.assertEqual(
                self.bars(self.day(("09:29:59.999", 1000000, 1, "1"), day=day), session="regular"),
                [],
            )

    def test_the_day_of_the_change_itself_goes_by_the_wall(self):
        for day, utc in (
            ("20130310", "2013-03-10T13:30:00Z"),
            ("20131103", "2013-11-03T14:30:00Z"),
        ):
            self.assertEqual(
                self.one(self.day(("09:30:00", 1000000, 1, "1"), day=day)).ts_open,
                oracle.parse_iso(utc),
            )

    def test_futures_count_from_midnight_utc(self):
        path = self.file(
            "20131007_gc_tick_trade_201312.csv", "60001,1326.5,2,usa,,0\n60001,1326.6,0,usa,,0\n"
        )
        bar = self.one(path)
        self.assertEqual(
            (bar.venue, bar.instrument, bar.ts_open),
            ("lean-future", "GC-201312", 1381104060 * 10**9),
        )
        self.assertEqual(bar[4:12], ("1326.5", "1326.6", "1326.5", "1326.6", "2", 2, 0, "2653"))

    def test_units(self):
        want = 1583020803276000000
        for text, unit in (
            ("1583020803.276", "s"),
            ("1583020803276", "ms"),
            ("1583020803276000", "us"),
            ("1583020803276000000", "ns"),
            ("2020-03-01T00:00:03.276Z", "iso"),
            ("2020-03-01T01:00:03.276+01:00", "iso"),
            ("2020-02-29T19:00:03.276-05:00", "iso"),
        ):
            self.assertEqual(oracle.parse_time(text, unit), want, text)

    def test_a_wrong_unit_is_implausible(self):
        for text, unit in (
            ("1583020803276000", "ms"),
            ("1583020803276", "us"),
            ("1583020803276", "s"),
        ):
            with self.assertRaises(Refused):
                oracle.parse_time(text, unit)

    def test_calendar(self):
        def days(text):
            return {datetime.date.fromisoformat(part) for part in text.split()}

        for year, full, half in (
            (
                2010,
                "2010-01-01 2010-01-18 2010-02-15 2010-04-02 2010-05-31 2010-07-05 "
                "2010-09-06 2010-11-25 2010-12-24",
                "2010-11-26",
            ),
            (
                2012,
                "2012-01-02 2012-01-16 2012-02-20 2012-04-06 2012-05-28 2012-07-04 "
                "2012-09-03 2012-10-29 2012-10-30 2012-11-22 2012-12-25",
                "2012-07-03 2012-11-23 2012-12-24",
            ),
            (
                2013,
                "2013-01-01 2013-01-21 2013-02-18 2013-03-29 2013-05-27 2013-07-04 "
                "2013-09-02 2013-11-28 2013-12-25",
                "2013-07-03 2013-11-29 2013-12-24",
            ),
            (
                2018,
                "2018-01-01 2018-01-15 2018-02-19 2018-03-30 2018-05-28 2018-07-04 "
                "2018-09-03 2018-11-22 2018-12-05 2018-12-25",
                "2018-07-03 2018-11-23 2018-12-24",
            ),
            (
                2021,
                "2021-01-01 2021-01-18 2021-02-15 2021-04-02 2021-05-31 2021-07-05 "
                "2021-09-06 2021-11-25 2021-12-24",
                "2021-11-26",
            ),
            (
                2022,
                "2022-01-17 2022-02-21 2022-04-15 2022-05-30 2022-06-20 2022-07-04 "
                "2022-09-05 2022-11-24 2022-12-26",
                "2022-11-25",
            ),
            (
                2025,
                "2025-01-01 2025-01-09 2025-01-20 2025-02-17 2025-04-18 2025-05-26 "
                "2025-06-19 2025-07-04 2025-09-01 2025-11-27 2025-12-25",
                "2025-07-03 2025-11-28 2025-12-24",
            ),
            (
                2026,
                "2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 "
                "2026-07-03 2026-09-07 2026-11-26 2026-12-25",
                "2026-11-27 2026-12-24",
            ),
        ):
            self.assertEqual(oracle.holidays(year), days(full))
            self.assertEqual(oracle.half_days(year), days(half))

    def test_calendar_2010_to_2030_has_252_days_or_so(self):
        calendar = UsEquityCalendar()
        for year in range(2010, 2031):
            first = datetime.date(year, 1, 1)
            open_days = sum(
                bool(calendar.hours(first + datetime.timedelta(day))) for day in range(365)
            )
            self.assertIn(open_days, range(249, 254), year)


class Identity(Case):
    def test_equal_trades_are_two_trades(self):
        self.assertEqual(self.one(self.day(*[("10:00:00", 1000000, 1, "1")] * 3)).trades, 3)

    def test_the_same_member_twice_counts_once(self):
        content = lean(("10:00:00", 1000000, 1, "1"), ("10:00:00", 1000000, 1, "1"))
        name = "20131007_xyz_Trade_Tick.csv"
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr(name, content)
        plain = self.file("a/" + name, content)
        zipped = self.file("b/any-name", archive.getvalue())
        packed = self.file(f"c/{name}.gz", gzip.compress(content.encode()))
        squeezed = self.file(
            f"d/{name}.zst",
            subprocess.run(["zstd", "-cq"], input=content.encode(), capture_output=True).stdout,
        )
        self.assertEqual(self.one(plain, zipped, plain, packed, squeezed).trades, 2)
        self.assertEqual(self.reader.duplicates, 8)

    def test_every_member_of_a_zip(self):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as out:
            for expiry in ("201312", "201402"):
                out.writestr(f"20131007_gc_tick_trade_{expiry}.csv", "60001,1326.5,2,usa,,0\n")
        # equal bytes in two instruments are two trades
        self.assertEqual(
            [bar.instrument for bar in self.bars(self.file("z", archive.getvalue()))],
            ["GC-201312", "GC-201402"],
        )

    def test_an_id_counts_once_in_its_own_series(self):
        match = (
            '{{"type":"{}","trade_id":{},"side":"sell","size":"0.5","price":"10",'
            '"product_id":"{}","sequence":1,"time":"2026-07-07T22:58:17.164892Z"}}\n'
        )
        path = self.file(
            "c.ndjson",
            '{"type":"subscriptions","channels":[]}\n'
            + match.format("last_match", 1, "A-USD")
            + match.format("match", 1, "A-USD")
            + match.format("match", 2, "A-USD")
            + match.format("match", 1, "B-USD"),
        )
        self.assertEqual(
            [(bar.instrument, bar.trades) for bar in self.bars(path, path)],
            [("A-USD", 2), ("B-USD", 1)],
        )
        self.assertEqual(self.reader.duplicates, 5)


class Mapped(Case):
    def test_csv_by_name_and_by_index(self):
        named = self.file(
            "n.csv", 'symbol,when,"price, in EUR",amount\nA/B,1583020803276000,8531.5,2152\n'
        )
        bar = self.one(
            named, field_map='symbol=symbol,time=when:us,price=#2,size=amount', venue="bitmex"
        )
        self.assertEqual(
            (bar.venue, bar.instrument, bar.open, bar.notional),
            ("bitmex", "A/B", "8531.5", "18359788"),
        )
        bare = self.file("b.csv", "1672531436,90.540000,1.10448420\r\n1672531437,90.45,1\r\n")
        bar = self.one(bare, field_map="time=#0:s,price=#1,size=#2", symbol="BCH/EUR")
        self.assertEqual((bar.venue, bar.close, bar.volume), ("file", "90.45", "2.1044842"))

    def test_json_arrays_and_objects(self):
        rows = self.file(
            "r.json",
            '[[1570752011620,"13519807",null,"sell",0.00141342,23.0,0.03250866],\n'
            '[1570752011620,"13519808",null,"sell",0.00141266,54.0,0.07628364]]',
        )
        bar = self.one(
            rows, field_map="time=#0:ms,id=#1,side=#3,price=#4,size=#5", symbol="XRP/ETH"
        )
        self.assertEqual(
            bar[4:12],
            ("0.00141342", "0.00141342", "0.00141266", "0.00141266", "77", 2, 0, "0.1087923"),
        )
        objects = self.file(
            "o.json", '[{"t":"2020-03-01T00:00:03.276Z","s":"X","p":1e-05,"q":"3"}]'
        )
        bar = self.one(objects, field_map="time=t:iso,symbol=s,price=p,size=q")
        self.assertEqual((bar.open, bar.notional), ("0.00001", "0.00003"))

    def test_bad_rows_are_counted_and_the_rest_flows(self):
        path = self.file(
            "b.csv",
            "1672531436,90,1\nx,90,1\n1672531436,-1,1\n1672531436,NaN,1\n1672531436,90\n"
            "1672531436,0,1\n1672531436,1e400,1\n1672531437,91,1\n",
        )
        bar = self.one(path, field_map="time=#0:s,price=#1,size=#2", symbol="X")
        self.assertEqual(
            (bar.open, bar.close, bar.trades, sum(self.reader.refused.values())), ("90", "91", 2, 6)
        )


if __name__ == "__main__":
    unittest.main()
