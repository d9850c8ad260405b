from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.record import Attribute, Pair
from synth.tasks import TaskInput, steps_of
from synth.tasks.minimal_edit import INTENT, NEGATIONS, SAME, TURNED, Edits, Intent, MinimalEdit, families

Make = Callable[..., TaskInput]
MakeRecord = Callable[..., Pair]

REQUEST = "Please block my debit card for payments abroad."
OTHERWISE = "I do not want anybody to use that plastic in foreign shops."


def said(refuses: str = "no") -> Mapping[str, BaseModel]:
    intent = Intent(action="block", object="debit card", refuses=refuses, request=f" {REQUEST}\n")  # type: ignore[arg-type]
    return {INTENT: intent, "minimal-edit": Edits(positive=OTHERWISE, negative="Please block my  credit card.")}


def fault(make_record: MakeRecord, positive: str, negative: str, family: str) -> str:
    record = make_record("minimal-edit", REQUEST, positive, negative)
    attributes = [Attribute(name="negative_family", value=family)]
    return MinimalEdit.fault(record.model_copy(update={"attributes": attributes}))[0]


def test_the_intent_is_taken_apart_first_and_the_request_is_the_query(make_input: Make) -> None:
    given = make_input()
    assert [step.name for step in steps_of(MinimalEdit)] == [INTENT, "minimal-edit"]
    asked = steps_of(MinimalEdit)[1].inputs(given, said())
    assert (asked["action"], asked["object"]) == ("block", "debit card")
    draft = MinimalEdit.draft(given, said(), "llm")
    assert (draft.query, draft.positive, draft.negatives) == (REQUEST, OTHERWISE, ("Please block my credit card.",))
    assert (draft.method, draft.instruction) == ("llm:text", "Retrieve requests with the same intent")


def test_the_families_of_prompt_and_record_are_one_and_all_are_drawn(make_input: Make) -> None:
    drawn: set[tuple[Any, Any]] = set()
    for seed in range(300):
        given = make_input(seed=seed)
        asked, kept = MinimalEdit.prompt_inputs(given, said()), MinimalEdit.draft(given, said(), "llm").attributes
        assert (asked["same"], asked["turned"]) == (SAME[kept["positive_family"]], TURNED[kept["negative_family"]])
        drawn.add((kept["positive_family"], kept["negative_family"]))
    assert len(drawn) == len(SAME) * len(TURNED) == 24


def test_a_request_that_refuses_something_is_not_denied_once_more(make_input: Make) -> None:
    assert not {each for seed in range(100) for each in families(seed, is_refusal=True)} & NEGATIONS
    kept = [MinimalEdit.draft(make_input(seed=seed), said("yes"), "llm").attributes for seed in range(50)]
    assert {each["negative_family"] for each in kept} == {"other_object", "other_action", "something_else"}


def test_an_edit_of_a_word_beside_a_free_rewriting_is_kept(make_record: MakeRecord) -> None:
    assert fault(make_record, OTHERWISE, "Please block my credit card for payments abroad.", "other_object") == ""


def test_an_edit_that_says_everything_anew_is_none(make_record: MakeRecord) -> None:
    assert fault(make_record, OTHERWISE, "Could you raise the limit of the other one?", "other_action") == "not_minimal"


def test_a_positive_nearer_by_words_than_the_edit_makes_it_easy(make_record: MakeRecord) -> None:
    positive = "Please block my debit card for all payments abroad."
    assert fault(make_record, positive, "Please unblock my credit card for payments.", "denied") == "shortcut"


@pytest.mark.parametrize("family", ["no_longer_needed", "no_longer_needed_reason", "something_else"])
def test_other_families_may_use_other_words(make_record: MakeRecord, family: str) -> None:
    assert fault(make_record, OTHERWISE, "Never mind, the trip is off.", family) == ""
