"""Several teachers as one: their rankings of a query fused.

`rrf`: sum of w / (60 + rank), as a share of the most that it can be; needs no comparable scores
(Cormack et al. 2009). `weighted`: scores stretched to 0 … 1 within each query's list, then their weighted mean: dense and lexical as
a hybrid. `agreement`: the mean of those stretched scores over all teachers times the share of the
teachers that have the passage in their list. A passage that a teacher did not list counts nothing with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from schemas.recipe import FusionMethod
from synth.arrays import Doubles, Ints
from synth.corpus import Corpus
from synth.errors import InputError
from synth.progress import Reporter
from synth.ragged import place_in_group
from synth.teachers import Hits, Teacher, close_teacher, lend, queries_at_a_time, round_scores

RRF_K = 60


class Fused:
    """A teacher made of several. Vectors, and what compares personas, are those of the first that has them.

    `weights`: one above 0 for each, or none for all alike. Raises InputError for others.
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        method: FusionMethod = "rrf",
        weights: Sequence[float] = (),
        k: int = RRF_K,
    ) -> None:
        given = list(weights) or [1.0] * len(teachers)
        if len(given) != len(teachers) or min(given, default=0) <= 0:
            raise InputError(f"{len(given)} weights were given for {len(teachers)} teachers; give one above 0 for each")
        self._teachers = teachers
        self._method = method
        self._share = [weight / sum(given) for weight in given]
        self._k = k
        lend(self, teachers)

    @cached_property
    def identity(self) -> Mapping[str, str]:
        each = [dict(teacher.identity) for teacher in self._teachers]
        return {
            "model": " + ".join(identity.get("model", "?") for identity in each),
            "fusion": self._method,
            "weights": ", ".join(f"{weight:.4g}" for weight in self._share),
            **({"k": str(self._k)} if self._method == "rrf" else {}),
            **{f"{n}.{name}": value for n, identity in enumerate(each, start=1) for name, value in identity.items()},
        }

    def index(self, corpus: Corpus, reporter: Reporter) -> None:
        for number, teacher in enumerate(self._teachers):
            if number:
                reporter.stage("index passages", len(corpus))
            teacher.index(corpus, reporter)

    def search(self, queries: Sequence[str], positives: Ints, depth: int) -> Hits:
        found = [teacher.search(queries, positives, depth) for teacher in self._teachers]
        return fuse_hits(found, positives, self._method, self._share, depth, self._k)

    def queries_at_a_time(self, depth: int) -> int:
        """As many as the one of them that is best asked for the most."""
        return max(queries_at_a_time(teacher, depth) for teacher in self._teachers)

    def close(self) -> None:
        for teacher in self._teachers:
            close_teacher(teacher)


def fuse_hits(
    found: Sequence[Hits],
    positives: Ints,
    method: FusionMethod,
    share: Sequence[float],
    depth: int,
    k: int = RRF_K,
) -> Hits:
    """What any teacher lists of each query, ranked anew; a positive has the same score whether it is listed or not.

    share: of each teacher, adding up to 1. A positive that a teacher did not list counts by its score with that
    teacher, and nothing by `rrf`.
    """
    own = positives.reshape(len(positives), -1)
    size = 1 + max(int(each.max(initial=0)) for each in (own, *(hits.passages for hits in found)))
    known = _keys(own, size)
    lists = [_keys(hits.passages, size) for hits in found]
    keys = np.unique(np.concatenate([known, *lists]))
    total, listed = np.zeros(len(keys)), np.zeros(len(keys))
    for hits, rows, weight in zip(found, lists, share, strict=True):
        of_rows, of_known = _said(hits, own, method, k)
        place = np.searchsorted(keys, rows)
        total[place] += weight * of_rows
        listed[place] += 1
        beyond = ~np.isin(known, rows)
        total[np.searchsorted(keys, known[beyond])] += weight * of_known[beyond]
    score = round_scores((total * listed / len(found) if method == "agreement" else total).astype(np.float32))
    query, passage = keys // size, keys % size
    order = np.lexsort((passage, -score, query))
    order = order[listed[order] > 0]
    rank = place_in_group(query[order])
    order, rank = order[rank < depth], rank[rank < depth]
    passages = np.full((len(own), depth), -1, dtype=np.int64)
    scores = np.zeros((len(own), depth), dtype=np.float32)
    passages[query[order], rank], scores[query[order], rank] = passage[order], score[order]
    positive_scores = np.zeros(own.shape, dtype=np.float32)
    positive_scores[own >= 0] = score[np.searchsorted(keys, known)]
    return Hits(passages, scores, positive_scores.reshape(positives.shape))


def _keys(passages: Ints, size: int) -> Ints:
    """A number for each (query, passage) that there is, flat."""
    keys = np.arange(len(passages))[:, None] * size + passages
    return keys[passages >= 0]


def _said(hits: Hits, own: Ints, method: FusionMethod, k: int) -> tuple[Doubles, Doubles]:
    """What a teacher adds for its list, and for positives beyond it, before its weight; flat."""
    held = hits.passages >= 0
    if method == "rrf":
        return (k + 1) / (k + 1 + np.nonzero(held)[1]), np.zeros(int((own >= 0).sum()))
    low = np.where(held, hits.scores, np.inf).min(axis=1, initial=np.inf)
    high = np.where(held, hits.scores, -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(high > low, low, np.where(np.isfinite(high), high - 1, 0))  # one score alone is the best there is
    width = np.where(np.isfinite(high), high - low, 1)
    stretched = (hits.scores - low[:, None]) / width[:, None]
    beyond = (hits.positive_scores.reshape(own.shape) - low[:, None]) / width[:, None]
    return stretched[held], beyond[own >= 0]
