#!/usr/bin/env python3
"""tests/e2e/secrets_test.py: keys and tokens are in no output and in no file of the program.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/secrets_test.py

Keys are planted, in the environment and in a file, and everything is made to talk of itself: a
venue that cuts, one that is not there, wrong options, the addresses of the API, the whole disk.
"""

import os
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
sys.path.insert(0, os.path.join(TESTS, "e2e"))
import product
from live_test import Venue
from run_test import Service

# Long enough that no accident writes them; with characters that an address has to escape.
KEYS = {
    "PLANTED_FEED": "planted-feed-key+/=and&more-0123456789",
    "PLANTED_TOKEN": "planted-operator-token-0123456789abcdef",
    "PLANTED_VIEWER": "planted-viewer-token-0123456789abcdef00",
}
FILE_KEY = "planted-file-key-0123456789abcdef0123456"
METRICS_KEY = "planted-metrics-token-0123456789abcdef0"
TARGETS = (
    "/api/v1/status /api/v1/feeds /api/v1/tape /api/v1/quality /api/v1/quality/days "
    "/api/v1/session /api/v1/instruments /api/v1/last /metrics /api/v1/bars /nowhere "
    "/api/v1/sql?query=SELECT%20*%20FROM%20meta"
).split()


def setUpModule():
    product.require_binary()


def spellings(secret):
    """As it is, and as an address and JSON have it."""
    return {secret, urllib.parse.quote(secret), urllib.parse.quote(secret, safe="")} | {
        secret.replace("/", "\\/")
    }


class Secrets(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-secrets-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, value in KEYS.items():
            os.environ[name] = value
            self.addCleanup(os.environ.pop, name)
        for name, value in (("key", FILE_KEY), ("metrics", METRICS_KEY)):
            path = os.path.join(self.folder, name)
            with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as out:
                out.write(value + "\n")
        self.secrets = [*KEYS.values(), FILE_KEY, METRICS_KEY]

    def write(self, live_url, symbol="AAPL", more=""):
        with open(os.path.join(self.folder, "pipeline.toml"), "w", encoding="utf-8") as out:
            out.write(
                '[tape]\ndir = "tape"\nraw = "keep"\n[store]\ndir = "store"\n'
                '[log]\nlevel = "debug"\n'
                f'[[feed]]\nid = "one"\nvenue = "finnhub"\nsymbols = ["{symbol}"]\n'
                f'token = "env:PLANTED_FEED"\nurl = "{live_url}"\n'
                '[[feed]]\nid = "two"\nvenue = "finnhub"\nsymbols = ["MSFT"]\n'
                'token = "file:key"\nurl = "ws://127.0.0.1:9/"\n'
                '[api]\nlisten = "127.0.0.1:0"\ntoken = "env:PLANTED_TOKEN"\naccess_log = true\n'
                'viewer_token = "env:PLANTED_VIEWER"\nmetrics_token = "file:metrics"\n' + more
            )

    def assert_silent(self, text, about, secrets=None):
        for secret in secrets or self.secrets:
            for spelling in spellings(secret):
                self.assertNotIn(spelling, text, f"{about} has a secret")

    def assert_files_silent(self, but=()):
        looked_at = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.relpath(path, self.folder) in ("key", "metrics", "run.out", *but):
                    continue
                with open(path, "rb") as file:
                    self.assert_silent(file.read().decode("latin-1"), path)
                looked_at += 1
        self.assertGreater(looked_at, 5)

    def answers(self, service):
        """All that the API says to those who may ask, and to one who may not."""
        text = ""
        for key in (KEYS["PLANTED_TOKEN"], KEYS["PLANTED_VIEWER"], "wrong", METRICS_KEY):
            for target in TARGETS:
                request = urllib.request.Request(
                    service.address[1] + target, headers={"Authorization": f"Bearer {key}"}
                )
                try:
                    with urllib.request.urlopen(request, timeout=30) as answer:
                        text += f"{answer.headers}\n{answer.read().decode('latin-1')}"
                except urllib.error.HTTPError as error:
                    with error:
                        text += f"{error.headers}\n{error.read().decode('latin-1')}"
        return text

    def test_a_running_program(self):
        venue = Venue(self.folder, "finnhub", "--fault", "cut@1s", "--fault", "malformed@2s")
        self.addCleanup(venue.stop)
        self.write(venue.url, venue.symbol)
        service = Service(self.folder)
        try:
            service.until("trades", lambda: service.durable() > 900)
            service.until("the other feed", lambda: service.log().count("feed=finnhub/two") >= 2)
            said = self.answers(service)
            self.assertEqual(service.stop(), 0)
        finally:
            service.close()
        self.assert_silent(said, "the API")
        self.assert_files_silent(but=("finnhub.csv",))
        service.out = open(os.path.join(self.folder, "run.out"), encoding="utf-8")
        with service.out:
            printed = service.out.read()
        # The address has the operator's token, once, for the person who has started it.
        self.assertEqual(printed.count(KEYS["PLANTED_TOKEN"]), 1)
        rest = [secret for secret in self.secrets if secret != KEYS["PLANTED_TOKEN"]]
        self.assert_silent(printed, "standard output", rest)

    def test_commands_and_errors(self):
        self.write("ws://127.0.0.1:9/", more="bad_option = 1\n")
        for arguments in (
            ("check-config", "pipeline.toml"),
            ("run", "pipeline.toml"),
            ("doctor", "pipeline.toml"),
            ("doctor", "pipeline.toml", "--json"),
            ("list",),
        ):
            done = product.run(*arguments, cwd=self.folder)
            self.assert_silent(done.out + done.err, arguments)
        self.write("ws://127.0.0.1:9/")
        for arguments in (("check-config", "pipeline.toml"), ("doctor", "pipeline.toml")):
            done = product.run(*arguments, cwd=self.folder)
            self.assert_silent(done.out + done.err, arguments)
        self.assert_files_silent_of_none()

    def assert_files_silent_of_none(self):
        """The search itself finds a key that is there."""
        path = os.path.join(self.folder, "leak")
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"token={urllib.parse.quote(KEYS['PLANTED_FEED'], safe='')}")
        with self.assertRaises(AssertionError):
            self.assert_files_silent()

    def test_a_key_in_the_file_itself_is_refused_and_not_repeated(self):
        self.write("ws://127.0.0.1:9/")
        path = os.path.join(self.folder, "pipeline.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as out:
            out.write(text.replace("env:PLANTED_FEED", KEYS["PLANTED_FEED"]))
        done = product.run("check-config", "pipeline.toml", cwd=self.folder)
        self.assertNotEqual(done.code, 0)
        self.assert_silent(done.out + done.err, "check-config")


if __name__ == "__main__":
    unittest.main()
