"""Score tables: the teacher is asked once, every strategy re-applies to what it said.

A folder holds three Parquet files. `table`: query int32, passage int32, rank uint16, score
float32, sorted by query and rank; one query never crosses a row group. `positives`: the known
positives of each query with the same columns and `ahead`, the first of each query being its
own; rank 65535 is beyond the search depth. `queries`: the number of a query in the other
files, its id, its text, and a hash of the text once it is normalised. `passage` is the ordinal in passages.parquet.
The teacher, the depth and the pool size are in the table's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from synth.arrays import Ints, Keys
from synth.corpus import Corpus
from synth.errors import InputError
from synth.files import ParquetSink, read_batches
from synth.mining.candidates import BEYOND, Candidates, Positives
from synth.mining.guards import is_known
from synth.ragged import ragged, spread
from synth.teachers import Hits, Teacher, queries_at_a_time, ranked, recall_of
from synth.text import hash64, normalise

TABLE = pa.schema([("query", pa.int32()), ("passage", pa.int32()), ("rank", pa.uint16()), ("score", pa.float32())])
POSITIVES = pa.schema([*TABLE, ("ahead", pa.int32())])
QUERIES = pa.schema([("query", pa.int32()), ("id", pa.string()), ("key", pa.uint64()), ("text", pa.string())])
BLOCK = 512
"""Queries that are searched at a time; one row group each."""


@dataclass(frozen=True)
class Questions:
    """n queries to be scored.

    number: what they are called in the table, ascending, shape (n,); ids, texts: n each
    key: hashes of the normalised texts, shape (n,)
    owner, positive: index of the query and ordinal of the passage of every known positive,
    sorted by owner, each query's own first, shape (p,)
    """

    number: Ints
    ids: Sequence[str]
    texts: Sequence[str]
    key: Keys
    owner: Ints
    positive: Ints

    @staticmethod
    def of(
        texts: Sequence[str],
        positives: Sequence[Sequence[int]],
        *,
        number: Ints | None = None,
        ids: Sequence[str] | None = None,
    ) -> Questions:
        """Queries and the ordinals of their positives, at least one each; numbered from 0 where nothing is said."""
        return Questions(
            np.arange(len(texts)) if number is None else number,
            [str(each) for each in range(len(texts))] if ids is None else ids,
            texts,
            np.asarray([hash64(normalise(text)) for text in texts], dtype=np.uint64),
            np.repeat(np.arange(len(texts)), [len(own) for own in positives]),
            np.asarray([ordinal for own in positives for ordinal in own], dtype=np.int64),
        )

    def blocks(self) -> Iterator[Questions]:
        for start in range(0, len(self.number), BLOCK):
            stop = min(start + BLOCK, len(self.number))
            first, last = np.searchsorted(self.owner, (start, stop))
            yield Questions(
                self.number[start:stop],
                self.ids[start:stop],
                self.texts[start:stop],
                self.key[start:stop],
                self.owner[first:last] - start,
                self.positive[first:last],
            )


def write_scores(folder: Path, blocks: Iterable[Questions], corpus: Corpus, teacher: Teacher, depth: int) -> None:
    """Score queries, given in blocks of BLOCK (`Questions.blocks`), all but the last full: `table`, `positives`, and last `queries`.

    `ahead` counts the passages that score strictly above a positive, the query's other known positives and
    whatever is equivalent to one of them left out; BEYOND for a positive that scores below all that was found.
    InputError where the teacher gives a score that is no number.
    """
    with ExitStack() as stack:
        sinks = [
            stack.enter_context(ParquetSink(folder / f"{name}.parquet", schema))
            for name, schema in (
                ("queries", QUERIES),
                ("positives", POSITIVES),
                ("table", table_schema(teacher.identity, ranked(teacher, depth), len(corpus))),
            )
        ]
        queries, positives, table = sinks
        for block, found in _searched(blocks, teacher, depth):
            table.add_table(rows_of(block.number, found), one_row_group=True)
            positives.add_table(positives_of(corpus, block.number, found))
            number = _typed(block.number, pa.int32())
            queries.add_table(pa.table([number, pa.array(block.ids), block.key, pa.array(block.texts)], schema=QUERIES))
        if recall := recall_of(teacher):
            table.tell({"recall": orjson.dumps(recall)})


def _searched(blocks: Iterable[Questions], teacher: Teacher, depth: int) -> Iterator[tuple[Questions, Candidates]]:
    """Each block with its candidates; as many blocks are searched together as suit the teacher."""
    together = max(1, queries_at_a_time(teacher, depth) // BLOCK)
    waiting = iter(blocks)
    while group := list(islice(waiting, together)):
        padded = [_pad(block) for block in group]
        widest = max(each.shape[1] for each in padded)
        known = np.concatenate(
            [np.pad(each, ((0, 0), (0, widest - each.shape[1])), constant_values=-1) for each in padded]
        )
        texts = [text for block in group for text in block.texts]
        hits = teacher.search(texts, known, depth)
        _check_finite(hits, texts, teacher)
        start = 0
        for block in group:
            rows = slice(start, start + len(block.number))
            own = Hits(hits.passages[rows], hits.scores[rows], hits.positive_scores[rows])
            yield block, _candidates(block, known[rows], own)
            start = rows.stop


def _check_finite(hits: Hits, texts: Sequence[str], teacher: Teacher) -> None:
    said = np.concatenate([hits.scores, hits.positive_scores.reshape(len(texts), -1)], axis=1)
    sound = np.isfinite(said).all(axis=1)
    if not sound.all():
        raise InputError(
            f"the teacher {teacher.identity.get('model', '?')!r} gives a score that is no number (NaN or infinite) for the query {texts[int(np.argmin(sound))][:60]!r}: nothing can be ranked by it; mend the teacher, or name another"
        )


def rows_of(number: Ints, candidates: Candidates) -> pa.Table:
    """Candidates as a score table holds them; `number` is what each query is called in it."""
    columns: tuple[Any, ...] = (number[candidates.query], candidates.passage, candidates.rank, candidates.score)
    return pa.table([_typed(c, f.type) for c, f in zip(columns, TABLE, strict=True)], schema=TABLE)


def positives_of(corpus: Corpus, number: Ints, candidates: Candidates) -> pa.Table:
    """Their known positives, with how many candidates are ahead of each."""
    known = candidates.positives
    stranger = ~is_known(corpus, candidates)
    starts = np.searchsorted(candidates.query, np.arange(candidates.count + 1)).astype(np.int64)
    which, rows = spread(starts, known.owner)
    above = stranger[rows] & (candidates.score[rows] > known.score[which])
    ahead = np.bincount(which, weights=above, minlength=len(known.owner)).astype(np.int64)
    last = np.full(candidates.count, np.inf)
    np.minimum.at(last, candidates.query, candidates.score)
    ahead[(known.rank == BEYOND) & (known.score < last[known.owner])] = BEYOND
    columns: tuple[Any, ...] = (number[known.owner], known.passage, known.rank, known.score, ahead)
    return pa.table([_typed(c, f.type) for c, f in zip(columns, POSITIVES, strict=True)], schema=POSITIVES)


@dataclass(frozen=True)
class TableMetadata:
    """What a score table says of itself: who scored, how deep, among how many passages."""

    teacher: dict[str, str]
    depth: int
    pool: int
    recall: dict[str, float] | None = None
    """Of an approximate index, when the table was written: `mean`, its 95 % interval `low` to `high`, and of how many `queries`."""


def read_metadata(folder: Path) -> TableMetadata:
    metadata = pq.read_metadata(folder / "table.parquet").metadata
    recall = orjson.loads(metadata.get(b"recall", b"null"))
    return TableMetadata(orjson.loads(metadata[b"teacher"]), int(metadata[b"depth"]), int(metadata[b"pool"]), recall)


def read_candidates(folder: Path) -> Iterator[tuple[Ints, Candidates]]:
    """(numbers of the queries, their candidates) of every BLOCK of a table, in order."""
    queries = pq.read_table(folder / "queries.parquet", columns=["query", "key"])
    number, key = queries["query"].to_numpy().astype(np.int64), queries["key"].to_numpy()
    known = pq.read_table(folder / "positives.parquet", columns=["query", "passage", "rank", "score"])
    owner, passage, rank, score = (known[name].to_numpy() for name in known.column_names)
    with pq.ParquetFile(folder / "table.parquet") as file:
        groups = iter(range(file.num_row_groups))
        rows = _next_group(file, groups)
        for start in range(0, len(number), BLOCK):
            numbers = number[start : start + BLOCK]
            table = rows
            if rows.num_rows and rows["query"][0].as_py() <= numbers[-1]:
                rows = _next_group(file, groups)
            else:
                table = TABLE.empty_table()
            first, end = np.searchsorted(owner, (numbers[0], numbers[-1] + 1))
            positives = Positives(
                np.searchsorted(numbers, owner[first:end]),
                passage[first:end].astype(np.int64),
                rank[first:end].astype(np.int64),
                score[first:end],
            )
            yield (
                numbers,
                Candidates(
                    np.searchsorted(numbers, table["query"].to_numpy()),
                    table["passage"].to_numpy().astype(np.int64),
                    table["rank"].to_numpy().astype(np.int64),
                    table["score"].to_numpy(),
                    positives,
                    key[start : start + BLOCK],
                ),
            )


def read_questions(folder: Path) -> Iterator[Questions]:
    """What was asked for every BLOCK of a table, in order."""
    batches = read_batches(folder / "queries.parquet", ["id", "text"], BLOCK)
    for (numbers, block), batch in zip(read_candidates(folder), batches, strict=True):
        known = block.positives
        ids, texts = (batch.column(name).to_pylist() for name in ("id", "text"))
        yield Questions(numbers, ids, texts, block.query_key, known.owner, known.passage)


def read_texts(folder: Path) -> Iterator[list[str]]:
    """Texts of the queries of every BLOCK of a table, in order."""
    for batch in read_batches(folder / "queries.parquet", ["text"], BLOCK):
        yield batch.column("text").to_pylist()


def _next_group(file: pq.ParquetFile, groups: Iterator[int]) -> pa.Table:
    """The next row group that has rows; an empty table after the last."""
    for group in groups:
        rows = file.read_row_group(group)
        if rows.num_rows:
            return rows
    return TABLE.empty_table()


def table_schema(identity: Mapping[str, str], depth: int, pool: int) -> pa.Schema:
    """The schema of `table` with what it says of itself; `read_metadata` reads it back."""
    told = {"teacher": orjson.dumps(dict(identity)), "depth": str(depth).encode(), "pool": str(pool).encode()}
    return TABLE.with_metadata(told)


def _pad(block: Questions) -> Ints:
    """Positives as a matrix, shape (queries, most positives of one), -1 where there are fewer."""
    held = np.bincount(block.owner, minlength=len(block.number))
    padded = np.full((len(block.number), int(held.max(initial=1))), -1, dtype=np.int64)
    padded[ragged(held)] = block.positive
    return padded


def _candidates(block: Questions, padded: Ints, hits: Hits) -> Candidates:
    found = hits.passages[block.owner] == block.positive[:, None]
    rank = np.where(found.any(axis=1), found.argmax(axis=1) + 1, BEYOND)
    positives = Positives(block.owner, block.positive, rank, hits.positive_scores[padded >= 0])
    real = hits.passages >= 0
    query, column = np.nonzero(real)
    return Candidates(query, hits.passages[real], column + 1, hits.scores[real], positives, block.key)


def _typed(values: npt.NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    return pa.array(values, type=kind)
