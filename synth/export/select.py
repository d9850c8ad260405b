"""What of a version becomes rows of a format, batch by batch, and what is left out and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from synth.errors import StoreError
from synth.export.extras import BINS, Bins, add_extras
from synth.export.formats import FORMATS, FULL, TOOLS, Format, as_table
from synth.export.instruct import Instruction, instructions_of, prefixed
from synth.export.licences import CommercialDocuments
from synth.export.options import ExportOptions, asked_for
from synth.export.passages import Spans
from synth.export.pool import OTHER_TEXT, Mask, Pool, Rows
from synth.files import leaf_columns, read_batches
from synth.store import VersionRef

_COLUMNS = ("id", "instruction", "language", "query", "positive", "more_positives", "negatives")
_MASK = ("in_batch_mask", "in_batch_complete")
_PROVENANCE = ("provenance.task", "provenance.method", "provenance.licence")
_UNREAD = re.compile(r"negatives\..*\.(changes|generator_model|prompt|rank)\b")
"""Fields of negatives that no format but `full` has."""

FEW = "too few negatives"
UNSCORED = "the teacher did not score the positive as it stands"
LICENCE = "no licence that is known to allow commercial use"
MADE = "made negatives, which no teacher scored"


@dataclass
class Tally:
    """What was left out: records that gave no row, and passages of the others."""

    records: Counter[str] = field(default_factory=Counter)
    passages: Counter[str] = field(default_factory=Counter)


@dataclass
class Selection:
    """The rows of one format of a version."""

    version: VersionRef
    name: str
    options: ExportOptions
    tally: Tally = field(default_factory=Tally)

    @cached_property
    def format(self) -> Format:
        return FORMATS.get(self.name) or TOOLS[self.name]

    @cached_property
    def asked(self) -> int:
        return self.options.negatives or asked_for(self.version.manifest)

    @cached_property
    def instruction(self) -> Instruction:
        """`column` by default where the trainer reads one and there is one."""
        if self.options.instruction is None and self.name == "flagembedding":
            return "column" if any(instructions_of(self.version)) else "none"
        return self.options.instruction or "none"

    @cached_property
    def is_scored(self) -> bool:
        """Whether texts that no teacher scored are left out."""
        return self.format.is_scored or self.has_score_fields

    @cached_property
    def has_score_fields(self) -> bool:
        """FlagEmbedding drops scores unless it distils, so it gets them where all texts have one; else for the asking."""
        if not self.format.is_jsonl or "scores" in self.options.extras:
            return self.format.is_jsonl
        manifest = self.version.manifest
        unscored = [m for m in manifest.negatives if m != "mined"] + [
            m for m in manifest.methods if m.endswith(OTHER_TEXT)
        ]
        return self.name == "flagembedding" and manifest.is_scored and not unscored

    @cached_property
    def documents(self) -> CommercialDocuments | None:
        return CommercialDocuments(self.version) if self.options.commercial_only else None

    @cached_property
    def _helpers(self) -> tuple[Bins | None, Spans | None]:
        needs_bins = "difficulty" in self.options.extras or self.options.order == "curriculum"
        gaps = (pool.gaps(rows) for split in ("train", "test") for pool, rows in self._rows(split, Tally()))
        bins = Bins(gaps) if needs_bins else None
        if bins is not None and not bins.rows:
            raise StoreError(
                f"{self.version} has no difficulties for {self.name!r}: no row has a positive and a negative that the teacher scored; leave --with difficulty and --order curriculum out"
            )
        return bins, Spans(self.version) if "spans" in self.options.extras else None

    def tables(self, split: str, columns: list[str]) -> Iterator[pa.Table]:
        """The rows of a split, whose names go to `columns`; by difficulty, easy ones first and those of unknown difficulty last, for a curriculum."""
        levels = [*range(1, BINS + 1), 0] if self.options.order == "curriculum" else [None]
        for number, level in enumerate(levels):
            for pool, rows in self._rows(split, self.tally if not number else Tally()):
                bins = self._helpers[0]
                if level is not None and bins is not None:
                    rows = rows.take(bins.of(pool.gaps(rows)) == level)
                if len(rows.owner):
                    table = self._table(pool, rows)
                    columns[:] = table.schema.names
                    yield table

    def _rows(self, split: str, tally: Tally) -> Iterator[tuple[Pool, Rows]]:
        for records in self._records(split):
            pool = self._pool(records, tally)
            rows = self.format.rows(pool, self.asked)
            if self.has_score_fields:
                rows = rows.take(pool.is_scored[rows.owner])
            self._count(pool, rows, tally)
            yield pool, rows

    def _pool(self, records: pa.Table, tally: Tally) -> Pool:
        if self.documents is not None:
            allowed = self.documents.records(records)
            tally.records[LICENCE] += int((~allowed).sum())
            records = records.filter(pa.array(allowed))
        pool = Pool.of(records)
        if self.documents is not None:
            pool = _only(pool, self.documents.passages(pool), LICENCE, tally)
        return _only(pool, pool.is_scored, MADE, tally) if self.is_scored else pool

    def _count(self, pool: Pool, rows: Rows, tally: Tally) -> None:
        gave = np.zeros(len(pool), dtype=bool)
        gave[rows.owner] = True
        few = ~gave & (pool.held < self.format.negatives(self.asked))
        tally.records[FEW] += int(few.sum())
        tally.records[UNSCORED] += int((~gave & ~few).sum())
        if self.name == "pair-score":
            tally.passages[UNSCORED] += int((~pool.is_scored[np.flatnonzero(gave)]).sum())

    def _table(self, pool: Pool, rows: Rows) -> pa.Table:
        table = as_table(self.format, pool, rows, with_scores=self.has_score_fields)
        instructions = pool.records["instruction"].combine_chunks().take(pa.array(rows.owner))
        if self.instruction == "prefix":
            place = table.schema.get_field_index(self.format.query)
            queries = prefixed(table[self.format.query].combine_chunks(), instructions)
            table = table.set_column(place, self.format.query, queries)
        elif self.instruction == "column":
            table = table.append_column("prompt" if self.name == "flagembedding" else "instruction", instructions)
        extras = [extra for extra in self.options.extras if not (extra == "scores" and self.format.is_jsonl)]
        return add_extras(table, extras, pool, rows, self._helpers)

    def _records(self, split: str) -> Iterator[pa.Table]:
        source = self.version.file(f"records/{split}.parquet")
        try:
            for batch in read_batches(source, None if self.format is FULL else self._columns(source)):
                yield pa.Table.from_batches([batch])
        except (OSError, pa.ArrowException) as error:
            raise damaged(self.version, source, error) from error

    def _columns(self, source: Path) -> list[str]:
        """Paths of what is needed in a file of records."""
        paths = leaf_columns(source)
        wanted = (*_COLUMNS, *(_MASK if "mask" in self.options.extras else ()))
        return [p for p in paths if p in _PROVENANCE or (p.split(".")[0] in wanted and not _UNREAD.match(p))]


def damaged(version: VersionRef, source: Path, error: Exception) -> StoreError:
    return StoreError(f"{version} is damaged: can't read {source}: {error}; publish it again with `synth resume`")


def _only(pool: Pool, allowed: Mask, why: str, tally: Tally) -> Pool:
    kept = pool.only(allowed)
    tally.passages[why] += len(pool.negatives) - len(kept.negatives)
    return kept
