"""Score tables: the teacher is asked once, every rule re-applies to what it said.

A table has the columns query int32, passage int32, rank uint16, score float32, sorted by
query; one query never crosses a row group. `query` is the plan position of the item whose
query it is, `passage` the ordinal in passages.parquet; queries.parquet maps positions to
ids. A positive beyond the search depth has a row of its own with rank 65535. The teacher,
the depth and the pool size are in the table's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.corpus import Corpus
from synth.files import ParquetSink, write_parquet
from synth.teachers import Hits, Ints, Teacher

TABLE = pa.schema([("query", pa.int32()), ("passage", pa.int32()), ("rank", pa.uint16()), ("score", pa.float32())])
BEYOND = 65_535
"""The rank of a positive that the search did not reach."""
BLOCK = 512
"""Queries that are searched at a time; one row group each."""

_QUERIES = pa.schema(
    [("query", pa.int32()), ("id", pa.string()), ("positive_score", pa.float32()), ("ahead", pa.int32())]
)


def write_scores(items: Path, folder: Path, corpus: Corpus, teacher: Teacher, depth: int) -> None:
    """Score every accepted item of a shard file: `table.parquet`, then `queries.parquet`.

    `ahead` counts the passages that score strictly above the positive, its equivalents left out.
    """
    accepted = pq.read_table(
        items, columns=["position", "id", "passage", "query"], filters=pc.field("status") == "accepted"
    )
    rows = []
    with ParquetSink(folder / "table.parquet", TABLE.with_metadata(_metadata(teacher, depth, corpus))) as sink:
        for start in range(0, accepted.num_rows, BLOCK):
            block = accepted.slice(start, BLOCK)
            positives = block["passage"].to_numpy()
            positions = block["position"].to_numpy()
            hits = teacher.search(block["query"].to_pylist(), positives, depth)
            sink.add_table(_table(positions, positives, hits), one_row_group=True)
            ahead = _count_ahead(corpus, positives, hits)
            rows.append(
                pa.table(
                    [
                        block["position"].cast(pa.int32()),
                        block["id"],
                        pa.array(hits.positive_scores),
                        pa.array(ahead, type=pa.int32()),
                    ],
                    schema=_QUERIES,
                )
            )
    write_parquet(folder / "queries.parquet", pa.concat_tables(rows) if rows else _QUERIES.empty_table())


def read_teacher(folder: Path) -> Mapping[str, str]:
    """What a score table says of its teacher."""
    metadata = pq.read_schema(folder / "table.parquet").metadata
    identity: dict[str, str] = orjson.loads(metadata[b"teacher"])
    return identity


def _metadata(teacher: Teacher, depth: int, corpus: Corpus) -> dict[str, bytes]:
    return {
        "teacher": orjson.dumps(dict(teacher.identity)),
        "depth": str(depth).encode(),
        "pool": str(len(corpus)).encode(),
    }


def _table(positions: Ints, positives: Ints, hits: Hits) -> pa.Table:
    count, depth = hits.passages.shape
    ranks = np.broadcast_to(np.arange(1, depth + 1), (count, depth))
    reached = (hits.passages == positives[:, None]).any(axis=1)
    passages = np.concatenate([hits.passages, np.where(reached, -1, positives)[:, None]], axis=1)
    scores = np.concatenate([hits.scores, hits.positive_scores[:, None]], axis=1)
    ranks = np.concatenate([ranks, np.full((count, 1), BEYOND)], axis=1)
    queries = np.broadcast_to(positions[:, None], passages.shape)
    real = passages >= 0
    columns = [array[real] for array in (queries, passages, ranks, scores)]
    return pa.table([pa.array(c, type=f.type) for c, f in zip(columns, TABLE, strict=True)], schema=TABLE)


def _count_ahead(corpus: Corpus, positives: Ints, hits: Hits) -> Ints:
    row, column = np.nonzero((hits.passages >= 0) & (hits.scores > hits.positive_scores[:, None]))
    others = ~corpus.are_equivalent(positives[row], hits.passages[row, column])
    return np.bincount(row[others], minlength=len(positives)).astype(np.int64)


def positive_ranks(table: pa.Table, positives: Mapping[int, int]) -> dict[int, int]:
    """Raw rank of each query's positive, 0 where it lies beyond the search depth."""
    found = {}
    for query, passage, rank in zip(*(table[c].to_pylist() for c in ("query", "passage", "rank")), strict=True):
        if positives.get(query) == passage:
            found[query] = 0 if rank == BEYOND else rank
    return found
