"""The embedded teacher: BM25 over the run's own corpus, as a share of what is possible.

Robertson's BM25 (k1 = 1.2, b = 0.75) over stemmed content words. A score is divided by the most
that any passage could reach for the query, sum of idf * (k1 + 1), so that scores lie in
[0, 1] and thresholds mean the same for long and short queries. Every passage is scored
(exact search). The inverted index lies on disk in tiles and is memory-mapped.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.arrays import Floats, Ints
from synth.corpus import Corpus
from synth.files import read_batches, replace_atomically, write_bytes
from synth.lexicon import K1, B, Lexicon, build_lexicon, count_terms
from synth.progress import Reporter
from synth.teachers import Hits, order_hits, round_scores
from synth.text import content_words

__all__ = ["Lexical"]

TILE = 32_768
"""Passages per tile of the index; bounds the memory that building it takes."""
TIE = 1e-4
"""Scores closer than this may be equal once they are rounded."""


class Lexical:
    """BM25. Needs no download and no GPU."""

    name = "lexical"
    compares = "counts of content words (give --teacher a model to compare meanings)"
    identity: Mapping[str, str] = {"model": "bm25", "k1": str(K1), "b": str(B), "scale": "share of the best possible"}

    def __init__(self, name: str, folder: Path, embeddings: Path) -> None:  # noqa: ARG002 - one signature for all teachers
        self._folder = folder
        self._tiles: list[_Tile] = []

    def index(self, corpus: Corpus, reporter: Reporter) -> None:
        self._lexicon = corpus.lexicon
        self._idf = self._lexicon.idfs()
        self._tiles.clear()
        texts = (text for _, _, text in corpus.labelled_texts())
        for start in range(0, len(corpus), TILE):
            folder = self._folder / f"tile-{start:010d}"
            count = min(TILE, len(corpus) - start)
            if not (folder / "done").exists():
                _write_tile(folder, self._lexicon, self._idf, list(islice(texts, count)))
            else:
                next(islice(texts, count - 1, count), None)
            reporter.advance(count)
            self._tiles.append(_Tile(folder, start, count))

    def search(self, queries: Sequence[str], positives: Ints, depth: int) -> Hits:
        passages = np.full((len(queries), depth), -1, dtype=np.int64)
        scores = np.zeros((len(queries), depth), dtype=np.float32)
        positive_scores = np.zeros((len(queries), positives[:1].size or 1), dtype=np.float32)
        for row, query in enumerate(queries):
            found, values, positive_scores[row] = self._search_one(query, np.atleast_1d(positives[row]), depth)
            passages[row, : len(found)] = found
            scores[row, : len(found)] = values
        return Hits(passages, scores, positive_scores.reshape(positives.shape))

    def _search_one(self, query: str, positives: Ints, depth: int) -> tuple[Ints, Floats, Floats]:
        words = set(self._lexicon.split(query))
        terms = sorted(self._lexicon.terms[word] for word in words if word in self._lexicon.terms)
        best_possible = (K1 + 1) * sum(self._lexicon.idf(word) for word in sorted(words))
        blocks: list[tuple[Ints, Floats]] = []
        positive_scores = np.zeros(len(positives), dtype=np.float32)
        for tile in self._tiles:
            scores = tile.score(terms)
            if best_possible:
                scores /= best_possible
            held = (positives >= tile.start) & (positives < tile.start + tile.count)
            positive_scores[held] = round_scores(scores[positives[held] - tile.start])
            found, values = _best_of(scores, depth, tile.promising(terms, depth))
            blocks.append((found + tile.start, values))
        passages, values = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return *order_hits(passages, values, depth), positive_scores

    def alike(self, texts: Sequence[str], threshold: float) -> tuple[Ints, Floats]:
        counts = [Counter(content_words(text)) for text in texts]
        numbers = {word: number for number, word in enumerate(sorted(set().union(*counts)))}
        words = np.asarray([numbers[word] for own in counts for word in own], dtype=np.int64)
        owners = np.repeat(np.arange(len(texts)), [len(own) for own in counts])
        times = np.asarray([n for own in counts for n in own.values()], dtype=np.float64)
        order = np.argsort(words, kind="stable")
        pointers = np.searchsorted(words[order], np.arange(len(numbers) + 1))
        lengths = np.sqrt(np.bincount(owners, times**2, minlength=len(texts)))
        found = [np.empty((0, 2), dtype=np.int64)]
        cosines = [np.empty(0, dtype=np.float32)]
        for text, own in enumerate(counts):
            products = np.zeros(len(texts))
            for word, n in own.items():
                rows = order[pointers[numbers[word]] : pointers[numbers[word] + 1]]
                products[owners[rows]] += n * times[rows]
            scores = round_scores(
                (products[:text] / np.maximum(lengths[:text] * lengths[text], 1e-12)).astype(np.float32)
            )
            others = np.flatnonzero(scores > round_scores(np.asarray(threshold, dtype=np.float32)))
            found.append(np.stack([others, np.full(len(others), text)], axis=1))
            cosines.append(scores[others])
        return np.concatenate(found), np.concatenate(cosines)

    def nearest(self, corpus: Corpus, texts: Sequence[str], count: int) -> Iterator[Ints]:
        """By BM25, the texts being the documents and each passage a query."""
        lexicon = build_lexicon((("", "", text) for text in texts), corpus.lexicon.language)
        digest = hashlib.sha256(repr(list(texts)).encode()).hexdigest()[:16]
        folder = self._folder / f"texts-{digest}"
        _write_tile(folder, lexicon, lexicon.idfs(), texts)
        tile, everyone = _Tile(folder, 0, len(texts)), np.arange(len(texts), dtype=np.int32)
        for batch in read_batches(corpus.folder / "passages.parquet", ["text"]):
            block = np.full((batch.num_rows, count), -1, dtype=np.int64)
            for row, text in enumerate(batch.column("text").to_pylist()):
                terms = sorted(lexicon.terms[word] for word in set(lexicon.split(text)) if word in lexicon.terms)
                best, _ = order_hits(*_best_of(tile.score(terms), count, everyone), count)
                block[row, : len(best)] = best
            yield block


class _Tile:
    """Postings of one tile: for term t the rows `pointers[t]:pointers[t + 1]` of the other two."""

    def __init__(self, folder: Path, start: int, count: int) -> None:
        self.start, self.count = start, count
        self._pointers: Ints = _map(folder / "pointers.npy")
        self._passages: npt.NDArray[np.int32] = _map(folder / "passages.npy")
        self._weights: Floats = _map(folder / "weights.npy")

    def score(self, terms: Sequence[int]) -> Floats:
        scores = np.zeros(self.count, dtype=np.float32)
        for term in terms:
            rows = self._rows(term)
            scores[self._passages[rows]] += self._weights[rows]
        return scores

    def promising(self, terms: Sequence[int], depth: int) -> npt.NDArray[np.int32]:
        """At least `depth` passages that hold the rarest terms, or all that hold any."""
        found = np.empty(0, dtype=np.int32)
        for rows in sorted(map(self._rows, terms), key=lambda rows: rows.stop - rows.start):
            if len(found) >= depth:
                break
            found = np.union1d(found, self._passages[rows])
        return found

    def _rows(self, term: int) -> slice:
        return slice(int(self._pointers[term]), int(self._pointers[term + 1]))


def _map(path: Path) -> npt.NDArray[Any]:
    """A memory-mapped array as a plain ndarray: np.memmap costs microseconds a slice."""
    mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return mapped


def _best_of(scores: Floats, depth: int, promising: npt.NDArray[np.int32]) -> tuple[Ints, Floats]:
    """The best `depth` of a tile and everything that ties with the last of them.

    Whatever the best `depth` of the promising passages reach is a lower bound for the best
    of all, so that one comparison a passage replaces sorting.
    """
    cut = _nth_best(scores[promising], depth)
    rows = np.flatnonzero(scores >= cut - TIE) if cut > TIE else np.flatnonzero(scores)
    rows = rows[scores[rows] >= _nth_best(scores[rows], depth) - TIE]
    return rows, round_scores(scores[rows])


def _nth_best(scores: Floats, depth: int) -> float:
    """The score at place `depth`, 0 where there are fewer."""
    return float(np.partition(scores, len(scores) - depth)[len(scores) - depth]) if len(scores) > depth else 0.0


def _write_tile(folder: Path, lexicon: Lexicon, idf: Floats, texts: Sequence[str]) -> None:
    terms: list[npt.NDArray[np.int32]] = []
    passages: list[npt.NDArray[np.int32]] = []
    weights: list[Floats] = []
    for number, (found, counts, length) in enumerate(count_terms(lexicon, texts)):
        ids = np.asarray(found, dtype=np.int32)
        terms.append(ids)
        passages.append(np.full(len(found), number, dtype=np.int32))
        saturated = lexicon.saturate(np.asarray(counts, dtype=np.float32), length)  # type: ignore[arg-type]
        weights.append((idf[ids] * saturated).astype(np.float32))
    term, passage, weight = np.concatenate(terms), np.concatenate(passages), np.concatenate(weights)
    order = np.argsort(term, kind="stable")
    pointers = np.searchsorted(term[order], np.arange(len(idf) + 1))
    for name, array in (("pointers", pointers), ("passages", passage[order]), ("weights", weight[order])):
        with replace_atomically(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, array)
    write_bytes(folder / "done", b"")
