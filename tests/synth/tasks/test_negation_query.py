from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from synth.tasks import TaskInput, extractive_rule
from synth.tasks.negation_query import Negation, NegationQuery

Make = Callable[..., TaskInput]

ANSWER = {"excluded": "bonds", "query": "What is owed to banks, not counting bonds?"}


def test_the_record_is_about_the_passage_and_keeps_what_else_was_answered(make_input: Make) -> None:
    given = make_input()
    draft = NegationQuery.draft(given, {NegationQuery.name: Negation.model_validate(ANSWER)}, "llm")
    assert (draft.query, draft.positive) == (ANSWER["query"], given.passage.text)
    assert draft.attributes == {"excluded": "bonds"}
    assert draft.instruction == ""


@pytest.mark.parametrize("field", sorted(ANSWER))
def test_an_answer_without_one_of_its_fields_is_refused(field: str) -> None:
    for wrong in ({k: v for k, v in ANSWER.items() if k != field}, ANSWER | {field: ""}):
        with pytest.raises(ValidationError, match=field):
            Negation.model_validate(wrong)


def test_there_is_no_honest_rule_without_an_llm() -> None:
    assert extractive_rule(NegationQuery) is None
