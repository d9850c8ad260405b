from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.persona import Persona
from synth.tasks import Query, TaskInput, steps_of
from synth.tasks.query_from_configuration import CONFIGURATION, Configuration, QueryFromConfiguration

Make = Callable[..., TaskInput]

PEOPLE = tuple(Persona(id=name, text=f"Somebody called {name} who reads reports.") for name in ("ana", "ben", "cleo"))


def outputs(character: int) -> dict[str, object]:
    chosen = Configuration(character=character, question_type="yes_or_no", difficulty="hard")
    return {CONFIGURATION: chosen, QueryFromConfiguration.name: Query(query=" was the  facility extended ")}


def test_the_configuration_is_asked_before_the_query() -> None:
    assert [step.name for step in steps_of(QueryFromConfiguration)] == [CONFIGURATION, "query-from-configuration"]


def test_the_candidates_are_shown_in_order(make_input: Make) -> None:
    (first, _) = steps_of(QueryFromConfiguration)
    inputs = first.inputs(make_input(candidates=PEOPLE), {})
    assert inputs["candidates"] == [person.text for person in PEOPLE]


def test_the_query_is_written_for_whom_and_what_the_llm_chose(make_input: Make) -> None:
    inputs = QueryFromConfiguration.prompt_inputs(make_input(candidates=PEOPLE), outputs(2))
    assert (inputs["persona"], inputs["query_type"], inputs["difficulty"]) == (PEOPLE[1].text, "yes_or_no", "hard")
    assert inputs["length"] == "short", "length stays what the plan drew"


def test_the_record_says_what_was_chosen(make_input: Make) -> None:
    draft = QueryFromConfiguration.draft(make_input(candidates=PEOPLE), outputs(3), "llm")
    assert draft.query == "was the facility extended"
    assert draft.chosen == {"persona": "cleo", "query_type": "yes_or_no", "difficulty": "hard"}


def test_a_number_beyond_the_candidates_means_the_last(make_input: Make) -> None:
    assert QueryFromConfiguration.draft(make_input(candidates=PEOPLE), outputs(5), "llm").chosen["persona"] == "cleo"


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError):
        Configuration.model_validate({"character": 1, "question_type": "riddle", "difficulty": "easy"})
