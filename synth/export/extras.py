"""Columns beside those of a format, for those who ask for them: no trainer sees them by accident."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.errors import InputError, suggest
from synth.export.passages import Spans
from synth.export.pool import Floats, Ints, Pool, Rows

Extra = Literal["group", "difficulty", "scores", "spans", "mask"]
EXTRAS: tuple[Extra, ...] = get_args(Extra)
BINS = 4
"""Difficulties: 1 is the quarter of the rows whose negatives score furthest below the positive, 4 the nearest."""

_IN_FULL = ("scores", "mask")


def check_extras(extras: Sequence[str], name: str) -> None:
    """InputError for a column that there is not, or that the format has already."""
    for extra in extras:
        if extra not in EXTRAS:
            raise InputError(f"--with {extra}: there is no such column{suggest(extra, EXTRAS)}")
        if name == "full" and extra in _IN_FULL:
            raise InputError(f"--with {extra}: `full` has it already; leave it out")


class Bins:
    """Difficulties by quantiles of the gap between the teacher's scores."""

    def __init__(self, gaps: Iterator[Floats]) -> None:
        found = [each[~np.isnan(each)].astype(np.float32) for each in gaps]
        known = np.concatenate([np.empty(0, np.float32), *found])
        self.rows = len(known)
        """How many have a gap."""
        shares = np.arange(1, BINS) / BINS
        self.edges: Floats = np.quantile(known, shares).astype(np.float64) if len(known) else np.zeros(BINS - 1)

    def of(self, gaps: Floats) -> Ints:
        """1 to BINS, easy to hard; 0 where the gap is not known."""
        harder: Ints = BINS - np.searchsorted(self.edges, gaps.astype(np.float32), side="right")
        return np.where(np.isnan(gaps), 0, harder)


def add_extras(
    table: pa.Table, extras: Sequence[str], pool: Pool, rows: Rows, helpers: tuple[Bins | None, Spans | None]
) -> pa.Table:
    """The table with the columns that were asked for, behind its own, in the order of EXTRAS."""
    bins, spans = helpers
    for extra in EXTRAS:
        if extra not in extras:
            continue
        if extra == "difficulty" and bins is not None:
            level = bins.of(pool.gaps(rows))
            table = table.append_column("difficulty", pa.array(level.astype(np.int8), mask=level == 0))
        elif extra == "spans" and spans is not None:
            table = table.append_column("spans", spans.of(pool, rows))
        elif extra == "group":
            table = table.append_column("group", group_of(pool.records).take(pa.array(rows.owner)))
        elif extra == "scores":
            table = table.append_column("teacher_scores", rows.as_list(pa.array(pool.scores, from_pandas=True)))
        elif extra == "mask":
            table = _add_mask(table, pool, rows)
    return table


def group_of(records: pa.Table) -> pa.Array:
    """`TASK/LANGUAGE`: what rows of one batch should have in common."""
    task = pc.struct_field(records["provenance"].combine_chunks(), "task")
    return pc.binary_join_element_wise(task, records["language"].combine_chunks(), "/")


def _add_mask(table: pa.Table, pool: Pool, rows: Rows) -> pa.Table:
    """`passage_ids` in the row's order, a negative that was made under the id of the passage it was made from."""
    made_from = pool.field("made_from", pa.scalar(""))
    ids = pc.if_else(pc.equal(made_from, ""), pool.field("passage_id"), made_from)
    table = table.append_column("passage_ids", rows.as_list(ids))
    for name in ("in_batch_mask", "in_batch_complete"):
        table = table.append_column(name, pool.records[name].combine_chunks().take(pa.array(rows.owner)))
    return table
