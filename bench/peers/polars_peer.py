#!/usr/bin/env python3
"""bench/peers/polars_peer.py: bars and averages by Polars, one thread, from Parquet to CSV.

    polars_peer.py bars --rows PARQUET --dir OUT [--engine streaming|in-memory]

Of a file by time the first and the last trade of a group are those that came first and last in it;
of one in the order of receipt those with the least and the greatest place.
"""

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # is read when it is imported

import polars  # noqa: E402

import peer  # noqa: E402


def bars(options):
    os.makedirs(options.dir, exist_ok=True)
    col = polars.col
    wide = polars.Int64
    if os.path.basename(options.rows).startswith("by_time"):
        first_last = [col("price").first().alias("open"), col("price").last().alias("close")]
    else:
        first_last = [col("price").min_by("place").alias("open"),
                      col("price").max_by("place").alias("close")]

    def grouped(trades, time, window_ns):
        return trades.group_by("series", (col("ts_event") // window_ns * window_ns).alias(time))

    with peer.Clock() as clock:
        trades = polars.scan_parquet(options.rows)
        minutes = grouped(trades, "ts_open", peer.MINUTE_NS).agg(
            *first_last, col("price").max().alias("high"), col("price").min().alias("low"),
            col("size").cast(wide).sum().alias("volume"), polars.len().alias("trades")
        ).select(peer.BAR_COLUMNS)
        panes = grouped(trades, "ts_end", peer.PANE_NS).agg(
            polars.len().alias("trades"), col("price").cast(wide).sum().alias("price_sum"),
            (col("price").cast(wide) * col("size")).sum().alias("notional"))
        averages = polars.concat([
            panes.with_columns(ts_end=col("ts_end") + number * peer.PANE_NS)
            for number in range(1, peer.PANES_IN_WINDOW + 1)
        ]).group_by("series", "ts_end").agg(
            col("trades").sum(), col("price_sum").sum(), col("notional").sum()
        ).with_columns(average_price=col("price_sum") / col("trades"),
                       average_notional=col("notional") / col("trades")
                       ).select(peer.AVERAGE_COLUMNS)
        polars.collect_all([
            minutes.sink_csv(os.path.join(options.dir, "bars.csv"), lazy=True),
            averages.sink_csv(os.path.join(options.dir, "averages.csv"), lazy=True),
        ], engine=options.engine)
    peer.report(**clock.times())


if __name__ == "__main__":
    peer.main(__doc__, [bars], engine="streaming")
