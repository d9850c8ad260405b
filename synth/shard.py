"""A shard: a range of plan positions, made into one file of items and one score table.

Pure: the same recipe, passages and range give the same files, wherever it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.arrow import arrow_schema
from schemas.base import Strict
from schemas.document import Passage, Split
from schemas.persona import Persona
from schemas.recipe import Recipe
from schemas.record import Pair, PassageText, Provenance, Status, Verdict
from synth import registry
from synth.corpus import Corpus
from synth.errors import ConservationError
from synth.files import ParquetSink
from synth.gates import RecordGate, build_record_gates, build_set_gates
from synth.gates.duplicates import QUERY_SHINGLE
from synth.generators import Answer, Call, Outcome, build_generator
from synth.near import PERMUTATIONS, sign
from synth.plan import Item, Plan
from synth.progress import Reporter
from synth.prompts import load_prompt
from synth.scores import BEYOND, write_scores
from synth.tasks import Failure, TaskInput
from synth.teachers import Teacher
from synth.text import hash64, normalise

WINDOW = 256
"""Items whose passages are read from disk at a time."""


class ItemRow(Strict):
    """A planned item and what became of it, before any set gate."""

    position: int
    id: str
    status: Status
    reason: str = ""
    stage: str = ""
    score: float | None = None
    detail: str = ""
    passage: int
    split: Split
    task: str
    method: str = ""
    model: str = ""
    revision: str = ""
    language: str
    query: str = ""
    positive: str = ""
    persona: str
    query_type: str
    difficulty: str
    length: str
    seed: int
    verdicts: list[Verdict] = []


ITEMS = (
    arrow_schema(ItemRow)
    .append(pa.field("query_key", pa.uint64()))
    .append(pa.field("signature", pa.binary(4 * PERMUTATIONS)))
)


@dataclass(frozen=True)
class Shard:
    """Plan positions start … stop - 1."""

    start: int
    stop: int

    def items_path(self, run_folder: Path) -> Path:
        return run_folder / "items" / f"{self.start:012d}-{self.stop:012d}.parquet"

    def scores_folder(self, run_folder: Path) -> Path:
        return run_folder / "scores" / f"{self.start:012d}-{self.stop:012d}"

    def is_made(self, run_folder: Path) -> bool:
        return self.items_path(run_folder).exists() and (self.scores_folder(run_folder) / "queries.parquet").exists()


@dataclass(frozen=True)
class Workshop:
    """What all shards of a run share."""

    folder: Path
    recipe: Recipe
    corpus: Corpus
    plan: Plan
    personas: Mapping[str, Persona]
    teacher: Teacher

    @cached_property
    def gates(self) -> list[RecordGate]:
        return build_record_gates(self.recipe.gates)

    @cached_property
    def depth(self) -> int:
        """How many passages the teacher ranks for each query: enough for the miner and for every set gate.

        Twice what a gate needs, because equivalents of the positive take places without counting.
        """
        needed = [2 * getattr(gate, "needs_depth", 0) for gate in build_set_gates(self.recipe.set_gates)]
        return min(max(self.recipe.mining.rank_max, *needed, 1), len(self.corpus), BEYOND - 1)


def make_shard(workshop: Workshop, shard: Shard, reporter: Reporter) -> None:
    """Generate, gate and score one shard; what its files already hold is not made again."""
    if not shard.items_path(workshop.folder).exists():
        rows = sorted(_make_items(workshop, shard, reporter), key=lambda row: row.position)
        if [row.position for row in rows] != list(range(shard.start, shard.stop)):
            raise ConservationError(
                f"shard {shard.start}-{shard.stop}: {len(rows)} items came back for {shard.stop - shard.start}"
            )
        with ParquetSink(shard.items_path(workshop.folder), ITEMS) as sink:
            sink.add_rows(_with_keys(row) for row in rows)
    if not shard.is_made(workshop.folder):
        write_scores(
            shard.items_path(workshop.folder),
            shard.scores_folder(workshop.folder),
            workshop.corpus,
            workshop.teacher,
            workshop.depth,
        )


def _make_items(workshop: Workshop, shard: Shard, reporter: Reporter) -> Iterator[ItemRow]:
    generator = build_generator(workshop.recipe.generator, workshop.corpus.lexicon)
    leaks: list[ItemRow] = []
    for outcome in generator.generate(_calls(workshop, shard, leaks)):
        reporter.advance()
        yield _judge(workshop, generator.name, outcome)
    reporter.advance(len(leaks))
    yield from leaks


def _calls(workshop: Workshop, shard: Shard, leaks: list[ItemRow]) -> Iterator[Call]:
    """Calls in plan order; items that may not be asked for are set aside as rejected."""
    corpus, recipe = workshop.corpus, workshop.recipe
    for start in range(shard.start, shard.stop, WINDOW):
        items = list(workshop.plan.items(start, min(start + WINDOW, shard.stop)))
        for item, passage in zip(items, corpus.passages([item.passage for item in items]), strict=True):
            if corpus.leaked[item.passage]:
                detail = "nearly identical to a passage of the test split"
                leaks.append(_row(item, passage, "rejected", reason="split_leak", stage="plan", detail=detail))
                continue
            persona = workshop.personas[item.persona]
            task_input = TaskInput(item, passage, persona, recipe.domain, recipe.instruction)
            yield Call(registry.find("tasks", item.task), task_input)


def _judge(workshop: Workshop, generator: str, outcome: Outcome) -> ItemRow:
    task_input, result = outcome.call.input, outcome.result
    item, passage = task_input.item, task_input.passage
    if isinstance(result, Failure):
        return _row(item, passage, "failed", reason=result.reason, stage="generate", detail=result.detail)
    draft = outcome.call.task.draft(task_input, result.output, result.method)
    if not draft.query or not draft.positive:
        return _row(item, passage, "failed", reason="empty", stage="generate", method=draft.method)
    record = _record(task_input, workshop.recipe, generator, result, draft.query, draft.positive)
    record, verdicts = _apply_gates(workshop.gates, record)
    last = verdicts[-1] if verdicts else None
    made = {
        "method": draft.method,
        "model": result.model,
        "revision": result.revision,
        "query": record.query,
        "positive": record.positive.text if record.positive.text != passage.text else "",
        "verdicts": verdicts,
    }
    if last is not None and not last.keep:
        return _row(
            item, passage, "rejected", reason=last.reason, stage=last.gate, score=last.score, detail=last.detail, **made
        )
    return _row(item, passage, "accepted", **made)


def _apply_gates(gates: Sequence[RecordGate], record: Pair) -> tuple[Pair, list[Verdict]]:
    """Verdicts up to and including the first that drops the record."""
    verdicts: list[Verdict] = []
    for gate in gates:
        mend = getattr(gate, "mend", None)
        if mend is not None:
            record = mend(record)
        verdicts.append(gate.judge(record))
        if not verdicts[-1].keep:
            break
    return record, verdicts


def _record(task_input: TaskInput, recipe: Recipe, generator: str, answer: Answer, query: str, positive: str) -> Pair:
    item, passage = task_input.item, task_input.passage
    return Pair(
        id=item.id,
        instruction=recipe.instruction,
        language=item.language,
        split=passage.split,
        query=query,
        positive=PassageText(passage_id=passage.id, document_id=passage.document_id, text=positive),
        provenance=make_provenance(
            item_row=_row(
                item, passage, "accepted", method=answer.method, model=answer.model, revision=answer.revision
            ),
            generator=generator,
            licence="",
        ),
    )


def make_provenance(item_row: ItemRow, generator: str, licence: str) -> Provenance:
    """Where a record comes from, out of its item row."""
    task = registry.find("tasks", item_row.task)
    prompt = load_prompt(task.prompt, task.prompt_folder)
    return Provenance(
        task=item_row.task,
        method=item_row.method,
        generator=generator,
        generator_model=item_row.model,
        generator_revision=item_row.revision,
        prompt=prompt.name,
        prompt_sha256=prompt.sha256,
        persona_id=item_row.persona,
        position=item_row.position,
        seed=item_row.seed,
        query_type=item_row.query_type,
        difficulty=item_row.difficulty,
        length=item_row.length,
        licence=licence,
    )


def _row(item: Item, passage: Passage, status: Status, **made: Any) -> ItemRow:
    return ItemRow(
        position=item.position,
        id=item.id,
        status=status,
        passage=item.passage,
        split=passage.split,
        task=item.task,
        language=item.language,
        persona=item.persona,
        query_type=item.query_type,
        difficulty=item.difficulty,
        length=item.length,
        seed=item.seed,
        **made,
    )


def _with_keys(row: ItemRow) -> dict[str, Any]:
    key = hash64(normalise(row.query)) if row.query else 0
    signature = sign(row.query, QUERY_SHINGLE) if row.status == "accepted" else np.zeros(PERMUTATIONS, dtype=np.uint32)
    return row.model_dump() | {"query_key": key, "signature": signature.astype("<u4").tobytes()}
