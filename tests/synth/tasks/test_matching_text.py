from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from synth.tasks import TaskInput, steps_of
from synth.tasks.matching_text import LONG, SHORT, LongLong, LongTexts, Relation, ShortShort, ShortTexts
from synth.text_pairs import sentences_of

Make = Callable[..., TaskInput]

CASES = [
    (ShortShort, SHORT, ShortTexts(positive="Debt is down", negative="Debt is up")),
    (LongLong, LONG, LongTexts(positive="Debt of a rival is down. " * 2, negative="Debt of a rival is up. " * 2)),
]


@pytest.mark.parametrize(("task", "first", "answer"), CASES, ids=lambda each: getattr(each, "name", ""))
def test_the_relation_is_invented_first_and_becomes_the_instruction(
    make_input: Make, task: Any, first: str, answer: Any
) -> None:
    given = make_input()
    said = {first: Relation(instruction=" Given a claim,  retrieve its counter-claim"), task.name: answer}
    assert [step.name for step in steps_of(task)] == [first, task.name]
    assert {step.inputs(given, said)["text"] for step in steps_of(task)} == {task.query(given)}
    assert steps_of(task)[1].inputs(given, said)["instruction"] == "Given a claim, retrieve its counter-claim"
    draft = task.draft(given, said, "llm")
    assert draft.instruction == "Given a claim, retrieve its counter-claim"
    assert (draft.positive, draft.negatives) == (answer.positive.strip(), (answer.negative.strip(),))


def test_a_short_text_is_one_sentence_and_a_long_one_the_whole_passage(make_input: Make) -> None:
    given = make_input()
    assert ShortShort.query(given) in sentences_of(given)
    assert LongLong.query(given) == given.passage.text


@pytest.mark.parametrize("task", [ShortShort, LongLong])
def test_what_is_written_is_to_be_as_long_as_the_text(make_input: Make, task: Any) -> None:
    given = make_input()
    said = {task.earlier[0].name: Relation(instruction="find it")}
    asked = task.prompt_inputs(given, said)["chars"]
    assert asked % 50 == 0 and 0 <= len(task.query(given)) - asked < 50


def test_a_text_of_a_few_words_is_asked_for_in_a_few(make_input: Make) -> None:
    said = {SHORT: Relation(instruction="find it")}
    assert ShortShort.prompt_inputs(make_input("It is what it is now."), said)["chars"] == 50
