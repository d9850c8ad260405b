"""The passages of a batch of records as flat arrays, and rows as lists of places in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.record import TEXT_PAIR
from synth.ragged import ragged, spread

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

OTHER_TEXT = (":cloze", TEXT_PAIR)
"""End the methods of records whose positive is no passage as it stands: no teacher scored it."""


@dataclass(frozen=True)
class Rows:
    """Training rows as places in a pool.

    owner: record of each row, shape (rows,); counts: how many passages it has, shape (rows,); places: of these
    passages, the positive first, shape (sum of counts,)
    """

    owner: Ints
    counts: Ints
    places: Ints

    def column(self, number: int) -> Ints:
        """The places of one passage of every row, for rows of equal size; shape (rows,)."""
        width = int(self.counts[0]) if len(self.counts) else number + 1
        return self.places.reshape(-1, width)[:, number]

    def take(self, kept: Mask) -> Rows:
        """Some of the rows, in their order."""
        return Rows(self.owner[kept], self.counts[kept], self.places[np.repeat(kept, self.counts)])

    def as_list(self, values: pa.Array) -> pa.ListArray:
        """A list for each row out of values by place."""
        ends = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends), values.take(pa.array(self.places)))


@dataclass(frozen=True)
class Pool:
    """Positives and negatives of records: `flat` are all their passages, `positives` and `negatives` places in it.

    Places are sorted by record, `of_positives` and `of_negatives` say which; a query's own positive stands first.
    """

    records: pa.Table
    flat: tuple[pa.StructArray, ...]
    positives: Ints
    of_positives: Ints
    negatives: Ints
    of_negatives: Ints

    @staticmethod
    def of(records: pa.Table) -> Pool:
        """records: at least the columns query, positive, more_positives, negatives."""
        first = records["positive"].combine_chunks()
        more, negatives = (records[name].combine_chunks() for name in ("more_positives", "negatives"))
        flat = (first, pc.list_flatten(more), pc.list_flatten(negatives))
        size = len(first) + len(flat[1])
        owner = np.concatenate([np.arange(len(first)), _parents(more)])
        order = np.argsort(owner, kind="stable")
        places = np.arange(size, size + len(flat[2]))
        return Pool(records, flat, order, owner[order], places, _parents(negatives))

    def __len__(self) -> int:
        return int(self.records.num_rows)

    def field(self, name: str, missing: pa.Scalar | None = None) -> pa.Array:
        """A field of all passages by place; `missing` stands for what a passage has not."""
        return pa.concat_arrays([_field(passages, name, missing) for passages in self.flat])

    @cached_property
    def texts(self) -> pa.Array:
        return self.field("text")

    @cached_property
    def is_scored(self) -> Mask:
        """Which passages the teacher scored as they stand: no negative that was made, no positive that was cut."""
        scored = np.ones(sum(map(len, self.flat)), dtype=bool)
        negatives = self.flat[2]
        if _has(negatives, "method"):
            scored[len(scored) - len(negatives) :] = _numpy(
                pc.equal(pc.struct_field(negatives, "method"), "mined")
            ).astype(bool)
        if "provenance" in self.records.schema.names:
            method = pc.struct_field(self.records["provenance"], "method").combine_chunks()
            for ending in OTHER_TEXT:
                scored[: len(self)] &= ~_numpy(pc.ends_with(method, ending)).astype(bool)
        return scored

    @cached_property
    def scores(self) -> Floats:
        """By place, NaN where the teacher did not score the text."""
        found: Floats = self.field("score").to_numpy(zero_copy_only=False)
        return np.where(self.is_scored, found, np.nan)

    def only(self, allowed: Mask) -> Pool:
        """Without the negatives whose places are not allowed."""
        kept = allowed[self.negatives]
        return replace(self, negatives=self.negatives[kept], of_negatives=self.of_negatives[kept])

    @property
    def published(self) -> pa.Table:
        """The records, with the negatives that are left."""
        place, before = self.records.schema.get_field_index("negatives"), self.flat[2]
        if len(self.negatives) == len(before):
            return self.records
        left = before.take(pa.array(self.negatives - (len(self.texts) - len(before))))
        lists = pa.ListArray.from_arrays(pa.array(self._starts.astype(np.int32)), left)
        field = self.records.schema.field(place)
        return self.records.set_column(place, field, lists.cast(field.type))

    @cached_property
    def held(self) -> Ints:
        """How many negatives each record has, shape (records,)."""
        return np.bincount(self.of_negatives, minlength=len(self))

    @cached_property
    def _starts(self) -> Ints:
        return np.concatenate([[0], np.cumsum(self.held)])

    def pairs(self) -> Rows:
        """A row for each positive."""
        return Rows(self.of_positives, np.ones_like(self.positives), self.positives)

    def triplets(self) -> Rows:
        """A row for each positive with each negative."""
        which, member = spread(self._starts, self.of_positives)
        both = np.stack([self.positives[which], self.negatives[member]], axis=1)
        return Rows(self.of_positives[which], np.full(len(both), 2), both.ravel())

    def tuples(self, asked: int) -> Rows:
        """A row for each positive with the first `asked` negatives, of records that have so many."""
        whole = self.held[self.of_positives] >= asked
        owner = self.of_positives[whole]
        negatives = self.negatives[self._starts[owner][:, None] + np.arange(asked)]
        both = np.concatenate([self.positives[whole][:, None], negatives], axis=1)
        return Rows(owner, np.full(len(owner), asked + 1), both.ravel())

    def singles(self) -> Rows:
        """A row for each positive and each negative."""
        lists = self.lists(0)
        return Rows(np.repeat(lists.owner, lists.counts), np.ones_like(lists.places), lists.places)

    def lists(self, least: int) -> Rows:
        """A row for each record that has at least so many negatives: its positives, then its negatives."""
        owner = np.concatenate([self.of_positives, self.of_negatives])
        places = np.concatenate([self.positives, self.negatives])
        whole = self.held[owner] >= least
        owner, places = owner[whole], places[whole]
        order = np.argsort(owner, kind="stable")
        counts = np.bincount(owner, minlength=len(self))
        present = np.flatnonzero(counts)
        return Rows(present, counts[present], places[order])

    def is_positive(self, places: Ints) -> Mask:
        return places < len(self.flat[0]) + len(self.flat[1])

    def gaps(self, rows: Rows) -> Floats:
        """How far the best negative of each row scores below its positive; NaN where either has no score.

        Rows without negatives are as hard as their record is.
        """
        values = np.where(self.is_positive(rows.places), -np.inf, np.nan_to_num(self.scores[rows.places], nan=-np.inf))
        starts = np.cumsum(rows.counts) - rows.counts
        hardest = np.maximum.reduceat(values, starts) if len(starts) else values
        own = np.full(len(self), -np.inf)
        np.maximum.at(own, self.of_negatives, np.nan_to_num(self.scores[self.negatives], nan=-np.inf))
        alone = np.isneginf(hardest)
        hardest[alone] = own[rows.owner[alone]]
        first = rows.places[starts]
        gap = self.scores[np.where(self.is_positive(first), first, rows.owner)] - hardest
        return np.where(np.isfinite(gap), gap, np.nan)


def _parents(lists: pa.ListArray) -> Ints:
    counts: Ints = _numpy(pc.list_value_length(lists)).astype(np.int64)
    return ragged(counts)[0]


def _numpy(values: pa.Array) -> npt.NDArray[np.generic]:
    found: npt.NDArray[np.generic] = values.to_numpy(zero_copy_only=False)
    return found


def _has(passages: pa.StructArray, name: str) -> bool:
    return bool(passages.type.get_field_index(name) >= 0)


def _field(passages: pa.StructArray, name: str, missing: pa.Scalar | None) -> pa.Array:
    if not _has(passages, name) and missing is not None:
        return pa.repeat(missing, len(passages))
    return pc.struct_field(passages, name)
