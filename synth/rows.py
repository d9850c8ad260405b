"""Item rows: what became of every planned item, before any set gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import Any

import pyarrow as pa

from schemas.arrow import arrow_schema
from schemas.document import Passage, Split
from schemas.recipe import Recipe
from schemas.record import Pair, PassageText, Provenance, Status, Verdict
from synth import registry
from synth.gates import RecordGate
from synth.gates.duplicates import QUERY_SHINGLE
from synth.generators import Answer, Call, Outcome
from synth.near import PERMUTATIONS, sign
from synth.plan import Item
from synth.prompts import load_prompt
from synth.tasks import Draft, Failure, TaskInput
from synth.text import hash64, normalise


@dataclass(slots=True, kw_only=True)
class ItemRow:
    """A planned item and what became of it."""

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
    verdicts: list[Verdict] = field(default_factory=list)


ITEMS = (
    arrow_schema(ItemRow)
    .append(pa.field("query_key", pa.uint64()))
    .append(pa.field("signature", pa.binary(4 * PERMUTATIONS)))
)


def judge_outcome(outcome: Outcome, recipe: Recipe, gates: Sequence[RecordGate]) -> ItemRow:
    """The row of a call that was answered or failed; record gates are applied in order."""
    task_input, result = outcome.call.input, outcome.result
    item, passage = task_input.item, task_input.passage
    if not isinstance(result, Answer):
        failure = result or Failure("unasked")
        detail = _cleaned(failure.detail, gates)
        return _row(item, passage, "failed", reason=failure.reason, stage="generate", detail=detail)
    draft = outcome.call.task.draft(task_input, result.output, result.method)
    positive = draft.positive if draft.positive == passage.text else _cleaned(draft.positive, gates)
    draft = Draft(_cleaned(draft.query, gates), positive, draft.method)
    made = {"method": draft.method, "model": result.model, "revision": result.revision}
    if not draft.query or not draft.positive:
        return _row(item, passage, "failed", reason="empty", stage="generate", **made)
    verdicts = _apply_gates(gates, _record(task_input, recipe, result, draft))
    made["query"] = draft.query
    made["positive"] = draft.positive if draft.positive != passage.text else ""
    last = verdicts[-1] if verdicts else None
    if last is None or last.keep:
        return _row(item, passage, "accepted", verdicts=verdicts, **made)
    why = {"reason": last.reason, "stage": last.gate, "score": last.score, "detail": last.detail}
    return _row(item, passage, "rejected", verdicts=verdicts, **why, **made)


def leaked_row(call: Call) -> ItemRow:
    """The row of an item that may not be asked for."""
    detail = "nearly identical to a passage of the test split"
    return _row(call.input.item, call.input.passage, "rejected", reason="split_leak", stage="plan", detail=detail)


def _cleaned(text: str, gates: Sequence[RecordGate]) -> str:
    """What a model wrote, as it may be stored; a passage is clean already."""
    for gate in gates:
        if hasattr(gate, "clean"):  # not isinstance: that takes longer than all gates together
            text = gate.clean(text)
    return text


def _apply_gates(gates: Sequence[RecordGate], record: Pair) -> list[Verdict]:
    """Verdicts up to and including the first that drops the record."""
    verdicts: list[Verdict] = []
    for gate in gates:
        verdicts.append(gate.judge(record))
        if not verdicts[-1].keep:
            break
    return verdicts


def _record(task_input: TaskInput, recipe: Recipe, answer: Answer, draft: Draft) -> Pair:
    item, passage = task_input.item, task_input.passage
    provenance = make_provenance(
        item, recipe.generator, method=draft.method, model=answer.model, revision=answer.revision
    )
    positive = PassageText(passage_id=passage.id, document_id=passage.document_id, text=draft.positive)
    return Pair(
        id=item.id,
        instruction=recipe.instruction,
        language=item.language,
        split=passage.split,
        query=draft.query,
        positive=positive,
        persona=task_input.persona.text,
        provenance=provenance,
    )


@cache
def _prompt_of(task_name: str) -> tuple[str, str]:
    task = registry.find("tasks", task_name)
    prompt = load_prompt(task.prompt, task.prompt_folder)
    return prompt.name, prompt.sha256


def make_provenance(
    item: Item | ItemRow, generator: str, *, method: str, model: str, revision: str, licence: str = ""
) -> Provenance:
    """Where the record of a planned item comes from."""
    prompt, prompt_sha256 = _prompt_of(item.task)
    return Provenance(
        task=item.task,
        method=method,
        generator=generator,
        generator_model=model,
        generator_revision=revision,
        prompt=prompt,
        prompt_sha256=prompt_sha256,
        persona_id=item.persona,
        position=item.position,
        seed=item.seed,
        query_type=item.query_type,
        difficulty=item.difficulty,
        length=item.length,
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


_UNSIGNED = bytes(4 * PERMUTATIONS)


def table_of(rows: Sequence[ItemRow]) -> pa.Table:
    """The rows as a file holds them, with what set gates compare."""
    columns: dict[str, list[Any]] = {each.name: list(map(attrgetter(each.name), rows)) for each in fields(ItemRow)}
    columns["verdicts"] = [[vars(verdict) for verdict in row.verdicts] for row in rows]
    columns["query_key"] = [hash64(normalise(row.query)) if row.query else 0 for row in rows]
    columns["signature"] = [_signature(row) if row.status == "accepted" else _UNSIGNED for row in rows]
    return pa.Table.from_pydict(columns, schema=ITEMS)


def _signature(row: ItemRow) -> bytes:
    return sign(row.query, QUERY_SHINGLE).astype("<u4").tobytes()
