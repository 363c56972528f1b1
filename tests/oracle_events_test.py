#!/usr/bin/env python3
"""tests/oracle_events_test.py: what the oracle makes of files of events, computed by hand.

python3 tests/oracle_events_test.py
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import market_sim
import oracle
from oracle import Oracle

NS = 10**9
# Monday 2026-03-09 14:00:00 UTC: 10:00 in New York, one hour after Friday's clock.
T = 1773064800 * NS


def trade(second, price="100", size="1", seq=1, recv=None, **fields):
    ts = T + round(second * 1000) * 10**6
    return dict(
        dict(kind="trade", series="v/trade/X", ts_event=str(ts), price=price, size=size),
        **dict(ts_recv=str(T + round((second if recv is None else recv) * 1000) * 10**6)),
        **dict(dict(seq=str(seq)), **fields),
    )


def correct(target, second, seq=1, kind="correct", recv=None, **fields):
    event = trade(second, seq=seq, recv=recv, kind="correction", correction=kind)
    event.update(dict(origin_kind="session", origin="c"), target_seq=str(target), **fields)
    return event


class Case(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, *events, name="e.jsonl"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            for event in events:
                out.write((event if isinstance(event, str) else json.dumps(event)) + "\n")
        return path

    def read(self, *events):
        self.reader = Oracle()
        return self.reader.add_file(self.file(*events))

    def bar(self, *events, interval="1m", **choice):
        bars = self.read(*events).bars(interval, **choice)
        self.assertEqual(len(bars), 1, bars)
        return bars[0]

    def prices(self, bar):
        return [bar.open, bar.high, bar.low, bar.close]


class Trades(Case):
    def test_sums_by_side_and_vwap(self):
        bar = self.bar(
            trade(0, "100", "1", 1, side="buy"),
            trade(1, "101", "2", 2, side="sell"),
            trade(2, "103", "0.5", 3),
            trade(3, "102", "0.25", 4, side="buy"),
        )
        self.assertEqual(self.prices(bar), ["100", "103", "100", "102"])
        # 100 + 202 + 51.5 + 25.5 = 379, over 3.75 = 101.0666...
        self.assertEqual(
            (bar.volume, bar.notional, bar.buy_volume, bar.sell_volume, bar.vwap, bar.trades),
            ("3.75", "379", "1.25", "2", "101.066666667", 4),
        )

    def test_a_ratio_is_rounded_half_to_even(self):
        for numerator, denominator, text in (
            (1, 3, "0.333333333"),
            (2, 3, "0.666666667"),
            (1, 2 * 10**9, "0"),
            (3, 2 * 10**9, "0.000000002"),
            (5, 2 * 10**9, "0.000000002"),
            (10**9 + 1, 2 * 10**9 + 2, "0.5"),
            (7, 1, "7"),
            (0, 5, "0"),
            (0, 0, ""),
        ):
            self.assertEqual(oracle.ratio(numerator, denominator), text, (numerator, denominator))

    def test_no_volume_no_vwap(self):
        bar = self.bar(trade(0, size="0"))
        self.assertEqual((bar.volume, bar.trades, bar.vwap), ("0", 1, ""))

    def test_order_as_the_series_says(self):
        by_sequence = [
            trade(1, "7", seq=1, venue_sequence="9", order="venue_sequence"),
            trade(1, "5", seq=2, venue_sequence="8", order="venue_sequence"),
        ]
        self.assertEqual(self.prices(self.bar(*by_sequence)), ["5", "7", "5", "7"])
        # by identity: when the origin began, its name, number, position
        events = [
            trade(1, "4", seq=1, origin_kind="session", origin="b", origin_first=str(T)),
            trade(1, "3", seq=2, origin_kind="session", origin="a", origin_first=str(T)),
            trade(1, "2", seq=1, origin_kind="session", origin="a", origin_first=str(T)),
            trade(1, "9", seq=1, origin_kind="session", origin="z", origin_first=str(T - 1)),
            trade(1, "8", seq=1, origin_kind="session", origin="b", origin_first=str(T))
            | {"position": "1"},
        ]
        for order in (events, events[::-1]):
            self.assertEqual(self.prices(self.bar(*order)), ["9", "9", "2", "8"])

    def test_an_identity_counts_once_and_the_first_stays(self):
        bar = self.bar(trade(0, "5", seq=1), trade(1, "6", seq=1), trade(2, "7", seq=2))
        self.assertEqual((self.prices(bar), bar.trades), (["5", "7", "5", "7"], 2))
        self.assertEqual(self.reader.duplicates, 1)
        # another origin, another series: another trade
        other = trade(1, "6", seq=1, origin_kind="file", origin="a")
        self.assertEqual(self.bar(trade(0, seq=1), other).trades, 2)

    def test_the_same_trade_from_a_capture_and_a_file_of_events(self):
        line = (
            '1723161256000000000 {"stream":"btcusdt@trade","data":{"e":"trade","E":1,'
            '"s":"BTCUSDT","t":7,"p":"5","q":"1","T":1723161256000,"m":true,"M":true}}'
        )
        event = trade(0, "5", seq=7, series="binance/trade/BTCUSDT", order="venue_sequence")
        event.update(ts_event="1723161256000000000", venue_sequence="7")
        reader = Oracle()
        reader.add_file(self.file(line, name="c")).add_file(self.file(event))
        (bar,) = reader.bars("1m")
        self.assertEqual((bar.trades, bar.sell_volume), (1, "1"))

    def test_conditions_of_lean(self):
        lean = dict(calendar="us_equity", condition_table="lean")
        events = [
            trade(0, "10", seq=1, conditions="0x1", **lean),
            trade(1, "11", seq=2, conditions="0x100000", **lean),  # average price: volume only
            trade(2, "12", seq=3, conditions="0x1000000", **lean),  # official close: nothing
            trade(3, "13", seq=4, conditions="0x8000000000000000", **lean),  # suspicious: nothing
        ]
        bar = self.bar(*events, conditions="eligible")
        self.assertEqual(
            (self.prices(bar), bar.volume, bar.trades, bar.excluded), (["10"] * 4, "2", 2, 2)
        )
        self.assertEqual(self.bar(*events, conditions="all").trades, 4)

    def test_what_is_refused(self):
        good = trade(0)
        bad = [
            "rubbish",
            "[]",
            dict(good, kind="trades"),
            dict(good, price="0"),
            dict(good, price="-1"),
            dict(good, size="-1"),
            dict(good, price=None),
            dict(good, ts_event="4102444800000000000"),  # 2100
            dict(good, ts_recv="1"),
            dict(good, side="both"),
            dict(good, bid="1"),
            dict(good, venue_sequnce="1"),
            dict(good, series="v/trade"),
            dict(good, calendar="moon"),
            dict(good, conditions="1"),
            dict(good, seq="-1"),
            dict(good, seq=str(2**64)),
            dict(good, order="venue_sequence"),  # the series is another already
            {name: good[name] for name in good if name != "seq"},
            '{"kind":"trade",' + json.dumps(good)[1:],  # a field twice
        ]
        bar = self.bar(good, *bad, dict(good, seq=str(2**64 - 1)))
        self.assertEqual((bar.trades, sum(self.reader.refused.values())), (2, len(bad)))


class Days(Case):
    LEAN = dict(calendar="us_equity", condition_table="lean", series="us/trade/A")

    def day(self, *clocks, session="regular", **choice):
        """(ts_open as a date and hour of UTC, trades) of trades at those instants."""
        events = [
            trade(0, seq=index, ts_event=str(oracle.parse_iso(clock)), **self.LEAN)
            for index, clock in enumerate(clocks)
        ]
        bars = self.read(*events).bars("1d", session=session, **choice)
        return [(bar.ts_open, bar.trades) for bar in bars]

    def test_a_day_is_the_trading_date_of_new_york(self):
        # 9 March 2026 is summer time: midnight is 04:00 UTC; Friday's was 05:00
        friday, monday = oracle.parse_iso("2026-03-06T05:00:00Z"), T - 10 * 3600 * NS
        clocks = ("2026-03-06T14:30:00Z", "2026-03-06T20:59:59Z", "2026-03-09T13:30:00Z")
        self.assertEqual(self.day(*clocks), [(friday, 2), (monday, 1)])

    def test_regular_hours_and_all_hours(self):
        clocks = ("2026-03-09T13:29:59Z", "2026-03-09T13:30:00Z", "2026-03-09T20:00:00Z")
        self.assertEqual([count for _, count in self.day(*clocks)], [1])
        self.assertEqual([count for _, count in self.day(*clocks, session="extended")], [3])

    def test_the_last_hours_of_the_day_are_of_the_same_date(self):
        # 23:59:59 in New York is 03:59:59 UTC of the next day
        clocks = ("2026-03-09T14:00:00Z", "2026-03-10T03:59:59Z", "2026-03-10T04:00:00Z")
        counts = [count for _, count in self.day(*clocks, session="extended")]
        self.assertEqual(counts, [2, 1])

    def test_days_of_23_and_25_hours(self):
        for date, hours in (("2026-03-08", 23), ("2026-11-01", 25), ("2026-06-01", 24)):
            calendar = oracle.UsEquityCalendar()
            noon = oracle.parse_iso(f"{date}T16:00:00Z")
            opened = calendar.day_open(noon)
            closed = calendar.day_open(noon + 86400 * NS)
            self.assertEqual(closed - opened, hours * 3600 * NS, date)
            self.assertEqual(calendar.day_open(closed - 1), opened)
            self.assertEqual(calendar.day_open(opened), opened)
            self.assertLess(calendar.day_open(opened - 1), opened)

    def test_a_holiday_has_no_regular_day(self):
        self.assertEqual(self.day("2026-12-25T15:00:00Z"), [])
        self.assertEqual(self.day("2026-11-27T17:59:59Z", "2026-11-27T18:00:00Z")[0][1], 1)

    def test_a_market_round_the_clock_has_the_utc_day(self):
        events = [trade(0, seq=1), trade(10 * 3600 - 0.001, seq=2), trade(10 * 3600, seq=3)]
        bars = self.read(*events).bars("1d", session="regular")
        self.assertEqual(
            [(bar.ts_open, bar.trades) for bar in bars],
            [(T - 14 * 3600 * NS, 2), (T + 10 * 3600 * NS, 1)],
        )

    def test_regular_is_the_default_of_days_only(self):
        path = self.file(trade(-3600 * 2, seq=1, **self.LEAN), trade(0, seq=2, **self.LEAN))
        for options, counts in (
            (["--bars", "1d"], [1]),
            (["--bars", "1d", "--session", "extended"], [2]),
            (["--bars", "1h"], [1, 1]),
        ):
            run = subprocess.run(
                [sys.executable, oracle.__file__, path, *options], capture_output=True, text=True
            )
            rows = run.stdout.splitlines()[1:]
            self.assertEqual([int(row.split(",")[7]) for row in rows], counts, options)


class Corrections(Case):
    THREE = [trade(0, "100", "1", 1), trade(1, "105", "2", 2), trade(2, "101", "4", 3)]

    def after(self, *corrections, **choice):
        bar = self.bar(*self.THREE, *corrections, **choice)
        return (*self.prices(bar), bar.volume, bar.notional, bar.trades)

    def test_a_cancel_takes_the_trade_out(self):
        self.assertEqual(
            self.after(correct(2, 5, kind="cancel")), ("100", "101", "100", "101", "5", "504", 2)
        )

    def test_a_correction_changes_price_size_and_side_and_no_more(self):
        self.assertEqual(
            self.after(correct(3, 5, price="99", size="1")),
            ("100", "105", "99", "99", "4", "409", 3),
        )
        bar = self.bar(*self.THREE, correct(3, 5, price="99", size="1", side="sell"))
        self.assertEqual((bar.sell_volume, bar.buy_volume), ("1", "0"))

    def test_the_last_by_order_wins_however_it_came(self):
        first = correct(2, 5, seq=1, price="110")
        second = correct(2, 6, seq=2, price="120")
        for steps in ((first, second), (second, first)):
            self.assertEqual(self.after(*steps)[1], "120")
        # of one time, by venue_sequence, then by identity
        later = correct(2, 5, seq=1, price="130", venue_sequence="1", origin="d")
        for steps in ((first, later), (later, first)):
            self.assertEqual(self.after(*steps)[1], "130")
        later = correct(2, 5, seq=3, price="140")
        for steps in ((first, later), (later, first)):
            self.assertEqual(self.after(*steps)[1], "140")

    def test_a_cancel_after_a_correction_and_a_correction_after_a_cancel(self):
        cancel = correct(2, 6, seq=2, kind="cancel")
        self.assertEqual(self.after(correct(2, 5, price="110"), cancel)[6], 2)
        self.assertEqual(self.after(cancel, correct(2, 7, seq=3, price="110"))[1], "110")

    def test_before_its_trade(self):
        bar = self.bar(correct(2, 5, kind="cancel"), *self.THREE)
        self.assertEqual((bar.trades, bar.high), (2, "101"))

    def test_an_unknown_target_changes_nothing_and_is_counted(self):
        before = self.after()
        self.assertEqual(self.after(correct(9, 5, kind="cancel")), before)
        self.assertEqual(self.reader.unknown_targets(), 1)
        other_origin = correct(2, 5, kind="cancel", target_origin="x")
        other_series = correct(2, 5, kind="cancel", series="v/trade/Y")
        self.assertEqual(self.after(other_origin, other_series), before)
        self.assertEqual(self.reader.unknown_targets(), 2)

    def test_a_bar_of_which_nothing_is_left(self):
        self.assertEqual(self.read(trade(0), correct(1, 5, kind="cancel")).bars("1m"), [])

    def test_the_same_correction_twice_is_one(self):
        again = correct(2, 5, price="110")
        self.assertEqual(self.after(again, dict(again, price="111"))[1], "110")


class Sources(Case):
    def test_ticks(self):
        ticks = [
            trade(second, price, seq=seq, kind="tick", series="fx/last/E")
            for second, price, seq in ((0, "1.1", 1), (1, "1.3", 2), (1, "1.2", 3), (60, "1", 4))
        ]
        for tick in ticks:
            del tick["size"]
        reader = self.read(*ticks, trade(0))
        first, second = reader.bars("1m", source="last")
        self.assertEqual(self.prices(first), ["1.1", "1.3", "1.1", "1.2"])
        self.assertEqual(
            (first.volume, first.notional, first.trades, first.vwap), ("0", "0", 3, "")
        )
        self.assertEqual(self.prices(second), ["1"] * 4)
        self.assertEqual(len(reader.bars("1m")), 1)  # the trade; never mixed

    def vendor(self, second, close, seq, adjusted="raw", interval=60 * NS):
        event = trade(second, seq=seq, kind="bar", series="av/bar/A")
        del event["price"], event["size"]
        event.update(open="5", high="9", low="1", close=close, volume="70", adjusted=adjusted)
        return event | {"interval": str(interval)}

    def test_vendor_bars(self):
        reader = self.read(
            self.vendor(60, "2", 1),
            self.vendor(0, "4", 3),  # the last by order, though another came after it
            self.vendor(0, "3", 2),
            self.vendor(0, "6", 4, adjusted="split"),
            self.vendor(0, "7", 5, interval=300 * NS),
        )
        bars = reader.bars("1m", source="vendor")
        self.assertEqual(
            [(bar.adjusted, bar.ts_open, bar.close, bar.volume, bar.trades) for bar in bars],
            [
                ("raw", T, "4", "70", 0),
                ("raw", T + 60 * NS, "2", "70", 0),
                ("split", T, "6", "70", 0),
            ],
        )
        self.assertEqual([bar.close for bar in reader.bars("5m", source="vendor")], ["7"])
        self.assertEqual(reader.bars("1m"), [])


class Averages(Case):
    def test_by_hand(self):
        rows = self.read(
            trade(1, "100", "1", 1),
            trade(4.999, "101", "2", 2),
            trade(5, "103", "3", 3),
            trade(31, "10", "1", 4),
        ).averages("15s")
        self.assertEqual(
            [((row.ts - T) // NS, row.trades, row.mean_price, row.mean_notional) for row in rows],
            [
                (5, 2, "100.5", "151"),  # 201 / 2; (100 + 202) / 2
                (10, 3, "101.333333333", "203.666666667"),  # 304 / 3; 611 / 3
                (15, 3, "101.333333333", "203.666666667"),
                (20, 1, "103", "309"),  # [5, 20): what is stamped 5 is in, 4.999 is not
                (35, 1, "10", "10"),  # [20, 30) holds nothing: no window ends at 25 or 30
                (40, 1, "10", "10"),
                (45, 1, "10", "10"),
            ],
        )

    def test_on_the_edge_of_a_pane(self):
        ends = [row.ts - T for row in self.read(trade(0)).averages("15s")]
        self.assertEqual(ends, [5 * NS, 10 * NS, 15 * NS])

    def test_only_trades_that_update_volume_and_only_final_ones(self):
        lean = dict(calendar="us_equity", condition_table="lean")
        events = [
            trade(0, "10", seq=1, **lean),
            trade(1, "20", seq=2, conditions="0x100000", **lean),  # average price: it counts
            trade(2, "90", seq=3, conditions="0x1000000", **lean),  # official close: it does not
            trade(3, "50", seq=4, **lean),
            correct(4, 9, kind="cancel"),
        ]
        rows = self.read(*events).averages("15s", "eligible")
        self.assertEqual([(row.trades, row.mean_price) for row in rows], [(2, "15")] * 3)
        self.assertEqual(self.reader.averages("15s")[0].trades, 3)

    def test_command_line(self):
        run = subprocess.run(
            [sys.executable, oracle.__file__, self.file(trade(0)), "--averages", "15s"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(
            run.stdout.splitlines()[:2],
            [
                "venue,channel,instrument,ts_end,trades,price_sum,notional,average_price,"
                "average_notional,window,conditions,session",
                f"v,trade,X,{T + 5 * NS},1,100,100,100,100,15s,eligible,extended",
            ],
        )


class Means(Case):
    def rows(self, *events, conditions="all"):
        return [
            ((row.ts - T) // NS, row.trades, row.mean_price, row.mean_notional)
            for row in self.read(*events).means("5s", conditions)
        ]

    def test_by_hand(self):
        self.assertEqual(
            self.rows(
                trade(0, "100", "1", 1, recv=1),
                trade(1, "110", "2", 2, recv=4.999),
                trade(2, "90", "1", 3, recv=5),
                trade(9, "80", "1", 4, recv=21),
            ),
            [
                (5, 2, "105", "160"),
                (10, 3, "100", "136.666666667"),  # 300 / 3, 410 / 3
                (25, 4, "95", "122.5"),
            ],
        )

    def test_late_trades_count_when_they_come(self):
        self.assertEqual(
            self.rows(trade(0, "10", seq=1, recv=1), trade(-3600, "20", seq=2, recv=11)),
            [(5, 1, "10", "10"), (15, 2, "15", "15")],
        )

    def test_our_clock_never_goes_back(self):
        self.assertEqual(
            self.rows(
                trade(0, "10", seq=1, recv=12),
                trade(1, "20", seq=2, recv=1),
                trade(2, "30", seq=3, recv=16),
            ),
            [(15, 2, "15", "15"), (20, 3, "20", "20")],
        )

    def test_tape_order_decides_and_not_event_time(self):
        events = [trade(9, "10", seq=1, recv=1), trade(1, "20", seq=2, recv=6)]
        self.assertEqual(self.rows(*events), [(5, 1, "10", "10"), (10, 2, "15", "15")])

    def test_cancels_and_corrections_count_from_their_tick(self):
        self.assertEqual(
            self.rows(
                trade(0, "10", seq=1, recv=1),
                trade(0, "20", seq=2, recv=2),
                correct(1, 7, seq=1, recv=7, price="40", size="2"),
                correct(2, 12, seq=2, kind="cancel", recv=12),
                correct(1, 6, seq=3, recv=17, price="50"),  # earlier than the one that is known
                correct(1, 22, seq=4, kind="cancel", recv=22),
            ),
            [
                (5, 2, "15", "15"),
                (10, 2, "30", "50"),
                (15, 1, "40", "80"),
                (25, 0, "", ""),
            ],
        )

    def test_a_correction_before_its_trade(self):
        self.assertEqual(
            self.rows(
                correct(1, 1, recv=1, price="40", size="1"),
                trade(0, "10", seq=1, recv=7),
                correct(9, 12, seq=2, recv=12, price="1"),
            ),
            [(10, 1, "40", "40")],
        )

    def test_a_tick_without_a_trade_that_counts_has_no_row(self):
        lean = dict(calendar="us_equity", condition_table="lean")
        self.assertEqual(
            self.rows(
                trade(0, "10", seq=1, recv=1, **lean),
                trade(1, "99", seq=2, recv=6, conditions="0x1000000", **lean),
                trade(2, "20", seq=3, recv=11, **lean),
                conditions="eligible",
            ),
            [(5, 1, "10", "10"), (15, 2, "15", "15")],
        )


class SimulatedMarkets(Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.paths = market_sim.write(folder.name, 1)
        cls.reader = Oracle().add_file(cls.paths["all"])
        with open(cls.paths["all"], encoding="utf-8") as lines:
            cls.events = [json.loads(line) for line in lines]

    def test_the_same_seed_gives_the_same_bytes(self):
        again = market_sim.write(self.folder, 1)
        other = market_sim.write(os.path.join(self.folder, "other"), 2)
        with open(self.paths["all"], "rb") as first, open(again["all"], "rb") as second:
            text = first.read()
            self.assertEqual(text, second.read())
        with open(other["all"], "rb") as third:
            self.assertNotEqual(text, third.read())

    def test_only_the_year_2100_is_refused(self):
        self.assertEqual(sum(self.reader.refused.values()), 1)
        self.assertEqual(self.reader.kinds.total() + 1, len(self.events))

    def test_what_goes_wrong_is_there(self):
        trades = [event for event in self.events if event["kind"] == "trade"]
        lateness = [int(event["ts_recv"]) - int(event["ts_event"]) for event in trades]
        self.assertTrue(any(late < 0 for late in lateness))
        for low, high in ((10**6, NS), (NS, 10 * NS), (10 * NS, 60 * NS), (3600 * NS, 9000 * NS)):
            self.assertGreater(sum(low <= late < high for late in lateness), 3, (low, high))
        recv = [int(event["ts_recv"]) for event in trades]
        self.assertTrue(any(b < a - 60 * NS for a, b in zip(recv, recv[1:])))
        self.assertGreater(self.reader.duplicates, 50)
        self.assertGreater(self.reader.unknown_targets(), 3)
        corrections = [event for event in self.events if event["kind"] == "correction"]
        self.assertEqual({event["correction"] for event in corrections}, {"cancel", "correct"})
        self.assertEqual(set(self.reader.kinds), set(oracle.FIELDS))

        def stamps(key):
            return [
                int(event["ts_event"])
                for event in self.events
                if event.get("series") == key and event["kind"] != "correction"
            ]

        begin, minute = market_sim.START, 60 * NS
        for key in ("us/trade/AAA", "us/quote/AAA"):
            idle = [ts for ts in stamps(key) if 75 <= (ts - begin) // minute < 135]
            self.assertEqual(idle, [], key)
        friday = oracle.parse_iso("2026-03-06T21:02:00Z")
        silent = [ts for ts in stamps("us/trade/BBB") if friday < ts < begin + 170 * minute]
        self.assertEqual(silent, [])
        marks = [event for event in self.events if event["kind"] == "status"]
        self.assertEqual({mark["state"] for mark in marks}, {"live", "down", "ended"})
        self.assertIn("4102444799000000000", [event.get("ts_event") for event in trades])
        per_second = {}
        for ts in stamps("kx/trade/BTC/USD"):
            per_second[ts // NS] = per_second.get(ts // NS, 0) + 1
        self.assertGreater(max(per_second.values()), 400)

    def test_without_a_feature_it_is_not_there(self):
        paths = market_sim.write(self.folder, 1, 300, market_sim.FEATURES)
        with open(paths["all"], encoding="utf-8") as lines:
            events = [json.loads(line) for line in lines]
        self.assertEqual({event["kind"] for event in events}, {"trade"})
        self.assertEqual(len(events), 300)
        self.assertLess(
            max(int(event["ts_recv"]) - int(event["ts_event"]) for event in events), NS
        )

    def test_the_order_of_feeds_changes_no_bar_and_no_average(self):
        feeds = [self.paths[name] for name in market_sim.LIVE]
        for order in (feeds, feeds[::-1]):
            reader = Oracle()
            for path in order:
                reader.add_file(path)
            for choice in (("1s", "eligible"), ("1m", "all"), ("1d", "eligible", "regular")):
                self.assertEqual(reader.bars(*choice), self.reader.bars(*choice), choice)
            self.assertEqual(reader.averages(), self.reader.averages())
            self.assertEqual(reader.means(), self.reader.means())

    def test_the_last_mean_is_that_of_the_final_trades(self):
        last = {row[:3]: row for row in self.reader.means("5s", "eligible")}
        for series in self.reader.series_():
            trades = self.reader.final_(series)
            counted = self.reader.counting_(series, trades, "eligible", "extended")
            if counted:
                price_sum = sum(trade.price for trade in counted)
                self.assertEqual(last[series].trades, len(counted))
                self.assertEqual(
                    last[series].price_sum, oracle.format_decimal(price_sum, oracle.SCALE)
                )

    def test_longer_bars_are_made_of_shorter_ones(self):
        def volumes(interval):
            sums = {}
            for bar in self.reader.bars(interval, "eligible"):
                sums.setdefault(bar[:3], []).append(oracle.parse_decimal(bar.volume))
            return {series: sum(parts) for series, parts in sums.items()}

        want = volumes("1s")
        for interval in oracle.INTERVALS:
            self.assertEqual(volumes(interval), want, interval)


if __name__ == "__main__":
    unittest.main()
