#!/usr/bin/env python3
"""tests/e2e/tls_test.py: the program over HTTPS and WSS, as docs/how-to/serve-to-others.md has it.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/tls_test.py
"""

import base64
import json
import os
import re
import socket
import ssl
import sys
import tempfile
import unittest
import urllib.request

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import certificate
import product
from run_test import Service

FAILED, USAGE = 1, 2
WAIT_S = 30
SPY = product.DEMO[0]


def setUpModule():
    product.require_binary()


class TlsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-tls-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.certificate, self.key = certificate.make(self.folder)

    def write(self, listen="127.0.0.1:0", tls=None, more=""):
        certificate_file, key_file = tls or (self.certificate, self.key)
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(
                '[tape]\ndir = "tape"\n[store]\ndir = "store"\n'
                f'[[feed]]\nid = "us"\nvenue = "lean"\nfiles = ["{SPY}"]\n'
                f'[api]\nlisten = "{listen}"\n{more}'
                f'tls_certificate = "{certificate_file}"\ntls_key = "{key_file}"\n'
            )

    def start(self):
        service = Service(self.folder)
        self.addCleanup(service.close)

        def address():
            service.out.seek(0)
            return re.search(r"(https://(\S+):(\d+))/\?token=(\S+)\n", service.out.read())

        found = service.until("its address", address)
        self.url, self.port, self.token = found[1], int(found[3]), found[4]
        return service

    def get(self, path):
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.token}"}
        )
        trusting = ssl.create_default_context(cafile=self.certificate)
        with urllib.request.urlopen(request, timeout=WAIT_S, context=trusting) as answer:
            return answer.headers, answer.read()

    def test_https_and_wss(self):
        self.write()
        service = self.start()
        _, body = self.get("/api/v1/status")
        self.assertEqual(json.loads(body)["tape"]["durable_offset"], "0")
        self.assertIn(b"tapedeck_net_connections", self.get("/metrics")[1])

        # Who does not trust the certificate is told so by its own side.
        with self.assertRaises(ssl.SSLCertVerificationError):
            with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as plain:
                ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")

        # The cookie of a browser's session never goes over plain HTTP.
        with self.connect() as wire:
            wire.sendall(
                f"GET /?token={self.token} HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n".encode()
            )
            self.assertRegex(self.head(wire), r"(?i)set-cookie: .*; Secure")

        with self.connect() as wire:
            wire.sendall(
                (
                    f"GET /api/v1/live HTTP/1.1\r\nHost: localhost:{self.port}\r\n"
                    f"Origin: https://localhost:{self.port}\r\n"
                    f"Authorization: Bearer {self.token}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n"
                ).encode()
            )
            self.assertRegex(self.head(wire), r"^HTTP/1.1 101 ")
            first = wire.recv(2)
            self.assertEqual(first[0], 0x81, "a text message")

        with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as plain:
            plain.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n".encode())
            answer = self.head(plain)
            self.assertRegex(answer, r"^HTTP/1.1 400 ")
        said = self.get("/metrics")[1].decode()
        self.assertRegex(said, r'tapedeck_net_refusals_total\{reason="plain_http"\} 1')
        self.assertEqual(service.stop(), 0)

    def connect(self):
        trusting = ssl.create_default_context(cafile=self.certificate)
        plain = socket.create_connection(("127.0.0.1", self.port), WAIT_S)
        return trusting.wrap_socket(plain, server_hostname="localhost")

    def head(self, wire):
        received = b""
        while b"\r\n\r\n" not in received:
            piece = wire.recv(1)  # nothing of what follows
            if not piece:
                break
            received += piece
        return received.decode()

    def test_a_certificate_lets_others_in(self):
        self.write(listen="0.0.0.0:0")
        service = self.start()
        self.assertTrue(self.url.startswith("https://localhost:") or "127.0.0.1" in self.url)
        self.get("/api/v1/status")
        self.assertEqual(service.log().count("no encryption"), 0)
        self.assertEqual(service.stop(), 0)

    def test_what_is_wrong_is_said_before_it_starts(self):
        other, other_key = certificate.make(self.folder, "other")
        missing = os.path.join(self.folder, "none.pem")
        text = os.path.join(self.folder, "pipeline.toml")
        for tls, says in (
            ((missing, self.key), f"cannot read the certificate '{missing}': No such file"),
            ((self.certificate, missing), f"cannot read the key '{missing}': No such file"),
            ((text, self.key), "holds no certificate in PEM form"),
            ((self.certificate, other_key), "is not that of the certificate"),
        ):
            self.write(tls=tls)
            for command in ("run", "check-config"):
                done = product.run(command, "pipeline.toml", cwd=self.folder, timeout=WAIT_S)
                self.assertIn(done.code, (FAILED, USAGE), done.out)
                self.assertIn(says, done.err)
                self.assertFalse(os.path.exists(os.path.join(self.folder, "tape")))
            done = product.run("doctor", "pipeline.toml", "--json", cwd=self.folder)
            checks = {check["name"]: check for check in json.loads(done.out)["checks"]}
            self.assertEqual(checks["tls"]["health"], "fail")
            self.assertIn(says, checks["tls"]["what"])

    def test_others_may_not_read_the_key(self):
        os.chmod(self.key, 0o644)
        self.write()
        done = product.run("check-config", "pipeline.toml", cwd=self.folder)
        self.assertEqual(done.code, 0, done.err)
        self.assertIn(f"others may read '{self.key}': chmod 600 it", done.err)
        doctor = json.loads(product.run("doctor", "pipeline.toml", "--json", cwd=self.folder).out)
        tls = next(check for check in doctor["checks"] if check["name"] == "tls")
        self.assertEqual(tls["health"], "warn")  # a day is not long
        self.assertIn("a certificate for localhost, 127.0.0.1, valid until 2", tls["what"])

    def test_without_one_others_need_a_word(self):
        listen = "192.0.2.1:0"  # of documents: nobody has it
        done = product.run("demo", "--synthetic", "--listen", listen, cwd=self.folder)
        self.assertEqual(done.code, USAGE, done.out + done.err)
        self.assertIn("other machines can reach the address '192.0.2.1'", done.err)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "var")))
        with_it = ("--insecure", "--listen", listen)
        done = product.run("demo", "--synthetic", *with_it, cwd=self.folder)
        self.assertEqual(done.code, FAILED)
        self.assertIn("cannot listen on 192.0.2.1", done.err)

        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(f'[api]\nlisten = "{listen}"\n')
        done = product.run("run", "pipeline.toml", cwd=self.folder)
        self.assertIn("write tls_certificate and tls_key", done.err)
        done = product.run("run", "--insecure", "pipeline.toml", cwd=self.folder)
        self.assertIn("cannot listen on 192.0.2.1", done.err)


if __name__ == "__main__":
    unittest.main()
