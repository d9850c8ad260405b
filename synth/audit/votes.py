"""What all auditors said, as arrays over the rows of the key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.audit import AuditKey
from synth.arrays import Doubles, Ints, Mask
from synth.audit.agreement import GAP
from synth.audit.answers import Answer, Sheet

_EMPTY = Answer()


@dataclass(frozen=True)
class Votes:
    """relevant: 1, 0, 0.5 for unsure; clear, right: 1 or 0; NaN where nothing was said; shape (auditors, rows)

    A pair is right where the auditor calls it relevant, and does not say that its query is unclear.
    """

    relevant: Doubles
    clear: Doubles

    @classmethod
    def of(cls, key: AuditKey, sheets: Sequence[Sheet]) -> Votes:
        found = [[sheet.answers.get(row.number, _EMPTY) for row in key.rows] for sheet in sheets]
        relevant = [[_number(each.relevant) for each in row] for row in found]
        clear = [[_number(each.clear) for each in row] for row in found]
        return cls(np.asarray(relevant, dtype=np.float64), np.asarray(clear, dtype=np.float64))

    @property
    def right(self) -> Doubles:
        unclear = (self.clear == 0) & ~np.isnan(self.relevant)
        right: Doubles = np.where(unclear, 0.0, np.where(self.relevant == 0.5, np.nan, self.relevant))
        return right


@dataclass(frozen=True)
class NegativeVotes:
    """One column for each negative that was shown, those of a record beside each other.

    said: 1 where it is right as well, 0 where not, NaN where nothing was said, shape (auditors, negatives)
    row: of the key; method: how it was found or made; times: how many negatives of its record it stands for
    """

    said: Doubles
    row: Ints
    method: Sequence[str]
    times: Doubles

    @classmethod
    def of(cls, key: AuditKey, sheets: Sequence[Sheet]) -> NegativeVotes:
        places = [(place, n) for place, row in enumerate(key.rows) for n in range(len(row.negatives))]
        said = np.full((len(sheets), len(places)), np.nan)
        for auditor, sheet in enumerate(sheets):
            for column, (place, n) in enumerate(places):
                chosen = sheet.answers.get(key.rows[place].number, _EMPTY).negatives
                if chosen is not None:
                    said[auditor, column] = float(n + 1 in chosen)
        return cls(
            said,
            np.asarray([place for place, _ in places], dtype=np.int64),
            [key.rows[place].negatives[n].method for place, n in places],
            np.asarray([key.rows[place].negatives_held / len(key.rows[place].negatives) for place, _ in places]),
        )


def majority(votes: Doubles) -> Doubles:
    """1 or 0 as most say, 0.5 for a draw, NaN where nobody says 1 or 0; shape (auditors, rows) -> (rows,)."""
    yes, no = (votes == 1).sum(axis=0), (votes == 0).sum(axis=0)
    said: Doubles = np.where(yes > no, 1.0, np.where(yes < no, 0.0, 0.5))
    return np.where(yes + no > 0, said, np.nan)


def decided(values: Doubles) -> Mask:
    """Where there is a majority: neither a draw nor nothing."""
    found: Mask = (values == 0) | (values == 1)
    return found


def codes(votes: Doubles) -> Ints:
    """Votes as `agreement_of` takes them."""
    coded: Ints = np.where(np.isnan(votes), GAP, np.nan_to_num(votes) * 2).astype(np.int64)
    return coded


def _number(said: float | bool | None) -> float:
    return np.nan if said is None else float(said)
