"""What all teachers with vectors share: an index on disk, exact search, a cache of vectors by content.

Vectors are of unit length, so that scores are cosines. Those of a run's passages lie in its folder, with the
teacher they are of: a run that has all it needs asks no model at all, and one whose model has changed meanwhile
stops instead of comparing what can't be compared.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson

from synth.arrays import Floats, Ints
from synth.corpus import Corpus
from synth.embeddings import EmbeddingCache
from synth.errors import InputError
from synth.files import read_batches, replace_atomically, write_bytes
from synth.progress import Reporter
from synth.search import (
    Breadth,
    Recall,
    Searcher,
    SearchSettings,
    choose_backend,
    find_pairs_above,
    score_at,
    search_exactly,
)
from synth.teachers import Hits, check_same_weights
from synth.teachers.settings import TeacherSettings, parse_model

Side = Literal["query", "document"]
MULTIPLES = 512
"""Queries are searched in multiples of it."""
HITS = 2 * 10**6
"""Of all queries that are searched at a time."""
WORK = 10**13
"""Multiplications of a search: some minutes of a core."""
BLOCK = 1_024
"""Passages that are ranked personas for at a time."""


class Dense:
    """A teacher with vectors; a subclass says whose they are, and encodes."""

    compares = "embeddings"
    block = 1_024
    """Passages that are encoded and stored at a time."""

    def __init__(self, name: str, folder: Path, embeddings: Path, settings: TeacherSettings | None = None) -> None:
        self.asked, _ = parse_model(name)
        self.settings = settings or TeacherSettings()
        self._folder = folder
        self._embeddings = embeddings
        self._encoding = threading.Lock()

    def describe(self) -> dict[str, str]:
        """What must be equal for two vectors to be comparable, with `query_prompt` and `document_prompt`."""
        raise NotImplementedError

    def measure(self) -> int:
        """Components of a vector."""
        raise NotImplementedError

    def encode(self, texts: Sequence[str], side: Side) -> Floats:
        """Vectors as the model gives them, shape (n, dimension); texts are not empty."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of processes and connections; they come back when they are needed."""

    @cached_property
    def identity(self) -> Mapping[str, str]:
        return {**self._vectors_of, **self.asked.searching}

    @cached_property
    def _vectors_of(self) -> dict[str, str]:
        """Whose the vectors are, however they are searched."""
        return dict(self._kept["identity"]) if self._kept else self._described

    def index(self, corpus: Corpus, reporter: Reporter) -> None:
        choose_backend(self._search_settings)
        path = self._folder / ("passages.f16" if self.asked.is_half else "passages.f32")
        if self._kept is None:
            with replace_atomically(path) as temporary:
                self._write_vectors(temporary, corpus, reporter)
            told = {"identity": self._vectors_of, "dimension": self._dimension}
            write_bytes(self._folder / "teacher.json", orjson.dumps(told))
        mapped: Any = np.memmap(path, dtype=self._stored, mode="r", shape=(len(corpus), self._dimension))
        self._passages: Floats = mapped
        self._searcher = Searcher(mapped, self._search_settings, folder=self._folder / "index")
        reporter.note(str(self._searcher))
        reporter.status(f"index={self.asked.index}")
        self._searcher.prepare()

    @property
    def recall(self) -> Recall | None:
        """Share of the exact best that an approximate index found, measured as it was asked; None for an exact one."""
        return self._searcher.recall

    def queries_at_a_time(self, depth: int) -> int:
        """So many that reading all passages for them costs little, and neither memory nor what a killed search loses is much."""
        return max(MULTIPLES, min(HITS // max(1, depth), WORK // max(1, self._passages.size)) // MULTIPLES * MULTIPLES)

    @property
    def _search_settings(self) -> SearchSettings:
        given = {name: int(n) for name, n in self.asked.searching.items() if name != "index"}
        return SearchSettings(self.settings.search_on, self.asked.index, breadth=Breadth(**given))

    def _write_vectors(self, path: Path, corpus: Corpus, reporter: Reporter) -> None:
        vectors = np.memmap(path, dtype=self._stored, mode="w+", shape=(len(corpus), self._dimension))
        start = 0
        for batch in read_batches(corpus.folder / "passages.parquet", ["text"], size=self.block):
            texts = batch.column("text").to_pylist()
            vectors[start : start + len(texts)] = self._embed(texts, "document")
            start += len(texts)
            reporter.advance(len(texts))
        vectors.flush()

    @property
    def has_vectors(self) -> bool:
        """Whether those of the run's passages are all there."""
        return self._kept is not None

    def keep_vectors(self, corpus: Corpus, start: int, stop: int) -> None:
        """Embed passages start … stop - 1 for the store, so that `index` in any process finds them."""
        with self._encoding:
            self._document_cache.keep(corpus.texts(range(start, stop)), self._encode_in_blocks)

    def _encode_in_blocks(self, texts: Sequence[str]) -> Floats:
        return np.concatenate(
            [self._encode(texts[first : first + self.block], "document") for first in range(0, len(texts), self.block)]
        )

    def search(self, queries: Sequence[str], positives: Ints, depth: int) -> Hits:
        vectors = self.embed_queries(queries)
        passages, scores = self._searcher.search(vectors, depth)
        known = score_at(vectors, self._passages, positives.reshape(len(queries), -1))
        positive_scores = np.where(np.isfinite(known), known, 0).astype(np.float32).reshape(positives.shape)
        missing = depth - passages.shape[1]
        return Hits(
            np.pad(passages, ((0, 0), (0, missing)), constant_values=-1),
            np.pad(scores, ((0, 0), (0, missing))),
            positive_scores,
        )

    def alike(self, texts: Sequence[str], threshold: float) -> tuple[Ints, Floats]:
        return find_pairs_above(self._embed(texts, "document"), threshold)

    def nearest(self, corpus: Corpus, texts: Sequence[str], count: int) -> Iterator[Ints]:
        vectors = self._embed(texts, "query")
        for start in range(0, len(corpus), BLOCK):
            found, _ = search_exactly(
                np.asarray(self._passages[start : start + BLOCK], dtype=np.float32), vectors, count
            )
            yield np.pad(found, ((0, 0), (0, count - found.shape[1])), constant_values=-1)

    def embed_queries(self, queries: Sequence[str]) -> Floats:
        blocks = [self._embed(queries[s : s + self.block], "query") for s in range(0, len(queries), self.block)]
        return np.concatenate(blocks) if blocks else self._embed(queries, "query")

    def passage_vectors(self, ordinals: Sequence[int] | Ints) -> Floats:
        return np.asarray(self._passages[np.asarray(ordinals, dtype=np.int64)], dtype=np.float32)

    @cached_property
    def _kept(self) -> dict[str, Any] | None:
        """Whose vectors lie in the run's folder; None where it has none."""
        path = self._folder / "teacher.json"
        return orjson.loads(path.read_bytes()) if path.exists() else None

    @cached_property
    def _described(self) -> dict[str, str]:
        return self.describe()

    @cached_property
    def _dimension(self) -> int:
        return int(self._kept["dimension"]) if self._kept else self.measure()

    @property
    def _stored(self) -> type[np.floating[Any]]:
        return np.float16 if self.asked.is_half else np.float32

    def _embed(self, texts: Sequence[str], side: Side) -> Floats:
        with self._encoding:
            cache = self._query_cache if side == "query" else self._document_cache
            return cache.embed(texts, lambda fresh: self._encode(fresh, side))

    def _encode(self, texts: Sequence[str], side: Side) -> Floats:
        check_same_weights(f"the teacher {str(self.asked)!r}", self._described, self._vectors_of)
        return normalise(self.encode(texts, side), texts, str(self.asked))

    @cached_property
    def _query_cache(self) -> EmbeddingCache:
        return self._cache("query", "document_prompt")

    @cached_property
    def _document_cache(self) -> EmbeddingCache:
        return self._cache("document", "query_prompt")

    def _cache(self, side: Side, other: str) -> EmbeddingCache:
        """Another prompt on the other side changes nothing here."""
        told = sorted((name, value) for name, value in self._vectors_of.items() if name != other)
        key = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
        folder = self._embeddings / f"{Path(self.asked.name).name}-{key}" / side
        return EmbeddingCache(folder, self._dimension, self._stored)


def normalise(vectors: Floats, texts: Sequence[str], teacher: str) -> Floats:
    """The same directions with length 1; InputError names the first text whose vector has none."""
    exact = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    useless = ~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0)
    if useless.any():
        number = int(np.argmax(useless))
        what = "a vector of zeros" if lengths[number, 0] == 0 else "a vector that is no number (NaN or infinite)"
        raise InputError(
            f"the teacher {teacher!r} gives {what} for text number {number} of {len(texts)}, {texts[number][:60]!r}: it can't score that; try another dtype (half precision overflows with some models), or another teacher"
        )
    unit: Floats = (exact / lengths).astype(np.float32)
    return unit
