#!/usr/bin/env python3
"""tests/replay/bad_input_test.py: replay says what is wrong, where and what to do; the rest flows.

    [TAPEDECK_BIN=build/release/tapedeck] python3 tests/replay/bad_input_test.py

Exit codes: 1 failed, 2 wrong usage, 3 finished but something was refused. Root may write to a
read-only folder, so paths that nobody can write stand in for it: one below a plain file, and one
in /proc.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fixtures
import product
from product import DEMO, map_options, oracle, run

FAILED, USAGE, REFUSED = 1, 2, 3
MAP = dict(field_map=fixtures.BARE_MAP, symbol="BCH/EUR")
GOOD = "1672531436,90.54,1.1\n1672531471,90.45,1\n1672531647,90.36,0.286\n"


def setUpModule():
    product.require_binary()


def line_of(record):
    """The line that `where` names: "trades.csv: line 3"."""
    return int(re.search(r"line (\d+)", record["where"]).group(1))


class Case(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.quarantine = os.path.join(self.folder, "quarantine.ndjson")

    def file(self, name, content):
        return fixtures.write(self.folder, name, content)

    def replay(self, *files, mapping=None, options=(), bars="1m"):
        return run(
            "replay",
            *files,
            "--bars",
            bars,
            "--conditions",
            "all",
            *map_options(**(mapping or {})),
            *options,
        )

    def says(self, done, code, *phrases):
        """The exit code, and every phrase (a regular expression) somewhere on stderr."""
        self.assertEqual(done.code, code, f"stderr: {done.err[-2000:]}")
        for phrase in phrases:
            self.assertRegex(done.err, f"(?is){phrase}")
        self.assertNotRegex(done.err, r"terminate called|what\(\):|Traceback|AddressSanitizer")
        return done

    def flows(self, content, refused, reason, mapping=MAP, name="trades.csv"):
        """The good records make the bars they make alone; the bad are counted and kept apart."""
        path = self.file(name, content)
        done = self.replay(path, mapping=mapping, options=["--quarantine", self.quarantine])
        self.says(done, REFUSED, r"refused", reason)
        bars = oracle.Oracle(**mapping).add_file(path).bars("1m")
        self.assertEqual(
            product.differences(done.out, oracle.csv_text(bars, "1m", "all", "extended")), []
        )
        with open(self.quarantine, encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        self.assertEqual(len(records), refused, records[:3])
        for record in records:
            self.assertLessEqual({"where", "reason", "detail", "text"}, set(record))
            self.assertIn(os.path.basename(path), record["where"])
            self.assertRegex(record["reason"], f"(?i){reason}")
        return records


class OneBadRecord(Case):
    def test_malformed_line(self):
        first, second, third = GOOD.splitlines(keepends=True)
        (record,) = self.flows(
            first + second + "not,a trade\n" + third, 1, "malformed|number|column|field|bad_"
        )
        self.assertEqual((line_of(record), record["text"]), (3, "not,a trade"))

    def test_malformed_line_is_counted_without_a_quarantine_file(self):
        done = self.replay(self.file("t.csv", GOOD + "x\n"), mapping=MAP)
        self.says(done, REFUSED, "refused", r"\b1\b")
        self.assertEqual(
            len(done.out.splitlines()),
            1 + len(oracle.Oracle(**MAP).add_file(self.file("g.csv", GOOD)).bars("1m")),
        )

    def test_malformed_line_in_a_lean_zip(self):
        name = "20131007_xyz_Trade_Tick.csv"
        text = (
            "34200000,1000000,100,P,1,0\n34200001,1000000,100,P\n"
            "34200002,1000100,100,P,zz,0\n34200003,1010000,1,P,1,0\n"
        )
        records = self.flows(
            fixtures.zipped({name: text}), 2, "", mapping={}, name="20131007_trade.zip"
        )
        self.assertEqual([line_of(record) for record in records], [2, 3])

    def test_malformed_frame_in_a_capture(self):
        lines = fixtures.binance(1, "spot", 30).splitlines()
        lines[5:5] = [
            "1723161250000000000 {\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\"",
            "rubbish",
        ]
        lines += [
            '1723161250000000000 {"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT",'
            '"t":1,"p":"x","q":"1","T":1723161250000,"m":true,"M":true}}'
        ]
        records = self.flows("\n".join(lines) + "\n", 3, "", mapping={}, name="capture.ndjson")
        self.assertEqual(sorted(line_of(record) for record in records), [6, 7, len(lines)])

    def test_prices_and_sizes_that_cannot_be(self):
        bad = [
            "1672531436,-90,1",
            "1672531436,0,1",
            "1672531436,NaN,1",
            "1672531436,inf,1",
            "1672531436,1e400,1",
            "1672531436,90,-1",
            "1672531436,90,NaN",
            "1672531436,,1",
            "1672531436,99999999999999999999999,1",
            "1672531436,0.0000000000000000000000001,1",
        ]
        records = self.flows(
            GOOD + "".join(line + "\n" for line in bad), len(bad), "price|size|number|decimal"
        )
        self.assertEqual([record["text"] for record in records], bad)

    def test_prices_that_cannot_be_in_json(self):
        rows = (
            '[[1570752011620,"1",null,"sell",0.0014,23.0],[1570752011621,"2",null,"sell",1e400,1],'
            '[1570752011622,"3",null,"sell",-1,1],[1570752011623,"4",null,"sell",null,1],'
            '[1570752011624,"5",null,"sell",0.0015,1]]'
        )
        self.flows(
            rows,
            3,
            "",
            mapping=dict(field_map=fixtures.JSON_ROWS_MAP, symbol="XRP/ETH"),
            name="rows.json",
        )

    def test_nul_bytes(self):
        records = self.flows(
            GOOD.encode() + b"\x00\x00\x00\n16725\x0031436,90,1\n" + GOOD.encode(), 2, ""
        )
        self.assertEqual([line_of(record) for record in records], [4, 5])

    def test_bytes_that_are_not_utf8(self):
        self.flows(GOOD.encode() + b"\xff\xfe,90,1\n", 1, "")

    def test_a_line_of_ten_megabytes(self):
        for name, filler in (("x.csv", b"x"), ("comma.csv", b",")):
            with self.subTest(name):
                records = self.flows(
                    GOOD.encode() + filler * 10**7 + b"\n" + GOOD.encode(), 1, "", name=name
                )
                self.assertEqual(line_of(records[0]), 4)
                self.assertLess(os.path.getsize(self.quarantine), 2**20)
                os.remove(self.quarantine)

    def test_a_record_without_an_end_of_line(self):
        self.flows(GOOD + "bad\n" + "1672531700,90.1,2", 1, "")


class Times(Case):
    def test_the_wrong_unit_is_named(self):
        for declared, given, factor in (
            ("ms", "us", 10**6),
            ("s", "ms", 10**3),
            ("us", "ns", 10**9),
            ("us", "ms", 10**3),
            ("ms", "s", 1),
            ("ns", "us", 10**6),
        ):
            with self.subTest(declared=declared, given=given):
                text = "".join(f"{(1672531436 + second) * factor},90,1\n" for second in range(20))
                done = self.replay(
                    self.file("t.csv", text),
                    mapping=dict(MAP, field_map=f"time=#0:{declared},price=#1,size=#2"),
                )
                self.assertIn(done.code, (FAILED, REFUSED))
                self.says(done, done.code, r"t\.csv", rf"\b{given}\b", "time")
                self.assertLessEqual(len(done.out.splitlines()), 1)

    def test_one_time_of_another_century(self):
        # 2053 in ms where s are declared is the year 52 969
        self.flows(GOOD + "1672531436000,90,1\n", 1, "time")

    def test_a_lean_time_past_midnight(self):
        text = "34200000,1000000,100,P,1,0\n-1,1000000,100,P,1,0\n99999999999,1000000,100,P,1,0\n"
        self.flows(text, 2, "time", mapping={}, name="20131007_xyz_Trade_Tick.csv")

    def test_an_iso_time_that_is_none(self):
        text = (
            "2023-01-01T00:03:56Z,90,1\n2023-13-01T00:03:56Z,90,1\n"
            "2023-01-01 noon,90,1\n2023-01-01T25:00:00Z,90,1\n"
        )
        self.flows(text, 3, "time", mapping=dict(MAP, field_map="time=#0:iso,price=#1,size=#2"))


class WholeFiles(Case):
    def test_missing(self):
        self.says(
            self.replay(os.path.join(self.folder, "nowhere.zip")),
            FAILED,
            r"nowhere\.zip",
            "no such file|not found|does not exist|cannot (open|read|be (opened|read))",
        )

    def test_missing_beside_a_good_one(self):
        done = self.replay(DEMO[2], os.path.join(self.folder, "nowhere.zip"))
        self.says(done, FAILED, r"nowhere\.zip")

    def test_a_folder(self):
        self.says(
            self.replay(self.folder),
            FAILED,
            os.path.basename(self.folder),
            "folder|directory|not a (regular )?file",
        )

    def test_truncated(self):
        text = fixtures.binance(1, "spot", 400)
        with open(DEMO[2], "rb") as whole:
            archive = whole.read()
        for name, content in (
            ("cut.zip", archive[: len(archive) // 2]),
            ("cut.gz", fixtures.gz(text)[:-2000]),
            ("no-trailer.gz", fixtures.gz(text)[:-4]),
            ("cut.zst", fixtures.zst(text)[:-2000]),
        ):
            with self.subTest(name):
                done = self.replay(self.file(name, content))
                self.assertIn(done.code, (FAILED, REFUSED))
                self.says(
                    done,
                    done.code,
                    name.replace(".", r"\."),
                    "truncat|damaged|corrupt|incomplete|cut|unexpected end|"
                    "end(s|ed) (early|before|in)|central directory",
                )

    def test_damaged_in_the_middle(self):
        text = fixtures.binance(1, "spot", 400)
        with open(DEMO[2], "rb") as whole:
            archive = whole.read()
        for name, content in (
            ("bad.zip", archive),
            ("bad.gz", fixtures.gz(text)),
            ("bad.zst", fixtures.zst(text)),
        ):
            with self.subTest(name):
                middle = len(content) // 2
                flipped = (
                    content[:middle]
                    + bytes(byte ^ 0x55 for byte in content[middle : middle + 16])
                    + content[middle + 16 :]
                )
                done = self.replay(self.file(name, flipped))
                self.assertIn(done.code, (FAILED, REFUSED))
                self.says(done, done.code, name.replace(".", r"\."))

    def test_unknown_format_asks_for_a_map(self):
        for name, content in (
            ("notes.txt", "hello\nworld\n"),
            ("bare.csv", GOOD),
            ("rows.json", "[[1,2,3]]"),
            ("noise.bin", bytes(range(1, 256)) * 20),
            ("other.zip", fixtures.zipped({"readme.txt": "hello\n"})),
        ):
            with self.subTest(name):
                self.says(
                    self.replay(self.file(name, content)), FAILED, name.replace(".", r"\."), "--map"
                )

    def test_empty(self):
        for name, content in (
            ("empty.csv", ""),
            ("empty.gz", fixtures.gz("")),
            ("empty.zst", fixtures.zst("")),
            ("empty.zip", fixtures.zipped({})),
        ):
            for mapping in ({}, MAP):
                with self.subTest(name, mapping=bool(mapping)):
                    done = self.replay(self.file(name, content), mapping=mapping)
                    self.assertIn(done.code, (0, FAILED, REFUSED))
                    self.says(
                        done,
                        done.code,
                        name.replace(".", r"\."),
                        "empty|no (trades|records|members|lines)|nothing",
                    )

    def test_json_that_breaks_off(self):
        done = self.replay(
            self.file("rows.json", '[[1570752011620,"1",null,"sell",0.0014,23.0],[15707520'),
            mapping=dict(field_map=fixtures.JSON_ROWS_MAP, symbol="X"),
        )
        self.assertIn(done.code, (FAILED, REFUSED))
        self.says(done, done.code, r"rows\.json", "json|array|incomplete|unexpected end")

    def test_a_symbol_is_missing(self):
        done = self.replay(self.file("t.csv", GOOD), mapping=dict(field_map=fixtures.BARE_MAP))
        self.assertIn(done.code, (FAILED, USAGE))
        self.says(done, done.code, "--symbol")


class Usage(Case):
    def test_unknown_option(self):
        self.says(run("replay", DEMO[2], "--bars", "1m", "--colour"), USAGE, "--colour")

    def test_unknown_verb(self):
        self.says(run("rewind"), USAGE, "rewind|replay")

    def test_no_files(self):
        self.says(run("replay", "--bars", "1m"), USAGE, "file")

    def test_unknown_values_are_answered_with_the_known_ones(self):
        for option, value, known in (
            ("--bars", "7m", r"\b1m\b"),
            ("--bars", "0", r"\b1m\b"),
            ("--conditions", "some", "eligible"),
            ("--session", "night", "extended"),
            ("--format", "xml", "ndjson"),
        ):
            with self.subTest(option=option, value=value):
                options = [option, value] if option == "--bars" else ["--bars", "1m", option, value]
                self.says(run("replay", DEMO[2], *options), USAGE, rf"\b{value}\b", known)

    def test_numbers_that_make_no_sense(self):
        for option, value in (
            ("--batch", "0"),
            ("--batch", "-1"),
            ("--batch", "many"),
            ("--threads", "0"),
            ("--speed", "-1"),
            ("--speed", "nan"),
            ("--threads", "99999999999999999999"),
        ):
            with self.subTest(option=option, value=value):
                self.says(self.replay(DEMO[2], options=[f"{option}={value}"]), USAGE, option)

    def test_a_map_that_cannot_be(self):
        path = self.file("t.csv", GOOD)
        for field_map, phrases in (
            ("time=#0:parsecs,price=#1,size=#2", (r"parsecs", r"\bms\b")),
            ("time=#0,price=#1,size=#2", ("time", "unit", r"\bms\b")),
            ("tme=#0:s,price=#1,size=#2", ("tme", r"\btime\b")),
            ("time=#0:s,size=#2", ("price",)),
            ("price=#1,size=#2", ("time",)),
            ("time=#x:s,price=#1,size=#2", ("#x",)),
            ("time", ("time",)),
            ("time=#0:s,price=#1,price=#2,size=#2", ("price",)),
        ):
            with self.subTest(field_map):
                done = run("replay", path, "--bars", "1m", "--symbol", "X", "--map", field_map)
                self.says(done, USAGE, *phrases)

    def test_a_column_that_the_file_has_not(self):
        path = self.file("t.csv", "when,price,size\n" + GOOD)
        done = self.replay(
            path, mapping=dict(field_map="time=timestamp:s,price=price,size=size", symbol="X")
        )
        self.assertIn(done.code, (FAILED, USAGE))
        self.says(done, done.code, r"t\.csv", "timestamp", r"\bwhen\b")


class Places(Case):
    def unwritable(self):
        plain = self.file("plain", "a file, not a folder")
        return [os.path.join(plain, "inside"), "/proc/tapedeck-cannot-be-here/inside"]

    def test_output(self):
        for path in self.unwritable():
            with self.subTest(path):
                self.says(
                    self.replay(DEMO[2], options=["--output", path]),
                    FAILED,
                    "inside",
                    "write|create|open|folder|directory",
                )

    def test_quarantine(self):
        for path in self.unwritable():
            with self.subTest(path):
                self.says(
                    self.replay(DEMO[2], options=["--quarantine", path]),
                    FAILED,
                    "inside",
                    "write|create|open|folder|directory",
                )

    def test_tape(self):
        for path in self.unwritable():
            with self.subTest(path):
                self.says(
                    self.replay(DEMO[2], options=["--tape", path]),
                    FAILED,
                    "inside",
                    "write|create|open|folder|directory",
                )

    def test_a_full_disk(self):
        if os.path.exists("/dev/full"):
            self.says(
                self.replay(DEMO[2], options=["--output", "/dev/full"]),
                FAILED,
                "/dev/full",
                "space|full|write",
            )

    def test_a_second_instance_on_one_tape(self):
        tape = os.path.join(self.folder, "tape")
        first = subprocess.Popen(
            product.command("replay", DEMO[2], "--bars", "1m", "--tape", tape, "--speed", "1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 30
            while (
                not (os.path.isdir(tape) and os.listdir(tape))
                and first.poll() is None
                and time.monotonic() < deadline
            ):
                time.sleep(0.01)
            time.sleep(0.2)
            self.assertIsNone(first.poll(), "the first instance should still be playing at speed 1")
            done = self.replay(DEMO[2], options=["--tape", tape])
            self.says(done, FAILED, "tape", "in use|another|locked|already (open|running)")
            self.assertIsNone(first.poll())
        finally:
            first.kill()
            first.wait()
        # the lock goes with its holder
        self.assertEqual(self.replay(DEMO[2], options=["--tape", tape]).code, 0)

    def test_a_tape_folder_that_holds_something_else(self):
        folder = os.path.join(self.folder, "photos")
        precious = self.file("photos/holiday.jpg", "precious")
        done = self.replay(DEMO[2], options=["--tape", folder])
        self.assertGreaterEqual(done.code, 0)
        with open(precious) as photo:
            self.assertEqual(photo.read(), "precious")


if __name__ == "__main__":
    unittest.main()
