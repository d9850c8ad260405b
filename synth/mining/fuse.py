"""Score tables of several teachers fused to one; see `synth.teachers.fused` for what is computed."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow.parquet as pq

from schemas.recipe import FusionMethod
from synth.errors import InputError
from synth.mining.table import Kept, ScoreTable, derive
from synth.progress import Silent
from synth.teachers.fused import RRF_K, Fused


def fuse(
    tables: Sequence[ScoreTable],
    method: FusionMethod = "rrf",
    *,
    weights: Sequence[float] | None = None,
    k: int = RRF_K,
) -> ScoreTable:
    """One table that ranks what any of the tables ranks, as deep as the deepest; kept beside them, made once.

    method: `rrf`, `weighted` or `agreement`; k: of `rrf`. weights: one a table, None for all alike.
    Raises InputError for tables of different pairs, or weights that are not one a table and above 0.
    """
    if not tables:
        raise InputError("there is no score table to fuse; ask at least one teacher")
    fused = Fused([Kept(table) for table in tables], method, [1.0] * len(tables) if weights is None else weights, k)
    read = [pq.read_table(table.folder / "queries.parquet", columns=["key"]) for table in tables]
    if any(table.corpus.folder != tables[0].corpus.folder for table in tables) or any(each != read[0] for each in read):
        raise InputError("score tables of different pairs can't be fused; retrieve them for the same pairs")
    return derive(tables, fused, max(table.depth for table in tables), Silent())
