"""How far two texts use the same rare words: BM25 of many (query, passage) pairs, and cosines of passages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth.arrays import Floats, Ints
from synth.files import replace_atomically
from synth.lexicon import Lexicon, count_terms
from synth.ragged import spread

SCRATCH = 4_000_000
"""Cells that are held at a time: texts on the left side x terms of the lexicon."""


@dataclass(frozen=True)
class _Weights:
    """Text i weighs the terms `terms[starts[i]:starts[i + 1]]`."""

    starts: Ints
    terms: npt.NDArray[np.int32]
    weights: Floats


class Overlap:
    """BM25's term weights of some passages, numbered from 0 in the order given."""

    def __init__(self, lexicon: Lexicon, passages: Iterable[str] | _Weights) -> None:
        self._lexicon = lexicon
        self._passages = passages if isinstance(passages, _Weights) else _weigh(lexicon, passages)
        squares = self._passages.weights.astype(np.float64) ** 2
        sums = np.concatenate([[0.0], np.cumsum(squares)])
        self._length = np.sqrt(np.maximum(np.diff(sums[self._passages.starts]), 1e-12))

    def save(self, folder: Path) -> None:
        """One array a file; `weights` comes last."""
        for name in ("starts", "terms", "weights"):
            with replace_atomically(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
                np.save(file, getattr(self._passages, name))

    @staticmethod
    def load(folder: Path, lexicon: Lexicon) -> Overlap:
        """What `save` wrote, memory-mapped."""
        starts, terms, weights = (
            np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in ("starts", "terms", "weights")
        )
        return Overlap(lexicon, _Weights(starts, terms, weights))

    def with_queries(self, queries: Sequence[str], query: Ints, passage: Ints) -> Floats:
        """BM25 of pairs, shape (rows,): row i is of `queries[query[i]]` and passage `passage[i]`."""
        known = self._lexicon.terms
        asked = [sorted({known[term] for term in self._lexicon.split(text) if term in known}) for text in queries]
        sizes = [len(terms) for terms in asked]
        terms = np.asarray([term for terms in asked for term in terms], dtype=np.int32)
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return self._products(_Weights(starts, terms, np.ones(len(terms), dtype=np.float32)), query, passage)

    def between(self, first: Ints, second: Ints) -> Floats:
        """Cosine of pairs of passages, shape (rows,), in [0, 1]."""
        products = self._products(self._passages, first, second)
        cosines = products / (self._length[first] * self._length[second])
        bounded: Floats = np.clip(cosines, 0.0, 1.0).astype(np.float32)
        return bounded

    def _products(self, left: _Weights, first: Ints, second: Ints) -> Floats:
        order = np.argsort(first, kind="stable")
        texts, begins = np.unique(first[order], return_index=True)
        ends = np.append(begins, len(order))
        products = np.zeros(len(order), dtype=np.float32)
        block = max(1, SCRATCH // max(len(self._lexicon.terms), 1))
        scratch = np.zeros((min(block, len(texts)), len(self._lexicon.terms)), dtype=np.float32)
        for start in range(0, len(texts), block):
            own, of_text = spread(left.starts, texts[start : start + block])
            scratch[own, left.terms[of_text]] = left.weights[of_text]
            rows = order[ends[start] : ends[min(start + block, len(texts))]]
            place = np.searchsorted(texts, first[rows]) - start
            which, at = spread(self._passages.starts, second[rows])
            found = scratch.ravel()[place[which] * scratch.shape[1] + self._passages.terms[at]]
            products[rows] = np.bincount(which, found * self._passages.weights[at], minlength=len(rows))
            scratch[own, left.terms[of_text]] = 0.0
        return products


def _weigh(lexicon: Lexicon, texts: Iterable[str]) -> _Weights:
    idf, sizes = lexicon.idfs(), [0]
    terms: list[npt.NDArray[np.int32]] = [np.empty(0, dtype=np.int32)]
    weights: list[Floats] = [np.empty(0, dtype=np.float32)]
    for found, counts, length in count_terms(lexicon, texts):
        ids = np.asarray(found, dtype=np.int32)
        saturated = lexicon.saturate(np.asarray(counts, dtype=np.float32), length)  # type: ignore[arg-type]
        terms.append(ids)
        weights.append((idf[ids] * saturated).astype(np.float32))
        sizes.append(len(ids))
    return _Weights(np.cumsum(sizes).astype(np.int64), np.concatenate(terms), np.concatenate(weights))
