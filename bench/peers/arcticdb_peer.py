#!/usr/bin/env python3
"""bench/peers/arcticdb_peer.py: ArcticDB in an LMDB folder, an append of a data frame per commit.

    arcticdb_peer.py ingest --rows FILE --dir DIR --commit N
    arcticdb_peer.py verify --dir DIR

LMDB syncs every transaction, and ArcticDB makes several for one append. Rows are appended as they
came, without an index: an index of times would refuse those that are out of order.
"""

import arcticdb
import pandas

import peer
import rows as rows_file


def library(options):
    store = arcticdb.Arctic(f"lmdb://{options.dir}?map_size=64GB")
    return store.get_library("trades", create_if_missing=True)


def ingest(options):
    table, columns = peer.arrow_table(options.rows)
    frame = pandas.DataFrame({name: table[name].to_numpy() for name in columns})
    pieces = [frame.iloc[start:start + options.commit]
              for start in range(0, len(frame), options.commit)]
    trades = library(options)
    with peer.Clock() as clock:
        for piece in pieces:
            trades.append("trades", piece, validate_index=False, prune_previous_versions=True)
    rows = trades.get_description("trades").row_count
    peer.report(rows=rows, **clock.times(), commits=len(pieces),
                bytes=peer.bytes_below(options.dir))


def verify(options):
    frame = library(options).read("trades").data
    total = rows_file.checksum(*(frame[name].to_numpy() for name in ("series", "price", "size")))
    peer.report(rows=len(frame), checksum=str(total))


if __name__ == "__main__":
    peer.main(__doc__, [ingest, verify])
