"""The miner for anybody's pairs: a score table in, hard negatives and a report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from schemas.recipe import MiningSettings
from synth.arrays import Floats, Ints, Mask
from synth.errors import InputError
from synth.export import FORMATS, check_comparable, check_format, convert, count_short
from synth.files import ParquetSink
from synth.mining.candidates import Candidates, Positives
from synth.mining.in_batch import InBatchMask, in_batch_mask
from synth.mining.model import FalseNegativeModel
from synth.mining.select import Fate, select
from synth.mining.suspicion import Suspicion, suspect
from synth.mining.table import ScoreTable
from synth.pairs import Pairs
from synth.progress import Reporter, Silent
from synth.scale import check_bounds
from synth.teachers.scoring import scale_of

if TYPE_CHECKING:
    from synth.mining.calibrate import Calibration
    from synth.mining.judging import Judge

BINS = np.round(np.linspace(0, 1, 21), 2)
"""Inner edges of the histogram of (s(q,p) - s(q,n)) / |s(q,p)|: its first bin holds what scores above the positive, its
last what scores lower than any edge; a positive without a score counts to the first."""

_TEXT = pa.struct([("passage_id", pa.string()), ("text", pa.string()), ("score", pa.float64()), ("rank", pa.int64())])
RECORDS = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("query", pa.string()),
        ("positive", _TEXT),
        ("more_positives", pa.list_(_TEXT)),
        ("negatives", pa.list_(_TEXT)),
        ("short", pa.bool_()),
        ("in_batch_mask", pa.list_(pa.string())),
        ("in_batch_complete", pa.bool_()),
    ]
)
_GRADED = pa.struct([*_TEXT, ("grade", pa.int8())])
_ROWS = 10_000


@dataclass(frozen=True)
class Negatives:
    """Rows of mined pairs, flat.

    query: number in the pairs, shape (rows,); known, found: positives and negatives of each row, shape (rows,)
    positive, positive_score: shape (sum of known,); passage, rank, score: shape (sum of found,), best first
    probability: of being an unlabelled positive, shape (sum of found,); NaN where that was not asked
    """

    query: Ints
    known: Ints
    positive: Ints
    positive_score: Floats
    found: Ints
    passage: Ints
    rank: Ints
    score: Floats
    probability: Floats

    @staticmethod
    def joined(parts: Sequence[Negatives]) -> Negatives:
        columns = [
            np.concatenate([getattr(part, each.name) for part in parts] or [_NOTHING]) for each in fields(Negatives)
        ]
        return Negatives(*columns)


_NOTHING = np.empty(0, dtype=np.int64)


@dataclass
class Report:
    """What became of every candidate and of every query, over all and by source."""

    settings: dict[str, Any]
    teacher: dict[str, str]
    depth: int
    pool: int
    queries: int = 0
    short: int = 0
    dropped: int = 0
    negatives: int = 0
    rows: int = 0
    """Written, in the format that was asked for."""
    left_out: int = 0
    """Queries with too few negatives for that format."""
    candidates: Counter[str] = field(default_factory=Counter)
    by_source: dict[str, Counter[str]] = field(default_factory=dict)
    suspicion: dict[str, Any] | None = None
    """The model of `multi_signal` and the bound it cut at."""
    histogram: dict[str, list[int]] = field(default_factory=dict)
    """Fate -> candidates by how far they score below the positive, as a share of its score; inner edges are BINS."""
    calibrated: dict[str, Any] | None = None
    """How the bound was chosen (`synth.mining.calibrate`)."""
    relabelled: dict[str, Any] | None = None
    """What judges said of the negatives, and what was done about it (`synth.mining.relabel`)."""
    recall: dict[str, float] | None = None
    """Of the teacher's approximate index against an exact search; None where all passages were looked at."""
    teachers: list[dict[str, Any]] = field(default_factory=list)
    """The report of each teacher, where several mined one by one (`synth.mining.ensemble`)."""

    def as_dict(self) -> dict[str, Any]:
        by_source = {name: dict(counts) for name, counts in self.by_source.items()}
        told = {"candidates": dict(self.candidates), "by_source": by_source, "bins": BINS.tolist()}
        return {**vars(self), **told}

    def as_json(self) -> bytes:
        return orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2)


class HardNegativeMiner:
    """Finds hard negatives by the strategy and bounds of `MiningSettings`, whose fields are the arguments.

    >>> HardNegativeMiner(negatives=7).mine(pairs, retrieve(pairs, "lexical", store=store))
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        model: FalseNegativeModel | None = None,
        **settings: Any,
    ) -> None:
        self.settings = MiningSettings(**settings)
        self.seed = seed
        self.model = model
        """Of `multi_signal`; None for the one that ships for the teacher's family."""

    def changed(self, **settings: Any) -> HardNegativeMiner:
        """The same with other settings."""
        own = self.settings.model_dump(exclude_none=True)
        return HardNegativeMiner(seed=self.seed, model=self.model, **(own | settings))

    def mine(self, pairs: Pairs, table: ScoreTable) -> MinedDataset:
        """Negatives of every query of `pairs`; none is asked of the teacher again."""
        settings = self.settings.model_dump(mode="json", exclude_none=True) | self.settings.bounds
        how = {"seed": self.seed}
        report = Report(settings | how, table.teacher, table.depth, len(table.corpus), recall=table.recall)
        check_bounds(self.settings, scale_of(table.teacher))
        suspicion, bounds = self._suspicion(table), self.settings
        if suspicion is not None:
            report.suspicion, bounds = suspicion.told, suspicion.settings
        parts, masks = [], []
        for numbers, block in self.blocks(table):
            if suspicion is not None:
                block = suspicion.of(table.corpus, block)
            fate = select(table.corpus, bounds, block, self.seed)
            _count(report, pairs, numbers, block, fate)
            kept, rows = self._kept(report, numbers, block, fate)
            parts.append(rows)
            masks.append(in_batch_mask(table.corpus, bounds, block, fate.selected).only(kept))
        return MinedDataset(pairs, Negatives.joined(parts), InBatchMask.joined(masks), report, self.settings.negatives)

    def blocks(self, table: ScoreTable) -> Iterator[tuple[Ints, Candidates]]:
        """(numbers of the queries in the pairs, their candidates); as often as it has positives where `each` is mined for."""
        each = self.settings.positive_anchor == "each"
        for numbers, block in table.blocks_with_evidence() if self.settings.needs_evidence else table.blocks():
            yield (numbers[block.positives.owner], block.each_positive()) if each else (numbers, block)

    def blocks_with_probability(self, table: ScoreTable) -> Iterator[tuple[Ints, Candidates]]:
        """The same; with the probability of each candidate where the settings ask for it, whatever their bound."""
        any_rate = {} if self.settings.max_false_negative_rate else {"max_false_negative_rate": 0.5}
        suspicion = self.changed(**any_rate)._suspicion(table) if self.settings.asks_probability else None
        for numbers, block in self.blocks(table):
            yield numbers, block if suspicion is None else suspicion.of(table.corpus, block)

    def _suspicion(self, table: ScoreTable) -> Suspicion | None:
        if not self.settings.asks_probability:
            return None
        blocks = (block for _, block in self.blocks(table))
        return suspect(self.settings, table.corpus, table.teacher, blocks, self.model)

    def calibrate(
        self, pairs: Pairs, table: ScoreTable, judge: Judge, *, reporter: Reporter | None = None, **wanted: Any
    ) -> Calibration:
        """How loose a bound may be for a wanted rate of false negatives, by a sample that a judge is asked about.

        The fields of `Wanted` are the arguments: `target=0.05, n=500`, …; `bound` is the strategy's own if not given.
        """
        from synth.mining.calibrate import BOUND_OF, Wanted, calibrate

        wanted = {"bound": BOUND_OF.get(self.settings.strategy, "relative_margin"), **wanted}
        return calibrate(self, pairs, table, judge, Wanted(**wanted), reporter or Silent())

    def _kept(self, report: Report, numbers: Ints, block: Candidates, fate: Fate) -> tuple[Mask, Negatives]:
        """(which queries of a block have enough negatives, or a shortfall that is no reason to drop them; their rows)."""
        found = np.bincount(block.query[fate.selected], minlength=block.count)
        short = found < self.settings.negatives
        kept = ~short if self.settings.shortfall == "drop" else np.ones(block.count, dtype=bool)
        report.queries += block.count
        report.short += int(short.sum())
        report.dropped += int((~kept).sum())
        rows = np.flatnonzero(fate.selected & kept[block.query])
        report.negatives += len(rows)
        known = kept[block.positives.owner]
        if self.settings.positive_anchor == "each":
            known &= np.diff(block.positives.owner, prepend=-1) > 0
        return kept, Negatives(
            numbers[kept],
            np.bincount(block.positives.owner[known], minlength=block.count)[kept],
            block.positives.passage[known],
            block.positives.score[known],
            found[kept],
            block.passage[rows],
            block.rank[rows],
            block.score[rows],
            np.full(len(rows), np.nan, dtype=np.float32) if block.probability is None else block.probability[rows],
        )

    def sweep(self, pairs: Pairs, table: ScoreTable, grid: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What each of some changes of the settings gives: negatives a query, share of short queries, mean rank."""
        return [self._tried(pairs, table, dict(changes)) for changes in grid]

    def _tried(self, pairs: Pairs, table: ScoreTable, changes: dict[str, Any]) -> dict[str, Any]:
        own = self.settings.model_dump(exclude_none=True, exclude={"shortfall"})
        if changes.get("strategy", own["strategy"]) != own["strategy"]:
            own = {name: value for name, value in own.items() if name not in self.settings.bounds}
        mined = HardNegativeMiner(seed=self.seed, model=self.model, **(own | changes)).mine(pairs, table)
        queries = max(mined.report.queries, 1)
        return {
            **changes,
            "negatives": mined.report.negatives / queries,
            "short": mined.report.short / queries,
            "mean_rank": float(mined.negatives.rank.mean()) if mined.report.negatives else None,
            "candidates": dict(mined.report.candidates),
        }


def _graded(schema: pa.Schema) -> pa.Schema:
    place = schema.get_field_index("negatives")
    return schema.set(place, pa.field("negatives", pa.list_(_GRADED)))


def _count(report: Report, pairs: Pairs, numbers: Ints, block: Candidates, fate: Fate) -> None:
    anchors = block.positives.anchors(block.count, report.settings["positive_anchor"])
    report.candidates += fate.counts
    sources = np.asarray([pairs.sources[number] for number in numbers.tolist()])
    names = np.unique(sources) if len(sources) else sources
    for name in names.tolist() if len(names) > 1 or "" not in names else ():
        codes = fate.code[(sources == name)[block.query]]
        own = report.by_source.setdefault(name, Counter())
        own.update({fate.names[code]: count for code, count in enumerate(np.bincount(codes).tolist()) if count})
    anchor = anchors[block.query]
    gap = (anchor - block.score) / np.maximum(np.abs(anchor), 1e-9)
    bins = len(BINS) + 1
    place = np.searchsorted(BINS, np.nan_to_num(gap, nan=-np.inf), side="right")
    counts = np.bincount(bins * fate.code.astype(np.int64) + place, minlength=len(fate.names) * bins).reshape(-1, bins)
    for name, found in zip(fate.names, counts.tolist(), strict=True):
        if any(found):
            before = report.histogram.get(name, [0] * bins)
            report.histogram[name] = [a + b for a, b in zip(before, found, strict=True)]


@dataclass(frozen=True)
class MinedDataset:
    """Pairs with their hard negatives: one row a query, or one a positive where each was mined for by itself."""

    pairs: Pairs
    negatives: Negatives
    in_batch: InBatchMask
    """What no row may take from another as a negative."""
    report: Report
    asked: int
    """Negatives that a whole row has."""
    grade: Ints | None = None
    """2 answers, 1 disputed, 0 clear, below 0 unknown; shape (sum of found,). None where nobody graded."""

    def anchors(self) -> npt.NDArray[np.float64]:
        """The score of the positive that each row's negatives are compared with, shape (rows,)."""
        known = self.negatives
        owner = np.repeat(np.arange(len(known.query)), known.known)
        positives = Positives(owner, known.positive, np.zeros_like(known.positive), known.positive_score)
        return positives.anchors(len(known.query), self.report.settings["positive_anchor"])

    def records(self) -> Iterator[pa.Table]:
        """Rows with the columns of RECORDS, a few thousand at a time."""
        negatives = self.negatives
        ends = np.cumsum(negatives.found), np.cumsum(negatives.known)
        masked, ids = np.cumsum(self.in_batch.held), self.pairs.passage_ids
        for start in range(0, len(negatives.query), _ROWS):
            stop = min(start + _ROWS, len(negatives.query))
            rows = []
            for row in range(start, stop):
                number = int(negatives.query[row])
                found = slice(int(ends[0][row] - negatives.found[row]), int(ends[0][row]))
                known = slice(int(ends[1][row] - negatives.known[row]), int(ends[1][row]))
                hidden = slice(int(masked[row] - self.in_batch.held[row]), int(masked[row]))
                positives = self._texts(negatives.positive[known], negatives.positive_score[known])
                rows.append(
                    {
                        "id": self.pairs.query_ids[number],
                        "source": self.pairs.sources[number],
                        "query": self.pairs.queries[number],
                        "positive": positives[0],
                        "more_positives": positives[1:],
                        "negatives": self._negatives(found),
                        "short": int(negatives.found[row]) < self.asked,
                        "in_batch_mask": [ids[n] for n in self.in_batch.passage[hidden].tolist()],
                        "in_batch_complete": bool(self.in_batch.complete[row]),
                    }
                )
            yield pa.Table.from_pylist(rows, schema=RECORDS if self.grade is None else _graded(RECORDS))

    def write(self, folder: Path, format: str = "full") -> Path:  # noqa: A002
        """One Parquet file in a format of `synth.export`, or `full` with ids, scores and ranks; returns its path.

        The report says how many rows it has, and how many queries had too few negatives for the format. Raises
        InputError, and writes nothing, where no row is left.
        """
        path = folder / f"{format}.parquet"
        check_format(format)
        if self.grade is not None and format != "full":
            raise InputError(
                f"{format!r} has no place for grades, so false negatives would stand there as negatives; write `full`, or drop or promote them"
            )
        if FORMATS[format].is_scored and self.report.teachers:
            raise InputError(
                f"{format!r} is made of scores, and with --ensemble each negative has that of another teacher; take --fuse in its place, or write `triplet`"
            )
        check_comparable("what was mined", format, self.report.teacher)
        self.report.left_out = 0
        tables = (table for table in self._converted(format) if table.num_rows)
        first = next(tables, None)
        if first is None:
            raise InputError(
                f"no query is left that has enough negatives for {format!r}, out of a pool of {self.report.pool:,} passages; loosen the bounds, add passages with --corpus, or write --format full --shortfall keep"
            )
        with ParquetSink(path, first.schema) as sink:
            for table in chain([first], tables):
                sink.add_table(table)
        self.report.rows = sink.rows
        return path

    def _converted(self, format: str) -> Iterator[pa.Table]:  # noqa: A002
        for table in self.records():
            self.report.left_out += count_short(table, format, self.asked)
            yield convert(table, format, self.asked)

    def _negatives(self, found: slice) -> list[dict[str, Any]]:
        own = self.negatives
        texts = self._texts(own.passage[found], own.score[found], own.rank[found])
        if self.grade is not None:
            for text, grade in zip(texts, self.grade[found].tolist(), strict=True):
                text["grade"] = grade if grade >= 0 else None
        return texts

    def _texts(self, passages: Ints, scores: Floats, ranks: Ints | None = None) -> list[dict[str, Any]]:
        places = [0] * len(passages) if ranks is None else ranks.tolist()
        rounded = np.nan_to_num(scores.astype(np.float64)).round(4).tolist()
        return [
            {"passage_id": self.pairs.passage_ids[n], "text": self.pairs.passages[n], "score": score, "rank": rank}
            for n, score, rank in zip(passages.tolist(), rounded, places, strict=True)
        ]
