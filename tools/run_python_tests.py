#!/usr/bin/env python3
"""Runs the unittest files (*_test.py) of one folder and writes what happened as JSON.

run_python_tests.py FOLDER REPORT

The report: {"passed": N, "failed": [name, ...], "skipped": [[name, reason], ...]}. It is written at
the very end, so a run that dies half-way leaves none, which the caller counts as a failure.
"""

import json
import sys
import unittest


class Outcomes(unittest.TextTestResult):
    """One outcome a test: of several (subtests), the worst counts."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.passed, self.failed, self.skips = set(), set(), {}

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed.add(test.id())

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.passed.add(test.id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed.add(test.id())

    def addError(self, test, err):
        super().addError(test, err)
        self.failed.add(test.id())

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.failed.add(test.id())

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed.add(test.id())

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skips[getattr(test, "test_case", test).id()] = reason

    def report(self):
        skipped = {name: why for name, why in self.skips.items() if name not in self.failed}
        return {
            "passed": len(self.passed - self.failed - skipped.keys()),
            "failed": sorted(self.failed),
            "skipped": sorted(skipped.items()),
        }


def main(folder, report_path):
    suite = unittest.TestLoader().discover(folder, pattern="*_test.py")
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Outcomes)
    result = runner.run(suite)
    with open(report_path, "w", encoding="utf-8") as report:
        json.dump(result.report(), report)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
