"""`multi_signal`: which candidates are too likely to be positives that nobody labelled.

Where the user gives no rate, the bound is chosen for the whole table: as many of the 30 best
candidates of each query are thrown away as `perc_pos` would with the same margin, only others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schemas.recipe import MiningSettings
from synth.arrays import Floats
from synth.corpus import Corpus
from synth.mining.candidates import Candidates
from synth.mining.evidence import FIELDS, best_signals, signals_of
from synth.mining.model import FalseNegativeModel, model_for
from synth.mining.rules import refused
from synth.mining.signals import Signals


@dataclass(frozen=True)
class Suspicion:
    """A model, and the settings with the bound that it cuts at."""

    model: FalseNegativeModel
    settings: MiningSettings
    note: str
    """What people should know of the model, '' for nothing."""

    @property
    def told(self) -> dict[str, Any]:
        """For a report: the model, what it was fitted on, and the bound."""
        fitted = self.model.fitted
        return {
            "family": self.model.family,
            "signals": list(self.model.signals),
            "fitted_with": fitted.teacher,
            "fitted_on": list(fitted.sets),
            "bound": self.settings.max_false_negative_rate,
            "note": self.note,
        }

    def of(self, corpus: Corpus, block: Candidates) -> Candidates:
        """The block with the probability of every candidate; 0 for known positives and their likes."""
        rows, signals = signals_of(corpus, block)
        probability = np.zeros(len(block.query), dtype=np.float32)
        probability[rows] = _rounded(self.model, signals)
        return replace(block, probability=probability)


def suspect(
    settings: MiningSettings,
    corpus: Corpus,
    teacher: dict[str, str],
    blocks: Iterable[Candidates],
    own: FalseNegativeModel | None = None,
) -> Suspicion:
    """The model for a teacher's identity, or one's own, and a bound for these blocks, which hold evidence.

    Blocks are gone through only where no rate is given.
    """
    model, note = (own, "") if own else model_for(teacher, ("score", *FIELDS))
    if settings.max_false_negative_rate is not None:
        return Suspicion(model, settings, note)
    as_hard = settings.model_copy(
        update={"strategy": "perc_pos", "relative_margin": settings.matched_margin, "max_false_negative_rate": None}
    )
    thrown, found = 0, [np.empty(0, dtype=np.float32)]
    for block in blocks:
        rows, signals = best_signals(corpus, block)
        anchor = block.positives.anchors(block.count, settings.positive_anchor)[block.query]
        thrown += int(dict(refused(as_hard, block, anchor))["relative_margin"][rows].sum())
        found.append(_rounded(model, signals))
    return Suspicion(
        model, settings.model_copy(update={"max_false_negative_rate": _cut(np.concatenate(found), thrown)}), note
    )


def _rounded(model: FalseNegativeModel, signals: Signals) -> Floats:
    """Probabilities with 6 decimals, so that they compare alike on every machine."""
    return model.probability(signals).round(6).astype(np.float32)


def _cut(probability: Floats, thrown: int) -> float:
    """The bound above which `thrown` of these lie, in (0, 1)."""
    if thrown == 0 or not len(probability):
        return 1 - 1e-6
    ordered = np.sort(probability)[::-1]
    cut = float(ordered[thrown]) if thrown < len(ordered) else 0.0
    return min(max(cut, 1e-9), 1 - 1e-6)
