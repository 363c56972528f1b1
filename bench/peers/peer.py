"""bench/peers/peer.py: what the programs of this folder share: the rows as an Arrow table, the
clock, and the one line of JSON on stdout in which each reports."""

import argparse
import json
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import rows as rows_file  # noqa: E402

# What makers of bars write; bench/bars.py says more.
MINUTE_NS = 60 * 10**9
PANE_NS = 5 * 10**9  # averages slide by it
PANES_IN_WINDOW = 3
BAR_COLUMNS = ["series", "ts_open", "open", "high", "low", "close", "volume", "trades"]
AVERAGE_COLUMNS = ["series", "ts_end", "trades", "price_sum", "notional", "average_price",
                   "average_notional"]


def arrow_table(path):
    """The rows, and the names of the columns that a contender has to keep."""
    import pyarrow

    rows, _ = rows_file.read(path)
    columns = rows_file.columns_of(rows)
    return pyarrow.table({name: rows[name].copy() for name in columns}), columns


def cpu_s(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


class Clock:
    """Runs inside `with`; a lap marks the end of the first part."""

    def __enter__(self):
        self._lap = None
        self._cpu = cpu_s(resource.RUSAGE_SELF)
        self._start = time.perf_counter()
        return self

    def lap(self):
        self._lap = time.perf_counter()

    def __exit__(self, *_):
        self._end = time.perf_counter()
        self._cpu = cpu_s(resource.RUSAGE_SELF) - self._cpu

    def times(self):
        times = {"s": self._end - self._start, "cpu_s": self._cpu}
        if self._lap:
            times["s_without_sealing"] = self._lap - self._start
        return times


def bytes_below(folder):
    return sum(os.path.getsize(os.path.join(where, name))
               for where, _, names in os.walk(folder) for name in names)


def report(**said):
    said["rss_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps(said), flush=True)


def main(doc, commands, **defaults):
    """Runs the command that argv[1] names. `defaults`: the peer's own options."""
    parser = argparse.ArgumentParser(description=doc,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=[command.__name__ for command in commands])
    parser.add_argument("--rows")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--commit", type=int, default=10_000)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    options = parser.parse_args()
    next(command for command in commands if command.__name__ == options.command)(options)
