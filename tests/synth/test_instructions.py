"""Lists of task instructions: what a file may say, and which item takes which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.instruction import TaskInstruction
from schemas.recipe import ModelChoice
from synth.errors import DomainError, InputError
from synth.instructions import NONE_PINNED, Instructions, load_instructions, takes_instruction
from synth.plan import Item
from synth.recipe import Choices, resolve

ONE = {"id": "one", "task": "classification", "text": "Given a notice, name its subject", "topic": "a > b > c"}


def item(task: str, name: str = "i") -> Item:
    return Item(0, name, 0, 0, task, "", "", "", "", "en", 1)


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_an_item_takes_the_instruction_of_its_task_and_topic() -> None:
    listed = Instructions((TaskInstruction(**ONE),))
    assert listed.pinned(item("classification"), "a > b > c") == ONE["text"]
    assert listed.pinned(item("classification"), "a > b > d") == ""
    assert listed.pinned(item("long-long"), "a > b > c") == ""
    assert NONE_PINNED.pinned(item("classification"), "") == ""


def test_one_without_a_topic_suits_any_passage_that_has_none_of_its_own() -> None:
    plain = [TaskInstruction(id=f"p{n}", task="classification", text=f"Sort by rule number {n}") for n in range(4)]
    listed = Instructions((TaskInstruction(**ONE), *plain))
    assert listed.pinned(item("classification"), "a > b > c") == ONE["text"]
    drawn = {listed.pinned(item("classification", f"i{n}"), "elsewhere") for n in range(60)}
    assert drawn == {each.text for each in plain}


def test_a_file_is_read_in_its_order_and_its_hash_is_of_what_it_says(tmp_path: Path) -> None:
    first = load_instructions(write(tmp_path / "i.jsonl", ONE, "", ONE | {"id": "two", "topic": ""}))
    assert [each.id for each in first.listed] == ["one", "two"]
    renamed = load_instructions(write(tmp_path / "j.jsonl", ONE | {"id": "x"}, ONE | {"id": "y", "topic": ""}))
    assert first.sha256 == renamed.sha256
    assert NONE_PINNED.sha256 == ""


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ONE, ONE], "line 2, field id: 'one' stands twice"),
        ([ONE | {"text": "short"}], "line 1, field text: "),
        ([ONE | {"kind": "x"}], "line 1, field kind: "),
        (["{"], r"line 1, field \(whole line\)"),
        (
            [ONE | {"task": "query-from-passage"}],
            "field task: 'query-from-passage' takes no instruction; those that do: ",
        ),
        ([], "holds no task instructions"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_field(tmp_path: Path, rows: list[object], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        load_instructions(write(tmp_path / "i.jsonl", *rows))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=r"can't read task instructions from .*nowhere\.jsonl"):
        load_instructions(tmp_path / "nowhere.jsonl")


def test_a_list_without_an_llm_is_refused_since_no_task_would_take_from_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--instructions is for tasks that ask an LLM"):
        resolve(Choices("finance", instructions=write(tmp_path / "i.jsonl", ONE)))


def test_a_list_that_no_task_of_the_plan_takes_from_is_refused(tmp_path: Path) -> None:
    listed, config = write(tmp_path / "i.jsonl", ONE), tmp_path / "c.yaml"
    models = (ModelChoice(name="fake", weight=1),)
    with pytest.raises(InputError, match="the plan has no task that takes one of these, which are for classification"):
        resolve(Choices("finance", instructions=listed, models=models))
    config.write_text("plan: {tasks: {query-from-passage: 3, classification: 1}}")
    assert resolve(Choices("finance", instructions=listed, models=models, config=config)).instructions.listed


def test_tasks_that_take_an_instruction_say_so() -> None:
    assert takes_instruction("instructed-query") and takes_instruction("long-long")
    assert not takes_instruction("query-from-passage") and not takes_instruction("nothing")
