"""tests/replay/product.py: runs the release program and compares what it says with the oracle.

TAPEDECK_BIN     the program; default build/release/tapedeck
TAPEDECK_CORPUS  a folder with the large recordings; without it the tests that need it are skipped
"""

import collections
import csv
import functools
import io
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import oracle

BINARY = os.path.abspath(
    os.environ.get("TAPEDECK_BIN") or os.path.join(ROOT, "build/release/tapedeck")
)
CORPUS = os.environ.get("TAPEDECK_CORPUS")
NO_CORPUS = "not run: no corpus"
TIMEOUT_S = 300

DEMO = [
    os.path.join(ROOT, "demo/2013-10-07", symbol, "20131007_trade.zip")
    for symbol in ("spy", "ibm", "aig")
]

Run = collections.namedtuple("Run", "code out err")


def require_binary():
    """For setUpModule: a missing program is a failure, never a skip."""
    if not os.access(BINARY, os.X_OK):
        raise FileNotFoundError(
            f"no program at {BINARY}: build it (./dev build release) or set TAPEDECK_BIN"
        )


def command(*arguments):
    return [BINARY, *(str(argument) for argument in arguments)]


def run(*arguments, cwd=None, timeout=TIMEOUT_S):
    done = subprocess.run(
        command(*arguments), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout
    )
    return Run(
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


def replay(files, interval="1m", conditions="all", session="extended", options=()):
    return run(
        "replay",
        *files,
        "--bars",
        interval,
        "--conditions",
        conditions,
        "--session",
        session,
        *options,
    )


def map_options(field_map=None, symbol=None, venue=None):
    """The same choice as command line options."""
    options = []
    for name, value in (("--map", field_map), ("--symbol", symbol), ("--venue", venue)):
        if value:
            options += [name, value]
    return options


@functools.lru_cache(maxsize=2)
def read(files, field_map=None, symbol=None, venue=None):
    """The oracle over these files (a tuple); reading is the slow part, so the last two are kept."""
    reader = oracle.Oracle(field_map, symbol, venue)
    for path in files:
        reader.add_file(path)
    return reader


def rows_by_key(text):
    rows = {}
    for row in csv.DictReader(io.StringIO(text)):
        key = tuple(
            row.get(name) for name in ("venue", "channel", "instrument", "interval", "ts_open")
        )
        rows.setdefault(key, []).append(row)
    return rows


def differences(ours, theirs, limit=20):
    """What differs between two CSV texts of bars, in words; empty only for the same text."""
    if ours == theirs:
        return []
    found = []
    left, right = rows_by_key(ours), rows_by_key(theirs)
    for key in sorted(set(left) | set(right), key=str):
        if key not in right:
            found.append(f"{key}: only the program has it: {left[key][0]}")
        elif key not in left:
            found.append(f"{key}: only the oracle has it: {right[key][0]}")
        elif len(left[key]) != len(right[key]):
            found.append(
                f"{key}: {len(left[key])} times in the program, "
                f"{len(right[key])} times in the oracle"
            )
        else:
            for mine, other in zip(left[key], right[key]):
                for column in other:
                    if mine.get(column) != other[column]:
                        found.append(
                            f"{key}: {column}: program {mine.get(column)!r}, "
                            f"oracle {other[column]!r}"
                        )
    if not found:
        pairs = zip(ours.split("\n"), theirs.split("\n"))
        first = next(((a, b) for a, b in pairs if a != b), "length")
        found.append(f"the same bars in another order or form: {first}")
    return found[:limit] + ([f"... and {len(found) - limit} more"] if len(found) > limit else [])
