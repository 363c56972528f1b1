#!/usr/bin/env python3
"""tests/e2e/declared_test.py: venues that are polled, and venues that a pipeline file declares.

The examples of pipelines/ run as they stand there, but against venues on this machine: `tapedeck
emulate` for Binance, a small HTTP server here for those that are polled.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/declared_test.py
"""

import http.server
import json
import os
import sys
import tempfile
import threading
import unittest
import urllib.parse

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import live_test
import product
from run_test import Service

KEY = "PLANTEDKEY0123456789"
RECORDED = os.path.join(product.ROOT, "src/feeds/alpha_vantage/testdata/intraday_1min.json")


def setUpModule():
    product.require_binary()


class Answers(http.server.ThreadingHTTPServer):
    """Serves what `answer(query)` says, as (status, headers, body), and notes what was asked."""

    def __init__(self, answer):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
                server.asked.append(query)
                status, headers, body = answer(query)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class DeclaredTest(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-declared-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def answers(self, answer):
        server = Answers(answer)
        self.addCleanup(server.stop)
        return server

    def run_example(self, name, changes, more=""):
        """The pipeline of an example with some of its text changed, running."""
        path = os.path.join(product.ROOT, "pipelines", name, "pipeline.toml")
        with open(path, encoding="utf-8") as example:
            text = example.read()
        for old, new in changes.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(text + more + '\n[api]\nlisten = "127.0.0.1:0"\n')
        service = Service(self.folder)
        self.addCleanup(service.close)
        return service

    def events(self, name, kind):
        tape = os.path.join(self.folder, "var", name, "tape")
        done = product.run("tape", "cat", tape, "--kind", kind)
        self.assertEqual(done.code, 0, done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    def test_a_declared_websocket_gives_what_the_feed_of_the_venue_gives(self):
        venue = live_test.Venue(self.folder, "binance")
        self.addCleanup(venue.stop)
        native = (
            f'\n[[feed]]\nid = "native"\nvenue = "binance"\nsymbols = ["BTCUSDT"]\n'
            f'url = "{venue.url}"\nrest_url = "{venue.rest_url}"\n'
        )
        service = self.run_example(
            "any_websocket", {"wss://stream.binance.com:9443/stream": venue.url}, native
        )
        # The last trade has come to both.
        service.until(
            "all trades", lambda: all(
                feed["events"] != "0" and feed["state"] == "live"
                for feed in service.status()["feeds"]
            )
        )

        def all_came():
            last = {
                trade["series"]: int(trade["seq"])
                for trade in self.events("any_websocket", "trade")
            }
            return len(last) == 2 and set(last.values()) == {live_test.TRADES}

        service.until("the last trade of both", all_came)
        self.assertEqual(service.stop(), 0, service.log())
        trades = {"binance": {}, "declared": {}}
        for trade in self.events("any_websocket", "trade"):
            of_venue = trades[trade["series"].split("/")[0]]
            of_venue[int(trade["seq"])] = [trade[k] for k in ("ts_event", "price", "size", "side")]
        # Each has all from when it came; one of them came first.
        for of_venue in trades.values():
            self.assertEqual(
                sorted(of_venue), list(range(min(of_venue), live_test.TRADES + 1))
            )
        both = trades["declared"].keys() & trades["binance"].keys()
        self.assertGreater(len(both), live_test.TRADES // 2)
        for number in both:
            self.assertEqual(trades["declared"][number], trades["binance"][number])

    def test_an_endpoint_gives_records(self):
        people = [
            {"nat": nat, "login": {"uuid": f"uuid-{n}"}, "postcode": code, "name": "S\u00e3o "}
            for n, (nat, code) in enumerate([("GB", "HW27"), ("BR", 91674), ("GB", None)])
        ]
        turn = iter(range(10**6))

        def answer(_):
            n = next(turn)
            if n == 1:
                return 503, {"Retry-After": "0"}, b"busy"
            if n == 2:
                return 200, {}, b'{"error":"Uh oh, something has gone wrong."}'
            rows = people[: n + 1]
            return 200, {}, json.dumps({"results": rows, "info": {}}).encode()

        server = self.answers(answer)
        service = self.run_example(
            "random_user",
            {"https://randomuser.me/api/1.4/": server.url + "/", '"10s"': '"100ms"'},
        )
        service.until("several answers", lambda: len(server.asked) > 6)
        self.assertEqual(service.stop(), 0, service.log())
        self.assertEqual(server.asked[0], {"results": "1"})
        records = self.events("random_user", "record")
        self.assertEqual(
            [(record["series"], json.loads(record["body"])) for record in records],
            [(f"random_user/record/{person['nat']}", person) for person in people],
        )

    def test_an_endpoint_gives_last_prices_of_symbols(self):
        os.environ["FINNHUB_TOKEN"] = KEY
        self.addCleanup(os.environ.pop, "FINNHUB_TOKEN")

        def answer(query):
            at = 1_700_000_000 + len(server.asked) // 4  # the same twice
            price = {"AAPL": 162.65, "MSFT": 0}[query["symbol"]]
            return 200, {}, json.dumps({"c": price, "d": None, "t": at}).encode()

        server = self.answers(answer)
        service = self.run_example(
            "finnhub_quotes",
            {"https://finnhub.io/api/v1/quote": server.url + "/quote", '"10s"': '"200ms"'},
        )
        service.until("several answers", lambda: len(server.asked) > 9)
        self.assertEqual(service.stop(), 0, service.log())
        self.assertEqual({query["token"] for query in server.asked}, {KEY})
        ticks = self.events("finnhub_quotes", "tick")
        self.assertEqual({tick["series"] for tick in ticks}, {"finnhub_quote/tick/AAPL"})
        self.assertEqual({tick["price"] for tick in ticks}, {"162.65"})
        times = [tick["ts_event"] for tick in ticks]
        self.assertEqual(sorted(set(times)), times)
        self.assertGreater(len(times), 1)

    def test_bars_of_a_vendor_with_quotas(self):
        with open(RECORDED, "rb") as recorded:
            good = recorded.read()
        note = "Please consider spreading out your free API requests more sparingly"
        said = iter(
            [
                (429, {"Retry-After": "1"}, b"{}"),
                (200, {}, json.dumps({"Information": f"{note} {KEY}"}).encode()),
                (200, {}, json.dumps({"Error Message": f"Invalid API call {KEY}"}).encode()),
            ]
        )
        server = self.answers(lambda query: next(said, (200, {}, good)))
        os.environ["ALPHA_VANTAGE_KEY"] = KEY
        self.addCleanup(os.environ.pop, "ALPHA_VANTAGE_KEY")
        service = self.run_example(
            "vendor_bars", {'every = "1h"': f'every = "1h"\nrest_url = "{server.url}"'}
        )
        service.until("bars", lambda: len(server.asked) > 3)
        service.until(
            "they are kept", lambda: int(service.status()["tape"]["durable_offset"]) >= 5
        )
        self.assertEqual(service.stop(), 0, service.log())
        # Until it was taken, the same was asked for.
        months = [query.get("month") for query in server.asked]
        self.assertEqual(months[:4], ["2024-01"] * 3 + [None])
        self.assertEqual({query["apikey"] for query in server.asked}, {KEY})
        self.assertEqual(len(self.events("vendor_bars", "bar")), 5)
        store = os.path.join(self.folder, "var/vendor_bars/store")
        done = product.run(
            *("query", "bars", os.path.join(store, "store.db"), "--source", "vendor"),
            *("--series", "alpha_vantage/bar/IBM", "--time", "iso"),
        )
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("2017-12-18T19:56:00", done.out)
        self.assertIn("10494", done.out)
        # Its answers repeat the key; we never do.
        for folder, _, files in os.walk(self.folder):
            for name in files:
                with open(os.path.join(folder, name), "rb") as content:
                    if name not in ("token",):
                        self.assertNotIn(KEY.encode(), content.read(), name)


if __name__ == "__main__":
    unittest.main()
