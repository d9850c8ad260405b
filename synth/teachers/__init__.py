"""Teachers: the embedders and scorers that gates and miner believe.

A teacher indexes the corpus once, then says for a block of queries which passages it
ranks first, and how it scores each query's own positive. Scores are rounded to 4
decimals before anything compares them; ties are broken by passage ordinal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from synth import registry
from synth.arrays import Floats, Ints
from synth.corpus import Corpus
from synth.errors import InputError
from synth.progress import Reporter

if TYPE_CHECKING:
    from synth.teachers.settings import TeacherSettings


DECIMALS = 4


@dataclass(frozen=True)
class Hits:
    """Best passages of each query, best first.

    passages: shape (queries, depth), ordinals, -1 where there are fewer
    scores: shape (queries, depth), rounded; 0 where there is no passage
    positive_scores: of each query's known positives, shape of what was asked; 0 where there is no passage
    """

    passages: Ints
    scores: Floats
    positive_scores: Floats


class Teacher(Protocol):
    """Scores queries against the passages of a corpus."""

    @property
    def identity(self) -> Mapping[str, str]:
        """What must be equal for two scores to be comparable: model, revision, prompts ..."""

    def index(self, corpus: Corpus, reporter: Reporter) -> None:
        """Prepare the corpus; what it writes under its folder is reused by the next call."""

    def search(self, queries: Sequence[str], positives: Ints, depth: int) -> Hits:
        """The best `depth` passages of each query, and the scores of its known positives.

        positives: ordinals, shape (queries,) or (queries, most positives of one) with -1 where there are fewer.
        """


@runtime_checkable
class Comparing(Protocol):
    """What a teacher has besides where it can compare personas."""

    compares: str
    """What `alike` compares, in words for people."""

    def alike(self, texts: Sequence[str], threshold: float) -> tuple[Ints, Floats]:
        """Pairs (i, j), i < j, whose cosine is above `threshold`, shape (n, 2), and their cosines.

        A pair's cosine depends on its two texts alone. Nothing needs to be indexed before.
        """

    def nearest(self, corpus: Corpus, texts: Sequence[str], count: int) -> Iterator[Ints]:
        """For every passage of the indexed corpus the numbers of the `count` nearest texts, best first.

        Yields blocks of passages in order, shape (block, count); -1 where no other text is near at all.
        """


def comparing(teacher: Teacher, name: str) -> Comparing:
    """The teacher as one that compares personas; InputError where it can't."""
    if isinstance(teacher, Comparing):
        return teacher
    raise InputError(f"the teacher {name!r} can't compare personas; give 'lexical' or an embedding model")


@runtime_checkable
class Embedder(Protocol):
    """What a teacher with vectors also has; all of unit length, shape (n, d)."""

    def embed_queries(self, queries: Sequence[str]) -> Floats:
        """Vectors of queries; those that `search` was asked are not encoded again."""

    def passage_vectors(self, ordinals: Sequence[int] | Ints) -> Floats:
        """Vectors of passages of the corpus that was indexed."""


def lend(borrower: object, lenders: Sequence[Teacher]) -> None:
    """Give a teacher that is made of others the vectors of the first that has any, and what compares personas."""
    for protocol, names in (
        (Embedder, ("embed_queries", "passage_vectors")),
        (Comparing, ("compares", "alike", "nearest")),
    ):
        lender = next((each for each in lenders if isinstance(each, protocol)), None)
        if lender is not None:
            for name in names:
                setattr(borrower, name, getattr(lender, name))
            if protocol is Embedder:
                setattr(borrower, _LENDER, getattr(lender, _LENDER, lender))


_LENDER = "vectors_of"


def vectors_of(teacher: Teacher) -> Teacher:
    """Whose vectors a teacher has: its own, or those of one that it is made of."""
    lender: Teacher = getattr(teacher, _LENDER, teacher)
    return lender


def ranked(teacher: Teacher, depth: int) -> int:
    """How many passages a teacher ranks that is asked for `depth`: one whose hits are rescored may rank fewer."""
    return min(depth, getattr(teacher, "most", depth))


def build_teacher(name: str, folder: Path, embeddings: Path, settings: TeacherSettings | None = None) -> Teacher:
    """The teacher that a recipe names: `lexical`, a plug-in, a model of a server, else a sentence-transformers model.

    `folder` belongs to this run, `embeddings` is shared by all runs of the store; `settings` say how a model is
    reached. Nothing is loaded or asked yet. Raises InputError for options that are not understood.
    """
    factory: Any
    if name in registry.names("teachers"):
        factory = registry.find("teachers", name)
        plugged: Teacher = factory(name, folder, embeddings)
        return plugged
    from synth.teachers.sentence_transformers import SentenceTransformers
    from synth.teachers.served import Served
    from synth.teachers.settings import SERVED

    factory = Served if name.startswith(SERVED) else SentenceTransformers
    dense: Teacher = factory(name, folder, embeddings, settings)
    return dense


def close_teacher(teacher: object) -> None:
    """Let a teacher go of processes and connections, where it has any; asked again, it opens them again."""
    close = getattr(teacher, "close", None)
    if close is not None:
        close()


def check_same_weights(what: str, now: Mapping[str, str], then: Mapping[str, str]) -> None:
    """InputError where a run would go on with another model than it began with; `what` names it."""
    if now != then:
        name = next(each for each in sorted(now.keys() | then.keys()) if now.get(each) != then.get(each))
        raise InputError(
            f"{what} is not the one that the run began with ({name} was {then.get(name)!r} and is {now.get(name)!r}): put that one back and `synth resume`, or start another run"
        )


def queries_at_a_time(teacher: object, depth: int) -> int:
    """How many queries a teacher is best asked for the best `depth` passages of; 512 where it says nothing."""
    asked = getattr(teacher, "queries_at_a_time", None)
    return int(asked(depth)) if asked is not None else 512


def recall_of(teacher: object) -> dict[str, float] | None:
    """What share of the exact best a teacher's index finds, as a score table tells it; None where all are looked at."""
    recall = getattr(teacher, "recall", None)
    return None if recall is None else dict(vars(recall))


def round_scores(scores: Floats) -> Floats:
    """4 decimals, so that the same numbers compare the same on every machine."""
    rounded: Floats = np.round(scores.astype(np.float64), DECIMALS).astype(np.float32)
    return rounded


def order_hits(passages: Ints, scores: Floats, depth: int) -> tuple[Ints, Floats]:
    """The best `depth` of one query's candidates: by score, ties by ordinal."""
    order = np.lexsort((passages, -scores))[:depth]
    return passages[order], scores[order]
