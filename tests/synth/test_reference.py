from __future__ import annotations

from pathlib import Path

import pytest
from corpora import make_recipe

from synth import registry
from synth.domains import load_domain
from synth.gates import build_record_gates
from synth.generators import Answer, Call, Outcome
from synth.reference import describe, example_input, example_of, summary_of, tasks_page
from synth.rows import judge_outcome

ROOT = Path(__file__).parents[2]


def test_the_page_in_docs_is_what_the_code_says() -> None:
    """After a change of a task: `make docs`."""
    assert (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8") == tasks_page()


@pytest.mark.parametrize("task", registry.names("tasks"))
def test_every_task_says_what_it_is_and_where_its_method_comes_from(task: str) -> None:
    found = registry.find("tasks", task)
    assert summary_of(found).endswith(".")
    assert len(found.paper) > 10
    assert example_of(found).query


def test_a_schema_is_told_in_words() -> None:
    choice = {"enum": ["a", "b"]}
    turn = {"type": "object", "properties": {"user": {"type": "string", "minLength": 1, "maxLength": 9}}}
    many = {"type": "array", "minItems": 1, "maxItems": 3, "items": {"$ref": "#/$defs/Turn"}}
    assert describe(choice, {}) == "one of `a`, `b`"
    assert describe(many, {"Turn": turn}) == "list of 1 to 3: (`user`, text of 1 to 9 characters)"
    assert describe({"type": "integer", "minimum": 1, "maximum": 5}, {}) == "whole number, 1 to 5"


@pytest.mark.parametrize("task", registry.names("tasks"))
def test_the_example_of_a_task_is_a_record_that_all_gates_keep(task: str) -> None:
    found = registry.find("tasks", task)
    domain = load_domain("finance").domain
    recipe = make_recipe(gates=domain.gates, instruction=domain.instruction)
    answer = Answer(found.example, "llm", "some-model")
    row = judge_outcome(Outcome(Call(found, example_input(found)), answer), recipe, build_record_gates(domain.gates))
    assert (row.status, row.reason, row.detail) == ("accepted", "", "")
