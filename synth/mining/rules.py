"""How low a candidate must score to be a negative: NV-Retriever's rules (arXiv 2407.15831), and bounds of one's own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from schemas.recipe import MiningSettings
from synth.arrays import Doubles, Floats, Mask
from synth.mining.candidates import Candidates


def refused(settings: MiningSettings, candidates: Candidates, anchor: Doubles) -> Iterator[tuple[str, Mask]]:
    """(bound, which candidates break it) for each bound that is set, shape (rows,) each.

    anchor: the score of the positive of each candidate's query, shape (rows,). The relative margin
    is taken off as |anchor| * margin, so that it also means something for negative scores (cosines,
    logits). A candidate whose anchor is unknown (NaN) breaks every bound that needs one.
    """
    if settings.strategy == "multi_signal" and settings.max_false_negative_rate is None:
        raise AssertionError("multi_signal needs the bound that `synth.mining.suspicion` chooses")
    value = candidates.score.astype(np.float64).round(4)
    for name, bound in settings.bounds.items():
        if name == "min_score":
            yield name, value < bound
        elif name == "max_similarity":
            yield name, _asked(candidates.between, name) > bound
        elif name == "max_false_negative_rate":
            yield name, _asked(candidates.probability, name) > bound
        else:
            yield name, ~_below(value, _ceiling(name, bound, anchor), settings.strict)


def _ceiling(name: str, bound: float, anchor: Doubles) -> Doubles:
    if name == "max_score":
        return np.full_like(anchor, bound)
    return anchor - (bound if name == "absolute_margin" else np.abs(anchor) * bound)


def _below(value: Doubles, ceiling: Doubles, strict: bool) -> Mask:
    rounded = np.round(ceiling, 6)
    below: Mask = value < rounded if strict else value <= rounded
    return below


def _asked(values: Floats | None, name: str) -> Floats:
    if values is None:
        raise AssertionError(f"{name} needs what the score table does not hold")
    return values
