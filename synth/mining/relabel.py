"""False negatives that judges find among mined negatives: dropped, made positives, or graded (RLHN, arXiv 2505.16967).

Nothing is filled up again: a row that loses negatives is short, as the miner marks it, or dropped where the miner was
to drop short rows. What is unknown stays a negative and counts as unknown, never as clear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np

from synth.arrays import Ints, Mask
from synth.errors import ConservationError, InputError, suggest
from synth.mining.judging import Asked, Cascade, Judge, Judged, Named
from synth.mining.miner import MinedDataset, Negatives
from synth.pairs import Pairs
from synth.progress import Reporter, Silent

Action = Literal["drop", "promote", "grade"]
Measure = Literal["share", "probability"]
"""What a band is of: the score as a share of the positive's, or P(n is an unlabelled positive) where the miner asked for it."""
GRADES = {"answers": 2, "disputed": 1, "clear": 0, "unknown": -1}
_VERDICTS = ("answers", "disputed", "clear", "unknown")
_OUTSIDE = -2
"""Of a negative that no judge was asked about."""


@dataclass
class Relabelled:
    """What became of the negatives. Verdicts are of distinct pairs of a query and a passage.

    negatives = kept + dropped + promoted + those of dropped rows; asked = answers + disputed + clear + unknown
    """

    action: Action
    judge: str
    band: tuple[float, float] | None
    band_of: Measure
    max_flagged: int
    verdicts: Counter[str]
    by_source: dict[str, Counter[str]]
    unknown: Counter[str]
    """Why nothing is known, by reason."""
    doubted_positives: int
    """Queries whose own positive no order of the texts found answering."""
    negatives: Counter[str] = field(default_factory=Counter)
    dropped_queries: Counter[str] = field(default_factory=Counter)
    """By reason: more flagged than `max_flagged`, or short where short rows are dropped."""

    @property
    def asked(self) -> int:
        return self.verdicts.total()

    def as_dict(self) -> dict[str, Any]:
        verdicts = {"asked": self.asked, **{name: self.verdicts[name] for name in _VERDICTS}}
        by_source = {name: dict(counts) for name, counts in self.by_source.items()}
        return {**vars(self), "verdicts": verdicts, "by_source": by_source}


def relabel_false_negatives(
    mined: MinedDataset,
    judges: Sequence[Judge],
    *,
    action: Action = "drop",
    band: tuple[float, float] | None = None,
    max_flagged: int = 8,
    reporter: Reporter | None = None,
) -> MinedDataset:
    """Ask about mined negatives; each judge after the first only about those that were flagged, and its word is final.

    `drop` takes out what `answers` or is `disputed`; `promote` makes what answers a positive of its row and takes out
    what is disputed; `grade` keeps all with a grade in `full`. With `band` only negatives are asked about that lie in
    it by the strategy's own measure, or of which that is unknown: P(n is an unlabelled positive) where the miner asked for
    it (`multi_signal`, `max_false_negative_rate`), else the score as a share of the positive's. What is taken out must not come back as an in-batch
    negative, so it is masked there. A query with more than `max_flagged` is dropped.
    Raises InputError for an unknown action, a band that is none, or without judges.
    """
    measure: Measure = "share" if mined.report.suspicion is None else "probability"
    _check(action, band, judges)
    if band is not None and measure == "probability":
        _check_probable(mined, band)
    negatives, judge = mined.negatives, Cascade(judges)
    row = np.repeat(np.arange(len(negatives.query)), negatives.found)
    keys = negatives.query[row] * len(mined.pairs.passages) + negatives.passage
    inside = _in_band(mined, row, band, measure)
    pairs, places = np.unique(keys[inside], return_inverse=True)
    asked = list(questions(mined.pairs, pairs))
    judged = judge.judge(asked, reporter or Silent())
    graded = np.asarray([GRADES[v.said] for each in judged for v in each.verdicts], dtype=np.int64)
    grade = np.full(len(row), _OUTSIDE, dtype=np.int64)
    grade[inside] = graded[places]
    found = _counted(mined.pairs, judged, pairs)
    report = Relabelled(action, judge.name, band, measure, max_flagged, *found)
    crowded = _crowded(mined.pairs, pairs[graded > 0], max_flagged)
    return _changed(mined, report, row, grade, np.isin(negatives.query, crowded))


def _check(action: str, band: tuple[float, float] | None, judges: Sequence[Judge]) -> None:
    if action not in get_args(Action):
        raise InputError(f"false negatives can't be {action!r}{suggest(action, get_args(Action))}")
    if band is not None and not band[0] < band[1]:
        raise InputError(
            f"the band {band[0]:g} to {band[1]:g} holds nothing; give the lower share first, such as 0.8 1"
        )
    if not judges:
        raise InputError("nobody judges the negatives; give at least one judge")


def _check_probable(mined: MinedDataset, band: tuple[float, float]) -> None:
    bound = float(mined.report.suspicion["bound"]) if mined.report.suspicion else 1.0
    if band[0] < 0 or band[1] > 1 or band[0] >= bound:
        raise InputError(
            f"the band {band[0]:g} to {band[1]:g} holds nothing: with multi_signal or max_false_negative_rate it is of the probability of being an unlabelled positive, and no negative has more than {bound:.3g}; give such as {bound / 4:.2g} {bound:.2g}"
        )


def _in_band(mined: MinedDataset, row: Ints, band: tuple[float, float] | None, measure: Measure) -> Mask:
    if band is None:
        return np.ones(len(row), dtype=bool)
    anchor = mined.anchors()[row]
    share = mined.negatives.score / np.maximum(np.abs(anchor), 1e-9) + 2 * (anchor < 0)  # 1 at the positive's own
    value = share if measure == "share" else mined.negatives.probability.astype(np.float64).round(6)
    inside: Mask = np.isnan(value) | ((value >= band[0]) & (value <= band[1]))
    return inside


def questions(pairs: Pairs, keys: Ints) -> Iterator[Asked]:
    """One a query out of ascending keys (query * passages + passage), so that their order says nothing of scores."""
    query, passage = np.divmod(keys, max(len(pairs.passages), 1))
    edges = np.flatnonzero(np.diff(query, prepend=-1, append=-1)).tolist()
    for start, stop in pairwise(edges):
        number = int(query[start])
        yield Asked(
            Named(pairs.query_ids[number], pairs.queries[number]),
            named(pairs, pairs.positives[number]),
            named(pairs, passage[start:stop].tolist()),
        )


def named(pairs: Pairs, passages: Sequence[int]) -> tuple[Named, ...]:
    """Passages by ordinal, as judges see them."""
    return tuple(Named(pairs.passage_ids[n], pairs.passages[n]) for n in passages)


def _counted(
    pairs: Pairs, judged: Sequence[Judged], keys: Ints
) -> tuple[Counter[str], dict[str, Counter[str]], Counter[str], int]:
    """(verdicts, verdicts by source, reasons for unknown, positives doubted); ConservationError where one is missing."""
    verdicts: Counter[str] = Counter()
    by_source: dict[str, Counter[str]] = {}
    unknown: Counter[str] = Counter()
    numbers = np.unique(keys // max(len(pairs.passages), 1)).tolist()
    for number, each in zip(numbers, judged, strict=True):
        said = Counter(verdict.said for verdict in each.verdicts)
        verdicts.update(said)
        by_source.setdefault(pairs.sources[number], Counter()).update(said)
        unknown.update(verdict.reason for verdict in each.verdicts if verdict.said == "unknown")
    if verdicts.total() != len(keys):
        raise ConservationError(f"{len(keys)} negatives were asked about, and {verdicts.total()} are accounted for")
    return verdicts, by_source, unknown, sum(each.doubted for each in judged)


def _crowded(pairs: Pairs, flagged: Ints, most: int) -> Ints:
    """Numbers of queries with more than `most` flagged negatives."""
    query, count = np.unique(flagged // max(len(pairs.passages), 1), return_counts=True)
    return query[count > most]


def _changed(mined: MinedDataset, report: Relabelled, row: Ints, grade: Ints, crowded: Mask) -> MinedDataset:
    before = mined.negatives
    goes = (grade > 0) & (report.action != "grade")
    found = np.bincount(row[~goes], minlength=len(before.query))
    short = found < mined.asked
    left_out = short & (mined.report.settings.get("shortfall") == "drop")
    kept = ~(crowded | left_out)
    stays = ~goes & kept[row]
    answers = (grade == GRADES["answers"]) & kept[row]
    rises = _first_of_each(before, row, answers & (report.action == "promote"))
    report.negatives = Counter(
        kept=int(stays.sum()),
        promoted=int(rises.sum()),
        dropped=int((goes & kept[row] & ~rises).sum()),
        of_dropped_rows=int((~kept[row]).sum()),
    )
    for reason, rows in (("too_many_flagged", crowded), ("short", left_out & ~crowded)):
        if rows.any():
            report.dropped_queries[reason] = len(np.unique(before.query[rows]))
    after = _without(before, row, kept, stays, rises)
    told = replace(
        mined.report,
        short=int((short & ~crowded).sum()) + _short_before(mined),
        dropped=mined.report.dropped + int((~kept).sum()),
        negatives=len(after.passage),
        relabelled=report.as_dict(),
    )
    grades = grade[stays] if report.action == "grade" else None
    masked = mined.in_batch.besides(row[goes], before.passage[goes]).only(kept)
    return replace(mined, negatives=after, in_batch=masked, report=told, grade=grades)


def _short_before(mined: MinedDataset) -> int:
    """Short rows that the miner has dropped: its report counts them as short too."""
    return mined.report.dropped if mined.report.settings.get("shortfall") == "drop" else 0


def _first_of_each(before: Negatives, row: Ints, rows: Mask) -> Mask:
    """Of places that hold the same passage for the same query, the first."""
    places = np.flatnonzero(rows)
    _, first = np.unique(np.stack([before.query[row[places]], before.passage[places]]), axis=1, return_index=True)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[places[first]] = True
    return chosen


def _without(before: Negatives, row: Ints, kept: Mask, stays: Mask, rises: Mask) -> Negatives:
    """The rows `kept` with the negatives `stays`, and those that `rises` behind their positives."""
    owner = np.concatenate([np.repeat(np.arange(len(kept)), before.known), row[rises]])
    order = np.argsort(owner, kind="stable")
    order = order[kept[owner[order]]]
    return Negatives(
        before.query[kept],
        np.bincount(owner, minlength=len(kept))[kept],
        np.concatenate([before.positive, before.passage[rises]])[order],
        np.concatenate([before.positive_score, before.score[rises]])[order],
        np.bincount(row[stays], minlength=len(kept))[kept],
        before.passage[stays],
        before.rank[stays],
        before.score[stays],
        before.probability[stays],
    )
