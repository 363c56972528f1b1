#!/usr/bin/env python3
"""bench/bench.py: what `./dev bench` runs. It measures the program beside its contenders, on the
same rows, in turns. Every copy of the rows is checked; a wrong one is an error, never a number.

Everything that it makes is below build/bench. Progress goes to stderr.
"""

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import bars
import lines
import serving
import soak

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "build/bench"
QUESTDB_JAR = WORK / (HERE / "questdb.sha256").read_text(encoding="utf-8").split()[1]
PYTHON = sys.executable
PYTHON_OF = {"csp": HERE.parent / "build/csp-venv/bin/python"}  # where it is not ours
ONLY_IF_NAMED = ("soak_mb",)  # it takes half an hour
NO_CORPUS = "not run: no corpus; TAPEDECK_CORPUS names the folder of the recordings"
TUNING_ROWS_MAX = 2_000_000
CONTENDER_S_MAX = 1800
MEMORY_TARGET_MB = 150
MARKET_HOURS = 2  # of the rows that bars are made of: in 24 most windows would hold no trade or one
CSP_ROWS_MAX = 2_000_000
MANY_SERIES = 10_000
BARS_KEPT = 16  # of each bar series in memory
FRAMES = {"binance": "src/feeds/binance/testdata/spot.ndjson",
          "coinbase": "src/feeds/coinbase/testdata/matches.ndjson",
          "kraken": "src/feeds/kraken/testdata/trades.ndjson"}
COMMITS = {"10k": 10_000, "1m": 1_000_000}
# What each database is tried with; the best on the first rows runs against ours.
VARIANTS = {
    "duckdb": [["--threads", threads, "--checkpoint", threshold]
               for threads in ("1", "0") for threshold in ("16MB", "1GB")],
    "questdb": [["--series", series, "--connections", connections]
                for series in ("int", "symbol") for connections in ("1", "2")],
    "arcticdb": [[]],
}
# What makers of bars are tried with, and the file of trades that they read.
BAR_VARIANTS = {
    "duckdb": [["--plan", plan, "--trades", f"received_{compression}"]
               for plan in ("direct", "panes") for compression in ("lz4", "zstd", "none")],
    "polars": [["--engine", engine, "--trades", f"{order}_lz4"]
               for engine in ("streaming", "in-memory") for order in ("by_time", "received")],
    "csp": [["--trades", "csp"]],
}


class Failed(Exception):
    pass


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def run(command):
    """Runs a contender; returns what its line of JSON says."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=CONTENDER_S_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)} took more than {CONTENDER_S_MAX} s") from None
    said = done.stdout.strip().splitlines()
    if not said or not said[-1].startswith("{") or done.returncode not in (0, -9):
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n"
                     f"{(done.stderr or done.stdout)[-2000:]}")
    return json.loads(said[-1])


def files_below(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def make_cold(folder):
    """Takes the files out of the page cache."""
    os.sync()
    for path in files_below(folder):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make_warm(folder):
    for path in files_below(folder):
        with open(path, "rb") as file:
            while file.read(1 << 24):
                pass


class Bench:
    def __init__(self, options):
        self.options = options
        self.corpus = os.environ.get("TAPEDECK_CORPUS")
        self.rows_folder = WORK / "rows"
        self.data = WORK / "data"
        self.made = set()  # names of files of rows
        self.tuned = {}  # (contender, commit) -> the best variant
        self.parquet = {}  # (rows, order, unit) -> what it said
        self.serving = serving.Serving(self, progress, MEMORY_TARGET_MB)
        self.rows_folder.mkdir(parents=True, exist_ok=True)

    # --- rows ---

    def rows_file(self, name, *arguments):
        """Makes a file of rows, once in this invocation."""
        path = self.rows_folder / name
        if name not in self.made:
            self.made.add(name)
            progress(f"making the rows '{name}'")
            done = subprocess.run([PYTHON, HERE / "rows.py", arguments[0], path, *arguments[1:]],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False)
            if done.returncode != 0:
                raise Failed(done.stderr.strip())
        return path

    def synthetic(self):
        return self.rows_file(f"synthetic-{self.options.rows}", "synthetic", "--rows",
                              str(self.options.rows))

    def tuning_rows(self):
        count = min(self.options.rows, TUNING_ROWS_MAX)
        return self.rows_file(f"synthetic-{self.options.rows}-first-{count}", "head", "--source",
                              self.synthetic(), "--rows", str(count))

    # --- contenders ---

    def fresh(self, name):
        folder = self.data / name
        shutil.rmtree(folder, ignore_errors=True)
        self.data.mkdir(parents=True, exist_ok=True)
        return folder

    def ours(self, command, **arguments):
        words = [word for key, value in arguments.items()
                 for word in ([f"--{key}"] if value is True else [f"--{key}", value])]
        return run([self.options.td_bench, command, *words])

    def peer(self, name, command, folder, *arguments):
        if name == "questdb":
            arguments = [*arguments, "--jar", QUESTDB_JAR]
        return run([PYTHON_OF.get(name, PYTHON), HERE / "peers" / f"{name}_peer.py", command,
                    "--dir", folder, *arguments])

    def title(self, name):
        if name == "questdb":
            return "QuestDB " + QUESTDB_JAR.stem.removeprefix("questdb-")
        title = {"duckdb": "DuckDB", "arcticdb": "ArcticDB", "polars": "Polars", "csp": "csp"}[name]
        places = [] if name not in PYTHON_OF else [
            str(path) for path in PYTHON_OF[name].parents[1].glob("lib/python3*/site-packages")]
        found = metadata.distributions(name=name, **({"path": places} if places else {}))
        return f"{title} {next(iter(found)).version}"

    def check(self, who, said, rows):
        about = json.loads(Path(f"{rows}.json").read_text(encoding="utf-8"))
        for key in ("rows", "checksum"):
            if key in said and str(said[key]) != str(about[key]):
                raise Failed(f"{who}: {key} is {said[key]}, of the rows file {about[key]}")

    def ingest_ours(self, rows, commit):
        folder = self.fresh("tapedeck")
        said = self.ours("ingest", rows=rows, dir=folder, commit=commit)
        self.check("tapedeck", said, rows)
        self.check("tapedeck", self.ours("verify", rows=rows, dir=folder), rows)
        return said

    def ingest_peer(self, name, rows, commit, variant):
        folder = self.fresh(name)
        said = self.peer(name, "ingest", folder, "--rows", rows, "--commit", commit, *variant)
        self.check(name, said, rows)
        self.check(name, self.peer(name, "verify", folder), rows)
        shutil.rmtree(folder)
        return said

    def variant(self, name, commit):
        """The best variant for commits of this many rows."""
        variants = VARIANTS[name]
        if self.options.quick or len(variants) == 1:
            return variants[0]
        if (name, commit) not in self.tuned:
            rows = self.tuning_rows()
            taken_s = []
            for number, variant in enumerate(variants, 1):
                progress(f"{name}: variant {number} of {len(variants)}: {' '.join(variant)}")
                taken_s.append(self.ingest_peer(name, rows, commit, variant)["s"])
            self.tuned[name, commit] = variants[taken_s.index(min(taken_s))]
        return self.tuned[name, commit]

    # --- benchmarks: each returns the numbers of its line ---

    def turns(self, name, first, second):
        """Ours and the contender's in turn, --runs times; returns both lists."""
        ours, theirs = [], []
        for number in range(1, self.options.runs + 1):
            progress(f"{name}: run {number} of {self.options.runs}")
            ours.append(first())
            theirs.append(second())
        return ours, theirs

    def ingest(self, name, commit, contender):
        rows = self.synthetic()
        if contender == "disk":
            variant, against = [], "one fdatasync per commit, the same bytes"
        else:
            variant, against = self.variant(contender, commit), self.title(contender)
        last = {}

        def first():
            last.update(self.ingest_ours(rows, commit))
            return dict(last)

        def second():
            if contender != "disk":
                return self.ingest_peer(contender, rows, commit, variant)
            said = self.ours("limit_write", file=self.fresh("limit"), bytes=last["written_bytes"],
                             commits=last["commits"])
            self.fresh("limit").unlink(missing_ok=True)
            return said

        ours, theirs = self.turns(name, first, second)
        count = self.options.rows
        more = {"rows": count, "commit_rows": commit}
        for key in ("s_without_sealing", "cpu_s", "rss_before_mb", "rss_peak_mb", "bytes"):
            more[key] = sorted(said[key] for said in ours)[len(ours) // 2]
        if contender == "disk":
            more.update({key: sorted(said[key] for said in theirs)[len(theirs) // 2]
                         for key in ("sync_p50_ms", "sync_p99_ms")})
        else:
            more["against_cpu_s"] = sorted(said["cpu_s"] for said in theirs)[len(theirs) // 2]
            more["cpu_ratio"] = lines.digits6(more["against_cpu_s"] / more["cpu_s"])
            more["against_variant"] = " ".join(variant)
        return lines.line_of(name, "rows/s", [count / said["s"] for said in ours], against,
                             [count / said["s"] for said in theirs], **more)

    def size(self, name, rows_set, ours_order, their_orders):
        rows = self.rows_file(rows_set, rows_set, "--corpus", self.corpus)
        taken = rows if ours_order == "tape" else self.rows_file(
            f"{rows_set}-by-series", "sort", "--source", rows)
        progress(f"{name}: the tape")
        count = self.ingest_ours(taken, 10_000)
        best = {unit: min((self.parquet_size(name, rows, order, unit) for order in their_orders),
                          key=lambda said: said["bytes"]) for unit in ("coarse", "ns")}
        rows_count = count["rows"]
        return lines.line_of(
            name, "bytes/trade", [count["bytes"] / rows_count],
            f"Parquet of pyarrow {metadata.version('pyarrow')}, zstd-3",
            [best["coarse"]["bytes"] / rows_count], rows=rows_count,
            ratio_with_ns_in_parquet=lines.digits6(count["bytes"] / best["ns"]["bytes"]),
            ns_in_parquet=lines.digits6(best["ns"]["bytes"] / rows_count),
            encodings=best["coarse"]["encodings"], row_group=best["coarse"]["row_group"],
            bytes_by_column=best["coarse"]["bytes_by_column"])

    def parquet_size(self, name, rows, order, unit):
        if (rows, order, unit) not in self.parquet:
            progress(f"{name}: Parquet, order: {order}, unit of times: {unit}")
            quick = ["--quick", "true"] if self.options.quick else []
            said = self.peer("parquet", "size", self.fresh("parquet"), "--rows", rows,
                             "--order", order, "--unit", unit, *quick)
            self.check("parquet", said, rows)
            self.parquet[rows, order, unit] = said
        return self.parquet[rows, order, unit]

    def recovery(self, name, cold):
        rows = self.synthetic()
        progress(f"{name}: a tape that was killed after its last commit")
        killed = self.fresh("killed")
        self.check("tapedeck", self.ours("ingest", rows=rows, dir=killed, commit=10_000,
                                         crash=True), rows)
        folder = self.data / "tapedeck"

        def prepared():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(killed, folder)
            (make_cold if cold else make_warm)(folder)

        def first():
            prepared()
            said = self.ours("recover", dir=folder)
            self.check("tapedeck", said, rows)
            if said["identities"] != said["rows"]:
                raise Failed(f"tapedeck: {said['identities']} identities of {said['rows']} rows")
            return said

        def second():
            prepared()
            return self.ours("limit_read", dir=folder)

        ours, theirs = self.turns(name, first, second)
        self.check("tapedeck", self.ours("verify", rows=rows, dir=folder), rows)
        middle = len(ours) // 2
        return lines.line_of(
            name, "s", [said["s"] for said in ours], "reading the same bytes, with CRC32C",
            [said["s"] for said in theirs], rows=self.options.rows,
            page_cache="cold" if cold else "warm", bytes=theirs[0]["bytes"],
            open_s=sorted(said["open_s"] for said in ours)[middle],
            rss_peak_mb=sorted(said["rss_peak_mb"] for said in ours)[middle])

    def scan(self, name, cold, contender):
        rows = self.synthetic()
        progress(f"{name}: preparing")
        self.ingest_ours(rows, 10_000)
        tape, store = self.data / "tapedeck", None
        if contender == "duckdb":
            store = self.fresh("duckdb")
            self.check("duckdb", self.peer("duckdb", "ingest", store, "--rows", rows, "--commit",
                                           1_000_000), rows)
            self.check("duckdb", self.peer("duckdb", "verify", store), rows)
        prepare = make_cold if cold else make_warm

        def first():
            prepare(tape)
            said = self.ours("scan", dir=tape)
            self.check("tapedeck", said, rows)
            return said

        def second():
            if contender == "read":
                prepare(tape)
                return self.ours("limit_read", dir=tape)
            prepare(store)
            said = self.peer("duckdb", "scan", store, "--threads", 1)
            self.check("duckdb", said, rows)
            return said

        ours, theirs = self.turns(name, first, second)
        if cold:  # opening reads too
            for said in (*ours, *theirs):
                said["s"] += said.get("open_s", 0)
        count = self.options.rows
        against = ("reading the same bytes, with CRC32C" if contender == "read" else
                   f"{self.title('duckdb')}, one thread, all columns")
        return lines.line_of(
            name, "rows/s", [count / said["s"] for said in ours], against,
            [count / said["s"] for said in theirs], rows=count,
            page_cache="cold" if cold else "warm", bytes=ours[0]["bytes"],
            rss_peak_mb=max(said["rss_peak_mb"] for said in ours),
            s_to_open=sorted(said["open_s"] for said in ours)[len(ours) // 2],
            mb_per_s=lines.digits6(ours[0]["bytes"] / 1e6 / sorted(
                said["s"] for said in ours)[len(ours) // 2]))

    # --- bars ---

    def market(self, count, series=None):
        """Trades as dense as a market's."""
        about = [] if series is None else ["--series", str(series)]
        name = f"market-{count}" if series is None else f"market-{count}-of-{series}"
        return self.rows_file(name, "synthetic", "--rows", str(count), "--hours",
                              str(MARKET_HOURS), *about)

    def head_of(self, rows, count):
        return self.rows_file(f"{rows.name}-first-{count}", "head", "--source", rows, "--rows",
                              str(count))

    def first_of_market(self, count):
        whole = self.market(self.options.rows)
        return whole if count == self.options.rows else self.head_of(whole, count)

    def series_of(self, rows):
        return json.loads(Path(f"{rows}.json").read_text(encoding="utf-8"))["series"]

    def trades_files(self, rows, contender):
        """The folder of Parquet files of these rows, for this contender."""
        folder = self.fresh(f"trades-{rows.name}")
        self.check("parquet", self.peer("parquet", "trades", folder, "--rows", rows), rows)
        if contender == "csp":
            self.peer("csp", "prepare", folder, "--rows", folder / "by_time_lz4.parquet")
        return folder

    def bars_of_peer(self, name, trades, variant, sink=()):
        """What it said, and where its bars are."""
        words = dict(zip(variant[::2], variant[1::2]))
        file = trades / f"{words.pop('--trades')}.parquet"
        out = self.fresh(f"{name}-bars")
        said = self.peer(name, "bars", out, "--rows", file, *sink,
                         *(word for pair in words.items() for word in pair))
        return said, out

    def bar_variant(self, name, count, sink):
        variants = BAR_VARIANTS[name]
        if self.options.quick or len(variants) == 1:
            return variants[0]
        if (name, "bars") not in self.tuned:
            rows = self.head_of(self.market(count), min(count, TUNING_ROWS_MAX))
            trades = self.trades_files(rows, name)
            taken_s = []
            for number, variant in enumerate(variants, 1):
                progress(f"{name}: variant {number} of {len(variants)}: {' '.join(variant)}")
                taken_s.append(self.bars_of_peer(name, trades, variant, sink)[0]["s"])
            self.tuned[name, "bars"] = variants[taken_s.index(min(taken_s))]
            shutil.rmtree(trades)
        return self.tuned[name, "bars"]

    def tape_to_bars(self, name, rows, contender, to_store):
        """Both sides' bars are read and compared, all of them, after each run."""
        sink = ["--sink", "table"] if to_store else []
        variant = self.bar_variant(contender, self.options.rows, sink)
        progress(f"{name}: preparing")
        self.ingest_ours(rows, 10_000)
        tape, out = self.data / "tapedeck", self.data / "bars"
        trades = self.trades_files(rows, contender)
        series = self.series_of(rows)
        known = {}  # digest of our files -> what they say
        good = set()  # digests of theirs that were compared with that

        def first():
            make_warm(tape)
            store = {"store": self.fresh("store.db")} if to_store else {}
            said = self.ours("bars", dir=tape, out=out, kept=BARS_KEPT, **store)
            for file in self.data.glob("store.db*"):
                file.unlink()
            if said["rows"] != count or said["not_applied"] != 0:
                raise Failed(f"tapedeck: it read {said['rows']} trades of {count}, and left out "
                             f"{said['not_applied']}")
            digest = bars.digest(out)
            if known and digest not in known:
                raise Failed("tapedeck: two runs did not make the same bars")
            if not known:
                known[digest] = bars.read_ours(out, series)
            return said

        def second():
            make_warm(trades)
            said, folder = self.bars_of_peer(contender, trades, variant, sink)
            digest = bars.digest(folder)
            if digest not in good:
                (ours,) = known.values()
                bars.check(ours, folder, series, contender)
                good.add(digest)
            return said

        count = json.loads(Path(f"{rows}.json").read_text(encoding="utf-8"))["rows"]
        try:
            ours, theirs = self.turns(name, first, second)
        except bars.Differ as error:
            raise Failed(str(error)) from None
        middle = len(ours) // 2
        more = {key: sorted(said[key] for said in ours)[middle]
                for key in ("cpu_s", "rss_peak_mb")}
        if not to_store:
            more["ns_per_trade"] = {
                part: round(sorted(said[f"{part}_s"] for said in ours)[middle] * 1e9 / count, 1)
                for part in ("reading", "adding", "merging", "taking", "writing")}
        more["against_cpu_s"] = sorted(said["cpu_s"] for said in theirs)[middle]
        more["cpu_ratio"] = lines.digits6(more["against_cpu_s"] / more["cpu_s"])
        return lines.line_of(
            name, "rows/s", [count / said["s"] for said in ours],
            f"{self.title(contender)}, one thread",
            [count / said["s"] for said in theirs], rows=count, bars=ours[0]["bars"],
            averages=ours[0]["averages"], sink="store" if to_store else "csv", **more,
            against_variant=" ".join(variant),
            against_rss_peak_mb=max(said["rss_peak_mb"] for said in theirs))

    def memory_of_many(self, name, to_store):
        """Ours with all trades, against ours with the first half of them: what is bounded does not
        grow with time."""
        rows = self.market(self.options.rows, MANY_SERIES)
        half = self.head_of(rows, self.options.rows // 2)

        def measure(taken):
            def one():
                self.ingest_ours(taken, 10_000)
                store = {"store": self.fresh("store.db")} if to_store else {}
                said = self.ours("bars", dir=self.data / "tapedeck", out=self.data / "bars",
                                 kept=BARS_KEPT, **store)
                for file in self.data.glob("store.db*"):
                    file.unlink()
                return said
            return one

        ours, halves = self.turns(name, measure(rows), measure(half))
        peak_mb = sorted(said["rss_peak_mb"] for said in ours)[len(ours) // 2]
        return lines.line_of(
            name, "MB", [said["rss_peak_mb"] for said in ours],
            "the same after half of the trades", [said["rss_peak_mb"] for said in halves],
            rows=self.options.rows, instruments=ours[0]["instruments"], bars_kept=BARS_KEPT,
            sink="store" if to_store else "csv",
            kb_per_instrument=lines.digits6(peak_mb * 1024 / ours[0]["instruments"]),
            bars=ours[0]["bars"], averages=ours[0]["averages"])

    def frames(self, name, venue):
        file = HERE.parent / FRAMES[venue]
        said = {True: [], False: []}
        for _ in range(self.options.runs):
            for alone in (False, True):
                said[alone].append(self.ours("frames", venue=venue, file=file,
                                             **({"simdjson": True} if alone else {})))
        ours, theirs = ([one["frames"] / one["s"] for one in said[alone]]
                        for alone in (False, True))
        return lines.line_of(
            name, "frames/s", ours, "simdjson, every key and value", theirs,
            mb_per_s=lines.digits6(said[False][0]["bytes"] / 1e6 / said[False][0]["s"]))

    def memory(self, name):
        rows = self.synthetic()
        said = []
        for number in range(1, self.options.runs + 1):
            progress(f"{name}: run {number} of {self.options.runs}")
            said.append(self.ours("memory", rows=rows, dir=self.fresh("tapedeck"), commit=10_000))
            self.check("tapedeck", said[-1], rows)
        return lines.line_of(name, "MB", [one["rss_peak_mb"] for one in said],
                             f"{MEMORY_TARGET_MB} MB, the target for all of the program",
                             [MEMORY_TARGET_MB], rows=self.options.rows)

    def all(self):
        """name -> (unit, against, needs the corpus, the function that measures it)."""
        found = {}
        for label, commit in COMMITS.items():
            for contender in ("disk", "duckdb", "questdb", "arcticdb"):
                name = f"ingest_durable_{label}_vs_{contender}"
                found[name] = ("rows/s", contender, False,
                               lambda name=name, commit=commit, contender=contender:
                               self.ingest(name, commit, contender))
        for rows_set in ("equities", "crypto"):
            for way, ours_order, their_orders in (("", "tape", ["tape", "series"]),
                                                  ("_in_order", "tape", ["tape"]),
                                                  ("_sorted", "series", ["series"])):
                name = f"bytes_per_trade_vs_parquet_{rows_set}{way}"
                found[name] = ("bytes/trade", "parquet", True,
                               lambda name=name, rows_set=rows_set, ours_order=ours_order,
                               their_orders=their_orders:
                               self.size(name, rows_set, ours_order, their_orders))
        for name, cold in (("recovery_10m_s", True), ("recovery_10m_warm_s", False)):
            found[name] = ("s", "read", False,
                           lambda name=name, cold=cold: self.recovery(name, cold))
        found["memory_ingesting_mb"] = ("MB", "target", False,
                                        lambda: self.memory("memory_ingesting_mb"))
        for contender in ("duckdb", "read"):
            for way, cold in (("", False), ("_cold", True)):
                name = f"scan_trades_per_s{way}_vs_{contender}"
                found[name] = ("rows/s", contender, False,
                               lambda name=name, cold=cold, contender=contender:
                               self.scan(name, cold, contender))
        for contender in ("duckdb", "polars", "csp"):
            count = self.options.rows if contender != "csp" else min(self.options.rows,
                                                                     CSP_ROWS_MAX)
            name = f"tape_to_bars_vs_{contender}"
            found[name] = ("rows/s", contender, False,
                           lambda name=name, count=count, contender=contender: self.tape_to_bars(
                               name, self.first_of_market(count), contender, False))
        found["tape_to_bars_store_vs_duckdb"] = (
            "rows/s", "duckdb", False, lambda: self.tape_to_bars(
                "tape_to_bars_store_vs_duckdb", self.first_of_market(self.options.rows), "duckdb",
                True))
        for contender in ("duckdb", "polars"):
            name = f"tape_to_bars_equities_vs_{contender}"
            found[name] = ("rows/s", contender, True,
                           lambda name=name, contender=contender: self.tape_to_bars(
                               name, self.rows_file("equities", "equities", "--corpus",
                                                    self.corpus), contender, False))
        for venue in FRAMES:
            name = f"frame_to_trade_{venue}"
            found[name] = ("frames/s", "simdjson", False,
                           lambda name=name, venue=venue: self.frames(name, venue))
        for way, to_store in (("", False), ("_store", True)):
            name = f"memory_10k_instruments{way}"
            found[name] = ("MB", "half", False, lambda name=name, to_store=to_store:
                           self.memory_of_many(name, to_store))
        found["soak_mb"] = ("MB", "before", False, lambda: soak.soak(self, progress))
        return {**found, **self.serving.all()}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="the beginnings of the names to run; all without")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, help="runs of each side (5)")
    parser.add_argument("--rows", type=int,
                        help="synthetic rows (10000000; 100000000 stored for range_query_ms)")
    parser.add_argument("--quick", action="store_true", help="100000 rows, one run: does it work?")
    parser.add_argument("--td-bench", default=HERE.parent / "build/release/td_bench",
                        help="the program that drives the tape (build/release/td_bench)")
    parser.add_argument("--tapedeck", default=HERE.parent / "build/release/tapedeck",
                        help="the program (build/release/tapedeck)")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 5)
    options.stored = options.rows or (100_000 if options.quick else 100_000_000)
    options.rows = options.rows or (100_000 if options.quick else 10_000_000)

    WORK.mkdir(parents=True, exist_ok=True)
    lock = open(WORK / "lock", "w", encoding="utf-8")  # held to the end of the process
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("./dev bench: another one is running here; two would measure each other")
    bench = Bench(options)
    known = bench.all()
    chosen = [name for name in known
              if (name.startswith(tuple(options.names)) if options.names
                  else name not in ONLY_IF_NAMED)]
    for wanted in options.names:
        if not any(name.startswith(wanted) for name in known):
            parser.error(f"no benchmark begins with '{wanted}'. There are:\n  " +
                         "\n  ".join(known))
    done, bad = [], False
    for number, name in enumerate(chosen, 1):
        unit, against, needs_corpus, measure = known[name]
        progress(f"{number} of {len(chosen)}: {name}")
        started = time.monotonic()
        if needs_corpus and not bench.corpus:
            line = lines.line_without_numbers(name, unit, against, NO_CORPUS)
        else:
            try:
                line = measure()
            except (Failed, serving.Failed) as error:
                bad = True
                progress(f"{name}: FAILED: {error}")
                line = lines.line_without_numbers(name, unit, against,
                                                  f"failed: {str(error).splitlines()[0]}")
        shutil.rmtree(bench.data, ignore_errors=True)
        progress(f"{name}: ratio {lines.short(line['ratio'])}, "
                 f"{time.monotonic() - started:.0f} s")
        done.append(line)
        if options.json:
            print(lines.to_json(line), flush=True)
    if not options.json:
        print("\n".join(lines.table(done)))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
