"""Writes Parquet files of pairs as Hugging Face `datasets` and pandas leave them, which crates/pretrain/tests/sources.rs reads.

    pip install pyarrow==26.0.1
    python tools/golden/parquet.py

One file for each compression that the reader has without zstd, one with zstd, and one whose query column is a fraction.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

OUT = Path(__file__).resolve().parents[2] / "crates/pretrain/tests/golden/parquet"


def pairs() -> pa.Table:
    """Lists, nulls, a dictionary-encoded topic, and a column that is not asked for."""
    return pa.table({
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "anchor": pa.array(["hills of Rome", "river of Rome", "gases", "Größe ☃"], pa.string()),
        "positive": pa.array([["Seven hills."], ["The Tiber.", "A river."], ["Oxygen."], ["Size."]], pa.large_list(pa.large_string())),
        "topic": pa.array([7, 7, None, 9], pa.int32()),
        "negative": pa.array([["Oxygen.", None], [], None, ["Seven hills."]], pa.list_(pa.string())),
        "scores": pa.array([[0.5], None, [], [1.0, 2.0]], pa.list_(pa.float32())),
    })


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for codec in ("none", "snappy", "gzip", "lz4", "brotli", "zstd"):
        pq.write_table(pairs(), OUT / f"{codec}.parquet", compression=codec, row_group_size=3)
    wrong = pa.table({"anchor": pa.array([0.5]), "positive": pa.array(["x"])})
    pq.write_table(wrong, OUT / "fraction.parquet")


if __name__ == "__main__":
    main()
