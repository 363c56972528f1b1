#!/usr/bin/env python3
"""tests/e2e/crowd_test.py: many WebSocket clients at once, some of which never read and some of
which vanish. The others get everything, the tape takes every trade, and when all have left nothing
is left of them.

    [TAPEDECK_BIN=build/release/tapedeck] [TAPEDECK_CROWD=200] python3 tests/e2e/crowd_test.py

From 1000 clients on it also waits until the program has cut those that never read.
"""

import base64
import contextlib
import json
import os
import re
import resource
import selectors
import socket
import struct
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "replay"))
import product
from demo_test import WAIT_S, Demo, until

CROWD = int(os.environ.get("TAPEDECK_CROWD", "200"))
IS_LONG = CROWD >= 1000
SLOW = CROWD // 10
DEAD = CROWD // 10
SERIES = "simulator/trade/SIMC"
ALL_SERIES = [f"simulator/trade/{name}" for name in ("SIMA", "SIMB", "SIMC")]
TRADES_WANTED = 300  # that the tape takes while the crowd is there
GIVEN_BACK_S = 2.5  # at its second tick at the latest
GROWTH_MB = 24  # between two crowds; one that stays would be more


def setUpModule():
    product.require_binary()
    wanted = 2 * CROWD + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


class Client:
    """A WebSocket, as far as it is needed here."""

    def __init__(self, demo, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(("127.0.0.1", demo.port))
        self.received = bytearray()
        self.socket.sendall(
            (
                f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{demo.port}\r\n"
                f"Authorization: Bearer {demo.token}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
            ).encode()
        )
        while b"\r\n\r\n" not in self.received:
            self.receive()
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.received = bytearray(rest)
        self.bars, self.trades, self.skipped = {}, {}, False

    def receive(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionError("the program closed it")
        self.received += piece

    def send(self, **message):
        text = json.dumps(message).encode()
        is_short = len(text) < 126
        length = bytes([0x80 | len(text)]) if is_short else struct.pack(">BH", 0xFE, len(text))
        self.socket.sendall(b"\x81" + length + bytes(4) + text)  # masked with zeros

    def watch(self):
        self.send(type="subscribe", id="bars", channel="bars", series=SERIES, interval="1m")
        self.send(type="subscribe", id="trades", channel="trades", series=SERIES)

    def watch_everything(self):
        """More than fits into the kernel's buffers."""
        self.send(type="subscribe", id="bars", channel="bars", series=SERIES, interval="1m")
        for series in ALL_SERIES:
            for interval in ("1m", "5m", "15m", "1h"):
                for conditions in ("eligible", "all"):
                    for session in ("extended", "regular"):
                        self.send(
                            type="subscribe",
                            id=f"{series[-1]}-{interval}-{conditions}-{session}",
                            channel="bars",
                            series=series,
                            interval=interval,
                            conditions=conditions,
                            session=session,
                        )

    def take_frames(self):
        """What has come, merged into what it knows."""
        while len(self.received) >= 2:
            length, begin = self.received[1] & 0x7F, 2
            if length == 126:
                begin, length = 4, int.from_bytes(self.received[2:4], "big")
            elif length == 127:
                begin, length = 10, int.from_bytes(self.received[2:10], "big")
            if len(self.received) < begin + length:
                return
            opcode = self.received[0] & 0x0F
            text = bytes(self.received[begin : begin + length])
            del self.received[: begin + length]
            if opcode == 1:
                self.take(json.loads(text))

    def take(self, message):
        if message["type"] == "error":
            raise AssertionError(message)
        if message.get("id") == "bars":
            self.bars.update({bar["ts_open"]: bar for bar in message["bars"]})
        if message.get("id") == "trades":
            self.trades.update({trade["offset"]: trade for trade in message["trades"]})
            self.skipped |= message["type"] == "trades" and message["skipped"]

    def vanish(self):
        """Without a word: a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class CrowdTest(unittest.TestCase):
    cut = 0  # of the slow ones, so far
    missing = ()

    def setUp(self):
        self.exit = contextlib.ExitStack()
        self.addCleanup(self.exit.close)
        folder = self.exit.enter_context(tempfile.TemporaryDirectory(prefix="tapedeck-crowd-"))
        self.demo = self.exit.enter_context(
            Demo(folder, "--synthetic", "--port", "0", "--state", os.path.join(folder, "state"))
        )
        until("it plays", lambda: self.demo.status()["play"]["state"] == "playing")

    def metric(self, name):
        text = self.demo.ask("/metrics")[1]
        found = re.search(rf"^{re.escape(name)} (\d+)", text, re.M)
        return int(found[1]) if found else 0

    def durable(self):
        return int(self.demo.status()["tape"]["durable_offset"])

    def descriptors(self):
        """Those of connections; the tape and the store open and close files as they go."""
        folder = f"/proc/{self.demo.process.pid}/fd"
        count = 0
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(os.path.join(folder, name)).startswith("socket:")
        return count

    def memory_mb(self):
        with open(f"/proc/{self.demo.process.pid}/status", encoding="utf-8") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def given_back_mb(self):
        """What is held when the crowd has left and its memory was given back."""
        began, least_mb = time.monotonic(), self.memory_mb()
        while time.monotonic() < began + GIVEN_BACK_S:
            time.sleep(0.1)
            least_mb = min(least_mb, self.memory_mb())
        return least_mb

    def read_for_all(self, clients, is_enough):
        """Reads what comes until it is enough."""
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client.socket, selectors.EVENT_READ, client)
            deadline = time.monotonic() + 2 * WAIT_S
            look_at = 0
            while True:
                for key, _ in selector.select(0.1):
                    key.data.receive()
                if time.monotonic() >= look_at:
                    if is_enough():
                        return
                    look_at = time.monotonic() + 0.3
                self.assertLess(
                    time.monotonic(), deadline, f"{len(self.missing)} of them have not everything"
                )

    def rate(self, wait):
        """Trades a second that the tape took, for what it is worth: the play sets the pace."""
        started, came = time.monotonic(), self.durable()
        wait(lambda: self.durable() >= came + TRADES_WANTED)
        return (self.durable() - came) / (time.monotonic() - started)

    def crowd(self):
        """Comes, watches the tape take trades, and leaves. What the program held meanwhile in MB,
        and trades a second."""
        with contextlib.ExitStack() as leaving:

            def come(**options):
                client = Client(self.demo, **options)
                leaving.callback(client.socket.close)
                return client

            slow = [come(receive_bytes=4096) for _ in range(SLOW)]
            for client in slow:
                client.watch_everything()
            dead = [come() for _ in range(DEAD)]
            fast = [come() for _ in range(CROWD - SLOW - DEAD)]
            for client in dead + fast:
                client.watch()
            self.assertEqual(self.metric("tapedeck_net_websockets"), CROWD)
            for number, client in enumerate(dead):
                client.vanish() if number % 2 else client.socket.close()
            until(
                "the dead are gone",
                lambda: self.metric("tapedeck_net_websockets") <= CROWD - DEAD,
            )
            rate = self.rate(lambda is_enough: self.read_for_all(fast, is_enough))
            self.assertGreater(self.metric("tapedeck_api_conflated_total"), 0)
            if IS_LONG:
                cut = 'tapedeck_net_refusals_total{reason="slow_reader"}'
                before = self.cut
                self.read_for_all(fast, lambda: self.metric(cut) >= before + SLOW)
                self.cut = self.metric(cut)
            # It stands still, so that everybody can have the same.
            self.assertEqual(self.demo.ask("/api/v1/play/pause", method="POST")[0], 200)
            held_mb = self.memory_mb()
            # Where they are not cut, the slow ones begin to read now, and have the newest soon.
            self.look_at(fast, [] if IS_LONG else slow)
            self.assertEqual(self.demo.ask("/api/v1/play/resume", method="POST")[0], 200)
        until("all are gone", lambda: self.metric("tapedeck_net_websockets") == 0)
        return held_mb, rate

    def look_at(self, fast, slow):
        """Each has all bars as the API has them, and the fast ones every trade since they came."""

        def have_all():
            trades = self.demo.get(f"/api/v1/trades?series={SERIES}&limit=10000&start=0")["trades"]
            offsets = sorted(int(trade["offset"]) for trade in trades)
            query = f"series={SERIES}&interval=1m&start=0&limit=1000"
            bars = {bar["ts_open"]: bar for bar in self.demo.get(f"/api/v1/bars?{query}")["bars"]}
            for client in fast + slow:
                client.take_frames()
            self.missing = [client for client in fast + slow if client.bars != bars]
            for client in fast:
                mine = sorted(map(int, client.trades))
                if mine != offsets[offsets.index(mine[0]) :]:
                    self.missing.append(client)
            return not self.missing and len(bars) > 100

        self.read_for_all(fast + slow, have_all)
        for client in fast:
            self.assertFalse(client.skipped)

    def test_a_crowd_comes_and_goes(self):
        with Client(self.demo).socket:
            pass
        until("nobody is there", lambda: self.metric("tapedeck_net_websockets") == 0)
        descriptors = until("few descriptors", self.descriptors)
        alone_mb = self.memory_mb()
        alone_rate = self.rate(lambda is_enough: until("trades", is_enough))
        held_mb, rate = self.crowd()
        first_mb = self.given_back_mb()
        more_mb, _ = self.crowd()
        second_mb = self.given_back_mb()
        print(
            f"\n{CROWD} clients: {alone_mb:.0f} MB alone, {held_mb:.0f} and {more_mb:.0f} MB with "
            f"them, {first_mb:.0f} and {second_mb:.0f} MB after; {alone_rate:.0f} trades/s alone "
            f"and {rate:.0f} with them"
        )
        self.assertLess(second_mb, first_mb + GROWTH_MB)
        until("the descriptors are given back", lambda: self.descriptors() <= descriptors)
        self.assertEqual(self.demo.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
