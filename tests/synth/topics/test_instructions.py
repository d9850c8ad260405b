"""Task instructions invented for topics: one a topic, duplicates dropped, every request accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fake_llm import FakeLlm, Fill, Say
from inventing import answer

from synth.errors import InputError
from synth.instructions import load_instructions
from synth.llm.settings import LlmSettings
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store
from synth.topics.documents import FROM_TOPICS, subject_of, with_invented
from synth.topics.instructions import derive_instructions, save_instructions, with_instructions
from synth.topics.requests import InstructionFromTopic

Reached = Callable[..., tuple[Choices, LlmSettings]]
Serve = Callable[..., FakeLlm]


@pytest.fixture
def derived(reached: Reached, store: Store) -> Callable[..., Any]:
    def derive(fake: FakeLlm, count: int) -> Any:
        choices, settings = reached(fake)
        subject = subject_of(choices, InstructionFromTopic.prompt, "instructions are invented by an LLM")
        return derive_instructions(subject, count, store, settings, Silent())

    return derive


def test_each_topic_gets_one_before_any_gets_two(serve: Serve, derived: Any) -> None:
    found = derived(serve(), 12)
    assert found.count.model_dump() == {"asked": 12, "kept": 12, "duplicate": {}, "failed": {}}
    assert len({each.topic for each in found.instructions}) == 12
    assert {each.task for each in found.instructions} <= {
        "instructed-query",
        "classification",
        "short-short",
        "long-long",
    }
    assert {each.model for each in found.instructions} == {"fake"}


def test_in_as_many_rounds_as_there_are_tasks_every_topic_gets_each(serve: Serve, derived: Any) -> None:
    found = derived(serve(), 48)
    assert found.count.kept == 48
    assert len({(each.task, each.topic) for each in found.instructions}) == 48


def test_the_same_words_for_one_task_count_once(serve: Serve, derived: Any) -> None:
    same = Say(json.dumps({"instruction": "Given a permit, retrieve the rule behind it"}))
    found = derived(serve(lambda _prompt, _asked: same), 12)
    assert len({each.task for each in found.instructions}) == len(found.instructions) == found.count.kept
    assert found.count.duplicate == {"words": 12 - found.count.kept}


def test_a_list_is_saved_read_again_and_asked_for_once(serve: Serve, derived: Any, tmp_path: Path) -> None:
    fake = serve()
    found = derived(fake, 12)
    save_instructions(tmp_path / "i.jsonl", found)
    assert list(load_instructions(tmp_path / "i.jsonl").listed) == found.instructions
    assert derived(fake, 12) == found
    assert len(fake.bodies) == 12


def test_nothing_is_written_where_nothing_was_kept(serve: Serve, derived: Any, tmp_path: Path) -> None:
    found = derived(serve(lambda _prompt, _asked: Say("{}")), 4)
    with pytest.raises(InputError, match=r"no instruction was kept \(asked 4 = kept 0 \+ failed invalid_answer 4\)"):
        save_instructions(tmp_path / "i.jsonl", found)
    assert not (tmp_path / "i.jsonl").exists()


def test_items_about_a_topic_take_its_instruction_and_none_is_invented_for_them(
    serve: Serve, reached: Reached, store: Store, tmp_path: Path
) -> None:
    def script(prompt: str, asked: int) -> Say | Fill:
        return answer(prompt, asked)

    fake = serve(script)
    config = tmp_path / "c.yaml"
    config.write_text("plan: {tasks: {classification: 1, instructed-query: 1}}\ngates: []\nset_gates: []\n")
    fields = {"documents": (FROM_TOPICS,), "instructions": FROM_TOPICS, "config": config, "limit": 24}
    choices, settings = reached(fake, **fields)
    known = with_invented(choices, store, settings, Silent())
    known = with_instructions(known, store, settings, Silent())
    assert known.instructions is not None
    listed = load_instructions(known.instructions).listed
    version = execute(create_run(resolve(known), store, llm=settings))
    topics = {row["id"]: row["topic"] for row in pq.read_table(version.file("passages.parquet")).to_pylist()}
    pinned: dict[tuple[str, str], set[str]] = {}
    for each in listed:
        pinned.setdefault((each.task, each.topic), set()).add(each.text)
    records = pq.read_table(version.path / "records").to_pylist()
    took = [
        record["instruction"] in pinned[record["provenance"]["task"], topics[record["positive"]["passage_id"]]]
        for record in records
        if (record["provenance"]["task"], topics[record["positive"]["passage_id"]]) in pinned
    ]
    assert {each.task for each in listed} == {"classification", "instructed-query"}
    assert len(took) == 24
    assert all(took)
    assert not [prompt for prompt in fake.prompts if "You invent classification tasks" in prompt]


def test_nothing_is_asked_where_no_task_of_the_plan_would_take_what_comes(
    serve: Serve, reached: Reached, store: Store
) -> None:
    fake = serve()
    choices, settings = reached(fake, instructions=FROM_TOPICS)
    with pytest.raises(InputError, match="the plan has no task that takes one of these"):
        with_instructions(choices, store, settings, Silent())
    assert not fake.bodies
