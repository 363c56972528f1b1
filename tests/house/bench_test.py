"""tests/house/bench_test.py: the benchmark's lines, and the rows that all contenders take in."""

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

import lines  # noqa: E402


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


class RowsTest(unittest.TestCase):
    COUNT = 20_000
    RECORD = struct.Struct("<qqQQqqIBBBBQ")  # once more, not taken from rows.py

    @classmethod
    def setUpClass(cls):
        python = python_with_numpy()
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
