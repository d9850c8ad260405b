from __future__ import annotations

from collections.abc import Callable

from synth.tasks import Query, TaskInput, extractive_rule, steps_of
from synth.tasks.instructed_query import INSTRUCTION, InstructedQuery, Instruction

Make = Callable[..., TaskInput]

OUTPUTS = {
    INSTRUCTION: Instruction(instruction="Given a name, retrieve its loans "),
    InstructedQuery.name: Query(query="Harbour Lines"),
}


def test_the_instruction_is_written_first_and_for_a_person(make_input: Make) -> None:
    first, own = steps_of(InstructedQuery)
    assert (first.name, own.name) == ("instruction", "instructed-query")
    assert first.inputs(make_input(), {})["persona"] == make_input().persona.text


def test_the_query_is_written_for_the_instruction_and_without_a_person(make_input: Make) -> None:
    inputs = InstructedQuery.prompt_inputs(make_input(), OUTPUTS)
    assert inputs["instruction"] == "Given a name, retrieve its loans"
    assert "persona" not in inputs


def test_the_instruction_becomes_the_record_s(make_input: Make) -> None:
    draft = InstructedQuery.draft(make_input(), OUTPUTS, "llm")
    assert (draft.query, draft.instruction) == ("Harbour Lines", "Given a name, retrieve its loans")
    assert draft.attributes == {}


def test_there_is_no_honest_rule_without_an_llm() -> None:
    assert extractive_rule(InstructedQuery) is None
