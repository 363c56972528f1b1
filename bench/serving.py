"""bench/serving.py: the lines about what the program serves: how long a trade takes to a browser,
a range of bars, HTTP, the start and the memory of the demo. The real program answers, over
loopback."""

import http.client
import json
import os
import random
import re
import socket
import sqlite3
import subprocess
import time
import urllib.parse
from pathlib import Path

import lines

ROOT = Path(__file__).resolve().parent.parent
WHOLE_DAY = ("--speed", "100000")  # played in a second or two
RATE = 10_000
LIVE_SERIES = 20
CROWD = 1000
WANTED_REQUESTS_S = 10_000
TICK_TO_PIXEL_MS = 250  # the target, of the p99
SOCKET_TRADES = 1_000_000
WANTED_SOCKET_TRADES_S = 200_000
CONNECTIONS = 32  # one alone may ask 5000 times a second
STORED_SERIES = 500
BARS_ASKED = 500
QUERIES = 200
PATIENCE_S = 1800


class Failed(Exception):
    pass


class Program:
    """`tapedeck demo` or `tapedeck run`, until it is left."""

    def __init__(self, binary, folder, *arguments):
        folder.mkdir(parents=True, exist_ok=True)
        self.out = folder / "out"
        self.started = time.monotonic()
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen([binary, *map(str, arguments)], cwd=folder,
                                            stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)
        self.port, self.token = None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def until(self, what, ask, every_s=0.02):
        while not (answer := ask()):
            if self.process.poll() is not None:
                raise Failed(f"{what}: the program ended: {self.out.read_text()[-500:]}")
            if time.monotonic() - self.started > PATIENCE_S:
                raise Failed(f"waited in vain: {what}")
            time.sleep(every_s)
        return answer

    def find_address(self):
        found = self.until("its address", lambda: re.search(
            r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)\n", self.out.read_text()))
        self.port, self.token = int(found[1]), found[2]

    def get(self, connection, path):
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Failed(f"{path}: {answer.status}: {body[:300]}")
        return body

    def until_ended(self):
        """All is played and stored."""
        self.find_address()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

        def ended():
            play = json.loads(self.get(connection, "/api/v1/status"))["play"]
            if play["state"] == "failed":
                raise Failed(play["error"])
            return play["state"] == "ended"

        self.until("the end of the play", ended, 0.1)
        return connection

    def ready_ms(self, port):
        """From its start until /readyz says yes."""
        def is_ready():
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()

        self.until("it is ready", is_ready, 0.001)
        return (time.monotonic() - self.started) * 1e3

    def memory_mb(self, name):
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) / 1024

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        return any_free.getsockname()[1]


def middle(values):
    return sorted(values)[len(values) // 2]


class Serving:
    """The lines, of one invocation."""

    def __init__(self, bench, progress, memory_target_mb):
        self.bench = bench
        self.progress = progress
        self.memory_target_mb = memory_target_mb
        self.live_runs = []
        self.crowd_runs = []
        self.page_runs = []

    def all(self):
        """As Bench.all()."""
        return {
            "live_p50_ms": ("ms", "fdatasync", False, lambda: self.live("live_p50_ms", "p50_ms")),
            "live_p99_ms": ("ms", "fdatasync", False, lambda: self.live("live_p99_ms", "p99_ms")),
            "crowd_p50_ms": ("ms", "alone", False, lambda: self.crowd("crowd_p50_ms", "p50_ms")),
            "crowd_p99_ms": ("ms", "alone", False, lambda: self.crowd("crowd_p99_ms", "p99_ms")),
            "tick_to_pixel_p50_ms": ("ms", "target", False, lambda: self.tick_to_pixel(
                "tick_to_pixel_p50_ms", "p50_ms")),
            "tick_to_pixel_p99_ms": ("ms", "target", False, lambda: self.tick_to_pixel(
                "tick_to_pixel_p99_ms", "p99_ms")),
            "socket_to_tape": ("trades/s", "target", False, self.socket_to_tape),
            "range_query_ms": ("ms", "sqlite", False, self.range_query),
            "cold_start_ms": ("ms", "empty", False, self.cold_start),
            "rss_mb": ("MB", "target", False, self.memory),
            "http_requests_s_last": (
                "requests/s", "target", False,
                lambda: self.http("http_requests_s_last", "/api/v1/last")),
            "http_requests_s_bars": (
                "requests/s", "target", False, lambda: self.http(
                    "http_requests_s_bars", "/api/v1/bars?series=lean/trade/SPY&limit=10")),
        }

    def demo(self, *arguments):
        return Program(self.bench.options.tapedeck, self.bench.data / "demo", "demo", "--state",
                       self.bench.data / "demo/state", *arguments)

    def live(self, name, quantile):
        if not self.live_runs:
            for number in range(1, self.bench.options.runs + 1):
                self.progress(f"live: run {number} of {self.bench.options.runs}")
                self.live_runs.append(self.bench.ours(
                    "live", dir=self.bench.fresh("live"), rate=RATE, series=LIVE_SERIES,
                    seconds=2 if self.bench.options.quick else 10))
        runs = self.live_runs
        return lines.line_of(
            name, "ms", [said[quantile] for said in runs],
            f"the {quantile[:3]} of fdatasync after 16 KiB, 50 a second in the same run",
            [said[f"sync_{quantile}"] for said in runs], trades_per_s=RATE, series=LIVE_SERIES,
            trades=runs[0]["trades"],
            not_arrived=sum(said["trades"] - said["arrived"] for said in runs),
            worst_ms=max(said["max_ms"] for said in runs),
            messages=middle([said["messages"] for said in runs]),
            message_bytes=middle([said["message_bytes"] for said in runs]),
            cpu_s=middle([said["cpu_s"] for said in runs]))

    def crowd(self, name, quantile):
        """What a client waits while a crowd is there, in turns with when it is alone."""
        if not self.crowd_runs:
            for number in range(1, self.bench.options.runs + 1):
                self.progress(f"crowd: run {number} of {self.bench.options.runs}")
                self.crowd_runs.append([self.bench.ours(
                    "live", dir=self.bench.fresh("live"), rate=RATE, series=LIVE_SERIES,
                    crowd=crowd, seconds=2 if self.bench.options.quick else 10)
                    for crowd in (0, 20 if self.bench.options.quick else CROWD)])
        alone, crowded = zip(*self.crowd_runs)
        return lines.line_of(
            name, "ms", [said[quantile] for said in crowded],
            f"the {quantile[:3]} of the same without the crowd, in turns",
            [said[quantile] for said in alone], trades_per_s=RATE, series=LIVE_SERIES,
            clients=crowded[0]["crowd"], of_them="a tenth never reads, a tenth vanishes",
            not_arrived=sum(said["trades"] - said["arrived"] for said in crowded),
            worst_ms=max(said["max_ms"] for said in crowded),
            crowd_bytes=middle([said["crowd_bytes"] for said in crowded]),
            cpu_s=middle([said["cpu_s"] for said in crowded]),
            cpu_alone_s=middle([said["cpu_s"] for said in alone]))

    def tick_to_pixel(self, name, quantile):
        """A real Chromium, on this machine, that has the page open."""
        seconds = 3 if self.bench.options.quick else 20
        while len(self.page_runs) < self.bench.options.runs:
            self.progress(f"page: run {len(self.page_runs) + 1} of {self.bench.options.runs}")
            # Longer than the browser takes to start and to look.
            with subprocess.Popen(
                    [self.bench.options.td_bench, "page", "--dir", self.bench.fresh("page"),
                     "--rate", str(RATE), "--series", str(LIVE_SERIES), "--seconds",
                     str(seconds + 60)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as served:
                try:
                    address = json.loads(served.stdout.readline())["address"]
                    done = subprocess.run(
                        ["node", ROOT / "bench/page_bench.mjs", address, str(seconds)],
                        stdout=subprocess.PIPE, text=True, check=False, timeout=seconds + 120)
                finally:
                    served.kill()
            if done.returncode != 0:
                raise Failed("the browser did not measure: see above")
            self.page_runs.append(json.loads(done.stdout))
        runs = self.page_runs
        return lines.line_of(
            name, "ms", [said[quantile] for said in runs], f"{TICK_TO_PIXEL_MS} ms, the target",
            [TICK_TO_PIXEL_MS], trades_per_s=RATE, series=LIVE_SERIES,
            worst_ms=max(said["max_ms"] for said in runs),
            paints=middle([said["paints"] for said in runs]),
            frames_per_s=middle([said["frames_per_s"] for said in runs]),
            script_ms_per_s=middle([said["script_ms_per_s"] for said in runs]))

    def socket_to_tape(self):
        """From a venue's WebSocket frames to trades that are durable; the venue is here too."""
        trades = SOCKET_TRADES // 50 if self.bench.options.quick else SOCKET_TRADES
        folder = self.bench.fresh("sockets")
        folder.mkdir(parents=True)
        with open(folder / "trades.csv", "w", encoding="utf-8") as out:
            out.write("time,price,size,id,side\n")
            for i in range(trades):  # of one second: as fast as the socket takes them
                out.write(f"{1_700_000_000_000 + i * 1000 // trades},{37_000 + i % 997 / 100:.2f},"
                          f"{(i % 9973 + 1) / 1e8:.8f},{i + 1},{'buy' if i % 2 else 'sell'}\n")
        rates, cpu_us = [], []
        for number in range(1, self.bench.options.runs + 1):
            self.progress(f"socket_to_tape: run {number} of {self.bench.options.runs}")
            with Program(self.bench.options.tapedeck, folder / "venue", "emulate", "binance",
                         "../trades.csv", "--symbol", "BTCUSDT", "--map",
                         "time=time:ms,price=price,size=size,id=id,side=side") as venue:
                url = venue.until("the venue's address", lambda: re.search(
                    r"at (ws://\S+)\n", venue.out.read_text()))[1]
                (self.bench.fresh("sockets/run")).mkdir()
                (folder / "run/pipeline.toml").write_text(
                    f'[tape]\ndir = "tape"\n[store]\ndir = "store"\n[[feed]]\nid = "venue"\n'
                    f'venue = "binance"\nsymbols = ["BTCUSDT"]\nurl = "{url}"\n'
                    '[api]\nlisten = "127.0.0.1:0"\n[[bars]]\ninterval = "1m"\n', "utf-8")
                with Program(self.bench.options.tapedeck, folder / "run", "run",
                             "pipeline.toml") as program:
                    program.find_address()
                    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=60)
                    begun, durable = None, 0
                    while durable < trades:
                        if begun is None or time.monotonic() - begun[0] < PATIENCE_S:
                            time.sleep(0.005)
                        else:
                            raise Failed(f"{durable} of {trades} trades came")
                        status = json.loads(program.get(connection, "/api/v1/status"))
                        durable = int(status["tape"]["durable_offset"])
                        if begun is None and durable > 0:
                            begun = (time.monotonic(), durable)
                    rates.append((durable - begun[1]) / (time.monotonic() - begun[0]))
                    cpu_us.append((program.cpu_s() + venue.cpu_s()) * 1e6 / trades)
        return lines.line_of(
            "socket_to_tape", "trades/s", rates, f"{WANTED_SOCKET_TRADES_S} trades/s, the target",
            [WANTED_SOCKET_TRADES_S], trades=trades,
            cpu_us_per_trade_of_both=lines.digits6(middle(cpu_us)))

    def http(self, name, target):
        per_s, latencies, cpu_us = [], [], []
        with self.demo("--port", "0", *WHOLE_DAY) as demo:
            demo.until_ended().close()
            for number in range(1, self.bench.options.runs + 1):
                self.progress(f"{name}: run {number} of {self.bench.options.runs}")
                before_s = demo.cpu_s()
                said = self.bench.ours("load", port=demo.port, token=demo.token, target=target,
                                       connections=CONNECTIONS,
                                       seconds=1 if self.bench.options.quick else 5)
                cpu_us.append((demo.cpu_s() - before_s) * 1e6 / said["requests"])
                per_s.append(said["per_s"])
                latencies.append(said)
        return lines.line_of(
            name, "requests/s", per_s, f"{WANTED_REQUESTS_S} requests/s, the target",
            [WANTED_REQUESTS_S], target=target, connections=CONNECTIONS,
            answer_bytes=latencies[0]["answer_bytes"],
            request_p50_ms=middle([said["p50_ms"] for said in latencies]),
            request_p99_ms=middle([said["p99_ms"] for said in latencies]),
            cpu_us_per_request=lines.digits6(middle(cpu_us)))

    def cold_start(self):
        """With the whole day kept, and with nothing: then what came before the play is loaded."""
        name = "cold_start_ms"
        self.bench.fresh("demo")
        with self.demo("--port", "0", "--keep", *WHOLE_DAY) as demo:
            demo.until_ended().close()
            demo.stop()

        def start(folder, *arguments):
            port = free_port()
            with Program(self.bench.options.tapedeck, folder, "demo", "--port", port, "--state",
                         folder / "state", *arguments) as program:
                ready_ms = program.ready_ms(port)
                program.stop()
            return ready_ms

        ours, theirs = self.bench.turns(
            name, lambda: start(self.bench.data / "demo", "--keep"),
            lambda: start(self.bench.fresh("empty")))
        return lines.line_of(name, "ms", ours, "the same with nothing kept", theirs,
                             state="the whole day on tape and in store")

    def memory(self):
        target_mb = self.memory_target_mb
        now_mb, peaks_mb = [], []
        for number in range(1, self.bench.options.runs + 1):
            self.progress(f"rss_mb: run {number} of {self.bench.options.runs}")
            self.bench.fresh("demo")
            with self.demo("--port", "0", *WHOLE_DAY) as demo:
                demo.until_ended().close()
                now_mb.append(demo.memory_mb("VmRSS"))
                peaks_mb.append(demo.memory_mb("VmHWM"))
        return lines.line_of("rss_mb", "MB", now_mb, f"{target_mb} MB, the target", [target_mb],
                             peak_mb=lines.digits6(max(peaks_mb)),
                             of="the demo after its whole day")

    def range_query(self):
        """Bars of 1 m of one of many series, each range another one, against the same rows by SQL
        from the same file, in this process."""
        name, rows = "range_query_ms", self.bench.options.stored
        folder = self.bench.fresh("stored")
        folder.mkdir()
        self.progress(f"{name}: a tape of {rows} trades")
        self.bench.ours("fill", dir=folder / "tape", rows=rows, series=STORED_SERIES)
        (folder / "pipeline.toml").write_text(
            '[tape]\ndir = "tape"\n[store]\ndir = "store"\n[[bars]]\ninterval = "1m"\n'
            '[api]\nlisten = "127.0.0.1:0"\n', encoding="utf-8")
        self.progress(f"{name}: their bars")
        pick = random.Random(1)
        day_ns, minute_ns = 1_767_225_600 * 10**9, 60 * 10**9
        ours, theirs = [], []
        with Program(self.bench.options.tapedeck, folder, "run", "pipeline.toml") as program:
            connection = program.until_ended()
            made_s = time.monotonic() - program.started
            with sqlite3.connect(f"file:{folder}/store/store.db?mode=ro", uri=True) as database:
                ids = dict(database.execute(
                    "SELECT s.instrument, b.id FROM bar_series b JOIN series s "
                    "ON s.id = b.series_id"))
                for number in range(QUERIES):
                    symbol = f"SYM{pick.randrange(STORED_SERIES):03}"
                    start = day_ns + pick.randrange(24 * 60 - BARS_ASKED) * minute_ns
                    end = start + BARS_ASKED * minute_ns
                    query = urllib.parse.urlencode(
                        {"series": f"synthetic/trade/{symbol}", "interval": "1m", "start": start,
                         "end": end, "limit": BARS_ASKED, "format": "ndjson"})
                    before = time.perf_counter()
                    body = program.get(connection, f"/api/v1/bars?{query}")
                    between = time.perf_counter()
                    found = database.execute(
                        "SELECT * FROM bars WHERE bar_series_id = ? AND ts_open >= ? AND "
                        "ts_open < ? ORDER BY ts_open", (ids[symbol], start, end)).fetchall()
                    after = time.perf_counter()
                    if not body or body.count(b"\n") != len(found):
                        raise Failed(f"{symbol}: the API has other bars than the store, which "
                                     f"has {len(found)}")
                    if number >= QUERIES // 10:  # after a few to begin with
                        ours.append((between - before) * 1e3)
                        theirs.append((after - between) * 1e3)
        line = lines.line_of(name, "ms", ours,
                             "the same rows by SQL from the same file, from Python", theirs,
                             trades_stored=rows, bars_asked=BARS_ASKED,
                             p99_ms=lines.digits6(sorted(ours)[len(ours) * 99 // 100]),
                             answer_bytes=len(body), made_bars_s=lines.digits6(made_s))
        return {**line, "runs": len(ours)}
