"""tools/run_tests.py must turn red for a suite that fails, crashes, hangs up or runs nothing."""

import contextlib
import fcntl
import io
import sys
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import run_tests  # noqa: E402

HEAD = "import os, sys, unittest\nclass T(unittest.TestCase):\n"


class SuiteCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_suites(self, *suites):
        """Returns (exit code, the lines printed)."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = run_tests.run_all(suites, self.folder / "logs")
        return status, printed.getvalue().splitlines()


class PythonSuite(SuiteCase):
    def suite(self, body, name="sample"):
        folder = self.folder / name
        folder.mkdir()
        (folder / "sample_test.py").write_text(HEAD + textwrap.indent(textwrap.dedent(body), "  "))
        return run_tests.python_suite(folder, "unit")

    def test_a_passing_suite_is_green(self):
        status, lines = self.run_suites(self.suite("def test_a(self): pass"))
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 0 skipped"))

    def test_a_failing_test_is_red(self):
        status, lines = self.run_suites(self.suite("""
            def test_a(self): pass
            def test_b(self): self.assertEqual(1, 2)
        """))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("  FAILED sample_test.T.test_b", lines)

    def test_a_test_with_two_failing_subtests_counts_once(self):
        status, lines = self.run_suites(self.suite("""
            def test_a(self):
              for n in range(3):
                with self.subTest(n): self.assertEqual(n, 1)
        """))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_crash_is_red_even_with_exit_status_0(self):
        for exit_status in (0, 7):
            with self.subTest(exit_status):
                suite = self.suite(f"def test_a(self): os._exit({exit_status})", f"c{exit_status}")
                status, lines = self.run_suites(suite)
                self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_file_that_does_not_import_is_red(self):
        status, lines = self.run_suites(self.suite("import nothing_of_this_name"))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_failing_class_setup_is_red(self):
        status, lines = self.run_suites(self.suite("""
            @classmethod
            def setUpClass(cls): raise RuntimeError("no")
            def test_a(self): pass
        """))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_suite_without_tests_is_red(self):
        status, lines = self.run_suites(self.suite("pass"))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_one_bad_suite_spoils_a_good_one(self):
        status, lines = self.run_suites(self.suite("def test_a(self): pass", "good"),
                                        self.suite("pass", "empty"))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_a_skip_is_listed_with_its_reason(self):
        status, lines = self.run_suites(self.suite("""
            def test_a(self): pass
            def test_b(self): self.skipTest("no data here")
        """))
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("  sample: sample_test.T.test_b: no data here", lines)

    def test_nothing_but_skips_is_red(self):
        status, lines = self.run_suites(self.suite("def test_a(self): self.skipTest('no')"))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 0 failed, 1 skipped"))

    def test_a_suite_that_hangs_is_stopped_and_red(self):
        limit, run_tests.SUITE_SECONDS_MAX = run_tests.SUITE_SECONDS_MAX, 1
        self.addCleanup(setattr, run_tests, "SUITE_SECONDS_MAX", limit)
        status, lines = self.run_suites(self.suite("def test_a(self): sys.stdin.close(); "
                                                   "import signal; signal.pause()"))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_what_a_suite_left_running_is_ended(self):
        # The sleeping child inherits a lock, which is free again once the child is gone.
        lock = self.folder / "lock"
        status, _ = self.run_suites(self.suite(f"""
            def test_a(self):
              import fcntl, subprocess
              lock = open({str(lock)!r}, "w")
              fcntl.flock(lock, fcntl.LOCK_EX)
              subprocess.Popen(["sleep", "30"], pass_fds=[lock.fileno()])
        """))
        self.assertEqual(status, 0)
        started = time.monotonic()
        with open(lock, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
        self.assertLess(time.monotonic() - started, 15)

    def test_no_suite_at_all_is_red(self):
        status, lines = self.run_suites()
        self.assertEqual((status, lines[-1]), (1, "0 passed, 0 failed, 0 skipped"))


class CtestSuite(SuiteCase):
    def suite(self, tests):
        build = self.folder / "build"
        build.mkdir()
        (build / "CTestTestfile.cmake").write_text(tests)
        return run_tests.ctest_suite("cpp", build)

    def test_counts_are_those_of_ctest(self):
        status, lines = self.run_suites(self.suite("""
            add_test(good "true")
            add_test(skipped "printf" "x_test.cpp:1: Skipped\\\\nno data here\\\\n[  SKIPPED ]")
            set_tests_properties(skipped PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED")
        """))
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("  cpp: skipped: no data here", lines)

    def test_failing_crashing_and_missing_programs_are_red(self):
        for command in ('"false"', '"sh" "-c" "kill -SEGV $$"', '"/nothing/of/this/name"'):
            with self.subTest(command):
                build = self.folder / "build"
                build.mkdir(exist_ok=True)
                (build / "CTestTestfile.cmake").write_text(
                    f'add_test(good "true")\nadd_test(bad {command})')
                status, lines = self.run_suites(run_tests.ctest_suite("cpp", build))
                self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
                self.assertIn("  FAILED bad", lines)

    def test_no_tests_is_red(self):
        status, lines = self.run_suites(self.suite(""))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_build_that_is_not_there_is_red(self):
        status, lines = self.run_suites(run_tests.ctest_suite("cpp", self.folder / "nothing"))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))


class NodeSuite(SuiteCase):
    reporters = ("tap", "spec")

    def run_each(self, body, expected_status, expected_line):
        (self.folder / "sample.test.mjs").write_text(
            "import test from 'node:test';\nimport assert from 'node:assert';\n"
            + textwrap.dedent(body))
        lines = []
        for reporter in self.reporters:
            with self.subTest(reporter):
                suite = run_tests.node_suite(
                    "web", "unit", ["node", f"--test-reporter={reporter}", "--test",
                                    "sample.test.mjs"], self.folder)
                status, lines = self.run_suites(suite)
                self.assertEqual((status, lines[-1]), (expected_status, expected_line), lines)
        return lines

    def test_a_passing_suite_is_green(self):
        self.run_each("test('a', () => {});", 0, "1 passed, 0 failed, 0 skipped")

    def test_a_failing_test_is_red(self):
        self.run_each("test('a', () => {});\ntest('b', () => assert.equal(1, 2));",
                      1, "1 passed, 1 failed, 0 skipped")

    def test_a_failing_test_inside_a_suite_is_named(self):
        (self.folder / "sample.test.mjs").write_text(
            "import { describe, it } from 'node:test';\n"
            "describe('suite', () => { it('good', () => {}); it('bad', () => { throw 1; }); });")
        status, lines = self.run_suites(run_tests.node_suite(
            "web", "unit", ["node", "--test-reporter=tap", "--test", "sample.test.mjs"],
            self.folder))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("  FAILED bad", lines)

    def test_a_crash_is_red(self):
        self.run_each("test('a', () => { process.exit(0); });\ntest('b', () => {});\n"
                      "process.kill(process.pid, 'SIGKILL');", 1, "0 passed, 1 failed, 0 skipped")

    def test_a_skip_is_listed_with_its_reason(self):
        lines = self.run_each(
            "test('a', () => {});\ntest('b', { skip: 'no data here' }, () => {});",
            0, "1 passed, 0 failed, 1 skipped")
        self.assertIn("  web: b: no data here", lines)

    def test_a_command_that_is_not_there_is_red(self):
        status, lines = self.run_suites(
            run_tests.node_suite("web", "unit", ["/nothing/of/this/name"], self.folder))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_command_that_says_nothing_is_red(self):
        status, lines = self.run_suites(
            run_tests.node_suite("web", "unit", ["true"], self.folder))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
