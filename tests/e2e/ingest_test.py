#!/usr/bin/env python3
"""tests/e2e/ingest_test.py: rows that other programs send to `tapedeck run`.

The commands of docs/how-to/write-a-feed-in-15-lines.md are run as they stand there. A program that
is killed again and again loses nothing that it acknowledged, and counts nothing twice.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/ingest_test.py
"""

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import product
from run_test import Service

WAIT_S = 60
KILLS = 10
PAGE = os.path.join(product.ROOT, "docs/how-to/write-a-feed-in-15-lines.md")
PIPELINE = (
    '[tape]\ndir = "tape"\n[store]\ndir = "store"\n'
    '[[feed]]\nid = "rows"\nvenue = "ingest"\n'
    '[[bars]]\ninterval = "1s"\nconditions = "all"\n'
    '[api]\nlisten = "127.0.0.1:0"\nviewer_token = "file:viewer"\n'
)
VIEWER = "v" * 64


def setUpModule():
    product.require_binary()


def block_of_page(language):
    with open(PAGE, encoding="utf-8") as page:
        return re.search(rf"^```{language}\n(.*?)^```$", page.read(), re.M | re.S)[1]


class IngestTest(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-ingest-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(PIPELINE)
        viewer = os.path.join(self.folder, "viewer")
        with open(viewer, "w", encoding="utf-8") as out:
            out.write(VIEWER)
        os.chmod(viewer, 0o600)

    @contextlib.contextmanager
    def running(self):
        service = Service(self.folder)
        try:
            service.status()
            yield service
        finally:
            service.close()

    def send(self, service, body, key=None, query="venue=mine&time=ms", token=None):
        """(status, answer)."""
        request = urllib.request.Request(
            f"{service.address[1]}/api/v1/ingest?{query}",
            body.encode(),
            {"Authorization": f"Bearer {token or service.address[2]}"},
        )
        if key:
            request.add_header("Idempotency-Key", key)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def curl(self, service, body, *options):
        """Asks before it sends, as curl does of large bodies."""
        done = subprocess.run(
            [
                *("curl", "-sS", "--data-binary", "@-", "-H", "Idempotency-Key: big-1", *options),
                *("-H", f"Authorization: Bearer {service.address[2]}"),
                f"{service.address[1]}/api/v1/ingest?venue=mine&time=ms",
            ],
            input=body,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        self.assertTrue(done.stdout, done.stderr)
        return json.loads(done.stdout)

    def trades(self):
        """Of the tape, when nobody writes it."""
        done = product.run("tape", "cat", os.path.join(self.folder, "tape"), "--kind", "trade")
        self.assertEqual(done.code, 0, done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    def environment(self, service):
        return {
            **os.environ,
            "TAPEDECK_URL": service.address[1],
            "TAPEDECK_TOKEN": service.address[2],
        }

    def test_the_commands_of_the_page(self):
        with self.running() as service:
            for command in (
                [sys.executable, "-c", block_of_page("python")],
                ["bash", "-c", block_of_page("sh")],
            ):
                done = subprocess.run(
                    command,
                    env=self.environment(service),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=WAIT_S,
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                answer = json.loads(done.stdout.replace("'", '"'))
                self.assertEqual(
                    answer, {"taken": 1, "duplicate": 0, "refused": 0, "refusals": []}
                )
            self.assertEqual(service.stop(), 0, service.log())
        self.assertEqual(
            [(trade["series"], trade["price"], trade["size"]) for trade in self.trades()],
            [("mine/trade/GOLD", "1928.4", "2"), ("mine/trade/GOLD", "1929.1", "1")],
        )

    def test_what_is_refused_and_that_events_are_taken(self):
        row = '{"symbol":"A","price":1,"size":1,"time":1700000000000}'
        with self.running() as service:
            self.assertEqual(self.send(service, row, "a-1", token=VIEWER)[0], 403)
            self.assertEqual(self.send(service, row, "a-1", token="x" * 64)[0], 401)
            for query in ("venue=a/b", "venue=binance", "venue=mine&time=h", "what=1"):
                status, answer = self.send(service, row, "a-1", query)
                self.assertEqual((status, answer["error"]["code"]), (400, "invalid_argument"))
            answer = self.curl(service, "x" * (9 << 20))
            self.assertEqual(answer["error"]["code"], "body_too_large")
            status, answer = self.send(service, row)
            self.assertEqual((status, answer["refused"]), (200, 1))
            self.assertEqual(answer["refusals"][0]["reason"], "bad_id")
            self.assertEqual(answer["refusals"][0]["line"], 1)
            tick = {
                **{"kind": "tick", "series": "my/last/EUR", "price": "1.07", "seq": "3"},
                **{"ts_event": "1714570200000000000", "ts_recv": "1714570200000000000"},
            }
            for what in ("taken", "duplicate"):
                status, answer = self.send(service, json.dumps(tick))
                self.assertEqual((status, answer[what]), (200, 1), answer)

    def test_large_pieces_in_chunks_and_in_whole(self):
        rows = "".join(
            f'{{"symbol":"A","price":{n + 1},"size":1,"time":{1700000000000 + n}}}\n'
            for n in range(100_000)
        )
        with self.running() as service:
            first = self.send(service, rows, "big-1")
            self.assertEqual((first[0], first[1]["taken"]), (200, 100_000))
            again = self.curl(service, rows, "-H", "Transfer-Encoding: chunked")
            self.assertEqual(again["duplicate"], 100_000, again)
            answer = self.curl(service, 2 * rows, "-H", "Transfer-Encoding: chunked")
            self.assertEqual(answer["error"]["code"], "body_too_large")

    def test_a_pipe(self):
        rows = "".join(f"{n % 7 + 1},1,{1700000000000 + n}\n" for n in range(2500))
        with self.running() as service:

            def pipe(*options):
                return subprocess.run(
                    product.command(
                        *("ingest", "--url", service.address[1], "--format", "csv"),
                        *("--venue", "mine", "--symbol", "A/B", "--time", "ms", *options),
                    ),
                    input="price,size,time\n" + rows + "x,1,1\n",
                    env=self.environment(service),
                    capture_output=True,
                    text=True,
                    timeout=WAIT_S,
                )

            first, again = pipe("--key", "day"), pipe("--key", "day")
            self.assertEqual((first.returncode, again.returncode), (3, 3), first.stderr)
            self.assertIn("2500 rows taken, 0 were there already, 1 refused", first.stderr)
            self.assertIn("begins in line 2002", first.stderr)
            self.assertIn("0 rows taken, 2500 were there already, 1 refused", again.stderr)
            self.assertIn("2500 rows taken", pipe().stderr)
            self.assertEqual(pipe("--venue", "a/b").returncode, 2)

    def test_nothing_acknowledged_is_lost_by_a_kill_and_nothing_counts_twice(self):
        rng = random.Random(7)
        acknowledged = {}  # key -> what the answers counted as new
        sent = {}
        service = Service(self.folder)
        try:
            for kill in range(KILLS):
                service.status()
                killer = threading.Timer(rng.uniform(0.05, 0.5), service.process.kill)
                killer.start()
                try:
                    while True:
                        # Now and then one that was acknowledged before.
                        if acknowledged and rng.random() < 0.2:
                            key = rng.choice(list(acknowledged))
                        else:
                            key = f"piece-{len(acknowledged)}"
                        rows = sent.setdefault(
                            key,
                            "".join(
                                f'{{"symbol":"S{rng.randrange(3)}","price":{rng.randrange(1, 999)},'
                                f'"size":1,"time":{1700000000000 + rng.randrange(10**6)}}}\n'
                                for _ in range(rng.randrange(1, 200))
                            ),
                        )
                        status, answer = self.send(service, rows, key)
                        self.assertEqual(status, 200, answer)
                        count = rows.count("\n")
                        self.assertEqual(answer["taken"] + answer["duplicate"], count)
                        if key in acknowledged:
                            self.assertEqual(answer["duplicate"], count)
                        acknowledged[key] = count
                except (urllib.error.URLError, ConnectionError, OSError):
                    pass
                finally:
                    killer.join()
                service.close()
                service = Service(self.folder)
            service.status()
            self.assertEqual(service.stop(), 0, service.log())
        finally:
            service.close()
        self.assertGreater(len(acknowledged), KILLS)
        seen = {(trade["origin"], int(trade["seq"])) for trade in self.trades()}
        self.assertEqual(len(seen), len(self.trades()))
        for key, count in acknowledged.items():
            piece = int(key.rsplit("-", 1)[1])
            for row in range(count):
                self.assertIn(("ingest#/piece-", (piece << 20) + row), seen)


if __name__ == "__main__":
    unittest.main()
