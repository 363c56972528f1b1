"""`./dev new feed` must write a feed that builds, with a test that passes, in its place."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_includes  # noqa: E402
import check_texts  # noqa: E402


class NewFeed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.copy = Path(folder.name)
        for name in ("CMakeLists.txt", "CMakePresets.json", "bench", "cmake", "src"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, cls.copy / name)
        # The tests of the other feeds need not be built here.
        room = cls.copy / "src/feeds/CMakeLists.txt"
        room.write_text(re.sub(r"(?s)  TESTS .*?\n  DEPENDS",
                               "  TESTS event_time_test.cpp\n  DEPENDS", room.read_text()))
        cls.said = cls.new("feed", "kite_x")

    @classmethod
    def new(cls, *arguments):
        return subprocess.run(
            [sys.executable, str(ROOT / "tools/new.py"), *arguments, "--root", str(cls.copy)],
            capture_output=True, text=True)

    def run_here(self, *command):
        environment = {**os.environ, "CCACHE_BASEDIR": str(self.copy), "CCACHE_NOHASHDIR": "true"}
        done = subprocess.run(command, cwd=self.copy, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_it_says_what_it_wrote_and_what_is_left_to_do(self):
        self.assertEqual(self.said.returncode, 0, self.said.stderr)
        for path in ("README.md", "kite_x_feed.cpp", "kite_x_feed.hpp",
                     "kite_x_feed_test.cpp", "testdata/SOURCE.md"):
            self.assertIn(f"wrote src/feeds/kite_x/{path}\n", self.said.stdout)
            self.assertTrue((self.copy / "src/feeds/kite_x" / path).is_file())
        self.assertIn("src/app/registry.cpp", self.said.stdout)

    def test_it_builds_and_its_test_passes(self):
        self.run_here("cmake", "--preset", "dev")
        self.run_here("cmake", "--build", "build/dev", "--target", "td_feeds_test")
        said = self.run_here("build/dev/src/feeds/td_feeds_test",
                             "--gtest_filter=KiteXFeedTest.*")
        self.assertIn("[  PASSED  ] 3 tests.", said)

    def test_it_keeps_the_rules_of_the_house(self):
        complaints = [text for path, _, text in check_includes.Tree(self.copy / "src").violations()
                      if "kite_x" in path]
        for file in (self.copy / "src/feeds/kite_x").glob("*.*pp"):
            path = file.relative_to(self.copy).as_posix()
            complaints += [text for _, text in check_texts.complaints_of(path, file.read_text())]
        self.assertEqual(complaints, [])

    def test_what_is_there_is_not_overwritten(self):
        again = self.new("feed", "kite_x")
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("already there", again.stderr)

    def test_a_bad_name_is_refused(self):
        for name in ("../x", "Kite", "9x", ""):
            with self.subTest(name):
                self.assertIn("is no name", self.new("feed", name).stderr)

    def test_what_cannot_be_made_is_wrong_usage(self):
        self.assertEqual(self.new("indicator", "x").returncode, 2)


if __name__ == "__main__":
    unittest.main()
