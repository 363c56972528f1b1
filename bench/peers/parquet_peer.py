#!/usr/bin/env python3
"""bench/peers/parquet_peer.py: the smallest Parquet file, zstd level 3, that pyarrow can be brought
to write of the rows; and the files that makers of bars read.

    parquet_peer.py size --rows FILE --dir DIR [--order tape|series]
                         [--unit ns|coarse] [--quick true]
    parquet_peer.py trades --rows FILE --dir DIR

Columns do not influence each other in Parquet, so each is written alone with every encoding, page
and row-group size; then one file is written with the best of all, read back and compared.
`series` sorts by (series, ts_event), which keeps the order of trades of one time;
`coarse` keeps times in the coarsest unit that is exact (Parquet has ms, us and ns), which is a
favour: a tape has ns.
"""

import io
import os

import numpy
import pyarrow
import pyarrow.parquet

import peer
import rows as rows_file

ENCODINGS = ["dictionary", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "PLAIN"]
ROW_GROUPS = [1 << 16, 1 << 18, 1 << 20, 1 << 30]
PAGE_BYTES = [1 << 16, 1 << 20, 1 << 26]


def write(table, encodings, row_group, page_bytes, out):
    dictionary = [name for name in table.column_names if encodings[name] == "dictionary"]
    pyarrow.parquet.write_table(
        table, out, row_group_size=row_group, compression="zstd", compression_level=3,
        data_page_size=page_bytes, dictionary_pagesize_limit=1 << 26, write_statistics=False,
        max_rows_per_page=1 << 30, store_schema=False, use_dictionary=dictionary,
        column_encoding={name: encodings[name] for name in table.column_names
                         if name not in dictionary})


def bytes_of(table, *settings):
    out = io.BytesIO()
    write(table, *settings, out)
    return out.tell()


def narrow(values):
    """As 32 bits where they fit; Parquet has nothing narrower. Unsigned as signed: same bits."""
    if values.min() >= -(1 << 31) and values.max() < 1 << 31:
        return values.astype(numpy.int32)
    return values.view(numpy.int64) if values.itemsize == 8 else values


def coarse(times_ns):
    """In the coarsest of Parquet's units (ms, us, ns) that is exact."""
    return next(times_ns // unit for unit in (10**6, 10**3, 1) if not (times_ns % unit).any())


def size(options):
    rows, _ = rows_file.read(options.rows)
    if options.order == "series":
        rows = rows_file.by_series(rows)
    columns = {name: rows[name].copy() for name in rows_file.columns_of(rows)}
    for name in ("ts_event", "ts_recv"):
        if options.unit == "coarse" and name in columns:
            columns[name] = coarse(columns[name])
    columns = {name: narrow(values) for name, values in columns.items()}
    table = pyarrow.table(columns)
    best = None
    for row_group in ROW_GROUPS[-1:] if options.quick else ROW_GROUPS:
        for page_bytes in PAGE_BYTES[1:2] if options.quick else PAGE_BYTES:
            chosen = {}
            for name in table.column_names:
                alone = table.select([name])
                chosen[name] = min(ENCODINGS, key=lambda encoding: bytes_of(
                    alone, {name: encoding}, row_group, page_bytes))
            total = bytes_of(table, chosen, row_group, page_bytes)
            if best is None or total < best[0]:
                best = (total, chosen, row_group, page_bytes)
    os.makedirs(options.dir, exist_ok=True)
    path = os.path.join(options.dir, f"{options.order}_{options.unit}.parquet")
    write(table, *best[1:], path)
    again = pyarrow.parquet.read_table(path)
    if not again.equals(table):
        raise SystemExit(f"parquet_peer.py: {path} does not give back what was written")
    described = pyarrow.parquet.ParquetFile(path).metadata
    by_column = {name: 0 for name in table.column_names}
    for group in range(described.num_row_groups):
        for column in range(described.num_columns):
            chunk = described.row_group(group).column(column)
            by_column[chunk.path_in_schema] += chunk.total_compressed_size
    total = rows_file.checksum(*(again[name].to_numpy() for name in ("series", "price", "size")))
    peer.report(rows=described.num_rows, checksum=str(total), bytes=os.path.getsize(path),
                encodings=best[1], row_group=best[2], page_bytes=best[3],
                bytes_by_column=by_column)


def trades(options):
    """received_<compression>.parquet, in the order of receipt as the tape is, and
    by_time_<compression>.parquet. They hold what bars need and no more; `place` is the place of a
    trade in the order of its series, so nobody has to know how that comes about."""
    rows, about = rows_file.read(options.rows)
    table = pyarrow.table({
        "ts_event": rows["ts_event"].copy(),
        "series": rows["series"].astype(numpy.int32),
        "place": rows_file.places(rows, about["series"]).astype(numpy.int32),
        "price": narrow(rows["price"].copy()),
        "size": narrow(rows["size"].copy()),
    })
    by_time = table.take(numpy.lexsort([table["place"], table["series"], table["ts_event"]]))
    os.makedirs(options.dir, exist_ok=True)
    for order, sorted_table in (("received", table), ("by_time", by_time)):
        for compression in ("none", "lz4", "zstd"):
            pyarrow.parquet.write_table(
                sorted_table, os.path.join(options.dir, f"{order}_{compression}.parquet"),
                compression=compression, row_group_size=1 << 18)
    total = rows_file.checksum(*(table[name].to_numpy() for name in ("series", "price", "size")))
    peer.report(rows=table.num_rows, checksum=str(total), bytes=peer.bytes_below(options.dir))


if __name__ == "__main__":
    peer.main(__doc__, [size, trades], order="tape", unit="ns", quick=False)
