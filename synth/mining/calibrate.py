"""How loose a bound may be: the share of mined negatives that are none, for each of several values, from one sample.

The miner picks negatives under every value of a grid; what any of them picks is one population, of which `n` are
judged. Strata are sources and how far a candidate keeps from its positive, cut at the values of the grid, and drawn
from evenly by hash, without replacement, so that few judgements serve all values. That is for one half; the other half
goes to what is picked under the values at which the target seems to be reached. Each judgement counts as many times as
there are candidates of its stratum for one that was judged (a Hájek estimate). A disputed one counts half: one order of the
texts of two calls it an answer. What is unknown is left out and counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from schemas.recipe import MiningSettings
from synth.arrays import Doubles, Ints, Mask
from synth.errors import InputError, suggest
from synth.mining.candidates import Candidates
from synth.mining.judging import Asked, Judge, Named
from synth.mining.miner import HardNegativeMiner
from synth.mining.rates import Curve, Point, Sample, curve_of
from synth.mining.relabel import named
from synth.mining.sampling import even_shares, mix, uniform
from synth.mining.select import NOT_NEEDED, SELECTED, select
from synth.mining.table import ScoreTable
from synth.pairs import Pairs
from synth.progress import Reporter
from synth.text import draw

BOUND_OF = {
    "multi_signal": "max_false_negative_rate",
    "perc_pos": "relative_margin",
    "margin_pos": "absolute_margin",
    "abs": "max_score",
}
"""Strategy -> the bound that makes it what it is, of those that can be calibrated."""
_CEILINGS = ("max_score", "max_false_negative_rate")
"""Bounds that are looser the higher they are; margins are looser the lower they are."""
_WITHIN = {"relative_margin": (-0.99, 0.99), "max_false_negative_rate": (1e-6, 1 - 1e-6)}
_LOOSEST = {"max_score": math.inf, "max_false_negative_rate": 1 - 1e-6}
_QUANTILES = (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 0.9)
_MOST_QUERIES = 20_000
"""Drawn by hash where there are more."""
_SALT = 0x5EED
_WEIGHT = {"answers": 1.0, "disputed": 0.5, "clear": 0.0, "unknown": math.nan}

Limit = Literal["upper", "rate"]
"""What must be at most the target: the upper end of the interval, or the estimate itself."""


@dataclass(frozen=True)
class Wanted:
    """What is calibrated: `bound` to a rate of at most `target`; without a `grid` its values follow the candidates."""

    bound: str
    target: float = 0.05
    n: int = 500
    by: Limit = "upper"
    grid: Sequence[float] = ()

    def __post_init__(self) -> None:
        if self.bound not in BOUND_OF.values():
            raise InputError(f"the bound {self.bound!r} can't be calibrated{suggest(self.bound, BOUND_OF.values())}")
        if not 0 < self.target < 1 or self.n < 1:
            raise InputError(f"a target rate is between 0 and 1 and needs judgements, not {self.target:g} of {self.n}")

    def limit(self, point: Point) -> float:
        """What must be at most the target."""
        return point.high if self.by == "upper" else point.rate

    def keeps(self, point: Point) -> bool:
        return self.limit(point) <= self.target


@dataclass(frozen=True)
class Calibration:
    """What was found, over all and for each source where there are several.

    candidates: picked under any value; sampled = judged + unknown; doubted: queries whose positive the judge doubts
    """

    wanted: Wanted
    judge: str
    candidates: int
    judged: int
    unknown: int
    doubted: int
    overall: Curve
    by_source: dict[str, Curve]

    @property
    def bound(self) -> float | None:
        """None where no value keeps the target."""
        return self.overall.chosen.bound if self.overall.chosen else None

    @property
    def rate(self) -> float | None:
        return self.overall.chosen.rate if self.overall.chosen else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %."""
        return (self.overall.chosen.low, self.overall.chosen.high) if self.overall.chosen else None

    def as_dict(self) -> dict[str, Any]:
        sources = {name: curve.as_dict() for name, curve in self.by_source.items()}
        counts = {name: getattr(self, name) for name in ("judge", "candidates", "judged", "unknown", "doubted")}
        return {**vars(self.wanted), **counts, **self.overall.as_dict(), "by_source": sources}

    def describe(self) -> str:
        """What was chosen, or that nothing keeps the target and what comes nearest."""
        wanted = self.wanted
        what = "upper end of the interval" if wanted.by == "upper" else "rate"
        if self.overall.chosen is not None:
            return f"{wanted.bound} {self.bound:g}: {self.overall.chosen.describe()}"
        known = [point for point in self.overall.points if point.judged]
        nearest = min(known, key=wanted.limit)
        return f"no value of {wanted.bound} keeps the {what} at {wanted.target:.1%}; {nearest.bound:g} comes nearest: {nearest.describe()}"


def calibrate(
    miner: HardNegativeMiner, pairs: Pairs, table: ScoreTable, judge: Judge, wanted: Wanted, reporter: Reporter
) -> Calibration:
    """Estimate the rate under every value of a bound, all other settings of the miner as they are.

    Raises InputError where the miner picks nothing, or the judge knows nothing of what was sampled.
    """
    _check(miner, wanted.bound)
    blocks = list(_sampled_blocks(miner, pairs, table))
    grid = _grid(miner, wanted, table, blocks)
    picked = _picked(miner, wanted.bound, grid, table, blocks)
    sources = np.asarray(pairs.sources)
    names, source = np.unique(sources[picked.query], return_inverse=True)
    stratum = source * len(grid) + np.clip(_place(grid, wanted.bound, picked.distance), 0, None)
    answers = _Answers(pairs, picked, judge, reporter)
    answers.ask(_sample(np.arange(len(source)), stratum, picked.draw, (wanted.n + 1) // 2))
    focus = picked.member[:, _focus(answers.curve(wanted, grid, stratum, miner.seed), wanted)].any(axis=1)
    left = np.flatnonzero(focus & ~answers.asked)
    answers.ask(_sample(left, np.zeros_like(stratum), picked.draw, wanted.n - int(answers.asked.sum())))
    if not answers.known.any():
        raise InputError(
            f"the judge ({judge.name}) knows nothing of {answers.asked.sum():,} sampled candidates of these pairs"
        )
    sample, judged = answers.sample(stratum * 2 + focus), answers.known
    queries = sources[np.concatenate([numbers for numbers, _ in blocks])]

    def curve(rows: Mask, count: int) -> Curve:
        negatives = picked.member[rows].sum(axis=0) / count
        return curve_of(grid, sample.only(rows[judged]), negatives, wanted.keeps, miner.seed)

    by_source = {
        name: curve(source == number, int((queries == name).sum())) for number, name in enumerate(names.tolist())
    }
    return Calibration(
        wanted,
        judge.name,
        candidates=len(picked.query),
        judged=int(judged.sum()),
        unknown=int((answers.asked & ~judged).sum()),
        doubted=answers.doubted,
        overall=curve(np.ones(len(source), dtype=bool), len(queries)),
        by_source=by_source if len(names) > 1 else {},
    )


def _check(miner: HardNegativeMiner, bound: str) -> None:
    if miner.settings.asks_probability and bound != "max_false_negative_rate":
        raise InputError(
            f"a miner that cuts by max_false_negative_rate is calibrated by that, not by {bound}; take another strategy for it, such as perc_pos"
        )


@dataclass(frozen=True)
class _Picked:
    """Candidates that the miner picks under any value, flat.

    query: number in the pairs; own, passage: ordinals of its own positive and of the candidate
    distance: what the bound is compared with; member: under which values, shape (rows, values); draw: in (0, 1)
    """

    query: Ints
    own: Ints
    passage: Ints
    distance: Doubles
    member: Mask
    draw: Doubles


def _sampled_blocks(miner: HardNegativeMiner, pairs: Pairs, table: ScoreTable) -> Iterator[tuple[Ints, Candidates]]:
    count = len(pairs.queries)
    wanted = np.ones(count, dtype=bool)
    if count > _MOST_QUERIES:
        drawn = np.asarray([draw(miner.seed, "calibrate", each) for each in pairs.query_ids])
        wanted[:] = False
        wanted[np.argsort(drawn, kind="stable")[:_MOST_QUERIES]] = True
    for numbers, block in miner.blocks_with_probability(table):
        kept = wanted[numbers]
        if kept.any():
            yield numbers[kept], block.only(kept)


def _distance(miner: HardNegativeMiner, bound: str, block: Candidates) -> Doubles:
    """What must be above a margin or below a ceiling, shape (rows,)."""
    if bound == "max_false_negative_rate":
        return np.asarray(block.probability, dtype=np.float64)
    score = block.score.astype(np.float64)
    if bound == "max_score":
        return score
    anchor = block.positives.anchors(block.count, miner.settings.positive_anchor)[block.query]
    gap = anchor - score
    return gap if bound == "absolute_margin" else gap / np.maximum(np.abs(anchor), 1e-9)


def _settings(miner: HardNegativeMiner, bound: str, value: float) -> MiningSettings:
    return miner.changed(**{bound: value}).settings


def _grid(
    miner: HardNegativeMiner, wanted: Wanted, table: ScoreTable, blocks: Sequence[tuple[Ints, Candidates]]
) -> Doubles:
    """Values from the loosest to the tightest: those given, or quantiles of what the other settings leave."""
    is_margin = wanted.bound not in _CEILINGS
    found = np.asarray(wanted.grid, dtype=np.float64)
    if not len(found):
        loosest = _settings(miner, wanted.bound, 0.0 if is_margin else _LOOSEST[wanted.bound])
        left = [_left(table, loosest, block, _distance(miner, wanted.bound, block)) for _, block in blocks]
        gaps = np.concatenate([*left, [0.0]]) if is_margin else np.concatenate(left)
        at = _QUANTILES if is_margin else [1 - quantile for quantile in _QUANTILES]
        found = np.quantile(gaps, at) if len(gaps) else np.empty(0)
        found = np.asarray([float(f"{value:.3g}") for value in found.tolist()])
        found = np.append(found, 0.0) if is_margin else found
    if wanted.bound in _WITHIN:
        found = np.clip(found, *_WITHIN[wanted.bound])
    ordered: Doubles = np.unique(found)
    return ordered if is_margin else ordered[::-1]


def _left(table: ScoreTable, settings: MiningSettings, block: Candidates, distance: Doubles) -> Doubles:
    fate = select(table.corpus, settings, block)
    wanted = [code for code, name in enumerate(fate.names) if name in (SELECTED, NOT_NEEDED)]
    return distance[np.isin(fate.code, wanted)]


def _picked(
    miner: HardNegativeMiner,
    bound: str,
    grid: Doubles,
    table: ScoreTable,
    blocks: Sequence[tuple[Ints, Candidates]],
) -> _Picked:
    settings = [_settings(miner, bound, value) for value in grid.tolist()]
    parts = []
    for numbers, block in blocks:
        member = np.stack([select(table.corpus, each, block, miner.seed).selected for each in settings], axis=1)
        rows = np.flatnonzero(member.any(axis=1))
        query, passage = block.query[rows], block.passage[rows]
        first = np.searchsorted(block.positives.owner, np.arange(block.count))
        keys = block.query_key[query] ^ mix(table.corpus.passage_key[passage])
        parts.append(
            _Picked(
                numbers[query],
                block.positives.passage[first][query],
                passage,
                _distance(miner, bound, block)[rows],
                member[rows],
                uniform(keys, miner.seed ^ _SALT),
            )
        )
    picked = _Picked(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))
    if not len(picked.query):
        raise InputError("the miner picks no negative under any value of the bound; loosen its other settings")
    return picked


def _place(grid: Doubles, bound: str, distance: Doubles) -> Ints:
    """Between which values of the grid each candidate lies."""
    if bound in _CEILINGS:
        return np.searchsorted(-grid, -distance, side="right") - 1
    return np.searchsorted(grid, distance, side="right") - 1


def _focus(curve: Curve, wanted: Wanted) -> list[int]:
    """The values at which the target seems to be reached: the loosest whose estimate keeps it, and the two after it."""
    rates = [point.rate if point.judged else math.inf for point in curve.points]
    near = next((n for n, rate in enumerate(rates) if rate <= wanted.target), int(np.argmin(rates)))
    return list(range(near, min(near + 3, len(rates))))


def _sample(rows: Ints, stratum: Ints, drawn: Doubles, n: int) -> Ints:
    """At most `n` of the rows, as many of each stratum as can be, those of the lowest draws; in their order."""
    order = rows[np.lexsort((drawn[rows], stratum[rows]))]
    first = np.flatnonzero(np.diff(stratum[order], prepend=-1))
    sizes = np.diff(np.append(first, len(order)))
    place = np.arange(len(order)) - np.repeat(first, sizes)
    return np.sort(order[place < np.repeat(even_shares(sizes, n), sizes)])


class _Answers:
    """What the judge said so far of the candidates that were picked.

    asked: shape (rows,); value: the share of the orders that find it answering, NaN for unknown, shape (rows,)
    """

    def __init__(self, pairs: Pairs, picked: _Picked, judge: Judge, reporter: Reporter) -> None:
        self._pairs, self._picked, self._judge, self._reporter = pairs, picked, judge, reporter
        self.asked = np.zeros(len(picked.query), dtype=bool)
        self.value = np.full(len(picked.query), np.nan)
        self.doubted = 0

    @property
    def known(self) -> Mask:
        known: Mask = ~np.isnan(self.value)
        return known

    def ask(self, rows: Ints) -> None:
        pairs, picked = self._pairs, self._picked
        groups: dict[tuple[int, int], list[int]] = {}
        for row in rows.tolist():
            groups.setdefault((int(picked.query[row]), int(picked.own[row])), []).append(row)
        asked = [
            Asked(
                Named(pairs.query_ids[query], pairs.queries[query]),
                named(pairs, [own]),
                named(pairs, picked.passage[places].tolist()),
            )
            for (query, own), places in groups.items()
        ]
        for places, judged in zip(groups.values(), self._judge.judge(asked, self._reporter), strict=True):
            self.value[places] = [_WEIGHT[verdict.said] for verdict in judged.verdicts]
            self.doubted += judged.doubted
        self.asked[rows] = True

    def sample(self, stratum: Ints) -> Sample:
        """What is known, each with the weight that its stratum gives it."""
        judged = np.flatnonzero(self.known)
        held, answered = np.bincount(stratum), np.bincount(stratum[judged], minlength=int(stratum.max()) + 1)
        weight = (held / np.maximum(answered, 1))[stratum[judged]]
        return Sample(self._picked.query[judged], self._picked.member[judged], self.value[judged], weight)

    def curve(self, wanted: Wanted, grid: Doubles, stratum: Ints, seed: int) -> Curve:
        return curve_of(grid, self.sample(stratum), np.zeros(len(grid)), wanted.keeps, seed)
