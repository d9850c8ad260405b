"""Hard negatives that an LLM writes, and the check that they are none of the answers.

A separate call after the record is judged: what invents a query should not invent its wrong answers
in the same breath.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from schemas.base import Strict
from schemas.recipe import Recipe, WritingSettings
from schemas.record import Negative, Pair, Written
from synth.answering import CHECK, ORDERS, Answering, found_in, in_order
from synth.language import named
from synth.prompts import load_prompt
from synth.tasks import Failure, Outputs, Step, TaskInput
from synth.text import hash64, jaccard, normalise, shingles, words

WRITE = "hard-negative"
COPIED = 0.8
"""Jaccard similarity of word 3-gram sets from which a text counts as a copy of the positive."""
MOST_CHARS = 4_000

Read = Callable[[TaskInput, Outputs], Pair | None]
"""The record so far as gates see it, or None where a gate drops it."""


class Wrong(Strict):
    """What is missing comes first, so that the text is written around it."""

    lacks: Annotated[str, Field(min_length=1, max_length=240)]
    text: Annotated[str, Field(min_length=20, max_length=MOST_CHARS)]


@cache
def wrong_texts(count: int) -> type[BaseModel]:
    """The output of a call that writes `count` negatives."""
    wanted = Annotated[list[Wrong], Field(min_length=count, max_length=count)]
    return create_model("WrongTexts", __base__=Strict, negatives=(wanted, ...))


def writing_steps(recipe: Recipe, read: Read) -> tuple[Step, ...]:
    """The steps that write hard negatives and check them; none where the recipe wants none."""
    count = recipe.writing.negatives
    if not count:
        return ()

    def when(task_input: TaskInput, outputs: Outputs) -> bool:
        record = read(task_input, outputs)
        return record is not None and not record.is_text_pair

    def write_inputs(task_input: TaskInput, outputs: Outputs) -> Mapping[str, Any]:
        record = read(task_input, outputs)
        assert record is not None
        return {
            "title": task_input.passage.title,
            "passages": record.positives,
            "query": record.query,
            "instruction": record.instruction,
            "language": named(record.language),
            "count": count,
            "chars": min(len(record.positive.text), MOST_CHARS) // 100 * 100 or 100,
        }

    steps = [Step(WRITE, WRITE, wrong_texts(count), write_inputs, when=when, required=False)]
    if recipe.writing.check:
        steps += [_check(name, read, order) for order, name in enumerate(ORDERS)]
    return tuple(steps)


def writing_prompts(writing: WritingSettings) -> dict[str, str]:
    """Step -> sha256 of its prompt."""
    if not writing.negatives:
        return {}
    checks = dict.fromkeys(ORDERS, load_prompt(CHECK).sha256) if writing.check else {}
    return {WRITE: load_prompt(WRITE).sha256, **checks}


def _check(name: str, read: Read, order: int) -> Step:
    def when(_: TaskInput, outputs: Outputs) -> bool:
        return isinstance(outputs.get(WRITE), BaseModel)

    def inputs(task_input: TaskInput, outputs: Outputs) -> Mapping[str, Any]:
        record = read(task_input, outputs)
        assert record is not None
        texts = ["\n\n".join(record.positives), *(wrong.text for wrong in outputs[WRITE].negatives)]
        return {"texts": in_order(texts, order), "query": record.query, "instruction": record.instruction}

    return Step(name, CHECK, Answering, inputs, in_language=False, when=when, required=False)


def read_written(outputs: Outputs, model: str, positives: Sequence[str], *, check: bool) -> list[Written]:
    """What was written for a record, each kept or with the reason why not."""
    said = outputs.get(WRITE)
    if said is None:
        return []
    if isinstance(said, Failure):
        return [Written(text="", model=model, reason=said.reason)]
    verdicts = _verdicts(outputs, len(said.negatives)) if check else [""] * len(said.negatives)
    written: list[Written] = []
    for wrong, verdict in zip(said.negatives, verdicts, strict=True):
        text, earlier = wrong.text.strip(), [each.text for each in written if not each.reason]
        reason = verdict or ("copied" if any(_alike(text, other) for other in (*positives, *earlier)) else "")
        written.append(Written(text=text, lacks=wrong.lacks, model=model, reason=reason))
    return written


def written_with(record: Pair, model: str) -> list[Written]:
    """The negatives of a text pair, each kept or with the reason why not; `model` is empty where a rule made them."""
    written: list[Written] = []
    for text in (each.strip() for each in record.written):
        known = [record.positive.text, *(each.text for each in written if not each.reason)]
        same = any(normalise(text) == normalise(other) for other in known)
        written.append(Written(text=text, model=model, reason="empty" if not text else "copied" if same else ""))
    return written


def negatives_of(
    written: Sequence[Mapping[str, Any]], positive: Mapping[str, Any], prompt: str = WRITE
) -> list[Negative]:
    """The written texts of a record that are kept, as its negatives; no teacher scored them."""
    return [
        Negative(
            passage_id=f"{positive['passage_id']}~{'llm' if each['model'] else 'rule'}-{hash64(each['text']):016x}",
            document_id=positive["document_id"],
            text=each["text"],
            method="llm" if each["model"] else "rule",
            made_from=positive["passage_id"],
            generator_model=each["model"],
            prompt=prompt if each["model"] else "",
        )
        for each in written
        if not each["reason"]
    ]


def _verdicts(outputs: Outputs, count: int) -> list[str]:
    """Of each negative: '' where both orders say that the positive answers and it does not."""
    first, second = (outputs.get(name) for name in ORDERS)
    if not isinstance(first, Answering) or not isinstance(second, Answering):
        failed = next((said for said in (first, second) if isinstance(said, Failure)), None)
        return [f"unchecked_{failed.reason}" if failed else "unchecked"] * count
    positive, *others = found_in(first.answering, second.answering, count + 1)
    return list(others) if positive == "answers" else ["positive_doubted"] * count


def _alike(text: str, other: str) -> bool:
    return normalise(text) == normalise(other) or jaccard(shingles(words(text), 3), shingles(words(other), 3)) >= COPIED
