#!/usr/bin/env python3
"""tests/market_sim.py: markets that never were, as files of events, with all that goes wrong.

    python3 tests/market_sim.py SEED FOLDER [--trades N] [--without FEATURE,...]

writes one file of events a feed (src/feeds/events/README.md), FEED.jsonl, into FOLDER, and
`all.jsonl`: the same events as one tape would have them, in the order in which they came. The same
seed gives the same bytes. It shares nothing with the product and uses nothing of the oracle.

Feeds and series, over about three hours of Monday 2026-03-09 (New York is an hour ahead of Friday)
  crypto   venues kx (ordered by its ids) and bx (ordered by identity, its ids are no order), two
           symbols each, two of them slow
  us       equities with Lean's conditions and calendar: trades without venue ids, quotes
  fx       price ticks without sizes; bars of a vendor of one minute and one day, some sent again

Features, all on unless left out
  disorder     events change places by up to 5 s, well inside of the lateness (10 s)
  equal        several trades share one stamp, price and size
  repeats      an event comes twice, at once or much later
  late         a trade comes seconds to hours too late
  jumps        the venue's clock jumps an hour ahead and back, and minutes back; then ours, so that
               ts_recv is not in the order in which events came
  far          a trade is stamped 2099-12-31, one in 2100, which is refused
  idle         a feed gives nothing for an hour, but marks of its clock
  silent       a symbol trades on Friday and then only at the very end
  burst        some thousand trades inside of one second
  backfill     the week before, received now, between what is live
  corrections  cancels and corrections: of live trades, of late ones, twice, before their trade, of
               trades that never come
  repairs      ids that are missing come later, as a repair over REST would bring them
  quotes       quotes and records between trades
  ticks        price ticks and vendor bars
  marks        each feed says once a second (of ours) how far it is
"""

import argparse
import collections
import datetime
import json
import os
import random
import sys
from zoneinfo import ZoneInfo

NS = 10**9
MINUTE, HOUR, DAY = 60 * NS, 3600 * NS, 86400 * NS
FEATURES = (
    "disorder equal repeats late jumps far idle silent burst backfill corrections repairs quotes"
    " ticks marks"
).split()

Series = collections.namedtuple("Series", "feed key order calendar table origin")


def at(text, zone="UTC"):
    """ns of a wall clock."""
    wall = datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return int(wall.timestamp()) * NS


START = at("2026-03-09T13:00:00")  # 09:00 in New York: half an hour before the open
LENGTH = 3 * HOUR
LIVE = ("crypto", "us", "fx")


class Market:
    """Gathers (when it came, tie, feed, event); an event is the dict that becomes its line."""

    def __init__(self, seed, trades, without=()):
        self.random = random.Random(f"market-{seed}")
        self.has = {feature: feature not in without for feature in FEATURES}
        self.count = trades
        self.events = []
        self.numbers = collections.Counter()  # the last id of a series, or of a session
        self.traded = []  # trades that may be cancelled, late, or come again
        self.series = {}
        for symbol in ("BTC/USD", "ETH/USD"):
            self.add_series("crypto", f"kx/trade/{symbol}", "venue_sequence")
            self.add_series("crypto", f"bx/trade/{symbol}", "identity")
        self.add_series("crypto", "kx/aggTrade/BTC/USD", "venue_sequence")
        for symbol in ("AAA", "BBB", 'C"C, D'):
            self.add_series("us", f"us/trade/{symbol}", "identity", "us_equity", "lean", "us-1")
        self.add_series("us", "us/quote/AAA", "identity", "us_equity", "", "us-1")
        self.add_series("fx", "fx/last/EUR/USD", "identity", "24x7", "", "fx-1")
        self.add_series("fx", "av/bar/AAA", "identity", "us_equity", "", "av-1")
        self.add_series("fx", "av/record/top", "identity", "24x7", "", "av-1")

    def add_series(self, feed, key, order, calendar="24x7", table="", session=""):
        origin = dict(
            origin_kind="session" if session else "venue",
            origin=session,
            origin_first=str(START if session else 0),
            recv_assumed=False,
        )
        self.series[key] = Series(feed, key, order, calendar, table, origin)

    # --- pieces

    def give(self, when, feed, event):
        self.events.append((when, len(self.events), feed, event))

    def event(self, kind, key, ts, recv, conditions=0, number=None, **own):
        """Numbers it, in the order of calls; returns its fields."""
        series = self.series[key]
        session = series.origin["origin"]
        if number is None:
            self.numbers[session or key] += 1
            number = self.numbers[session or key]
        return dict(
            **dict(kind=kind, series=key, order=series.order, calendar=series.calendar),
            **dict(condition_table=series.table, ts_event=str(ts), ts_recv=str(recv)),
            **own,
            **dict(conditions=hex(conditions), **series.origin, seq=str(number), position="0"),
            venue_sequence=str(number if series.order == "venue_sequence" else 0),
        )

    def price(self, key, ts):
        """A walk that is the same however often it is asked."""
        walk = random.Random(f"{key}-{ts // (10 * NS)}").gauss(0, 1)
        cents = 10**4 + len(key) * 317 + int(40 * walk) + self.random.randrange(-9, 10)
        return f"{cents // 100}.{cents % 100:02}"

    def size(self, key):
        if key.startswith("us"):
            return str(self.random.choice((1, 37, 100, 100, 200, 5000)))
        return f"{self.random.randrange(3)}.{self.random.randrange(10**8):08}"

    def conditions(self, key):
        if not self.series[key].table:
            return 0
        plain = self.random.random() < 0.6
        return 1 if plain else self.random.choice(
            (0x20, 0x2000, 0x40, 0x80, 0x200, 0x800, 0x4000, 0x100000, 0x1000000, 0x80000000)
            + (0x20002020, 0x2080, 1 << 63)
        )

    def delay(self):
        """On the way to us: 5 ms to 200 ms."""
        return self.random.randrange(5, 200) * 10**6 + self.random.randrange(10**6)

    def trade(self, key, ts, recv=None, when=None, **own):
        recv = ts + self.delay() if recv is None else recv
        own = dict(
            dict(
                price=self.price(key, ts),
                size=self.size(key),
                side=self.random.choice(("buy", "sell", "sell", "unknown")),
            ),
            **own,
        )
        event = self.event("trade", key, ts, recv, self.conditions(key), **own)
        self.traded.append((recv, event))
        self.give(when or recv, self.series[key].feed, event)
        return event

    def is_idle(self, key, ts):
        """The feed `us` gives nothing between 10:15 and 11:15 of New York."""
        idle = START + 75 * MINUTE <= ts < START + 135 * MINUTE
        return self.has["idle"] and self.series[key].feed == "us" and idle

    def is_silent(self, key, ts):
        return self.has["silent"] and key == "us/trade/BBB" and ts < START + LENGTH - 60 * NS

    # --- a day

    def live(self):
        keys = [key for key in self.series if "/trade/" in key or "/aggTrade/" in key]
        weights = [9 if key in ("kx/trade/BTC/USD", "us/trade/AAA") else 2 for key in keys]
        times = sorted(self.random.randrange(LENGTH // 10**6) * 10**6 for _ in range(self.count))
        for ts in times:
            key = self.random.choices(keys, weights)[0]
            ts += START
            if self.is_idle(key, ts) or self.is_silent(key, ts):
                continue
            if self.has["repairs"] and key.startswith("kx") and self.random.random() < 0.01:
                # missed now; fetched again ten seconds to ten minutes later
                self.trade(key, ts, ts + self.random.randrange(10 * NS, 600 * NS))
                continue
            if self.has["late"] and self.random.random() < 0.01:
                wait = self.random.choice((9 * NS, 11 * NS, 90 * NS, 20 * MINUTE, 2 * HOUR))
                self.trade(key, ts, ts + wait + self.delay())
                continue
            if self.has["disorder"] and self.random.random() < 0.2:
                self.trade(key, ts, ts + self.random.randrange(5 * NS))
                continue
            event = self.trade(key, ts)
            while self.has["equal"] and self.random.random() < 0.15:
                same = {name: event[name] for name in ("price", "size", "side")}
                self.trade(key, ts, int(event["ts_recv"]), **same)

    def burst(self):
        second = START + 47 * MINUTE
        for _ in range(self.count // 4):
            ts = second + self.random.randrange(1000) * 10**6
            self.trade("kx/trade/BTC/USD", ts, second + NS + self.random.randrange(NS))

    def jumps(self):
        for index in range(20):
            now = START + 20 * MINUTE + index * NS
            # the venue an hour ahead for some trades that agree, then minutes behind
            self.trade("bx/trade/BTC/USD", now + HOUR, now + self.delay())
            self.trade("kx/trade/ETH/USD", now - 5 * MINUTE, now + self.delay())
        for index in range(20):  # our own clock: half an hour ahead for a while, then right again
            ts = START + 100 * MINUTE + index * NS
            self.trade("bx/trade/ETH/USD", ts, ts + 30 * MINUTE, when=ts + 10**8)
        for index in range(20):  # and behind: received before it happened
            ts = START + 140 * MINUTE + index * NS
            self.trade("bx/trade/ETH/USD", ts, ts - 2 * MINUTE, when=ts + 10**8)

    def far(self):
        now = START + 30 * MINUTE
        self.trade("bx/trade/BTC/USD", at("2099-12-31T23:59:59"), now)
        self.trade("us/trade/AAA", at("2099-12-31T23:59:59"), now)
        event = self.trade("bx/trade/BTC/USD", at("2100-01-01T00:00:00"), now)
        self.traded = [entry for entry in self.traded if entry[1] is not event]

    def backfill(self):
        """Monday to Friday of last week, received between 13:30 and 15:00 of today."""
        total = max(self.count // 5, 50)
        for index in range(total):
            recv = START + 30 * MINUTE + index * (90 * MINUTE // total)
            ts = START - 7 * DAY + self.random.randrange(4 * DAY // 10**6) * 10**6
            key = self.random.choice(("kx/trade/BTC/USD", "us/trade/AAA", "us/trade/BBB"))
            self.trade(key, ts, recv)

    def friday(self):
        for index in range(40):
            ts = at("2026-03-06T15:55:00", "America/New_York") + index * 10 * NS
            self.trade("us/trade/BBB", ts)
        for index in range(5):
            self.trade("us/trade/BBB", START + LENGTH - 30 * NS + index * NS)

    def repeats(self):
        for _ in range(self.count // 20):
            recv, event = self.random.choice(self.traded)
            wait = self.random.choice((0, 0, 5 * 10**8, 20 * NS, HOUR))
            # word for word, but for when it was received
            again = dict(event, ts_recv=str(recv + wait))
            self.give(recv + wait, self.series[event["series"]].feed, again)

    def correction(self, target, kind, recv, ts, **own):
        key = target["series"]
        self.numbers["corrections"] += 1
        names = ("origin_kind", "origin", "origin_first", "recv_assumed", "seq", "position")
        event = self.event("correction", key, ts, recv, number=self.numbers["corrections"])
        event.update(
            dict(origin_kind="session", origin="c-1", origin_first=str(START)),
            **dict(correction=kind, price="0", size="0", side="unknown"),
            **{f"target_{name}": target[name] for name in names},
        )
        event.update(own)
        self.give(recv, self.series[key].feed, event)

    def corrections(self):
        chosen = self.random.sample(self.traded, min(len(self.traded), max(self.count // 30, 8)))
        for recv, target in chosen:
            wait = self.random.choice((0, 10**8, 15 * NS, 5 * MINUTE, 2 * HOUR))
            then = recv + wait
            if self.random.random() < 0.1:
                then = recv - 3 * NS  # before its trade
            steps = self.random.choice(
                (["cancel"], ["correct"], ["correct", "correct"], ["correct", "cancel"])
                + (["cancel", "correct"],)
            )
            stamps = [then + index * NS for index in range(len(steps))]
            if self.random.random() < 0.2:
                stamps.reverse()  # the one that came first is the later one
            for index, (kind, ts) in enumerate(zip(steps, stamps)):
                new = {}
                if kind == "correct":
                    new = dict(price=self.price(target["series"], then), side="buy", size="3.5")
                self.correction(target, kind, then + index * NS, ts, **new)
        for _ in range(5):
            _, target = self.random.choice(self.traded)
            now = START + self.random.randrange(LENGTH)
            self.correction(dict(target, seq="999999999"), "cancel", now, now)

    def quotes(self):
        for _ in range(self.count // 3):
            ts = START + self.random.randrange(LENGTH)
            if self.is_idle("us/quote/AAA", ts):
                continue
            bid = self.price("us/quote/AAA", ts)
            own = dict(bid=bid, bid_size="100", ask=bid + "5", ask_size="200")
            if self.random.random() < 0.05:
                own.update(ask="0", ask_size="0")
            recv = ts + self.delay()
            self.give(recv, "us", self.event("quote", "us/quote/AAA", ts, recv, **own))
        for index in range(10):
            ts = START + index * 15 * MINUTE
            body = json.dumps({"top": [index, "\u00e9"]})
            self.give(ts, "fx", self.event("record", "av/record/top", ts, ts, body=body))

    def ticks(self):
        for _ in range(self.count // 3):
            ts = START + self.random.randrange(LENGTH // 10**9) * NS
            recv = ts + self.random.choice((self.delay(), 4 * NS, 30 * NS))
            price = self.price("fx/last/EUR/USD", ts)
            event = self.event("tick", "fx/last/EUR/USD", ts, recv, price=price)
            self.give(recv, "fx", event)
            if self.random.random() < 0.05:
                self.give(recv + NS, "fx", dict(event, ts_recv=str(recv + NS)))
        for index in range(30):
            for again in range(1 + (index % 7 == 0)):
                ts = START + index * MINUTE
                self.vendor_bar(ts, MINUTE, "raw", ts + MINUTE + (1 + again) * 2 * NS)
        for day in range(5):
            ts = at(f"2026-03-0{2 + day}T00:00:00", "America/New_York")
            for adjusted in ("raw", "split", "total"):
                self.vendor_bar(ts, DAY, adjusted, START + day * NS)

    def vendor_bar(self, ts, interval, adjusted, recv):
        low = self.random.randrange(9000, 10000)
        own = dict(interval=str(interval), adjusted=adjusted)
        for name, cents in (("open", 5), ("high", 90), ("low", 0), ("close", 41)):
            own[name] = f"{(low + cents) // 100}.{(low + cents) % 100:02}"
        own["volume"] = str(self.random.randrange(10**6))
        self.give(recv, "fx", self.event("bar", "av/bar/AAA", ts, recv, **own))

    def marks(self):
        """Each second of ours, before what is received then; the last says that it is the end."""
        for feed in LIVE:
            for recv in range(START, START + LENGTH + 1, NS):
                down = self.has["idle"] and feed == "us" and recv == START + 75 * MINUTE
                self.mark(feed, "down" if down else "live", recv)
            last = max(recv for recv, *_ in self.events)
            self.mark(feed, "ended", last)

    def mark(self, feed, state, recv):
        event = dict(kind="status", feed=feed, state=state, ts_recv=str(recv))
        self.give(recv, feed, event)

    def make(self):
        self.live()
        for feature in ("burst", "jumps", "backfill"):
            if self.has[feature]:
                getattr(self, feature)()
        if self.has["silent"]:
            self.friday()
        if self.has["far"]:
            self.far()
        for feature in ("repeats", "corrections", "quotes", "ticks", "marks"):
            if self.has[feature]:
                getattr(self, feature)()
        self.events.sort(key=lambda entry: entry[:2])
        return self


def line(event):
    return json.dumps(event, separators=(",", ":")) + "\n"


def write(folder, seed, trades=2000, without=()):
    """Writes the files of a market; returns {feed or "all": path}."""
    market = Market(seed, trades, without).make()
    os.makedirs(folder, exist_ok=True)
    paths = {}
    for name in (*LIVE, "all"):
        paths[name] = os.path.join(folder, name + ".jsonl")
        with open(paths[name], "w", encoding="utf-8") as out:
            out.writelines(
                line(event) for _, _, feed, event in market.events if name in (feed, "all")
            )
    return paths


def main(arguments):
    parser = argparse.ArgumentParser(description="Writes a simulated market as files of events.")
    parser.add_argument("seed")
    parser.add_argument("folder")
    parser.add_argument("--trades", type=int, default=2000)
    parser.add_argument("--without", default="", help="of: " + " ".join(FEATURES))
    options = parser.parse_args(arguments)
    without = [feature for feature in options.without.split(",") if feature]
    if unknown := sorted(set(without) - set(FEATURES)):
        parser.error(f"no features: {' '.join(unknown)}")
    for path in write(options.folder, options.seed, options.trades, without).values():
        print(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
