#!/usr/bin/env python3
"""bench/peers/duckdb_peer.py: DuckDB's native file, fed with Arrow tables, a transaction
per commit.

    duckdb_peer.py ingest --rows FILE --dir DIR --commit N [--threads N] [--checkpoint SIZE]
    duckdb_peer.py scan --dir DIR [--threads N]
    duckdb_peer.py verify --dir DIR
    duckdb_peer.py bars --rows PARQUET --dir OUT [--sink csv|table] [--plan direct|panes]

DuckDB syncs its write-ahead log, or for large transactions its file, on every commit. The clock
stops after a CHECKPOINT: then the file is as compact as it gets, as a sealed tape is.
"""

import os
import time

import duckdb

import peer


def connect(options):
    connection = duckdb.connect(os.path.join(options.dir, "trades.duckdb"))
    if options.threads:
        connection.execute(f"SET threads = {options.threads}")
    return connection


def ingest(options):
    table, columns = peer.arrow_table(options.rows)
    os.makedirs(options.dir, exist_ok=True)
    connection = connect(options)
    connection.execute(f"SET checkpoint_threshold = '{options.checkpoint}'")
    sql_types = {"int64": "BIGINT", "uint64": "UBIGINT", "uint32": "UINTEGER", "uint8": "UTINYINT"}
    connection.execute("CREATE TABLE trades ({})".format(", ".join(
        f'"{name}" {sql_types[str(table.schema.field(name).type)]}' for name in columns)))
    pieces = [table.slice(start, options.commit)
              for start in range(0, table.num_rows, options.commit)]
    with peer.Clock() as clock:
        for piece in pieces:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO trades SELECT * FROM piece")
            connection.execute("COMMIT")
        clock.lap()
        connection.execute("CHECKPOINT")
    rows = connection.execute("SELECT count(*) FROM trades").fetchone()[0]
    connection.close()
    peer.report(rows=rows, **clock.times(), commits=len(pieces),
                bytes=peer.bytes_below(options.dir))


def scan(options):
    opened = time.perf_counter()
    connection = connect(options)
    open_s = time.perf_counter() - opened
    columns = [row[0] for row in connection.execute("DESCRIBE trades").fetchall()]
    folds = ", ".join(f'bit_xor("{name}")' for name in columns)
    with peer.Clock() as clock:
        connection.execute(f"SELECT count(*), {folds} FROM trades").fetchall()
    rows = connection.execute("SELECT count(*) FROM trades").fetchone()[0]
    peer.report(rows=rows, **clock.times(), open_s=open_s,
                bytes=peer.bytes_below(options.dir))


def verify(options):
    rows, checksum = connect(options).execute(
        "SELECT count(*), sum((series::HUGEINT + 1) * price * size)::VARCHAR FROM trades"
    ).fetchone()
    peer.report(rows=rows, checksum=checksum)


def bars(options):
    """Bars and averages, on one thread. `panes`: bars are made of the 5 s that averages are made of
    too, so the trades are read once; `direct`: they are read twice."""
    os.makedirs(options.dir, exist_ok=True)
    to_table = options.sink == "table"
    where = os.path.join(options.dir, "bars.duckdb") if to_table else ":memory:"
    connection = duckdb.connect(where)
    connection.execute("SET threads = 1")
    connection.execute("SET preserve_insertion_order = false")

    def give(name, select):
        if to_table:
            connection.execute(f"CREATE TABLE {name} AS {select}")
        else:
            connection.execute(f"COPY ({select}) TO '{options.dir}/{name}.csv' (HEADER)")

    trades = f"read_parquet('{options.rows}')"
    pane = f"ts_event // {peer.PANE_NS}"
    sums = ("count(*) AS trades, sum(price)::BIGINT AS price_sum, "
            "sum(price::BIGINT * size)::BIGINT AS notional")
    ohlc = ("arg_min(price, place) AS open, max(price) AS high, min(price) AS low, "
            "arg_max(price, place) AS close, sum(size)::BIGINT AS volume")
    with peer.Clock() as clock:
        if options.plan == "panes":
            connection.execute(f"""CREATE TEMP TABLE panes AS SELECT series, {pane} AS pane,
                min(place) AS first, max(place) AS last, {ohlc}, {sums} FROM {trades}
                GROUP BY ALL""")
            give("bars", f"""SELECT series, pane * {peer.PANE_NS} // {peer.MINUTE_NS}
                * {peer.MINUTE_NS} AS ts_open, arg_min(open, first) AS open, max(high) AS high,
                min(low) AS low, arg_max(close, last) AS close, sum(volume)::BIGINT AS volume,
                sum(trades)::BIGINT AS trades FROM panes GROUP BY ALL""")
        else:
            give("bars", f"""SELECT series, ts_event // {peer.MINUTE_NS} * {peer.MINUTE_NS}
                AS ts_open, {ohlc}, count(*) AS trades FROM {trades} GROUP BY ALL""")
            connection.execute(f"""CREATE TEMP TABLE panes AS SELECT series, {pane} AS pane, {sums}
                FROM {trades} GROUP BY ALL""")
        give("averages", f"""SELECT series, (pane + number) * {peer.PANE_NS} AS ts_end,
            sum(trades)::BIGINT AS trades, sum(price_sum)::BIGINT AS price_sum,
            sum(notional)::BIGINT AS notional, sum(price_sum) / sum(trades) AS average_price,
            sum(notional) / sum(trades) AS average_notional
            FROM panes, range(1, {peer.PANES_IN_WINDOW + 1}) AS window_ends(number)
            GROUP BY series, ts_end""")
        if to_table:
            connection.execute("CHECKPOINT")
    if to_table:
        for name in ("bars", "averages"):
            connection.execute(f"COPY {name} TO '{options.dir}/{name}.csv' (HEADER)")
    peer.report(**clock.times())


if __name__ == "__main__":
    peer.main(__doc__, [ingest, scan, verify, bars], threads=0, checkpoint="16MB", sink="csv",
              plan="direct")
