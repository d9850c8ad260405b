"""Set gate: what an evaluation set holds must not be in the records; `--decontaminate` names the set.

A query is compared with the evaluation queries, its positives with the passages that answer
them (`synth.decontaminate`); the two are counted apart, because a passage that is also in an
evaluation corpus is another thing than a question that was seen. The positive of a text pair is
such a text as its query is, so it is compared with the evaluation queries as well. With `cosine` a query as near
as that to an evaluation query is dropped too: embeddings know no threshold at which two
questions are the same, so this is off unless asked for, and has a reason of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from schemas.base import Strict
from schemas.record import Verdict
from synth.alike import find_nearest_alike
from synth.arrays import Ints
from synth.decontaminate import Match, Matcher
from synth.errors import DomainError
from synth.evaluation import EvaluationSet, is_saved, load_evaluation
from synth.view import Background, Rejections, SetView

__all__ = ["Contamination"]

_SEPARATOR = ", "
"""Between the name of a set and the id of one of its texts."""

Find = Callable[[Ints], dict[int, Match]]


class SetRef(Strict):
    """An evaluation set, by what it holds."""

    name: str
    sha256: str


class Contamination:
    """Drops `contaminated_query`, `contaminated_positive` and `contaminated_embedding`; the score is the share or cosine."""

    name = "contamination"

    class Settings(Strict):
        sets: list[SetRef] = []
        """Filled by `--decontaminate`."""
        containment: Annotated[float, Field(gt=0, le=1)] = 0.5
        """Share of word 13-grams in common."""
        near: Annotated[float, Field(gt=0.5, le=1)] = 0.8
        """Jaccard similarity of texts under 13 words."""
        positives: bool = True
        """Whether positives are compared too; not where the evaluation asks about these very documents."""
        cosine: Annotated[float, Field(gt=0, le=1)] | None = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def check(self, background: Background) -> None:
        """Refuse, before anything is made, what the run can't give; InputError."""
        missing = [each for each in self.settings.sets if not is_saved(background.evaluations, each.sha256)]
        if missing or not self.settings.sets:
            raise DomainError(
                f"the gate {self.name!r} needs an evaluation set: add --decontaminate PATH, or take it out of set_gates"
            )
        if self.settings.cosine is not None:
            background.require_vectors(self.name)

    def judge_set(self, view: SetView) -> Rejections:
        alive = view.alive.copy()
        for each in self.settings.sets:
            evaluation = load_evaluation(view.background.evaluations, each.sha256, each.name)
            for reason, find in self._measures(view, evaluation):
                rows = np.flatnonzero(alive)
                for number, match in sorted(find(rows).items()):
                    row = int(rows[number])
                    alive[row] = False
                    yield row, self._verdict(reason, evaluation.name, match)

    def _measures(self, view: SetView, evaluation: EvaluationSet) -> Iterator[tuple[str, Find]]:
        yield "contaminated_query", lambda rows: self._matcher(evaluation.queries).find(view.queries(rows))
        if self.settings.positives and evaluation.passages:
            yield "contaminated_positive", partial(self._positives, view, evaluation.passages)
        if self.settings.positives and not view.is_searched.all():
            yield "contaminated_positive", partial(self._written, view, evaluation.queries)
        if self.settings.cosine is not None:
            yield "contaminated_embedding", partial(self._alike, view, evaluation, self.settings.cosine)

    def _matcher(self, references: Mapping[str, str]) -> Matcher:
        return Matcher(references, self.settings.containment, self.settings.near)

    def _written(self, view: SetView, references: Mapping[str, str], rows: Ints) -> dict[int, Match]:
        """Of the text pairs alone."""
        places = np.flatnonzero(~view.is_searched[rows])
        found = self._positives(view, references, rows[places])
        return {int(places[number]): match for number, match in found.items()}

    def _positives(self, view: SetView, references: Mapping[str, str], rows: Ints) -> dict[int, Match]:
        owner: list[int] = []
        texts = (
            text for number, positives in enumerate(view.positives(rows)) for text in _owned(positives, number, owner)
        )
        found = self._matcher(references).find(texts)
        return {owner[number]: match for number, match in sorted(found.items(), reverse=True)}

    def _alike(self, view: SetView, evaluation: EvaluationSet, cosine: float, rows: Ints) -> dict[int, Match]:
        embedder = view.background.require_vectors(self.name)
        ids, others = list(evaluation.queries), embedder.embed_queries(list(evaluation.queries.values()))
        nearest, cosines = find_nearest_alike(view.embedding(rows, embedder), len(rows), others, cosine)
        return {
            number: Match(ids[nearest[number]], round(float(cosines[number]), 4))
            for number in np.flatnonzero(nearest >= 0).tolist()
        }

    def _verdict(self, reason: str, name: str, match: Match) -> Verdict:
        return Verdict(gate=self.name, keep=False, reason=reason, score=match.share, detail=_detail(name, match.id))


def set_of(verdict: Verdict) -> str:
    """The name of the evaluation set that a record was dropped for."""
    return verdict.detail.partition(_SEPARATOR)[0]


def _detail(name: str, reference: str) -> str:
    return f"{name}{_SEPARATOR}{reference}"


def _owned(positives: Sequence[str], number: int, owner: list[int]) -> Sequence[str]:
    owner += [number] * len(positives)
    return positives
