"""The miner's decision over a block: every candidate ends `selected`, or with the reason it was left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from schemas.recipe import MiningSettings
from synth.arrays import Mask
from synth.corpus import Corpus
from synth.mining.candidates import BEYOND, Candidates
from synth.mining.guards import guarded
from synth.mining.rules import refused
from synth.mining.sampling import choose
from synth.ragged import place_in_group

SELECTED, NOT_NEEDED, OUTSIDE = "selected", "not_needed", "outside_rank_window"


@dataclass(frozen=True)
class Fate:
    """What became of each row: `names[code]`, shape (rows,)."""

    code: npt.NDArray[np.int8]
    names: tuple[str, ...]

    @property
    def selected(self) -> Mask:
        chosen: Mask = self.code == self.names.index(SELECTED)
        return chosen

    @property
    def counts(self) -> Counter[str]:
        """Rows by fate; they add up to all rows."""
        found = np.bincount(self.code, minlength=len(self.names)).tolist()
        return Counter({name: count for name, count in zip(self.names, found, strict=True) if count})


def select(corpus: Corpus, settings: MiningSettings, candidates: Candidates, seed: int = 0) -> Fate:
    """Decide every candidate of a block of queries. The first reason that holds is the one told."""
    names: list[str] = [SELECTED]
    code = np.zeros(len(candidates.query), dtype=np.int8)
    left = np.ones(len(code), dtype=bool)

    def drop(reason: str, rows: Mask) -> None:
        if reason not in names:
            names.append(reason)
        code[left & rows] = names.index(reason)
        left[rows] = False

    anchor = candidates.positives.anchors(candidates.count, settings.positive_anchor)[candidates.query]
    outside = candidates.rank == BEYOND
    if settings.rank_basis == "raw":
        outside = outside | (candidates.rank < settings.first_rank) | (candidates.rank > settings.rank_max)
    reasons = chain(guarded(corpus, settings, candidates), [(OUTSIDE, outside)], refused(settings, candidates, anchor))
    for reason, rows in reasons:
        drop(reason, rows)
    if settings.rank_basis == "after_rules":
        place = place_in_group(candidates.query, left) + 1
        drop(OUTSIDE, (place < settings.first_rank) | (place > settings.rank_max))
    taken = choose(settings, candidates, left, corpus, seed)
    drop(NOT_NEEDED, ~taken)
    return Fate(code, tuple(names))
