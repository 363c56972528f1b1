"""tests/house/bench_test.py: the benchmark's lines, the rows that all contenders take in, and the
comparison of the bars that they make."""

import collections
import json
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import bars  # noqa: E402
import lines  # noqa: E402
import serving  # noqa: E402


def python_with_numpy():
    for python in (BENCH.parent / "build/bench-venv/bin/python", sys.executable,
                   "/usr/bin/python3"):
        try:
            if subprocess.run([python, "-c", "import numpy"], capture_output=True,
                              check=False).returncode == 0:
                return python
        except OSError:
            pass
    return None


class LinesTest(unittest.TestCase):
    def test_a_line_has_its_keys_and_the_ratio_of_the_medians(self):
        line = json.loads(lines.to_json(lines.line_of(
            "ingest", "rows/s", [30, 10, 20], "Peer 1.0", [5, 4, 100], rows=7)))
        self.assertEqual(list(line)[:7],
                         ["name", "unit", "min", "median", "max", "against", "ratio"])
        self.assertEqual([line[key] for key in ("min", "median", "max", "ratio")], [10, 20, 30, 4])
        self.assertEqual((line["against_min"], line["against_median"], line["against_max"]),
                         (4, 5, 100))
        self.assertEqual((line["runs"], line["rows"]), (3, 7))

    def test_what_did_not_run_has_no_numbers(self):
        line = json.loads(lines.to_json(lines.line_without_numbers("size", "bytes", "parquet",
                                                                   "not run: no corpus")))
        self.assertEqual(line, {"name": "size", "unit": "bytes", "min": None, "median": None,
                                "max": None, "against": "parquet", "ratio": None,
                                "note": "not run: no corpus"})

    def test_the_table_is_aligned_and_shows_notes(self):
        rows = list(lines.table([
            lines.line_of("ingest", "rows/s", [5_432_100], "Peer 1.0", [1_600_000]),
            lines.line_without_numbers("size", "bytes/trade", "parquet", "not run: no corpus")]))
        self.assertEqual(len(rows), 3)
        self.assertIn("5.43 M", rows[1])
        self.assertTrue(rows[1].endswith(" 3.4"), rows[1])
        self.assertEqual(rows[0].index("against"), rows[1].index("Peer 1.0"))
        self.assertTrue(rows[2].endswith("\n    not run: no corpus"), rows[2])


class ServingTest(unittest.TestCase):
    def test_each_line_is_described(self):
        page = (BENCH / "README.md").read_text(encoding="utf-8")
        for name in serving.Serving(None, None, 0).all():
            self.assertIn(f"`{name}`", page)

    def test_a_program_that_ends_early_is_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            with serving.Program("/bin/echo", Path(folder), "no address") as program:
                with self.assertRaisesRegex(serving.Failed, "no address"):
                    program.find_address()


class BarsTest(unittest.TestCase):
    SERIES = [{"venue": "v", "channel": "trade", "instrument": name, "price_scale": 2,
               "size_scale": 1} for name in ("A", "B")]
    OURS = {
        "bars.csv": """instrument,ts_open,open,high,low,close,volume,trades,notional,venue,channel
A,60,10.5,11,10.25,10.5,3.5,2,36.7,v,trade
B,60,7,7,7,7,1,1,7,v,trade
""",
        "averages.csv": """venue,channel,instrument,ts_end,trades,price_sum,notional,\
average_price,average_notional
v,trade,A,65,3,32,36.7,10.666666667,12.233333333
""",
    }
    THEIRS = {
        "bars.csv": """series,ts_open,open,high,low,close,volume,trades
1,60,700,700,700,700,10,1
0,60,1050,1100,1025,1050,35,2
""",
        "averages.csv": """series,ts_end,trades,price_sum,notional,average_price,average_notional
0,65,3,3200,36700,1066.6666666666667,12233.333333333334
""",
    }

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.ours, self.theirs = (Path(folder.name, name) for name in ("ours", "theirs"))
        for where, files in ((self.ours, self.OURS), (self.theirs, self.THEIRS)):
            where.mkdir()
            for name, text in files.items():
                (where / name).write_text(text, encoding="utf-8")

    def check(self):
        bars.check(bars.read_ours(self.ours, self.SERIES), self.theirs, self.SERIES, "peer")

    def test_equal_bars_in_another_order_are_equal(self):
        self.check()

    def test_every_difference_is_found(self):
        for name, row in (("bars.csv", 2), ("averages.csv", 1)):
            path = self.theirs / name
            good = path.read_text(encoding="utf-8")
            rows = good.splitlines()
            for column in range(len(rows[0].split(","))):
                cells = rows[row].split(",")
                cells[column] = str(float(cells[column]) + 0.001 if "." in cells[column] else
                                    int(cells[column]) + 1)
                changed = [*rows[:row], ",".join(cells), *rows[row + 1:]]
                path.write_text("\n".join(changed) + "\n", encoding="utf-8")
                with self.subTest(name=name, column=rows[0].split(",")[column]):
                    self.assertRaises(bars.Differ, self.check)
            for what, changed in (("one is missing", rows[:-1]), ("one twice", [*rows, rows[-1]]),
                                  ("one more", [*rows, "0,120" + rows[-1][4:]]),
                                  ("a column more", [*rows[:-1], rows[-1] + ",1"])):
                path.write_text("\n".join(changed) + "\n", encoding="utf-8")
                with self.subTest(name=name, what=what):
                    self.assertRaises(bars.Differ, self.check)
            path.write_text(good, encoding="utf-8")
        self.check()

    def test_what_is_more_exact_than_its_scale_is_no_mantissa(self):
        self.assertEqual(bars.mantissa("10.5", 2), 1050)
        self.assertRaises(bars.Differ, bars.mantissa, "10.505", 2)

    def test_the_digest_is_of_both_files(self):
        digests = {bars.digest(self.theirs)}
        for name in self.THEIRS:
            path = self.theirs / name
            path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
            digests.add(bars.digest(self.theirs))
        self.assertEqual(len(digests), 3)


class RowsTest(unittest.TestCase):
    COUNT = 20_000
    RECORD = struct.Struct("<qqQQqqIBBBBQ")  # once more, not taken from rows.py

    @classmethod
    def setUpClass(cls):
        cls.python = python = python_with_numpy()
        if python is None:
            raise unittest.SkipTest("not run: no numpy (Debian's python3-numpy, or ./dev bench)")
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.files = [Path(cls.folder.name, name) for name in ("first", "second")]
        for path in cls.files:
            subprocess.run([python, BENCH / "rows.py", "synthetic", path, "--rows",
                            str(cls.COUNT)], check=True)
        cls.content = cls.files[0].read_bytes()
        cls.about = json.loads(Path(f"{cls.files[0]}.json").read_text(encoding="utf-8"))
        cls.rows = list(cls.RECORD.iter_unpack(cls.content))

    def test_every_run_makes_the_same_bytes(self):
        self.assertEqual(len(self.content), 64 * self.COUNT)
        self.assertEqual(self.content, self.files[1].read_bytes())

    def test_trades_are_what_the_benchmark_says_of_them(self):
        times = collections.Counter(row[0] for row in self.rows)
        shared = sum(count for count in times.values() if count > 1) / self.COUNT
        self.assertAlmostEqual(shared, 0.37, delta=0.02)
        self.assertLess(max(times) - min(times), 24 * 3600 * 10**9)
        received = [row[1] for row in self.rows]
        self.assertEqual(received, sorted(received))
        self.assertTrue(all(0 < row[1] - row[0] < 100_000_000 for row in self.rows))
        popular = collections.Counter(row[6] for row in self.rows).most_common()
        self.assertGreater(len(popular), 450)
        self.assertAlmostEqual(popular[0][1] / popular[9][1], 10, delta=3)  # Zipf

    def test_hours_and_series_can_be_chosen(self):
        path = Path(self.folder.name, "market")
        subprocess.run([self.python, BENCH / "rows.py", "synthetic", path, "--rows",
                        str(self.COUNT), "--hours", "2", "--series", "20"], check=True)
        rows = list(self.RECORD.iter_unpack(path.read_bytes()))
        times = [row[0] for row in rows]
        self.assertLess(max(times) - min(times), 2 * 3600 * 10**9)
        self.assertGreater(max(times) - min(times), 1.8 * 3600 * 10**9)
        self.assertEqual({row[6] for row in rows}, set(range(20)))

    def test_places_follow_the_order_of_each_series(self):
        # By venue_sequence in one series, by the identity (origin, then number) in the other.
        code = f"""import sys, numpy; sys.path.insert(0, {str(BENCH)!r}); import rows
given = numpy.zeros(5, rows.RECORD)
given["ts_event"] = [7, 5, 7, 9, 9]
given["series"] = [0, 0, 0, 1, 1]
given["venue_sequence"] = [2, 3, 1, 1, 2]
given["origin"] = [0, 0, 0, 1, 0]
given["seq"] = [1, 2, 3, 1, 8]
print(*rows.places(given, [{{"order": "venue_sequence"}}, {{"order": "identity"}}]))"""
        places = [int(word) for word in subprocess.run(
            [self.python, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()]
        self.assertEqual(sorted(range(3), key=lambda row: places[row]), [1, 2, 0])
        self.assertLess(places[4], places[3])

    def test_identities_are_dense_in_each_series(self):
        by_series = collections.defaultdict(list)
        for row in self.rows:
            by_series[row[6]].append(row[2])
            self.assertEqual(row[2], row[11])
        for numbers in by_series.values():
            self.assertEqual(sorted(numbers), list(range(min(numbers), max(numbers) + 1)))

    def test_the_side_file_says_what_a_copy_must_give_again(self):
        self.assertEqual(self.about["rows"], self.COUNT)
        self.assertEqual(self.about["checksum"],
                         str(sum((row[6] + 1) * row[4] * row[5] for row in self.rows)))
        for row in self.rows:
            series = self.about["series"][row[6]]
            self.assertEqual((row[8], row[9]), (series["price_scale"], series["size_scale"]))


if __name__ == "__main__":
    unittest.main()
