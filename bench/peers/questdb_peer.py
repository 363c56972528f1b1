#!/usr/bin/env python3
"""bench/peers/questdb_peer.py: a QuestDB server of its own with cairo.commit.mode=sync, fed by its
Python client's data frame call over HTTP, a request (and so a commit) per N rows.

    questdb_peer.py ingest --rows FILE --dir DIR --commit N --jar FILE [--series symbol|int]
                           [--connections N]
    questdb_peer.py verify --dir DIR --jar FILE

A request is answered once its rows are synced in the write-ahead log; the clock stops when the
table has taken in all of it and every row can be read.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.parse
from concurrent import futures

import pandas
import questdb

import peer

START_S_MAX = 60
APPLY_S_MAX = 600


class Server:
    def __init__(self, options):
        os.makedirs(options.dir, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        settings = {
            "QDB_CAIRO_COMMIT_MODE": "sync",
            "QDB_HTTP_BIND_TO": f"127.0.0.1:{self.port}",
            "QDB_HTTP_MIN_ENABLED": "false",
            "QDB_PG_ENABLED": "false",
            "QDB_LINE_TCP_ENABLED": "false",
            "QDB_TELEMETRY_ENABLED": "false",
        }
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["java", "-XX:+UseParallelGC", "-cp", options.jar, "io.questdb.ServerMain", "-d",
             options.dir],
            env={**os.environ, **settings}, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=subprocess.STDOUT)

    def __enter__(self):
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.query("SELECT 1")
                return self
            time.sleep(0.1)
        self.log.seek(0)
        end = self.log.read()[-2000:].decode(errors="replace")
        self.__exit__()
        raise SystemExit(f"questdb_peer.py: the server did not start:\n{end}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def query(self, sql):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=APPLY_S_MAX)
        connection.request("GET", "/exec?" + urllib.parse.urlencode({"query": sql}))
        said = json.loads(connection.getresponse().read())
        if "error" in said:
            raise SystemExit(f"questdb_peer.py: {sql}: {said['error']}")
        return said.get("dataset", [])

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as source:
            fields = source.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_peak_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as source:
            return next(int(line.split()[1]) for line in source if line.startswith("VmHWM")) >> 10


def ingest(options):
    table, columns = peer.arrow_table(options.rows)
    frame = pandas.DataFrame({name: table[name].to_numpy() for name in columns})
    frame["ts_event"] = frame["ts_event"].astype("datetime64[ns]")
    symbols = False
    if options.series == "symbol":
        frame["series"] = pandas.Categorical(frame["series"].astype(str))
        symbols = ["series"]
    pieces = [frame.iloc[start:start + options.commit]
              for start in range(0, len(frame), options.commit)]
    types = {"ts_event": "TIMESTAMP_NS", "series": options.series.upper(), "side": "BYTE",
             "origin": "BYTE"}
    with Server(options) as server:
        server.query("CREATE TABLE trades ({}) TIMESTAMP(ts_event) PARTITION BY DAY WAL".format(
            ", ".join(f"{name} {types.get(name, 'LONG')}" for name in columns)))
        address = (f"http::addr=127.0.0.1:{server.port};auto_flush=off;"
                   f"request_timeout={APPLY_S_MAX * 1000};max_buf_size=1000000000;")
        with contextlib.ExitStack() as stack:
            senders = [stack.enter_context(questdb.Sender.from_conf(address))
                       for _ in range(options.connections)]
            workers = stack.enter_context(futures.ThreadPoolExecutor(options.connections))
            server_cpu_s = server.cpu_s()

            def send(sender, some):
                for piece in some:
                    sender.dataframe(piece, table_name="trades", symbols=symbols, at="ts_event")
                    sender.flush()

            with peer.Clock() as clock:
                sending = [workers.submit(send, sender, pieces[i::options.connections])
                           for i, sender in enumerate(senders)]
                for one in sending:
                    one.result()
                clock.lap()
                deadline = time.monotonic() + APPLY_S_MAX
                while (rows := server.query("SELECT count() FROM trades")[0][0]) < len(frame):
                    if time.monotonic() > deadline:
                        raise SystemExit(f"questdb_peer.py: only {rows} rows can be read")
                    time.sleep(0.005)
            server_cpu_s = server.cpu_s() - server_cpu_s
        times = clock.times()
        times["cpu_s"] += server_cpu_s
        peer.report(rows=rows, **times, commits=len(pieces),
                    server_rss_peak_mb=server.rss_peak_mb(),
                    bytes=peer.bytes_below(os.path.join(options.dir, "db")))


def verify(options):
    with Server(options) as server:
        # One sum a series: QuestDB adds in 64 bits.
        sums = server.query("SELECT series, count(), sum(price * size) FROM trades")
    peer.report(rows=sum(row[1] for row in sums),
                checksum=str(sum((int(row[0]) + 1) * int(row[2]) for row in sums)))


if __name__ == "__main__":
    peer.main(__doc__, [ingest, verify], jar="", series="symbol", connections=1)
