#!/usr/bin/env python3
"""Makes the seeds of tape_block_fuzz and tape_reader_fuzz from the golden tapes.

Run it again whenever a golden folder was added: tests/fuzz/tape_seeds.py
"""

import hashlib
import shutil
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "src/tape/embedded/testdata/golden"
SEEDS = ROOT / "tests/fuzz/seeds"
LOGS = {"p0": 0, "p1": 1, "raw": 2}
STAMP, FOLLOW, TWO_PARTITIONS = 1, 2, 4


def blocks_of(segment):
    """Yields (kind, events, payload) of each block."""
    at = 64
    while segment[at:at + 4] == b"TDBK":
        stored, count = struct.unpack_from("<II", segment, at + 8)
        payload = segment[at + 64:at + 64 + stored]
        if len(payload) == stored:
            yield segment[at + 4], count, payload
        at += 64 + stored


def put(target, content):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


def main():
    for target in ("tape_block_fuzz", "tape_reader_fuzz"):
        shutil.rmtree(SEEDS / target, ignore_errors=True)
    for tape in sorted(path.parent for path in GOLDEN.glob("*/*/TAPE")):
        files = b""
        for log, number in LOGS.items():
            for path in sorted((tape / log).glob("*.tape")):
                segment = path.read_bytes()
                files += struct.pack("<BH", number, len(segment)) + segment
                for kind, count, payload in blocks_of(segment):
                    put("tape_block_fuzz", struct.pack("<BI", kind, count) + payload)
        flags = TWO_PARTITIONS if (tape / "p1").exists() else 0
        put("tape_reader_fuzz", bytes([flags]) + files)
        put("tape_reader_fuzz", bytes([flags | STAMP | FOLLOW]) + files)


if __name__ == "__main__":
    main()
