"""Where queries lie: the teacher's vectors where it has them, else hashed words."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from synth.arrays import Floats
from synth.corpus import Corpus
from synth.shard import Workshop
from synth.teachers import DECIMALS, Embedder, vectors_of
from synth.text import hash64

DIMENSION = 512
SAMPLE = 256
"""Passages that say how alike any two texts of a corpus are."""


class Space(Protocol):
    """Vectors of unit length, shape (n, d), whose inner product says how alike two texts are."""

    name: str

    def queries(self, texts: Sequence[str]) -> Floats: ...

    def passages(self, ordinals: Sequence[int]) -> Floats: ...


def space_of(workshop: Workshop) -> Space:
    """The space in which the queries of a run are compared."""
    if isinstance(workshop.teacher, Embedder):
        lender = vectors_of(workshop.teacher)
        is_lent = lender is not workshop.teacher
        return _Embedded(lender.identity["model"] if is_lent else workshop.recipe.teacher, workshop.teacher)
    return HashedTerms(workshop.corpus)


class _Embedded:
    def __init__(self, name: str, teacher: Embedder) -> None:
        self.name = name
        self.queries = teacher.embed_queries
        self.passages = teacher.passage_vectors


class HashedTerms:
    """Content words by their stems and idf, each added with a sign at a place that its hash gives.

    A word counts once, and one that no passage holds has the weight 1: it is the wording of a
    question more often than what it is about.
    """

    name = f"words by idf, hashed to {DIMENSION} dimensions"

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._lexicon = corpus.lexicon
        self._place = lru_cache(maxsize=100_000)(self._place_of)

    def queries(self, texts: Sequence[str]) -> Floats:
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for term in sorted(set(self._lexicon.split(text))) or [text]:
                place, weight = self._place(term)
                vector[place] += weight
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Floats = vectors / np.maximum(lengths, np.float32(1e-12))
        return unit

    def passages(self, ordinals: Sequence[int]) -> Floats:
        return self.queries(self._corpus.texts(ordinals))

    def _place_of(self, term: str) -> tuple[int, float]:
        number = hash64(term)
        weight = self._lexicon.idf(term) if term in self._lexicon.terms else 1.0
        return number // 2 % DIMENSION, weight if number % 2 else -weight


def region_similarity(space: Space, passages: int) -> float:
    """From which cosine two queries are of one region: half way from the mean of any two passages to 1.

    So it suits embedders that put all texts close together, and those that do not.
    """
    drawn = random.Random(0).sample(range(passages), min(passages, SAMPLE))
    return round((1 + Sum.of(space.passages(sorted(drawn))).mean_similarity) / 2, DECIMALS)


@dataclass(frozen=True)
class Sum:
    """What the mean similarity of some vectors is computed from: |sum v|^2 is the sum over all pairs."""

    vector: npt.NDArray[np.float64]
    squares: float
    """Of the lengths."""
    count: int

    @staticmethod
    def of(vectors: Floats) -> Sum:
        exact = vectors.astype(np.float64)
        return Sum(exact.sum(axis=0), float((exact**2).sum()), len(vectors))

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.vector + other.vector, self.squares + other.squares, self.count + other.count)

    @property
    def mean_similarity(self) -> float:
        """Mean inner product over all pairs of different vectors; 0.0 where there is no pair."""
        if self.count < 2:
            return 0.0
        mean = (float(self.vector @ self.vector) - self.squares) / (self.count * (self.count - 1))
        return min(1.0, max(-1.0, mean))
