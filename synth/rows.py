"""Item rows: what became of every planned item, before any set gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, lru_cache
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from schemas.arrow import arrow_schema
from schemas.document import Passage, Split
from schemas.recipe import Recipe
from schemas.record import Attribute, Judgement, Pair, PassageText, Provenance, Status, Verdict, Written
from synth import registry
from synth.gates import RecordGate, apply_gates
from synth.generators import Answer, Call, Outcome
from synth.plan import Item, step_model
from synth.prompts import load_prompt
from synth.tasks import JUDGE, Draft, Failure, TaskInput, steps_of
from synth.text import hash64, normalise
from synth.written import WRITE, read_written, written_with


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
    persona: str = ""
    query_type: str = ""
    difficulty: str = ""
    length: str = ""
    seed: int
    instruction: str = ""
    """Empty where the recipe's holds."""
    others: list[int] = field(default_factory=list)
    """Ordinals of further positives."""
    attributes: list[Attribute] = field(default_factory=list)
    judgement: Judgement | None = None
    written: list[Written] = field(default_factory=list)
    """Negatives that an LLM wrote, kept or not."""
    verdicts: list[Verdict] = field(default_factory=list)


ITEMS = arrow_schema(ItemRow).append(pa.field("query_key", pa.uint64()))


def judge_outcome(outcome: Outcome, recipe: Recipe, gates: Sequence[RecordGate]) -> ItemRow:
    """The row of a call that was answered or failed; record gates are applied in order."""
    task_input, result = outcome.call.input, outcome.result
    item, passage = task_input.item, task_input.passage
    if not isinstance(result, Answer):
        failure = result or Failure("unasked")
        detail = _cleaned(failure.detail, gates)
        return _row(item, passage, "failed", reason=failure.reason, stage="generate", detail=detail)
    draft = clean_draft(outcome.call, result, gates)
    if not draft.query or not draft.positive:
        return _row(item, passage, "failed", reason="empty", stage="generate", **_made(draft, result))
    pair = pair_of(task_input, recipe, result, draft)
    verdicts = apply_gates(gates, pair)
    made: dict[str, Any] = {
        **_made(draft, result),
        "query": draft.query,
        "positive": draft.positive if draft.positive != passage.text else "",
        "instruction": pair.instruction if pair.instruction != recipe.instruction else "",
        "others": _ordinals(task_input, draft),
        "attributes": pair.attributes,
        "judgement": pair.judgement,
        "written": _written(task_input, recipe, result, pair, gates),
        "verdicts": verdicts,
        "chosen": {"persona": _claimed(task_input, recipe, pair), **draft.chosen},
    }
    last = verdicts[-1] if verdicts else None
    if last is None or last.keep:
        return _row(item, passage, "accepted", **made)
    why: dict[str, Any] = {"reason": last.reason, "stage": last.gate, "score": last.score, "detail": last.detail}
    return _row(item, passage, "rejected", **why, **made)


def _written(
    task_input: TaskInput, recipe: Recipe, answer: Answer, record: Pair, gates: Sequence[RecordGate]
) -> list[Written]:
    if record.is_text_pair:
        by_rule = getattr(registry.find("tasks", record.provenance.task), "negatives_by_rule", False)
        return written_with(record, "" if by_rule else answer.model)
    if WRITE not in answer.outputs:
        return []
    model = step_model(recipe, WRITE, task_input.item)
    found = read_written(answer.outputs, model, record.positives, check=recipe.writing.check)
    return [each.model_copy(update={"text": _cleaned(each.text, gates)}) for each in found]


def _made(draft: Draft, answer: Answer) -> dict[str, Any]:
    return {"method": draft.method, "model": answer.model, "revision": answer.revision}


def clean_draft(call: Call, answer: Answer, gates: Sequence[RecordGate]) -> Draft:
    """What a task makes of its answer, as it may be stored."""
    draft = call.task.draft(call.input, answer.outputs, answer.method)
    is_passage = draft.positive == call.input.passage.text
    query = _cleaned(draft.query, gates)
    if is_passage and query == draft.query and not draft.instruction and not draft.attributes:
        return draft
    return replace(
        draft,
        negatives=tuple(_cleaned(text, gates) for text in draft.negatives),
        query=query,
        positive=draft.positive if is_passage else _cleaned(draft.positive, gates),
        instruction=_cleaned(draft.instruction, gates) if draft.instruction else "",
        attributes={name: _cleaned(value, gates) for name, value in draft.attributes.items()},
    )


def _ordinals(task_input: TaskInput, draft: Draft) -> list[int]:
    if not draft.more_positives:
        return []
    known = dict(zip((other.id for other in task_input.others), task_input.other_ordinals, strict=True))
    return [known[other.id] for other in draft.more_positives]


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


def pair_of(task_input: TaskInput, recipe: Recipe, answer: Answer, draft: Draft) -> Pair:
    """The record of an item as gates see it."""
    item, passage = task_input.item, task_input.passage
    provenance = make_provenance(
        item,
        recipe.generator,
        method=draft.method,
        model=answer.model,
        revision=answer.revision,
        passage_written_by=passage.written_by,
    )
    return Pair(
        id=item.id,
        instruction=_instruction(task_input, recipe, draft),
        language=item.language,
        split=passage.split,
        query=draft.query,
        positive=_text_of(passage.id, passage.document_id, draft.positive),
        more_positives=[_text_of(other.id, other.document_id, other.text) for other in draft.more_positives],
        attributes=[Attribute(name=name, value=value) for name, value in draft.attributes.items()],
        written=list(draft.negatives),
        judgement=_judgement(task_input, recipe, answer),
        persona=_asker(task_input, draft),
        provenance=provenance,
    )


def _asker(task_input: TaskInput, draft: Draft) -> str:
    """Who the prompt for the query was about."""
    chosen = {persona.id: persona.text for persona in task_input.candidates}
    return chosen.get(draft.chosen.get("persona", ""), task_input.persona.text)


def _claimed(task_input: TaskInput, recipe: Recipe, record: Pair) -> str:
    """The drawn persona, where the prompt or the record's instruction shows it."""
    item, provenance = task_input.item, record.provenance
    phrased = task_input.instruction != recipe.instruction and record.instruction == task_input.instruction
    used = _used(item.task, is_pinned=bool(task_input.pinned))
    shown = is_cut(provenance.method) or (task_input.persona.text and "persona" in used)
    return item.persona if phrased or shown else ""


@lru_cache(maxsize=1024)
def _text_of(passage_id: str, document_id: str, text: str) -> PassageText:
    return PassageText(passage_id=passage_id, document_id=document_id, text=text)


def _judgement(task_input: TaskInput, recipe: Recipe, answer: Answer) -> Judgement | None:
    said: Any = answer.outputs.get(JUDGE)
    judgement: Judgement | None = said and said.judgement(step_model(recipe, JUDGE, task_input.item))
    return judgement


def _instruction(task_input: TaskInput, recipe: Recipe, draft: Draft) -> str:
    """The task's own, else the one that the plan phrased for the persona; what was cut out is for nobody."""
    return draft.instruction or (recipe.instruction if is_cut(draft.method) else task_input.instruction)


def is_cut(method: str) -> bool:
    """Whether a query was cut out of its document, for nobody in particular."""
    return method.startswith("extractive:")


@cache
def _prompt_of(task_name: str) -> tuple[str, str]:
    task = registry.find("tasks", task_name)
    prompt = load_prompt(task.prompt, task.prompt_folder)
    return prompt.name, prompt.sha256


def make_provenance(
    item: Item | ItemRow,
    generator: str,
    *,
    method: str,
    model: str,
    revision: str,
    licence: str = "",
    passage_written_by: str = "",
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
        passage_written_by=passage_written_by,
    )


def _row(item: Item, passage: Passage, status: Status, *, chosen: dict[str, str] | None = None, **made: Any) -> ItemRow:
    drawn = {name: getattr(item, name) for name in _used(item.task)}
    return ItemRow(
        position=item.position,
        id=item.id,
        status=status,
        passage=item.passage,
        split=passage.split,
        task=item.task,
        language=item.language,
        seed=item.seed,
        **(drawn | chosen if chosen else drawn),
        **made,
    )


_DRAWN = ("persona", "query_type", "difficulty", "length")


@cache
def _used(task_name: str, *, is_pinned: bool = False) -> tuple[str, ...]:
    """What was drawn that a task asks for: a record must not claim the rest."""
    task = registry.find("tasks", task_name)
    skipped = task.instructing if is_pinned else ""
    steps = [step for step in steps_of(task) if step.name != skipped]
    asked = frozenset().union(*(load_prompt(step.prompt, step.prompt_folder).inputs for step in steps))
    return tuple(name for name in _DRAWN if name in asked)


def table_of(rows: Sequence[ItemRow]) -> pa.Table:
    """The rows as a file holds them, with what set gates compare."""
    columns: dict[str, list[Any]] = {each.name: list(map(attrgetter(each.name), rows)) for each in fields(ItemRow)}
    for name in ("verdicts", "attributes", "written"):
        columns[name] = _lists(columns[name], ITEMS.field(name).type)
    columns["judgement"] = [vars(row.judgement) if row.judgement else None for row in rows]
    columns["query_key"] = [hash64(normalise(row.query)) if row.query else 0 for row in rows]
    return pa.Table.from_pydict(columns, schema=ITEMS)


def _lists(lists: Sequence[Sequence[BaseModel]], kind: pa.ListType) -> pa.ListArray:
    """A column of lists; a model that stands in many of them is converted once."""
    flat = list(chain.from_iterable(lists))
    places: dict[int, int] = {}
    taken = [places.setdefault(id(each), len(places)) for each in flat]
    distinct = dict(zip(taken, flat, strict=True)).values()
    values = pa.array(list(map(vars, distinct)), type=kind.value_type).take(pa.array(taken, pa.int32()))
    offsets = pa.array([0, *accumulate(map(len, lists))], pa.int32())
    return pa.ListArray.from_arrays(offsets, values, type=kind)
