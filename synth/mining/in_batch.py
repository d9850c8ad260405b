"""Which passages must not count as in-batch negatives of a query, out of its score table alone.

A trainer takes the passages of other rows of a batch as further negatives, and some of them answer the query.
GISTEmbed (arXiv 2402.16829) leaves out what a guide model scores above the positive; the teacher has scored already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from schemas.recipe import MiningSettings
from synth.arrays import Ints, Mask
from synth.corpus import Corpus
from synth.mining.candidates import Candidates


@dataclass(frozen=True)
class InBatchMask:
    """Masked passages of n rows, flat.

    held: how many each row has, shape (n,); passage: ordinals, ascending in a row, shape (sum of held,)
    complete: whether the teacher's list goes down below the score from which passages are masked, shape (n,):
    then no passage that it does not list scores as high
    """

    held: Ints
    passage: npt.NDArray[np.int32]
    complete: Mask

    @staticmethod
    def of(owner: Ints, passage: Ints | npt.NDArray[np.int32], complete: Mask) -> InBatchMask:
        """From pairs of a row and a passage, in any order and some of them several times."""
        size = int(passage.max(initial=0)) + 1
        row, ordinal = np.divmod(np.unique(owner * size + passage), size)
        return InBatchMask(np.bincount(row, minlength=len(complete)), ordinal.astype(np.int32), complete)

    @staticmethod
    def joined(parts: Sequence[InBatchMask]) -> InBatchMask:
        """One after the other."""
        none = np.empty(0, dtype=np.int64)
        nothing = InBatchMask(none, none.astype(np.int32), none.astype(bool))
        return InBatchMask(*(np.concatenate([getattr(p, f.name) for p in (nothing, *parts)]) for f in fields(nothing)))

    @property
    def owner(self) -> Ints:
        """The row of each masked passage."""
        return np.repeat(np.arange(len(self.held)), self.held)

    def only(self, kept: Mask) -> InBatchMask:
        """Of some rows, shape (n,)."""
        return InBatchMask(self.held[kept], self.passage[kept[self.owner]], self.complete[kept])

    def besides(self, owner: Ints, passage: Ints | npt.NDArray[np.int32], complete: Mask | bool = True) -> InBatchMask:
        """These and more of the same rows."""
        both = np.concatenate([self.owner, owner]), np.concatenate([self.passage, passage])
        return InBatchMask.of(*both, self.complete & complete)


def in_batch_mask(corpus: Corpus, settings: MiningSettings, candidates: Candidates, taken: Mask) -> InBatchMask:
    """A row for each query: its known positives and what is equivalent to one, whatever scores at or above the positive
    (`positive_anchor`) less `in_batch_margin`, and whatever breaks `max_false_negative_rate` where that is asked for;
    but none of its negatives, `taken`, shape (rows,), which were found to be clear whatever they score.
    """
    known = candidates.positives
    which, equivalent = corpus.equivalents(known.passage)
    anchor = known.anchors(candidates.count, settings.positive_anchor)
    lowest = np.round(anchor - settings.in_batch_margin, 6)
    score = candidates.score.astype(np.float64).round(4)
    masked = score >= lowest[candidates.query]
    if candidates.probability is not None and settings.max_false_negative_rate is not None:
        masked |= candidates.probability > settings.max_false_negative_rate
    masked &= ~taken
    deepest = np.full(candidates.count, np.inf)
    np.minimum.at(deepest, candidates.query, score)
    listed = np.bincount(candidates.query, minlength=candidates.count)
    return InBatchMask.of(
        np.concatenate([known.owner, known.owner[which], candidates.query[masked]]),
        np.concatenate([known.passage, equivalent, candidates.passage[masked]]),
        (deepest < lowest) | (listed == len(corpus)),
    )
