"""Scores of pairs by a model that reads query and passage together: slower than a teacher, and better.

A rescorer says in which range its scores lie, since a rule that is a share of the positive's score means nothing for
logits. All pairs of a query, its positives too, are scored by the same call in the same arithmetic; candidates beyond
the depth that is rescored are left out, so that no list is half on one scale and half on another.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import orjson

from synth.arrays import Floats, Ints
from synth.corpus import Corpus
from synth.embeddings import EmbeddingCache, key_of
from synth.errors import InputError
from synth.files import write_bytes
from synth.progress import Reporter
from synth.teachers import Hits, Teacher, check_same_weights, close_teacher, lend, queries_at_a_time, round_scores
from synth.teachers.settings import SERVED, TeacherSettings, find_served, parse_model

Range = Literal["unit", "logit", "cosine"]
FLAG = "--rescore"
PAIRS = 4_096
"""Pairs that are scored at a time."""


class Rescorer(Protocol):
    """Scores pairs of texts."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What must be equal for two scores to be comparable."""

    @property
    def range(self) -> Range:
        """Where scores lie: in [0, 1], anywhere, or in [-1, 1]."""

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> Floats:
        """The score of each pair, shape (n,), rounded to 4 decimals."""


class PairModel:
    """A rescorer whose scores are cached by content; a subclass says whose they are, and asks."""

    range: Range

    def __init__(self, name: str, embeddings: Path, settings: TeacherSettings | None = None) -> None:
        self.asked, _ = parse_model(name, FLAG)
        self.settings = settings or TeacherSettings()
        self._embeddings = embeddings
        self._scoring = threading.Lock()

    def describe(self) -> dict[str, str]:
        """The model, its weights and whatever else changes scores."""
        raise NotImplementedError

    def ask(self, queries: Sequence[str], passages: Sequence[str]) -> Floats:
        """Scores as the model gives them, shape (n,)."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of processes and connections; they come back when they are needed."""

    @cached_property
    def identity(self) -> Mapping[str, str]:
        return self.describe() | {"range": self.range}

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> Floats:
        def make(rows: Sequence[int]) -> Floats:
            return self._check([queries[row] for row in rows], [passages[row] for row in rows])

        keys = [key_of(query, passage) for query, passage in zip(queries, passages, strict=True)]
        with self._scoring:
            return round_scores(self._cache.fetch(keys, make)[:, 0])

    def _check(self, queries: Sequence[str], passages: Sequence[str]) -> Floats:
        scores = np.asarray(self.ask(queries, passages), dtype=np.float32)
        useless = ~np.isfinite(scores)
        if useless.any():
            number = int(np.argmax(useless))
            raise InputError(
                f"{self.asked.name!r} gives no score (NaN or infinite) for pair number {number} of {len(scores)}, {queries[number][:60]!r} with {passages[number][:60]!r}; try another dtype, or another model"
            )
        return scores[:, None]

    @cached_property
    def _cache(self) -> EmbeddingCache:
        key = hashlib.sha256(repr(sorted(self.identity.items())).encode()).hexdigest()[:16]
        return EmbeddingCache(self._embeddings / f"{Path(self.asked.name).name}-{key}" / "pairs", 1)


def reach_rescorer(text: str) -> tuple[str, TeacherSettings]:
    """The name without an address, for a recipe, and how it is reached, for run.json. Raises InputError.

    `NAME_OR_FOLDER[,revision=…][,max_tokens=…][,dtype=…][,devices=…][,batch=…]` for a cross-encoder of
    sentence-transformers, `http://HOST:8002/v1[,model=NAME][,max_tokens=…][,batch=…]` for a server with /v1/score.
    """
    model, settings = parse_model(text, FLAG)
    if model.is_served:
        model = find_served(model, settings, FLAG)
    return str(model), settings


def build_rescorer(name: str, embeddings: Path, settings: TeacherSettings | None = None) -> PairModel:
    """The rescorer that a name of `reach_rescorer` stands for; nothing is loaded or asked yet.

    `embeddings` is where the store keeps vectors; scores lie beside them.
    """
    from synth.teachers.cross_encoder import CrossEncoder
    from synth.teachers.served_pairs import ServedPairs

    return (ServedPairs if name.startswith(SERVED) else CrossEncoder)(name, embeddings, settings)


def rescore(
    rescorer: Rescorer,
    queries: Sequence[str],
    passages: Callable[[Sequence[int]], Sequence[str]],
    ordinals: Ints,
    batch: int = PAIRS,
) -> Floats:
    """Scores of passages for their queries, shape (n, k) as `ordinals`; 0 where the ordinal is -1.

    `passages` gives texts by ordinals. A passage that stands twice in a row is asked for once; at most `batch` pairs
    are held at a time.
    """
    scores = np.zeros(ordinals.shape, dtype=np.float32)
    row, column = np.nonzero(ordinals >= 0)
    pairs, place = np.unique(np.stack([row, ordinals[row, column]], axis=1), axis=0, return_inverse=True)
    found = np.zeros(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), batch):
        some = pairs[start : start + batch]
        wanted, which = np.unique(some[:, 1], return_inverse=True)
        texts = passages(wanted.tolist())
        found[start : start + batch] = rescorer.score(
            [queries[n] for n in some[:, 0].tolist()], [texts[n] for n in which.tolist()]
        )
    scores[row, column] = found[place.ravel()]
    return scores


def rescore_hits(
    rescorer: Rescorer,
    queries: Sequence[str],
    passages: Callable[[Sequence[int]], Sequence[str]],
    hits: Hits,
    positives: Ints,
    depth: int,
) -> Hits:
    """The first `depth` passages of each query and its positives on the rescorer's scale, best first.

    positives: ordinals as `Teacher.search` takes them. What lies deeper is left out.
    """
    top = hits.passages[:, :depth]
    both = np.concatenate([top, positives.reshape(len(positives), -1)], axis=1)
    scores, known = np.split(rescore(rescorer, queries, passages, both), [top.shape[1]], axis=1)
    order = np.lexsort((top, -scores, top < 0), axis=1)
    return Hits(
        np.take_along_axis(top, order, axis=1),
        np.take_along_axis(scores, order, axis=1),
        known.reshape(positives.shape),
    )


class Rescored:
    """A teacher whose first `most` passages of a query are scored anew, with its positives; it lists no others.

    `kept` is the file in which a run remembers its rescorer; a search by another one raises InputError.
    """

    def __init__(self, teacher: Teacher, rescorer: Rescorer, most: int, kept: Path | None = None) -> None:
        self.most = most
        self._kept = kept
        self._teacher = teacher
        self._rescorer = rescorer
        lend(self, [teacher])

    @cached_property
    def identity(self) -> Mapping[str, str]:
        first, own = dict(self._teacher.identity), dict(self._rescorer.identity)
        return {
            "model": f"{own.get('model', '?')} over {first.get('model', '?')}",
            "range": self._rescorer.range,
            "rescored": str(self.most),
            **{f"rescorer.{name}": value for name, value in own.items()},
            **{f"teacher.{name}": value for name, value in first.items()},
        }

    def index(self, corpus: Corpus, reporter: Reporter) -> None:
        self._texts = corpus.texts
        self._teacher.index(corpus, reporter)

    def search(self, queries: Sequence[str], positives: Ints, depth: int) -> Hits:
        self._check()
        hits = self._teacher.search(queries, positives, depth)
        found = rescore_hits(self._rescorer, queries, self._texts, hits, positives, self.most)
        room = ((0, 0), (0, depth - found.passages.shape[1]))
        return Hits(np.pad(found.passages, room, constant_values=-1), np.pad(found.scores, room), found.positive_scores)

    def _check(self) -> None:
        if self._kept is None:
            return
        now = dict(self._rescorer.identity)
        if self._kept.exists():
            check_same_weights(f"the rescorer {now.get('model', '?')!r}", now, orjson.loads(self._kept.read_bytes()))
        else:
            write_bytes(self._kept, orjson.dumps(now))

    def queries_at_a_time(self, depth: int) -> int:
        """As many as the teacher below is best asked for."""
        return queries_at_a_time(self._teacher, depth)

    def close(self) -> None:
        close_teacher(self._teacher)
        close_teacher(self._rescorer)
