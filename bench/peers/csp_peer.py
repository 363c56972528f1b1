#!/usr/bin/env python3
"""bench/peers/csp_peer.py: bars and averages by csp, which runs on one thread, from Parquet to CSV.

    csp_peer.py prepare --rows PARQUET --dir FOLDER     makes csp.parquet of a file by time
    csp_peer.py bars --rows FOLDER/csp.parquet --dir OUT

csp.stats, whose nodes are C++, over an edge for each series. Its windows are open on the left and
closed on the right, ours the other way round: so prepare() adds a nanosecond to each time. It is in
an environment of its own (bench/csp), as it does not run with the pyarrow of the others.
"""

import os
from datetime import datetime, timedelta, timezone

import csp
import csp.adapters.parquet
import csp.stats
import pyarrow
import pyarrow.compute
import pyarrow.parquet

import peer

EPOCH = datetime(1970, 1, 1)


class Trade(csp.Struct):
    price: float
    size: float


def prepare(options):
    table = pyarrow.parquet.read_table(options.rows)
    table = pyarrow.table({
        "time": pyarrow.compute.add(table["ts_event"], 1).cast(pyarrow.timestamp("ns", "UTC")),
        "series": table["series"].cast(pyarrow.int64()),
        "price": table["price"].cast(pyarrow.float64()),
        "size": table["size"].cast(pyarrow.float64()),
    })
    os.makedirs(options.dir, exist_ok=True)
    pyarrow.parquet.write_table(table, os.path.join(options.dir, "csp.parquet"),
                                compression="lz4", row_group_size=1 << 18)
    peer.report(rows=table.num_rows)


class Output:
    """A CSV file, and the time of the rows under way in ns, which many have in common."""

    def __init__(self, path, columns):
        self.write = open(path, "w", encoding="utf-8").write
        self.close = self.write.__self__.close
        self.write(",".join(columns) + "\n")
        self._now, self._ns = None, 0

    def ns(self, now):
        if now != self._now:
            self._now = now
            self._ns = (now - EPOCH) // timedelta(seconds=1) * 10**9
        return self._ns


@csp.node
def write_bar(series: int, out: object, trades: csp.ts[float], first: csp.ts[float],
              high: csp.ts[float], low: csp.ts[float], last: csp.ts[float],
              volume: csp.ts[float]):
    if csp.ticked(trades) and trades > 0:
        out.write(f"{series},{out.ns(csp.now()) - peer.MINUTE_NS},{int(first)},{int(high)},"
                  f"{int(low)},{int(last)},{int(volume)},{int(trades)}\n")


@csp.node
def write_average(series: int, out: object, trades: csp.ts[float], price_sum: csp.ts[float],
                  notional: csp.ts[float]):
    if csp.ticked(trades) and trades > 0:
        out.write(f"{series},{out.ns(csp.now())},{int(trades)},{int(price_sum)},{int(notional)},"
                  f"{price_sum / trades!r},{notional / trades!r}\n")


@csp.graph
def both(path: str, series_count: int, bar_file: object, average_file: object):
    reader = csp.adapters.parquet.ParquetReader(path, symbol_column="series", time_column="time")
    soon = timedelta(microseconds=1)  # windows count from the first on
    minute = {"interval": timedelta(minutes=1), "min_window": soon,
              "trigger": csp.timer(timedelta(minutes=1))}
    sliding = {"interval": timedelta(seconds=15), "min_window": soon,
               "trigger": csp.timer(timedelta(seconds=5))}
    stats = csp.stats
    for series in range(series_count):
        trade = reader.subscribe(series, Trade)
        price, size = trade.price, trade.size
        write_bar(series, bar_file, stats.count(price, **minute), stats.first(price, **minute),
                  stats.max(price, **minute), stats.min(price, **minute),
                  stats.last(price, **minute), stats.sum(size, **minute))
        write_average(series, average_file, stats.count(price, **sliding),
                      stats.sum(price, **sliding), stats.sum(price * size, **sliding))


def bars(options):
    os.makedirs(options.dir, exist_ok=True)
    described = pyarrow.parquet.read_table(options.rows, columns=["time", "series"])
    series_count = pyarrow.compute.max(described["series"]).as_py() + 1
    ends = [found(described["time"]).cast(pyarrow.int64()).as_py() // peer.MINUTE_NS
            for found in (pyarrow.compute.min, pyarrow.compute.max)]
    del described
    start, end = (datetime.fromtimestamp(minute * 60, timezone.utc).replace(tzinfo=None)
                  for minute in (ends[0], ends[1] + 2))
    outputs = [Output(os.path.join(options.dir, name), columns)
               for name, columns in (("bars.csv", peer.BAR_COLUMNS),
                                     ("averages.csv", peer.AVERAGE_COLUMNS))]
    graph = csp.build_graph(both, options.rows, series_count, *outputs)
    with peer.Clock() as clock:
        csp.run(graph, starttime=start, endtime=end)
        for output in outputs:
            output.close()
    peer.report(**clock.times())


if __name__ == "__main__":
    peer.main(__doc__, [prepare, bars])
