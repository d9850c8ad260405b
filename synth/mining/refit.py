"""`multi_signal` fitted to one's own corpus, by what a judge says of its candidates.

With enough judgements of both kinds the coefficients are fitted anew; with fewer the shipped ones
keep the order of candidates, and only what their probabilities mean is set by the rate that was found.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from synth.arrays import Doubles, Ints, Mask
from synth.errors import InputError
from synth.mining.evidence import FIELDS, best_signals
from synth.mining.judging import Judge
from synth.mining.model import FalseNegativeModel, Fitted, model_for
from synth.mining.relabel import questions
from synth.mining.signals import Signals
from synth.mining.table import ScoreTable
from synth.pairs import Pairs
from synth.progress import Reporter, Silent
from synth.text import draw

ENOUGH = (50, 200)
"""Judged positives and others from which coefficients are fitted; below, the shipped ones are kept."""


@dataclass(frozen=True)
class Refit:
    """The model, and what it rests on: candidates judged, of which so many answer; unknown and disputed left out."""

    model: FalseNegativeModel
    judged: int
    answers: int
    unknown: int
    is_fitted: bool
    """Whether the coefficients are new, or only the rate."""

    @property
    def rate(self) -> float:
        """(answers + 0.5) / (judged + 1), which is a rate for 0 answers too."""
        return (self.answers + 0.5) / (self.judged + 1)


def refit(
    pairs: Pairs,
    table: ScoreTable,
    judge: Judge,
    *,
    judgements: int | None = None,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> Refit:
    """Fit on the BEST candidates of each query, or on `judgements` of them drawn by hash.

    The table needs evidence. Raises InputError where the judge knows none of the candidates.
    """
    query, passage, values, names = _best(table)
    rows = _drawn(pairs, query, passage, judgements, seed)
    labels = _labels(pairs, query[rows], passage[rows], judge, reporter or Silent())
    known = ~np.isnan(labels)
    if not known.any():
        raise InputError(f"the judge ({judge.name}) knows none of {len(rows):,} candidates of these pairs")
    signals, is_positive = Signals(names, values[rows][known]), labels[known] == 1
    model, is_fitted = _fitted(table, signals, is_positive, judge.name)
    return Refit(model, int(known.sum()), int(is_positive.sum()), int((~known).sum()), is_fitted)


def _fitted(table: ScoreTable, signals: Signals, labels: Mask, judge: str) -> tuple[FalseNegativeModel, bool]:
    shipped, _ = model_for(table.teacher, ("score", *FIELDS))
    answers = int(labels.sum())
    if answers >= ENOUGH[0] and len(labels) - answers >= ENOUGH[1]:
        date = time.strftime("%Y-%m-%d", time.gmtime())
        told = Fitted(table.teacher.get("model", "?"), (judge,), len(labels), date)
        return FalseNegativeModel.fit(signals, labels, np.ones(len(labels)), shipped.family, told), True
    return shipped.with_rate(signals, (answers + 0.5) / (len(labels) + 1)), False


def _best(table: ScoreTable) -> tuple[Ints, Ints, Doubles, tuple[str, ...]]:
    """(number of the query, passage, signals, their names) of the BEST candidates of each query, flat."""
    query, passage, values = [], [], []
    names: tuple[str, ...] = ("score", *FIELDS)
    for numbers, block in table.blocks_with_evidence():
        rows, signals = best_signals(table.corpus, block)
        query.append(numbers[block.query[rows]])
        passage.append(block.passage[rows])
        values.append(signals.values)
        names = signals.names
    return np.concatenate(query), np.concatenate(passage), np.concatenate(values), names


def _drawn(pairs: Pairs, query: Ints, passage: Ints, judgements: int | None, seed: int) -> Ints:
    """Rows to be judged, ascending."""
    if judgements is None or judgements >= len(query):
        return np.arange(len(query))
    ids = zip(query.tolist(), passage.tolist(), strict=True)
    drawn = np.asarray([draw(seed, "refit", pairs.query_ids[q], pairs.passage_ids[p]) for q, p in ids])
    return np.sort(np.argsort(drawn, kind="stable")[:judgements])


def _labels(pairs: Pairs, query: Ints, passage: Ints, judge: Judge, reporter: Reporter) -> Doubles:
    """1 for what answers, 0 for what is clear, NaN for the rest, shape (rows,)."""
    keys = query * len(pairs.passages) + passage
    order = np.argsort(keys)
    found = judge.judge(list(questions(pairs, keys[order])), reporter)
    worth = {"answers": 1.0, "clear": 0.0}
    labels = np.empty(len(keys))
    labels[order] = [worth.get(verdict.said, np.nan) for each in found for verdict in each.verdicts]
    return labels
