"""Negatives that several teachers found each by its own scores (NV-Retriever, arXiv 2407.15831, section on ensembles)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from synth.arrays import Ints
from synth.errors import InputError
from synth.mining.miner import MinedDataset, Negatives, Report
from synth.text import draw

Share = Literal["intra_sample", "cross_sample"]


def combine(
    mined: Sequence[MinedDataset],
    share: Share,
    *,
    dedup: bool = False,
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> MinedDataset:
    """One dataset out of what was mined with each teacher for the same pairs.

    `intra_sample`: every row takes the best of each teacher in turn; without `dedup` what two teachers
    found stands there twice, which weighs it. `cross_sample`: every row takes those of one teacher, drawn
    by weight. What any teacher masks in a batch is masked. Scores are those of the teacher that found a negative, and
    of the first for positives. The report adds up what became of all teachers' candidates, and has that of each. Raises InputError where the rows are not the same, as after `shortfall="drop"`.
    """
    first = mined[0]
    if any(not np.array_equal(each.negatives.query, first.negatives.query) for each in mined):
        raise InputError(
            "mined datasets of different rows can't be combined; mine the same pairs with shortfall 'keep'"
        )
    given = [1.0] * len(mined) if weights is None else list(weights)
    starts = [np.cumsum(each.negatives.found) - each.negatives.found for each in mined]
    found, sources, places = [], [], []
    for row, number in enumerate(first.negatives.query.tolist()):
        held = [int(each.negatives.found[row]) for each in mined]
        if share == "cross_sample":
            chosen = _drawn(given, draw(seed, first.pairs.query_ids[number]))
            taken = [(chosen, place) for place in range(held[chosen])]
        else:
            taken = [(t, place) for place in range(max(held)) for t in range(len(mined)) if place < held[t]]
        rows = [(t, int(starts[t][row]) + place) for t, place in taken]
        if dedup:
            by_passage = {int(mined[t].negatives.passage[at]): (t, at) for t, at in reversed(rows)}
            rows = [each for each in rows if each in by_passage.values()]
        rows = rows[: first.asked]
        found.append(len(rows))
        sources += [t for t, _ in rows]
        places += [at for _, at in rows]
    report = _added([each.report for each in mined], share, np.asarray(found), first.asked)
    return _gathered(mined, report, *(np.asarray(each, dtype=np.int64) for each in (found, sources, places)))


def _added(reports: Sequence[Report], share: Share, found: Ints, asked: int) -> Report:
    """One report of all; the negatives and short rows are those that were put together."""
    first = reports[0]
    told = {f"{n}.{name}": value for n, each in enumerate(reports, start=1) for name, value in each.teacher.items()}
    teacher = {"model": " + ".join(each.teacher.get("model", "?") for each in reports), "ensemble": share, **told}
    added = Report(first.settings, teacher, max(each.depth for each in reports), first.pool, queries=len(found))
    added.short, added.negatives = int((found < asked).sum()), int(found.sum())
    added.teachers = [each.as_dict() for each in reports]
    for each in reports:
        added.candidates += each.candidates
        for source, counts in each.by_source.items():
            added.by_source.setdefault(source, Counter()).update(counts)
        for fate, held in each.histogram.items():
            before = added.histogram.get(fate, [0] * len(held))
            added.histogram[fate] = [a + b for a, b in zip(before, held, strict=True)]
    return added


def _gathered(mined: Sequence[MinedDataset], report: Report, found: Ints, sources: Ints, places: Ints) -> MinedDataset:
    first = mined[0]
    columns = {}
    for name in ("passage", "rank", "score", "probability"):
        column = np.empty(len(places), dtype=getattr(first.negatives, name).dtype)
        for number, each in enumerate(mined):
            own = sources == number
            column[own] = getattr(each.negatives, name)[places[own]]
        columns[name] = column
    known = first.negatives
    negatives = Negatives(known.query, known.known, known.positive, known.positive_score, found, **columns)
    masked = first.in_batch
    for other in mined[1:]:
        masked = masked.besides(other.in_batch.owner, other.in_batch.passage, other.in_batch.complete)
    return MinedDataset(first.pairs, negatives, masked, report, first.asked)


def _drawn(weights: Sequence[float], at: float) -> int:
    return int(np.searchsorted(np.cumsum(weights) / sum(weights), at, side="right").clip(0, len(weights) - 1))
