"""What the card tells of the records that the manifest does not: who wrote them, what they look like, which gate dropped what."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from synth.export.instruct import instructions_of
from synth.export.lengths import Lengths, load_counter, measure_lengths
from synth.files import read_batches
from synth.store import VersionRef
from synth.text import hash64

EXAMPLES = 3


class Writer(NamedTuple):
    """A model, as a server names it."""

    name: str
    revision: str


class Example(NamedTuple):
    """A record, drawn by the hash of its id. `negative` is empty where it has none."""

    method: str
    query: str
    positive: str
    negative: str


@dataclass
class Survey:
    """Counts over a version's files."""

    writers: Counter[Writer] = field(default_factory=Counter)
    """Records by the model that wrote their query, or the positive of a text pair."""
    negative_writers: Counter[str] = field(default_factory=Counter)
    """Negatives by the model that wrote them."""
    passage_writers: Counter[str] = field(default_factory=Counter)
    """Records by the model that invented the document they were made from."""
    several_instructions: bool = False
    """Whether records differ in their instruction."""
    judges: Counter[str] = field(default_factory=Counter)
    """Records by the model that judged them."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Items by the gate that dropped them."""
    examples: list[Example] = field(default_factory=list)
    lengths: Lengths | None = None
    """Tokens of queries and passages, by an estimate."""

    @property
    def models(self) -> list[str]:
        """Names of all models that wrote any text of it."""
        return sorted({writer.name for writer in self.writers} | {*self.negative_writers, *self.passage_writers})


def survey_version(version: VersionRef) -> Survey:
    """Read the records and rejects once, in batches."""
    several = len(instructions_of(version)) > 1
    survey = Survey(lengths=measure_lengths(version, load_counter(None)), several_instructions=several)
    drawn: list[tuple[int, str, Example]] = []
    for batch in _batches(version):
        _count_writers(batch, survey)
        drawn = heapq.nsmallest(EXAMPLES, [*drawn, *_examples(batch)])
    survey.examples = [example for _, _, example in drawn]
    for batch in read_batches(version.file("rejects.parquet"), ["status", "stage"]):
        dropped = batch.filter(pc.equal(batch["status"], "rejected"))
        survey.dropped.update(_counted(dropped["stage"]))
    return survey


def _batches(version: VersionRef) -> Iterator[pa.RecordBatch]:
    columns = ["id", "query", "positive", "negatives", "provenance", "judgement"]
    for file in version.record_files():
        yield from read_batches(file, columns)


def _count_writers(batch: pa.RecordBatch, survey: Survey) -> None:
    provenance = batch["provenance"]
    models = pa.table(
        {"name": provenance.field("generator_model"), "revision": provenance.field("generator_revision")}
    ).filter(pc.not_equal(provenance.field("generator_model"), ""))
    for row in models.group_by(["name", "revision"]).aggregate([([], "count_all")]).to_pylist():
        survey.writers[Writer(row["name"], row["revision"])] += row["count_all"]
    survey.passage_writers.update(_counted(provenance.field("passage_written_by")))
    negatives = pc.list_flatten(batch["negatives"])
    survey.negative_writers.update(_counted(pc.struct_field(negatives, "generator_model")))
    survey.judges.update(_counted(pc.struct_field(batch["judgement"], "model")))


def _counted(column: pa.Array) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist() if row["values"]}


def _examples(batch: pa.RecordBatch) -> list[tuple[int, str, Example]]:
    ids = batch["id"].to_pylist()
    places = heapq.nsmallest(EXAMPLES, range(len(ids)), key=lambda place: (hash64(ids[place]), ids[place]))
    return [
        (hash64(row["id"]), row["id"], _example(row)) for row in batch.take(pa.array(places, pa.int64())).to_pylist()
    ]


def _example(row: dict[str, Any]) -> Example:
    negative = row["negatives"][0]["text"] if row["negatives"] else ""
    return Example(row["provenance"]["method"], row["query"], row["positive"]["text"], negative)
