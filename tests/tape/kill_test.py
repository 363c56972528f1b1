#!/usr/bin/env python3
"""tests/tape/kill_test.py: the real program is killed again and again while it writes a tape.

After each kill the tape is whole; in the end each trade is on it exactly once, and the bars are
those of a run that nobody disturbed. Once more on a disk that is full, where one may be mounted.

    [TAPEDECK_BIN=build/release/tapedeck] [TAPEDECK_KILLS=200] python3 tests/tape/kill_test.py
"""

import collections
import glob
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "replay")
)
import product

KILLS = int(os.environ.get("TAPEDECK_KILLS", "200"))
TRADES = 20000
MAP = ("--map", "time=#0:ms,id=#1,price=#2,size=#3", "--symbol", "X/Y")


def setUpModule():
    product.require_binary()


def write_trades(path, seed, count):
    """Ids ascend; times mostly do. Returns the ids."""
    rng = random.Random(seed)
    milli = 1672531200000
    with open(path, "w", encoding="ascii") as out:
        for number in range(count):
            milli += rng.choice((0, 1, 20, 900))
            late = rng.choice((0, 0, 0, 1500))
            out.write(
                f"{milli - late},{number + 1},{rng.randrange(9000, 9100) / 100:.2f},"
                f"{rng.randrange(1, 50)}\n"
            )
    return range(1, count + 1)


def stored_bytes(tape):
    return sum(
        os.path.getsize(path) for path in glob.glob(tape + "/**", recursive=True)
        if os.path.isfile(path)
    )


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tape = os.path.join(folder.name, "tape")
        self.trades = os.path.join(folder.name, "trades.csv")

    def replay(self, *options):
        """Of small batches, so that there are many commits."""
        return ("replay", self.trades, *MAP, "--batch", 20, "--digest", *options)

    def succeeded(self, done):
        self.assertEqual(done.code, 0, done.err[-2000:])
        return done.out

    def digest(self, *options):
        return self.succeeded(product.run(*self.replay(*options))).strip()

    def on_tape(self, tape):
        """How often each id is on the tape."""
        text = self.succeeded(product.run("tape", "cat", tape, "--format", "ndjson"))
        events = (json.loads(line) for line in text.splitlines())
        return collections.Counter(
            int(event["seq"]) for event in events if event.get("kind") == "trade"
        )

    def verify(self, tape):
        self.succeeded(product.run("tape", "verify", tape))


class Killed(Case):
    def test_at_random_moments(self):
        """Rounds of a fresh tape each, so that there is always something left to write."""
        ids = write_trades(self.trades, 1, TRADES)
        started = time.monotonic()
        want = self.digest()
        whole_s = time.monotonic() - started
        rng = random.Random(KILLS)
        kills = rounds = midway = 0
        while kills < KILLS:
            rounds += 1
            tape = f"{self.tape}{rounds}"
            # The last run of a round may get through; the others are cut ever later.
            for _ in range(10):
                before = stored_bytes(tape)
                if self.killed(tape, rng.uniform(0.002, 1.2 * whole_s)):
                    kills += 1
                    midway += stored_bytes(tape) > before
                if os.path.exists(os.path.join(tape, "TAPE")):
                    self.verify(tape)
            self.assertEqual(self.digest("--tape", tape), want)
            self.verify(tape)
            found = self.on_tape(tape)
            self.assertEqual(found, collections.Counter(ids), f"round {rounds}")
            self.assertLess(rounds, KILLS + 20, "it is done before it can be killed")
        self.assertGreater(midway, kills // 5, "it is seldom killed while it writes")

    def killed(self, tape, after_s):
        """True if it was still running."""
        process = subprocess.Popen(
            product.command(*self.replay("--tape", tape)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
        errors = process.communicate()[1].decode("utf-8", "replace")
        if process.returncode not in (0, -signal.SIGKILL):
            self.fail(f"exit {process.returncode}: {errors[-2000:]}")
        return process.returncode == -signal.SIGKILL


class FullDisk(Case):
    """A real disk that is really full: a small tmpfs."""

    def setUp(self):
        super().setUp()
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", self.disk],
            capture_output=True,
            check=False,
        )
        if mounted.returncode != 0:
            self.skipTest(
                "not run: mounting a small disk is not permitted here: "
                + mounted.stderr.decode("utf-8", "replace").strip()
            )
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)

    def test_it_says_so_and_goes_on_when_there_is_room(self):
        ids = write_trades(self.trades, 2, TRADES)
        want = self.digest()
        tape = os.path.join(self.disk, "tape")
        done = product.run(*self.replay("--tape", tape))
        self.assertNotEqual(done.code, 0)
        self.assertRegex(done.err, "make room|No space left")
        subprocess.run(["mount", "-o", "remount,size=2g", self.disk], check=True)
        self.assertEqual(self.digest("--tape", tape), want)
        self.verify(tape)
        self.assertEqual(self.on_tape(tape), collections.Counter(ids))


if __name__ == "__main__":
    unittest.main()
