"""Any sentence-transformers model as the teacher: `--teacher NAME_OR_PATH`.

Queries go through `encode_query` and passages through `encode_document`, so that a
model's own prompts are respected. Vectors are normalised to length 1 and cached by
content and model: a text is embedded once per store, whatever run asks for it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from synth.corpus import Corpus
from synth.embeddings import EmbeddingCache
from synth.errors import InputError, MissingExtra
from synth.files import read_batches, replace_atomically
from synth.progress import Reporter
from synth.search import find_pairs_above, score_pairs, search_exactly
from synth.teachers import Floats, Hits, Ints

__all__ = ["SentenceTransformers"]

BATCH = 1_024


class SentenceTransformers:
    """Dense teacher; needs the extra `teacher`."""

    name = "sentence-transformers"
    compares = "embeddings"

    def __init__(self, name: str, folder: Path, embeddings: Path) -> None:
        self._model_name = name
        self._folder = folder
        self._embeddings = embeddings
        self._encoding = threading.Lock()

    @cached_property
    def identity(self) -> Mapping[str, str]:
        prompts = getattr(self._model, "prompts", {}) or {}
        return {
            "model": self._model_name,
            "weights": _fingerprint(self._model),
            "query_prompt": str(prompts.get("query", "")),
            "document_prompt": str(prompts.get("document", "")),
            "max_seq_length": str(self._model.max_seq_length),
        }

    def index(self, corpus: Corpus, reporter: Reporter) -> None:
        path = self._folder / "passages.f32"
        if not path.exists():
            with replace_atomically(path) as temporary:
                self._write_vectors(temporary, corpus, reporter)
        self._passages: Floats = np.memmap(path, dtype=np.float32, mode="r", shape=(len(corpus), self._dimension))

    def _write_vectors(self, path: Path, corpus: Corpus, reporter: Reporter) -> None:
        vectors = np.memmap(path, dtype=np.float32, mode="w+", shape=(len(corpus), self._dimension))
        start = 0
        for batch in read_batches(corpus.folder / "passages.parquet", ["text"], size=BATCH):
            texts = batch.column("text").to_pylist()
            vectors[start : start + len(texts)] = self._passage_cache.embed(texts, self._encode_passages)
            start += len(texts)
            reporter.advance(len(texts))
        vectors.flush()

    def search(self, queries: Sequence[str], positives: Ints, depth: int) -> Hits:
        vectors = self.embed_queries(queries)
        passages, scores = search_exactly(vectors, self._passages, depth)
        real = positives >= 0
        positive_scores = np.zeros(positives.shape, dtype=np.float32)
        positive_scores[real] = score_pairs(vectors[np.nonzero(real)[0]], self._passages[positives[real]])
        missing = depth - passages.shape[1]
        return Hits(
            np.pad(passages, ((0, 0), (0, missing)), constant_values=-1),
            np.pad(scores, ((0, 0), (0, missing))),
            positive_scores,
        )

    def alike(self, texts: Sequence[str], threshold: float) -> tuple[Ints, Floats]:
        with self._encoding:
            vectors = self._passage_cache.embed(texts, self._encode_passages)
        return find_pairs_above(vectors, threshold)

    def nearest(self, corpus: Corpus, texts: Sequence[str], count: int) -> Iterator[Ints]:
        with self._encoding:
            vectors = self._query_cache.embed(texts, self._encode_queries)
        for start in range(0, len(corpus), BATCH):
            found, _ = search_exactly(np.asarray(self._passages[start : start + BATCH]), vectors, count)
            yield np.pad(found, ((0, 0), (0, count - found.shape[1])), constant_values=-1)

    def embed_queries(self, queries: Sequence[str]) -> Floats:
        with self._encoding:
            return self._query_cache.embed(queries, self._encode_queries)

    def passage_vectors(self, ordinals: Sequence[int]) -> Floats:
        return np.array(self._passages[list(ordinals)])

    @cached_property
    def _model(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtra(f"the teacher {self._model_name!r}", "teacher") from error
        try:
            return SentenceTransformer(self._model_name)
        except (OSError, ValueError) as error:
            raise InputError(
                f"can't load the teacher {self._model_name!r}: {next(iter(str(error).splitlines()), type(error).__name__)}; give the name or folder of a sentence-transformers model, or 'lexical'"
            ) from error

    @property
    def _dimension(self) -> int:
        return int(self._model.get_embedding_dimension())

    @cached_property
    def _query_cache(self) -> EmbeddingCache:
        return self._cache("query")

    @cached_property
    def _passage_cache(self) -> EmbeddingCache:
        return self._cache("document")

    def _cache(self, side: str) -> EmbeddingCache:
        key = hashlib.sha256(repr(sorted(self.identity.items())).encode()).hexdigest()[:16]
        return EmbeddingCache(self._embeddings / f"{Path(self._model_name).name}-{key}" / side, self._dimension)

    def _encode_queries(self, texts: Sequence[str]) -> Floats:
        return _normalise(self._model.encode_query(list(texts), show_progress_bar=False, convert_to_numpy=True))

    def _encode_passages(self, texts: Sequence[str]) -> Floats:
        return _normalise(self._model.encode_document(list(texts), show_progress_bar=False, convert_to_numpy=True))


def _normalise(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalised: Floats = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return normalised


def _fingerprint(model: Any) -> str:
    """A hash of the weights: two checkpoints under one name are two teachers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).float().numpy().tobytes())
    return digest.hexdigest()[:16]
