"""Hard negatives of a run's records, shard by shard, out of the score tables that its shards have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from schemas.document import Passage
from schemas.recipe import MiningSettings
from schemas.record import Negative, Verdict
from synth.arrays import Ints
from synth.assess import Assessment, assess
from synth.mining.candidates import BEYOND, Candidates
from synth.mining.evidence import with_evidence
from synth.mining.in_batch import InBatchMask, in_batch_mask
from synth.mining.select import Fate, select
from synth.mining.suspicion import Suspicion, suspect
from synth.scores import read_candidates, read_metadata
from synth.shard import Shard, Workshop

Texts = list[dict[str, Any]]
FEW = "few_negatives"
_NONE = np.empty(0, dtype=np.int64)
_MINED = Negative(passage_id="", document_id="", text="-").model_dump()


@dataclass(frozen=True)
class Mined:
    """What the score table gives a record, as the record holds it.

    positives: the record's own, then other passages that the same query was made from
    in_batch_mask, in_batch_complete: see `schemas.record.NTuple`
    """

    positives: Texts
    negatives: Texts
    in_batch_mask: list[str]
    in_batch_complete: bool


@dataclass(frozen=True)
class RunMiner:
    """Mines for the accepted records; what it does to one depends on its candidates, and on the others only by one bound."""

    workshop: Workshop
    assessment: Assessment
    fates: Counter[str] = field(default_factory=Counter)
    """What became of the candidates so far, by reason."""

    @cached_property
    def suspicion(self) -> Suspicion | None:
        """The model and bound of `multi_signal`, over the candidates of all records."""
        mining = self.workshop.recipe.mining
        if self.assessment.suspicion is not None:
            return self.assessment.suspicion
        if not mining.asks_probability or not self.assessment.shards:
            return None
        identity = read_metadata(self.assessment.shards[0].scores_folder(self.workshop.folder)).teacher
        blocks = (block for shard in self.assessment.shards for block in self._blocks(shard))
        return suspect(mining, self.workshop.corpus, identity, blocks)

    def mine(self, shard: Shard) -> Iterator[Mined]:
        """What is found for every accepted record of a shard whose positive is a passage, in plan order."""
        for block, bounds, fate in self._decided(shard):
            self.fates.update(fate.counts)
            masked = in_batch_mask(self.workshop.corpus, bounds, block, fate.selected)
            yield from self._texts(block, np.flatnonzero(fate.selected), masked)

    def unsearched(self, row: Mapping[str, Any]) -> Mined:
        """What stands for the passages of a text pair, given as an item or a published record."""
        if isinstance(row["positive"], str):
            (passage,) = self.workshop.corpus.passages([row["passage"]])
            return Mined([_text(passage, 0.0, 0)], [], [], in_batch_complete=False)
        return Mined([row["positive"], *row["more_positives"]], [], [], in_batch_complete=False)

    def count(self, shard: Shard) -> Ints:
        """How many hard negatives each record has that `mine` is about."""
        found = [
            np.bincount(block.query[fate.selected], minlength=block.count) for block, _, fate in self._decided(shard)
        ]
        return np.concatenate([_NONE, *found])

    def _decided(self, shard: Shard) -> Iterator[tuple[Candidates, MiningSettings, Fate]]:
        corpus, recipe = self.workshop.corpus, self.workshop.recipe
        for block in self._blocks(shard):
            judged = block if self.suspicion is None else self.suspicion.of(corpus, block)
            bounds = recipe.mining if self.suspicion is None else self.suspicion.settings
            yield judged, bounds, select(corpus, bounds, judged, recipe.seed)

    def _blocks(self, shard: Shard) -> Iterator[Candidates]:
        """The candidates of accepted records, with every passage that is known to answer their query."""
        folder = shard.scores_folder(self.workshop.folder)
        read = with_evidence if self.workshop.recipe.mining.needs_evidence else read_candidates
        known = self.assessment.known_positives
        for numbers, read_block in read(folder):
            block = read_block.only(np.isin(numbers, self.assessment.positions))
            starts = block.positives.starts(block.count)
            more = [
                np.setdiff1d(known.get(key, _NONE), block.positives.passage[starts[n] : starts[n + 1]])
                for n, key in enumerate(block.query_key.tolist())
            ]
            owner = np.repeat(np.arange(block.count), [len(each) for each in more])
            yield replace(block, positives=block.positives.known_besides(owner, np.concatenate([_NONE, *more])))

    def _texts(self, block: Candidates, rows: Ints, masked: InBatchMask) -> Iterator[Mined]:
        known, corpus = block.positives, self.workshop.corpus
        needed = np.unique(np.concatenate([known.passage, block.passage[rows]]))
        passages = dict(zip(needed.tolist(), corpus.passages(needed), strict=True))
        texts = [Mined([], [], [], complete) for complete in masked.complete.tolist()]
        ranks = np.where(known.rank == BEYOND, 0, known.rank)
        for owner, passage, score, rank in _lists(known.owner, known.passage, np.nan_to_num(known.score), ranks):
            texts[owner].positives.append(_text(passages[passage], score, rank))
        found = (column[rows] for column in (block.query, block.passage, block.score, block.rank))
        for owner, passage, score, rank in _lists(*found):
            texts[owner].negatives.append(_MINED | _text(passages[passage], score, rank))
        for owner, passage in _lists(masked.owner, masked.passage):
            texts[owner].in_batch_mask.append(corpus.ids[passage])
        yield from texts


def accept(workshop: Workshop, shards: Sequence[Shard], limit: int | None) -> Assessment:
    """`assess`; where short records are dropped they are rejected before the limit counts, so that N still are N.

    The bound of `multi_signal` is then chosen over all records that passed the set gates, and stays.
    """
    wanted = workshop.recipe.mining.negatives
    if workshop.recipe.mining.shortfall != "drop" or not wanted:
        return assess(workshop, shards, limit)
    judged = assess(workshop, shards, None)
    miner = RunMiner(workshop, judged)
    found = np.concatenate([_NONE, *(miner.count(shard) for shard in shards)])
    searched = judged.positions[~np.isin(judged.positions, judged.text_pairs)]
    verdicts = {
        position: Verdict(gate="mining", keep=False, reason=FEW, score=count, detail=f"{count} of {wanted} were found")
        for position, count in zip(searched.tolist(), found.tolist(), strict=True)
        if count < wanted
    }
    return replace(judged.without(verdicts), suspicion=miner.suspicion).limited(limit)


def _lists(*columns: Any) -> Iterator[Any]:
    return zip(*(column.tolist() for column in columns), strict=True)


def _text(passage: Passage, score: float, rank: int) -> dict[str, Any]:
    ids = {"passage_id": passage.id, "document_id": passage.document_id}
    return {**ids, "text": passage.text, "score": score, "rank": rank}
