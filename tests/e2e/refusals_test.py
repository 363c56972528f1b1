#!/usr/bin/env python3
"""tests/e2e/refusals_test.py: what nobody may do to the real program is refused, and counted.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/refusals_test.py
"""

import contextlib
import os
import re
import socket
import struct
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "replay"))
import product
from demo_test import WAIT_S, Demo, until

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade, close",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def setUpModule():
    product.require_binary()


class RefusalsTest(unittest.TestCase):
    """One demo is asked for all of them."""

    @classmethod
    def setUpClass(cls):
        cls.exit = contextlib.ExitStack()
        folder = cls.exit.enter_context(tempfile.TemporaryDirectory(prefix="tapedeck-refusals-"))
        cls.demo = cls.exit.enter_context(
            Demo(folder, "--synthetic", "--port", "0", "--state", os.path.join(folder, "state"))
        )

    @classmethod
    def tearDownClass(cls):
        cls.exit.close()

    def connect(self):
        opened = socket.create_connection(("127.0.0.1", self.demo.port), timeout=WAIT_S)
        self.addCleanup(opened.close)
        return opened

    def read_end(self, opened):
        """All that it says until it closes."""
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := opened.recv(1 << 16):
                said += piece
        return said

    def send(self, opened, text, is_all=False):
        with contextlib.suppress(OSError):  # it may have refused that already
            opened.sendall(text if isinstance(text, bytes) else text.encode())
            if is_all:
                opened.shutdown(socket.SHUT_WR)

    def request(self, line, *headers, body="", host=None, token=None):
        """The answer to a request whose connection is not kept."""
        opened = self.connect()
        host = host or f"127.0.0.1:{self.demo.port}"
        lines = [line, f"Host: {host}", f"Authorization: Bearer {token or self.demo.token}"]
        if headers[-len(UPGRADE) :] != UPGRADE:
            headers = (*headers, "Connection: close")
        self.send(opened, "\r\n".join([*lines, *headers, "", body]))
        return self.read_end(opened).decode()

    def count(self, metric, **labels):
        text = self.demo.ask("/metrics")[1]
        found = 0
        for given, value in re.findall(rf"^{metric}\{{(.*)\}} (\d+)$", text, re.M):
            if all(f'{name}="{label}"' in given for name, label in labels.items()):
                found += int(value)
        return found

    @contextlib.contextmanager
    def counted(self, times, metric="tapedeck_net_refusals_total", **labels):
        before = self.count(metric, **labels)
        yield
        until(f"{labels} is counted", lambda: self.count(metric, **labels) >= before + times)
        self.assertEqual(self.count(metric, **labels), before + times)

    def refused(self, answer, status, code):
        self.assertTrue(answer.startswith(f"HTTP/1.1 {status} "), answer[:300])
        self.assertIn(f'"code":"{code}"', answer)
        self.assertNotIn(self.demo.token, answer)

    def websocket(self):
        opened = self.connect()
        self.send(
            opened,
            f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{self.demo.port}\r\n"
            f"Authorization: Bearer {self.demo.token}\r\n" + "\r\n".join((*UPGRADE, "", "")),
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += opened.recv(1)
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        return opened

    def close_code(self, frame):
        """With which the program ends a WebSocket that sent this."""
        opened = self.websocket()
        self.send(opened, frame, is_all=True)
        said = self.read_end(opened)
        self.assertEqual(said[:1], b"\x88", said[:100])
        return int.from_bytes(said[2:4], "big")

    def test_a_wrong_host(self):
        with self.counted(2, reason="wrong_host"):
            for host in ("evil.example", f"evil.example:{self.demo.port}"):
                self.refused(self.request("GET / HTTP/1.1", host=host), 403, "wrong_host")

    def test_a_wrong_origin(self):
        evil = "Origin: http://evil.example"
        with self.counted(2, reason="wrong_origin"):
            answer = self.request("POST /api/v1/play/restart HTTP/1.1", evil)
            self.refused(answer, 403, "wrong_origin")
            answer = self.request("GET /api/v1/live HTTP/1.1", evil, *UPGRADE)
            self.refused(answer, 403, "wrong_origin")

    def test_a_bad_token(self):
        status = {"metric": "tapedeck_api_requests_total", "status": "401"}
        with self.counted(3, **status):
            for token in ("0" * 64, self.demo.token[:-1], self.demo.token + "0"):
                answer = self.request("GET /api/v1/last HTTP/1.1", token=token)
                self.refused(answer, 401, "unauthorised")
        with self.counted(1, **status):
            answer = self.request(
                "GET /api/v1/live HTTP/1.1", *UPGRADE, token="0" * 64
            )
            self.refused(answer, 401, "unauthorised")

    def test_a_way_out_of_the_page(self):
        paths = (
            *("/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc/passwd"),
            *("//etc/passwd", "/./../etc/passwd", "/%2fetc%2fpasswd", "/docs/../../etc/passwd"),
            *("/assets/..%5c..%5cetc/passwd", "/index.html%00.js"),
        )
        before = self.count("tapedeck_api_requests_total", status="404")
        malformed = self.count("tapedeck_net_refusals_total", reason="malformed")
        for path in paths:
            answer = self.request(f"GET {path} HTTP/1.1")
            self.assertRegex(answer, r"^HTTP/1\.1 (404|400) ", path)
            self.assertNotIn("root:", answer)
        counted = self.count("tapedeck_api_requests_total", status="404") - before
        counted += self.count("tapedeck_net_refusals_total", reason="malformed") - malformed
        self.assertEqual(counted, len(paths))

    def test_what_is_too_large(self):
        with self.counted(1, reason="header_too_large"):
            answer = self.request("GET / HTTP/1.1", "X-Large: " + "x" * (17 << 10))
            self.refused(answer, 431, "header_too_large")
        with self.counted(2, reason="body_too_large"):
            body = "x" * (17 << 10)
            line = "POST /api/v1/sql HTTP/1.1"
            answer = self.request(line, f"Content-Length: {len(body)}", body=body)
            self.refused(answer, 413, "body_too_large")
            answer = self.request(line, "Content-Length: 99999999999999")
            self.refused(answer, 413, "body_too_large")

    def test_what_is_no_http(self):
        with self.counted(3, reason="malformed"):
            tls = b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"
            for text in (tls, b"hello\r\n\r\n", b"GET /\r\n\r\n"):
                opened = self.connect()
                self.send(opened, text, is_all=True)
                self.refused(self.read_end(opened).decode(), 400, "malformed")

    def test_a_message_that_is_too_large(self):
        too_large = 1009
        with self.counted(3, reason="message_too_large"):
            payload = b"x" * 5000
            whole = b"\x81\xfe" + struct.pack(">H", len(payload)) + bytes(4) + payload
            self.assertEqual(self.close_code(whole), too_large)
            announced = b"\x81\xff" + struct.pack(">Q", 1 << 62) + bytes(4)
            self.assertEqual(self.close_code(announced), too_large)
            piece = b"\xfe" + struct.pack(">H", 3000) + bytes(4) + payload[:3000]
            self.assertEqual(self.close_code(b"\x01" + piece + b"\x80" + piece), too_large)

    def test_frames_that_break_the_protocol(self):
        with self.counted(3, reason="malformed"):
            for frame in (b"\x81\x01x", b"\xf1\x80" + bytes(4), b"\x83\x80" + bytes(4)):
                self.assertEqual(self.close_code(frame), 1002)

    def test_a_request_that_drips(self):
        """The program gives a request 15 s, however many bytes it has by then."""
        with self.counted(1, reason="slow_request"):
            opened = self.connect()
            opened.settimeout(0.5)
            self.send(opened, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{self.demo.port}\r\n")

            def is_cut():
                self.send(opened, "X-Drip: x\r\n")
                try:
                    return opened.recv(1) == b""
                except TimeoutError:
                    return False
                except ConnectionResetError:
                    return True

            until("the drip is cut", is_cut)


if __name__ == "__main__":
    unittest.main(verbosity=2)
