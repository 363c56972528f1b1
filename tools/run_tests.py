#!/usr/bin/env python3
"""Runs the test suites and counts what their own runners report.

run_tests.py unit|integration|browser|all

A line for each suite, every skipped test with its reason, the output of suites that failed, and as
the last line `N passed, N failed, N skipped`. The exit code is 0 only if tests ran and none failed.
A suite that crashes, runs out of time or runs no test at all counts as one failed test.
Everything must have been built before; `./dev test` does that. Logs: build/test/.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITE_SECONDS_MAX = 1800


@dataclass
class Outcome:
    passed: int = 0
    failed: list = field(default_factory=list)  # names
    skipped: list = field(default_factory=list)  # (name, reason)


@dataclass
class Suite:
    """A command, and how to read its outcome from its output and from the report file it writes."""

    name: str
    kind: str
    command: list  # "{report}" stands for the report file's path
    read: callable  # (output text, report path) -> Outcome
    folder: Path = ROOT


def read_ctest(_output, report):
    """ctest's JUnit file. What did not run counts as skipped only if the test asked for it."""
    outcome = Outcome()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        skip = case.find("skipped")
        message = skip.get("message", "") if skip is not None else ""
        if status == "run":
            outcome.passed += 1
        elif status == "disabled":
            outcome.skipped.append((name, "disabled"))
        elif message.startswith("SKIP_"):
            said = re.search(r": Skipped\n(.*)", case.findtext("system-out") or "")
            outcome.skipped.append((name, said.group(1).strip() if said else message))
        else:
            outcome.failed.append(name)
    return outcome


def read_python(_output, report):
    said = json.loads(Path(report).read_text(encoding="utf-8"))
    return Outcome(said["passed"], said["failed"], [tuple(skip) for skip in said["skipped"]])


def read_node(output, _report):
    """node:test's closing counts and names, which its tap and spec reporters write alike."""
    counts = {key: int(n) for key, n in re.findall(r"^[#\u2139] ([a-z]+) (\d+)$", output, re.M)}
    failed = [name for name, kind in re.findall(
        r"^ *not ok \d+ - (.*)\n(?: +---\n +duration_ms.*\n +type: '(suite)')?", output, re.M)
        if kind != "suite" and not re.search("# (TODO|SKIP)", name)]
    bad = counts["fail"] + counts["cancelled"]
    skipped = re.findall(r"^ *(?:ok \d+ -|\uFE63) (.*?)(?: \([\d.]+ms\))? # (?:SKIP)?(.*)$", output,
                         re.M)[: counts["skipped"] + counts["todo"]]
    skipped = [(name, reason.strip() or "no reason given") for name, reason in skipped]
    names = failed if len(failed) == bad else [f"{bad} tests, see the output"] * bad
    return Outcome(counts["pass"], names, skipped)


def run(suite, logs):
    """Runs one suite; returns (Outcome, output)."""
    report = logs / f"{suite.name}.report"
    report.unlink(missing_ok=True)
    command = [str(word).replace("{report}", str(report)) for word in suite.command]
    with open(logs / f"{suite.name}.log", "w+", encoding="utf-8", errors="replace") as log:
        try:
            process = subprocess.Popen(command, cwd=suite.folder, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=subprocess.STDOUT,
                                       start_new_session=True)
        except OSError as error:
            return Outcome(failed=[f"(did not start: {error})"]), ""
        try:
            status = process.wait(SUITE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            status = f"none: it was stopped after {SUITE_SECONDS_MAX} s"
        finally:
            try:  # whatever the suite left running
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        log.seek(0)
        output = log.read()
    try:
        outcome = suite.read(output, report)
    except (OSError, ValueError, KeyError, ElementTree.ParseError):
        return Outcome(failed=[f"(crashed; exit status {status})"]), output
    if status != 0 and not outcome.failed:
        outcome.failed.append(f"(exit status {status}, though no test failed)")
    if not outcome.passed and not outcome.failed and not outcome.skipped:
        outcome.failed.append("(ran no test)")
    return outcome, output


def run_all(suites, logs):
    """Runs the suites one after the other, prints the report; returns the exit code."""
    logs.mkdir(parents=True, exist_ok=True)
    total, skips = Outcome(), []
    for suite in suites:
        started = time.monotonic()
        print(f"{suite.name} ...", flush=True)
        outcome, output = run(suite, logs)
        print(f"  passed {outcome.passed}, failed {len(outcome.failed)}, "
              f"skipped {len(outcome.skipped)}, in {time.monotonic() - started:.1f} s", flush=True)
        if outcome.failed:
            print("".join(f"  | {line}\n" for line in output.splitlines()[-80:]), end="")
            print("".join(f"  FAILED {name}\n" for name in outcome.failed), end="", flush=True)
        total.passed += outcome.passed
        total.failed += outcome.failed
        skips += [f"{suite.name}: {name}: {reason}" for name, reason in outcome.skipped]
    if skips:
        print("Skipped:")
        print("".join(f"  {skip}\n" for skip in skips), end="")
    print(f"{total.passed} passed, {len(total.failed)} failed, {len(skips)} skipped")
    return 0 if total.passed and not total.failed else 1


def ctest_suite(name, build_folder):
    return Suite(name, "unit",
                 ["ctest", "--test-dir", build_folder, "--output-junit", "{report}", "--parallel",
                  os.cpu_count() or 1, "--timeout", 300, "--no-tests=error", "--output-on-failure"],
                 read_ctest)


def python_suite(folder, kind):
    return Suite(folder.name, kind,
                 [sys.executable, ROOT / "tools/run_python_tests.py", folder, "{report}"],
                 read_python)


def node_suite(name, kind, command, folder):
    return Suite(name, kind, command, read_node, folder)


def all_suites():
    suites = [ctest_suite("cpp", ROOT / "build/dev"),
              node_suite("web", "unit", ["npm", "test"], ROOT / "web"),
              node_suite("browser", "browser", ["npm", "run", "test:browser"], ROOT / "web")]
    tests = ROOT / "tests"
    for folder in [tests, *sorted(path for path in tests.iterdir() if path.is_dir())]:
        kind = "unit" if folder.name == "house" else "integration"
        if any(folder.glob("*_test.py")):
            suites.append(python_suite(folder, kind))
    return suites


def main(kind):
    suites = [suite for suite in all_suites() if kind in ("all", suite.kind)]
    if not suites:
        print(f"no suite of kind '{kind}' exists")
    return run_all(suites, ROOT / "build/test")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("unit", "integration", "browser", "all"):
        sys.exit(__doc__)
    # Being stopped ends what is running, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run_tests: stopped"))
    sys.exit(main(sys.argv[1]))
