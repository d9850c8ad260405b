"""Personas that say the same: by their words and by the teacher's cosine (Persona Hub, arXiv 2406.20094, section 3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Strict
from synth.near import find_near_pairs
from synth.shingle_sets import read_shingles
from synth.teachers import Comparing

Measure = Literal["minhash", "embedding"]
MEASURES: tuple[Measure, ...] = ("minhash", "embedding")
SHINGLE = 1
"""Word 1-grams."""


class Thresholds(Strict):
    """From which similarity two personas are one."""

    minhash: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Jaccard similarity of their sets of words, at least this."""
    embedding: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The teacher's cosine, above this."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A text that says what an earlier one says."""

    of: int
    """Number of the earlier text, which is no duplicate itself."""
    measure: Measure
    similarity: float


def find_duplicates(texts: Sequence[str], teacher: Comparing, thresholds: Thresholds) -> dict[int, Duplicate]:
    """Texts by number that are dropped when they are gone through in order, each compared with those kept before it.

    What is dropped does not change when more texts follow. The measure
    named is the first that finds a duplicate.
    """
    alike = {"minhash": _alike_in_words(texts, thresholds.minhash), "embedding": _alike(texts, teacher, thresholds)}
    dropped: dict[int, Duplicate] = {}
    for number in range(len(texts)):
        for measure in MEASURES:
            kept = [pair for pair in alike[measure].get(number, ()) if pair[0] not in dropped]
            if kept:
                dropped[number] = Duplicate(kept[0][0], measure, kept[0][1])
                break
    return dropped


Earlier = dict[int, list[tuple[int, float]]]
"""By number: earlier texts that are alike, and how much."""


def _alike_in_words(texts: Sequence[str], threshold: float) -> Earlier:
    sets = read_shingles(texts, SHINGLE)
    pairs = find_near_pairs(sets, threshold, crowd=len(texts))
    earlier: Earlier = defaultdict(list)
    for (one, other), same in zip(pairs.tolist(), sets.jaccard(*pairs.T).tolist(), strict=True):
        earlier[other].append((one, round(same, 4)))
    return earlier


def _alike(texts: Sequence[str], teacher: Comparing, thresholds: Thresholds) -> Earlier:
    pairs, cosines = teacher.alike(texts, thresholds.embedding)
    earlier: Earlier = defaultdict(list)
    for (one, other), cosine in sorted(zip(pairs.tolist(), cosines.tolist(), strict=True)):
        earlier[other].append((one, round(cosine, 4)))
    return earlier
