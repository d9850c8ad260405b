"""Several teachers: one score table out of many, or negatives that each of them found.

`rrf`: sum of w / (60 + rank), as a share of the most that it can be; needs no comparable scores
(Cormack et al. 2009). `weighted`: scores stretched to 0 … 1 within each query's list, then their weighted mean: dense and lexical as
a hybrid. `agreement`: the mean of those stretched scores over all teachers times the share of the
teachers that have the passage in their list. A passage that a teacher did not list counts nothing with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from schemas.base import sha256_of
from synth.errors import InputError
from synth.files import ParquetSink, new_folder, write_parquet
from synth.mining.candidates import BEYOND, Candidates, Ints, Positives
from synth.mining.table import ScoreTable
from synth.ragged import place_in_group
from synth.scores import POSITIVES, positives_of, rows_of, table_schema
from synth.teachers import round_scores

Method = Literal["rrf", "weighted", "agreement"]
Doubles = npt.NDArray[np.float64]
RRF_K = 60


def fuse(
    tables: Sequence[ScoreTable], method: Method = "rrf", *, weights: Sequence[float] | None = None, k: int = RRF_K
) -> ScoreTable:
    """One table that ranks what any of the tables ranks; kept beside them, made once.

    A positive that a teacher did not list counts by its score with that teacher, and nothing by `rrf`.
    Raises InputError for tables of different pairs, or weights that are not one a table and above 0.
    """
    given = [1.0] * len(tables) if weights is None else list(weights)
    _check(tables, given)
    share = [weight / sum(given) for weight in given]
    first = tables[0]
    identity = {
        "model": " + ".join(table.teacher.get("model", "?") for table in tables),
        "fusion": method,
        "weights": ", ".join(f"{weight:.4g}" for weight in share),
        "teachers": sha256_of([table.teacher for table in tables])[:16],
        **({"k": str(k)} if method == "rrf" else {}),
    }
    key = sha256_of([identity, [table.folder.name for table in tables]])[:32]
    folder = first.folder.with_name(key)
    if not folder.exists():
        depth = max(table.depth for table in tables)
        with new_folder(folder) as hidden, ExitStack() as stack:
            positives = stack.enter_context(ParquetSink(hidden / "positives.parquet", POSITIVES))
            schema = table_schema(identity, depth, len(first.corpus))
            table = stack.enter_context(ParquetSink(hidden / "table.parquet", schema))
            for numbers, blocks in _together(tables):
                fused = _fuse(blocks, method, share, k, depth)
                table.add_table(rows_of(numbers, fused), one_row_group=True)
                positives.add_table(positives_of(first.corpus, numbers, fused))
            write_parquet(hidden / "queries.parquet", pq.read_table(first.folder / "queries.parquet"))
    return ScoreTable(folder, first.corpus)


def _check(tables: Sequence[ScoreTable], weights: Sequence[float]) -> None:
    if not tables:
        raise InputError("there is no score table to fuse; ask at least one teacher")
    if len(weights) != len(tables) or min(weights) <= 0:
        raise InputError(f"{len(weights)} weights were given for {len(tables)} teachers; give one above 0 for each")
    read = [pq.read_table(table.folder / "queries.parquet", columns=["key"]) for table in tables]
    if any(table.corpus.folder != tables[0].corpus.folder for table in tables) or any(each != read[0] for each in read):
        raise InputError("score tables of different pairs can't be fused; retrieve them for the same pairs")


def _together(tables: Sequence[ScoreTable]) -> Iterator[tuple[Ints, list[Candidates]]]:
    for blocks in zip(*(table.blocks() for table in tables), strict=True):
        yield blocks[0][0], [block for _, block in blocks]


def _fuse(blocks: Sequence[Candidates], method: Method, share: Sequence[float], k: int, depth: int) -> Candidates:
    """What any block lists, ranked anew; a positive has the same score whether it is listed or not."""
    first = blocks[0]
    known = first.positives
    size = 1 + max(int(each.max(initial=0)) for each in (known.passage, *(block.passage for block in blocks)))
    own = known.owner * size + known.passage
    keys = np.unique(np.concatenate([own, *(block.query * size + block.passage for block in blocks)]))
    total, listed = np.zeros(len(keys)), np.zeros(len(keys))
    for block, weight in zip(blocks, share, strict=True):
        place = np.searchsorted(keys, block.query * size + block.passage)
        of_rows, of_positives = _said(block, method, k)
        total[place] += weight * of_rows
        listed[place] += 1
        beyond = block.positives.rank == BEYOND
        total[np.searchsorted(keys, own[beyond])] += weight * of_positives[beyond]
    score = round_scores((total * listed / len(blocks) if method == "agreement" else total).astype(np.float32))
    query, passage = keys // size, keys % size
    order = np.lexsort((passage, -score, query))
    order = order[listed[order] > 0]
    place_in = place_in_group(query[order])
    order, rank = order[place_in < depth], place_in[place_in < depth] + 1
    ranks = np.full(len(keys), BEYOND)
    ranks[order] = rank
    mine = np.searchsorted(keys, own)
    positives = Positives(known.owner, known.passage, ranks[mine], score[mine])
    return Candidates(query[order], passage[order], rank, score[order], positives, first.query_key)


def _said(block: Candidates, method: Method, k: int) -> tuple[Doubles, Doubles]:
    """What a teacher adds for its candidates, and for positives beyond them, before its weight."""
    positives = block.positives
    if method == "rrf":
        return (k + 1) / (k + block.rank), np.zeros(len(positives.owner))
    low, high = np.full(block.count, np.inf), np.full(block.count, -np.inf)
    np.minimum.at(low, block.query, block.score)
    np.maximum.at(high, block.query, block.score)
    low, width = np.where(np.isfinite(low), low, 0), np.where(high > low, high - low, 1)
    stretched = (block.score - low[block.query]) / width[block.query]
    return stretched, (positives.score - low[positives.owner]) / width[positives.owner]
