#!/usr/bin/env python3
"""tests/e2e/tape_test.py: the commands that look into a tape, with the real program.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/e2e/tape_test.py

A file is taken in, and what cat prints is the file's trades, digit by digit. Then bytes on the disk
are changed: verify names the place, and a repair loses what stood there and nothing else.
"""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "replay"))
import product

FAILED, USAGE, DAMAGED = 1, 2, 3
START_S = 1672531200
MAP = "time=time:s,price=price,size=size,id=id"
SEGMENT = "p0/00000000000000000000.tape"
WAIT_S = 60


def setUpModule():
    product.require_binary()


def trades(count, first=0):
    """A CSV file with a header line; ids, times and prices follow from the number."""
    lines = [
        f"{START_S + n // 3},{100 + n % 7}.{n % 100:02},{1 + n % 5},{n + 10}"
        for n in range(first, first + count)
    ]
    return "time,price,size,id\n" + "\n".join(lines) + "\n"


def decimal(text):
    return text.rstrip("0").rstrip(".") if "." in text else text


class TapeCase(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tapedeck-tape-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tape = os.path.join(self.folder, "tape")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def replay_command(self, path, *options):
        return (
            *("replay", path, "--bars", "1m", "--tape", self.tape),
            *("--map", MAP, "--symbol", "S", "--venue", "v", *options),
        )

    def take_in(self, path):
        done = product.run(*self.replay_command(path))
        self.assertEqual(done.code, 0, done.err)

    def look(self, verb, *options, code=0):
        done = product.run("tape", verb, self.tape, *options)
        self.assertEqual(done.code, code, done.out[-2000:] + done.err)
        return done

    def cat(self, *options, code=0):
        return [json.loads(line) for line in self.look("cat", *options, code=code).out.splitlines()]

    def path(self, name=SEGMENT):
        return os.path.join(self.tape, name)

    def change_byte(self, at, name=SEGMENT):
        with open(self.path(name), "r+b") as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 0x20]))


class WholeTape(TapeCase):
    COUNT = 900

    def setUp(self):
        super().setUp()
        self.take_in(self.write("trades.csv", trades(self.COUNT)))

    def test_cat_prints_every_field_of_every_event(self):
        events = self.cat()
        self.assertEqual([int(event["offset"]) for event in events], list(range(len(events))))
        found = [event for event in events if event["kind"] == "trade"]
        self.assertEqual(len(found), self.COUNT)
        self.assertEqual(
            found[850],
            {
                **{"log": "p0", "offset": found[850]["offset"], "kind": "trade"},
                **{"series": "v/trade/S", "conditions": "0x0", "side": "unknown"},
                **{"order": "identity", "calendar": "24x7", "condition_table": ""},
                **{"ts_event": f"{START_S + 850 // 3}000000000", "recv_assumed": False},
                **{"ts_recv": f"{START_S + 850 // 3}000000000", "position": "0"},
                **{"price": decimal(f"{100 + 850 % 7}.50"), "size": "1", "seq": "860"},
                **{"origin_kind": found[850]["origin_kind"], "origin": found[850]["origin"]},
                **{"origin_first": found[850]["origin_first"]},
                **{"venue_sequence": found[850]["venue_sequence"]},
            },
        )
        marks = [event for event in events if event["kind"] == "status"]
        self.assertEqual(marks[-1]["state"], "ended")

    def test_csv_holds_the_same(self):
        rows = list(csv.DictReader(io.StringIO(self.look("cat", "--format", "csv").out)))
        objects = [event for event in self.cat() if event["kind"] == "trade"]
        self.assertEqual(rows, [{**o, "recv_assumed": "false"} for o in objects])
        marks = self.look("cat", "--format", "csv", "--kind", "status").out.splitlines()
        self.assertEqual(marks[0], "log,offset,kind,feed,state,ts_recv")

    def test_what_cat_prints_replays_into_the_same_tape(self):
        printed = self.look("cat").out
        bars = product.run(*self.replay_command(self.path("../trades.csv"), "--digest")).out
        path = self.write("events.jsonl", printed)
        self.tape = os.path.join(self.folder, "again")
        done = product.run("replay", path, "--bars", "1m", "--tape", self.tape, "--digest")
        self.assertEqual((done.code, done.out), (0, bars), done.err)
        self.assertEqual(self.look("cat").out, printed)

    def test_filters_are_exact(self):
        def of(events):
            return [int(event["seq"]) - 10 for event in events]

        trade = ("--kind", "trade")
        self.assertEqual(of(self.cat(*trade, "--from-offset", 5, "--to-offset", 9)), [5, 6, 7, 8])
        self.assertEqual(of(self.cat(*trade, "--limit", 2)), [0, 1])
        times = ("--from", "2023-01-01T00:00:10Z", "--to", "2023-01-01T01:00:11+01:00")
        self.assertEqual(of(self.cat(*times)), [30, 31, 32])
        self.assertEqual(len(self.cat("--series", "v/trade/S")), self.COUNT)
        self.assertEqual(self.cat("--from", "2023-01-02"), [])
        self.assertEqual(self.cat("--partition", "raw"), [])

    def test_ls_adds_up(self):
        listed = json.loads(self.look("ls", "--format", "json").out)
        (segment,) = listed["segments"]
        self.assertEqual(segment["kinds"]["trade"], str(self.COUNT))
        self.assertEqual(segment["from"], f"{START_S}000000000")
        self.assertEqual(int(segment["bytes"]), os.path.getsize(self.path()))
        self.assertEqual(segment["series"], "1")
        table = self.look("ls").out.splitlines()
        self.assertIn(f"{self.COUNT} trade", table[3])
        self.assertIn("2023-01-01T00:00:00Z", table[3])
        # Numbers end where the names of their columns do.
        for name, value in (("end", segment["end"]), ("bytes", segment["bytes"])):
            end = table[2].index(f" {name} ") + len(name) + 1
            self.assertTrue(table[3][:end].endswith(f" {value}"), table)

    def test_tail_prints_the_last_events(self):
        lines = self.look("tail", "-n", 3).out.splitlines()
        self.assertEqual([json.loads(line) for line in lines], self.cat()[-3:])
        self.assertEqual(len(self.look("tail", "-n", 100_000).out.splitlines()), len(self.cat()))
        self.assertEqual(self.look("tail", "-n", 0).out, "")

    def test_verify_and_repair_find_it_whole(self):
        done = self.look("verify")
        self.assertIn(f"{len(self.cat())} events, 1 segment, ", done.out)
        self.assertIn("whole", done.out)
        before = sorted(os.listdir(self.path("p0")))
        self.assertEqual(self.look("repair").out, "nothing to repair\n")
        self.assertEqual(sorted(os.listdir(self.path("p0"))), before)

    def test_a_reader_that_goes_away_ends_it_quietly(self):
        for verb in (("cat",), ("tail", "-n", "100000")):
            command = product.command("tape", verb[0], self.tape, *verb[1:])
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stdout.close()
            self.assertEqual(process.stderr.read(), b"")
            process.stderr.close()
            self.assertEqual(process.wait(WAIT_S), 0)

    def test_wrong_usage_says_what_to_do(self):
        def refused(*arguments, says, code=USAGE):
            done = product.run("tape", *arguments)
            self.assertEqual(done.code, code, done.out + done.err)
            self.assertIn(says, done.err)

        refused("cat", self.tape, "--series", "v/trade/SS", says="did you mean 'v/trade/S'?")
        refused("cat", self.tape, "--series", "x", says="it has v/trade/S")
        refused("cat", self.tape, "--from", "noon", says="write 2013-10-07, 2013-10-07T13:30:00Z")
        refused("cat", self.tape, "--kind", "trades", says="there are trade, quote, tick")
        refused("cat", self.tape, "--partition", "7", says="there is no partition '7'")
        refused("cat", self.tape, "--format", "xml", says="--format")
        refused("look", self.tape, says="there are ls, cat, frames, tail, verify, repair")
        refused(says="A subcommand is required")
        for verb in ("ls", "cat", "tail", "verify", "repair"):
            nowhere = os.path.join(self.folder, "nowhere")
            refused(verb, nowhere, says=f"there is no folder '{nowhere}'", code=FAILED)
            refused(verb, self.folder, says="it has no file TAPE", code=FAILED)
        self.assertEqual(sorted(os.listdir(self.folder)), ["tape", "trades.csv"])

    def test_a_tape_of_another_format_is_left_alone(self):
        with open(self.path("TAPE"), "rb") as file:
            lines = file.read().split(b"crc32c")[0].replace(b"format 2", b"format 9")
        with open(self.path("TAPE"), "wb") as file:
            file.write(lines + f"crc32c {crc32c(lines)}\n".encode())
        for verb in ("ls", "cat", "tail", "verify", "repair"):
            done = self.look(verb, code=FAILED)
            self.assertIn("is of format 9", done.err)
            self.assertIn("use the release that wrote it", done.err)

    def test_help_is_for_newcomers(self):
        done = product.run("tape", "--help")
        self.assertEqual(done.code, 0)
        for words in ("Examples:", "tapedeck tape verify", "nanoseconds since 1970 UTC"):
            self.assertIn(words, done.out)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class DamagedTape(TapeCase):
    """What a killed writer left: a segment that is not sealed, of several commits, so that damage
    in the second one is no torn tail."""

    def setUp(self):
        super().setUp()
        path = self.write("trades.csv", trades(20_000))
        writer = subprocess.Popen(
            product.command(*self.replay_command(path, "--speed", 2000)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + WAIT_S
            while not os.path.exists(self.path()) or len(self.commits()) < 5:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
        finally:
            writer.kill()
            writer.wait()
        (segment,) = json.loads(self.look("ls", "--format", "json").out)["segments"]
        self.assertFalse(segment["sealed"])
        os.truncate(self.path(), int(segment["bytes"]) - int(segment["torn_bytes"]))
        self.events = self.cat()
        with open(self.path(), "rb") as file:
            self.bytes = file.read()

    def commits(self):
        """Whole blocks of several events."""
        with open(self.path(), "rb") as file:
            self.bytes = file.read()
        return [block for block in self.blocks() if block[3] > 1]

    def blocks(self):
        """Byte offset, kind and first offset of each block."""
        at, found = 64, []
        while at + 64 <= len(self.bytes):
            header = self.bytes[at : at + 64]
            self.assertEqual(header[:4], b"TDBK")
            first = int.from_bytes(header[24:32], "little")
            count = int.from_bytes(header[12:16], "little")
            found.append((at, header[4], first, count))
            at += 64 + int.from_bytes(header[8:12], "little")
        return found

    def test_a_damaged_block_costs_its_events_and_no_others(self):
        at, _, first, count = self.commits()[1]
        self.change_byte(at + 64 + 9)
        done = self.look("verify", code=DAMAGED)
        self.assertIn(f"{self.path()} at byte {at}: ", done.out)
        self.assertIn(f"{count} events of offsets {first} to {first + count - 1}", done.out)
        self.assertIn("tapedeck tape repair", done.out)
        stopped = self.look("cat", code=FAILED)
        self.assertEqual(len(stopped.out.splitlines()), first)
        self.assertIn(f"at byte {at}", stopped.err)
        self.assertIn("damaged", self.look("ls").out)
        for follow in ((), ("-f",)):
            stopped = self.look("tail", "-n", 3, *follow, code=FAILED)
            self.assertEqual(int(stopped.out.splitlines()[-1].split('"')[7]), first - 1)
            self.assertIn(f"at byte {at}", stopped.err)
            self.assertIn(f"tapedeck tape repair {self.tape}", stopped.err)

        lost = f"lost: offsets {first} to {first + count - 1} ({count} events)"
        dry = self.look("repair", "--dry-run")
        self.assertIn(lost, dry.out)
        self.assertIn("nothing was changed", dry.out)
        self.assertEqual(os.listdir(self.path("p0")), [os.path.basename(SEGMENT)])
        self.assertIn(lost, self.look("repair").out)

        left = [e for e in self.events if not first <= int(e["offset"]) < first + count]
        self.assertEqual(self.cat(), left)
        with open(self.path() + ".damaged", "rb") as file:
            kept = bytearray(file.read())
        kept[at + 64 + 9] ^= 0x20
        self.assertEqual(bytes(kept), self.bytes)
        whole = self.look("verify")
        self.assertIn(f"{count} events lost since an earlier repair", whole.out)
        # And it goes on.
        self.take_in(self.write("more.csv", trades(10, first=50_000)))
        self.assertEqual(self.cat()[: len(left)], left)
        self.assertEqual(int(self.cat()[-1]["offset"]), len(self.cat()) + count - 1)

    def test_a_missing_manifest_is_written_anew(self):
        os.remove(self.path("TAPE"))
        done = self.look("verify", code=DAMAGED)
        self.assertIn("TAPE: the file is missing", done.out)
        self.assertIn("no event is lost by it", done.out)
        self.look("repair")
        self.look("verify")
        self.assertEqual(self.cat(), self.events)

    def test_a_folder_of_another_tape_is_told(self):
        shutil.rmtree(self.path("p0"))
        os.mkdir(self.path("p0"))
        self.assertIn("0 events", self.look("verify").out)
        shutil.copytree(self.path("p0"), self.path("p7"))
        self.assertIn("this is the folder of another one", self.look("verify", code=DAMAGED).out)

    def test_words_of_a_tape_do_not_steer_the_terminal(self):
        done = product.run("tape", "cat", self.tape, "--series", "\x1b[2J")
        self.assertEqual(done.code, USAGE)
        self.assertIn("no series '\\x1b[2J'", done.err)

    def test_a_torn_tail_is_no_damage(self):
        with open(self.path(), "ab") as file:
            file.write(b"half a block")
        done = self.look("verify")
        self.assertIn("the last 12 bytes are no whole commit", done.out)
        self.assertIn("the last 12 bytes are no whole commit", self.look("ls").out)
        self.assertIn("the next start cuts it off by itself", self.look("repair").out)
        self.assertEqual(self.cat(), self.events)

    def test_bytes_flipped_anywhere_never_give_a_wrong_event(self):
        expected = {event["offset"]: event for event in self.events}
        for at in range(0, len(self.bytes), len(self.bytes) // 60 + 1):
            with self.subTest(byte=at):
                self.change_byte(at)
                damaged = product.run("tape", "verify", self.tape)
                torn = "no whole commit" in damaged.out
                self.assertEqual(damaged.code, 0 if torn else DAMAGED, damaged.out)
                self.look("repair")
                self.look("verify")
                for event in self.cat():
                    self.assertEqual(event, expected[event["offset"]])
                shutil.rmtree(self.path("p0"))
                os.mkdir(self.path("p0"))
                with open(self.path(), "wb") as file:
                    file.write(self.bytes)


class HowTo(TapeCase):
    """The commands of the page do what it says, in its order."""

    def test_its_commands_run(self):
        os.symlink(os.path.join(product.ROOT, "demo"), os.path.join(self.folder, "demo"))
        with open(os.path.join(product.ROOT, "docs/how-to/look-at-a-tape.md")) as file:
            lines = file.read().splitlines()
        commands = [line.split()[2:] for line in lines if line.startswith("    $ tapedeck ")]
        self.assertGreater(len(commands), 6)
        for command in commands:
            done = product.run(*command, cwd=self.folder)
            self.assertEqual(done.code, 0, f"{command}: {done.err}")
            if "--kind" in command or "csv" in command:
                self.assertGreaterEqual(len(done.out.splitlines()), 1000, command)
            if "verify" in command:
                count = done.out.split(",")[0]
                self.assertTrue(any(line.startswith(f"    {count}, ") for line in lines), count)
        self.tape = os.path.join(self.folder, "var/tape")
        self.change_byte(os.path.getsize(self.path()) // 2)
        self.assertIn("at byte", self.look("verify", code=DAMAGED).out)
        repaired = self.look("repair").out
        self.assertIn("  what it was is kept in ", repaired)
        self.assertRegex(repaired, r"1 file repaired, [1-9]\d* events lost")
        self.assertEqual(self.look("repair").out, "nothing to repair\n")


class BesideAWriter(TapeCase):
    @contextlib.contextmanager
    def follower(self):
        """`tail -f` of the tape, into a file."""
        out_path = os.path.join(self.folder, "followed")
        with open(out_path, "wb") as out:
            process = subprocess.Popen(
                product.command("tape", "tail", self.tape, "-n", "0", "-f"),
                stdout=out,
                stderr=subprocess.PIPE,
            )
        self.addCleanup(process.stderr.close)
        try:
            yield process, out_path
        finally:
            process.kill()
            process.wait()

    def until(self, what, ask):
        deadline = time.monotonic() + WAIT_S
        while not ask():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)

    def follow_all(self, path, count):
        """Takes in `path` while following; the offsets that were followed."""
        with self.follower() as (process, out_path):
            self.take_in(path)
            ended = b'"state":"ended"'

            def has_ended():
                with open(out_path, "rb") as out:
                    out.seek(max(0, os.path.getsize(out_path) - 1000))
                    return ended in out.read()

            self.until("the last event", has_ended)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(WAIT_S), 0)
            self.assertEqual(process.stderr.read(), b"")
            offsets = []
            with open(out_path, "rb") as out:
                for line in out:
                    offsets.append(int(line[22 : line.index(b'"', 22)]))
        self.assertEqual(offsets, list(range(offsets[0], offsets[0] + len(offsets))))
        self.assertGreaterEqual(len(offsets), count)
        return offsets

    def test_it_follows_and_ends_by_ctrl_c(self):
        self.take_in(self.write("first.csv", trades(50)))
        held = len(self.cat())
        offsets = self.follow_all(self.write("second.csv", trades(5000, first=50)), 5000)
        self.assertEqual(offsets[0], held)

    def test_it_follows_from_segment_to_segment(self):
        self.take_in(self.write("first.csv", trades(50)))
        count = 4_300_000  # a segment ends after 4 194 304 events
        path = os.path.join(self.folder, "many.csv")
        with open(path, "w", encoding="utf-8") as out:
            for first in range(0, count, 100_000):
                text = trades(min(100_000, count - first), first=first + 50)
                out.write(text if first == 0 else text[text.index("\n") + 1 :])
        self.follow_all(path, count)
        listed = json.loads(self.look("ls", "--format", "json").out)["segments"]
        self.assertGreater(len(listed), 1)
        self.look("verify")

    def test_verify_and_ls_may_run_while_it_is_written(self):
        self.take_in(self.write("first.csv", trades(50)))
        path = self.write("second.csv", trades(20_000, first=50))
        command = product.command(*self.replay_command(path, "--speed", 2000))
        writer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            looked = 0
            while writer.poll() is None:
                self.look("verify")
                self.look("ls")
                self.look("cat", "--limit", 1)
                if looked == 0 and writer.poll() is None:
                    busy = product.run("tape", "repair", self.tape)
                    if busy.code != 0:  # else it ended just then
                        self.assertEqual(busy.code, FAILED)
                        self.assertIn("in use by another tapedeck", busy.err)
                looked += 1
            self.assertGreater(looked, 2)
        finally:
            writer.kill()
            writer.wait()


if __name__ == "__main__":
    unittest.main()
