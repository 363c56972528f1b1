#!/usr/bin/env python3
"""bench/peers/duckdb_peer.py: DuckDB's native file, fed with Arrow tables, a transaction
per commit.

    duckdb_peer.py ingest --rows FILE --dir DIR --commit N [--threads N] [--checkpoint SIZE]
    duckdb_peer.py scan --dir DIR [--threads N]
    duckdb_peer.py verify --dir DIR

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


if __name__ == "__main__":
    peer.main(__doc__, [ingest, scan, verify], threads=0, checkpoint="16MB")
