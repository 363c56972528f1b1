#!/usr/bin/env python3
"""tests/e2e/venue_trouble_test.py: what is wrong with a venue is said, and the others run on.

A venue here is a few lines that answer wrongly; beside it the emulator plays another one.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/venue_trouble_test.py
"""

import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import live_test
import product

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class BadVenue:
    """Accepts connections for as long as it lives: answers with a status, or upgrades and sends."""

    def __init__(self, status=None, frames=(), context=None, body=""):
        self.status, self.frames, self.context, self.body = status, frames, context, body
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        scheme = "wss" if context else "ws"
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}/"

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.answer(client)
            except OSError:
                client.close()

    def answer(self, client):
        if self.context:
            client = self.context.wrap_socket(client, server_side=True)
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096) or b"\r\n\r\n"
        if self.status:
            length = f"Content-Length: {len(self.body)}\r\nConnection: close"
            client.sendall(f"HTTP/1.1 {self.status}\r\n{length}\r\n\r\n{self.body}".encode())
            client.close()
            return
        lines = [line.split(b": ", 1) for line in request.split(b"\r\n") if b": " in line]
        key = {name.lower(): value for name, value in lines}[b"sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
        client.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        for text in self.frames:
            body = text.encode()
            size = len(body).to_bytes(1) if len(body) < 126 else b"~" + len(body).to_bytes(2)
            client.sendall(b"\x81" + size + body)
        self.open.append(client)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(live_test.WAIT_S)
        for client in self.open:
            client.close()


class VenueTroubleTest(unittest.TestCase):
    setUp = live_test.LiveTest.setUp
    running = live_test.LiveTest.running

    def said(self, venue, symbol, url, *words, options=""):
        """Runs a feed of that venue beside one that is well, until the log says these words."""
        good = live_test.Venue(self.folder, "kraken", "--speed", "0.1")
        self.addCleanup(good.stop)
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(
                '[tape]\ndir = "tape"\n[store]\ndir = "store"\n[api]\nlisten = "127.0.0.1:0"\n'
                f'[[feed]]\nid = "good"\nvenue = "kraken"\nsymbols = ["{good.symbol}"]\n'
                f'url = "{good.url}"\nrest_url = "{good.rest_url}"\n'
                f'[[feed]]\nid = "bad"\nvenue = "{venue}"\nsymbols = ["{symbol}"]\n'
                f'url = "{url}"\n{options}'
            )
        with self.running() as service:
            service.until(words[0], lambda: all(word in service.log() for word in words))
            service.until("the other feed", lambda: service.durable() > 9)
            states = {feed["id"]: feed["state"] for feed in service.status()["feeds"]}
            self.assertEqual(states["kraken/good"], "live")
            self.assertEqual(service.stop(), 0)
            return service.log()

    def bad_venue(self, **how):
        venue = BadVenue(**how)
        self.addCleanup(venue.stop)
        return venue.url

    def write_key(self):
        path = os.path.join(self.folder, "key")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as out:
            out.write("planted-4711\n")
        return 'token = "file:key"\n'

    def test_a_bad_key(self):
        url = self.bad_venue(status="401 Unauthorized")
        words = ("a feed is down", "check the key, and what it is entitled to")
        log = self.said("finnhub", "AAPL", url, *words, options=self.write_key())
        self.assertNotIn("planted", log)

    def test_a_key_that_is_told_to_be_bad(self):
        url = self.bad_venue(frames=[json.dumps({"msg": "Invalid API key", "type": "error"})])
        words = ("the venue complains", "check the feed's token")
        self.said("finnhub", "AAPL", url, *words, options=self.write_key())

    def test_too_many_attempts(self):
        url = self.bad_venue(status="429 Too Many Requests")
        self.said("binance", "BTCUSDT", url, "connect less often")

    def test_an_unknown_symbol(self):
        complaint = {
            "type": "error",
            "message": "Failed to subscribe",
            "reason": "NO-SUCH is not a valid product",
        }
        url = self.bad_venue(frames=[json.dumps(complaint)])
        words = ("NO-SUCH is not a valid product", "check the symbols (tapedeck search)")
        self.said("coinbase", "NO-SUCH", url, *words)

    def test_symbols_are_found_before_they_are_asked_for(self):
        about = {"display_name": "BTC/USD", "quote_currency": "USD", "status": "online"}
        products = [{"id": "BTC-USD"} | about, {"id": "ETH-USD"}]
        url = self.bad_venue(status="200 OK", body=json.dumps(products)).replace("ws://", "http://")
        done = product.run("search", "coinbase", "btc", "--rest-url", url.rstrip("/"))
        self.assertEqual(done.code, 0, done.err)
        head = "symbol,name,type,currency,status\n"
        self.assertEqual(done.out, head + "coinbase:BTC-USD,BTC/USD,spot,USD,online\n")
        done = product.run("search", "coinbase", "doge", "--rest-url", url.rstrip("/"))
        self.assertEqual(done.code, 1)
        self.assertIn("nothing with 'doge' among 2 instruments", done.err)
        done = product.run("search", "yahoo", "btc")
        self.assertEqual(done.code, 2)
        self.assertIn("'yahoo' cannot be asked for its symbols", done.err)

    def test_another_format(self):
        trade = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": 1, "price": "1", "q": "1", "M": True}
        url = self.bad_venue(frames=[json.dumps(trade), json.dumps({"novelty": 1})])
        words = ("without a usable 'p'", "the venue has changed its format", "quarantine")
        self.said("binance", "BTCUSDT", url, *words)

    def test_a_name_that_leads_nowhere(self):
        url = "wss://no-such-venue.invalid/stream"
        self.said("binance", "BTCUSDT", url, "the name of the host leads nowhere", "its spelling")

    @unittest.skipUnless(shutil.which("openssl"), "not run: there is no openssl")
    def test_an_expired_certificate(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.expired_certificate())
        url = self.bad_venue(context=context)
        words = ("its certificate is not valid now", "this machine's clock")
        self.said("binance", "BTCUSDT", url, *words, options='ca_file = "expired.pem"\n')

    def expired_certificate(self):
        """Of the January of 2020, signed by itself."""

        def openssl(*arguments):
            done = subprocess.run(
                ("openssl", *arguments), cwd=self.folder, capture_output=True, text=True
            )
            self.assertEqual(done.returncode, 0, done.stderr)

        with open(os.path.join(self.folder, "ca.cnf"), "w", encoding="utf-8") as out:
            out.write(
                "[ca]\ndefault_ca = own\n[own]\nnew_certs_dir = .\ndatabase = index\n"
                "serial = serial\ndefault_md = sha256\npolicy = any\nx509_extensions = v3\n"
                "[any]\ncommonName = supplied\n[v3]\nsubjectAltName = IP:127.0.0.1\n"
                "basicConstraints = critical,CA:TRUE\n"
            )
        open(os.path.join(self.folder, "index"), "w", encoding="utf-8").close()
        with open(os.path.join(self.folder, "serial"), "w", encoding="utf-8") as out:
            out.write("01\n")
        subject = ("-subj", "/CN=127.0.0.1")
        key = ("-newkey", "rsa:2048", "-nodes", "-keyout", "k")
        openssl("req", "-new", *key, *subject, "-out", "r")
        dates = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
        out = ("-in", "r", "-keyfile", "k", "-notext", "-out", "expired.pem")
        openssl("ca", "-config", "ca.cnf", "-selfsign", "-batch", *dates, *out)
        return os.path.join(self.folder, "expired.pem"), os.path.join(self.folder, "k")


def setUpModule():
    live_test.setUpModule()


if __name__ == "__main__":
    unittest.main()
