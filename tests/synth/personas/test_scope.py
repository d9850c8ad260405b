from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import FakeLlm, fake_llm

from schemas.persona import Persona
from schemas.recipe import PersonaSettings
from synth.llm.archive import generation_hash
from synth.llm.settings import reach
from synth.personas.scope import NOBODY, in_prompt, instruct
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store

INSTRUCTION = "Given a finance question, retrieve the passage that answers it"
PEOPLE = [
    Persona(id="saver", text="A saver in Kent who reads every line of a notice.", asks=["fees", "bonus rates"]),
    Persona(id="trader", text="A trader who has ten seconds for a page.", expertise="expert"),
]


@pytest.fixture
def make_run(tmp_path: Path, make_texts: Callable[..., dict[str, str]]) -> Iterator[Callable[..., Any]]:
    """A run with a persona scope; returns the records, the rejects and what the server was asked."""
    (tmp_path / "people.jsonl").write_text("".join(person.model_dump_json() + "\n" for person in PEOPLE))
    rows = [orjson.dumps({"id": key, "text": text}) for key, text in make_texts(10).items()]
    (tmp_path / "documents.jsonl").write_bytes(b"\n".join(rows))
    with fake_llm() as fake:

        def make(persona: dict[str, Any], *, llm: bool = True) -> tuple[list[dict[str, Any]], FakeLlm]:
            (tmp_path / "config.yaml").write_bytes(orjson.dumps({"set_gates": [], "persona": persona}))
            settings = reach([fake.url]) if llm else None
            choices = Choices(
                "finance",
                documents=(tmp_path / "documents.jsonl",),
                config=tmp_path / "config.yaml",
                personas=tmp_path / "people.jsonl",
                models=tuple(settings.models) if settings else (),
            )
            version = execute(create_run(resolve(choices), Store(tmp_path / "store"), llm=settings))
            return pq.read_table(version.path / "records").to_pylist(), fake

        yield make


def wanted_instruction(record: dict[str, Any]) -> str:
    return {
        "saver": f"{INSTRUCTION}. Asked by a practitioner who looks for: fees; bonus rates",
        "trader": f"{INSTRUCTION}. Asked by {PEOPLE[1].text}",
    }[record["provenance"]["persona_id"]]


@pytest.mark.parametrize("scope", ["query", "instruction", "both", "none"])
def test_a_persona_shows_where_the_recipe_says_and_nowhere_else(make_run: Callable[..., Any], scope: str) -> None:
    records, fake = make_run({"scope": scope})
    users = [body["messages"][-1]["content"] for body in fake.bodies]
    systems = [body["messages"][0]["content"] for body in fake.bodies]
    assert records
    assert all(("Person: " in text) == (scope in ("query", "both")) for text in users)
    assert all(("a person" in text) == (scope in ("query", "both")) for text in systems)
    assert any("Asked by" in text for text in systems) == (scope in ("instruction", "both"))
    instructions = {record["instruction"] for record in records}
    if scope in ("instruction", "both"):
        assert all(record["instruction"] == wanted_instruction(record) for record in records)
        assert len(instructions) == 2
        assert instructions <= {text.rpartition("What a query is for: ")[2] for text in systems}
    else:
        assert instructions == {INSTRUCTION}
    people = {record["provenance"]["persona_id"] for record in records}
    assert people == ({""} if scope == "none" else {"saver", "trader"})


def test_a_query_that_was_cut_out_of_its_document_is_not_said_to_be_asked_by_anybody(
    make_run: Callable[..., Any],
) -> None:
    records, _ = make_run({"scope": "both"}, llm=False)
    assert {record["instruction"] for record in records} == {INSTRUCTION}


@pytest.mark.parametrize(
    ("instruction", "persona", "expected"),
    [
        ("Find it.", PEOPLE[0], "Find it. Asked by a practitioner who looks for: fees; bonus rates"),
        ("", PEOPLE[0], "Asked by a practitioner who looks for: fees; bonus rates"),
        ("Find it", PEOPLE[1], f"Find it. Asked by {PEOPLE[1].text}"),
        ("Find it", NOBODY, "Find it"),
    ],
)
def test_an_instruction_is_phrased_for_a_persona(instruction: str, persona: Persona, expected: str) -> None:
    assert instruct(instruction, persona, PersonaSettings(scope="instruction")) == expected
    assert instruct(instruction, persona, PersonaSettings()) == instruction


def test_the_prompt_shows_the_persona_or_nobody() -> None:
    assert in_prompt(PEOPLE[0], PersonaSettings(scope="both")) is PEOPLE[0]
    assert in_prompt(PEOPLE[0], PersonaSettings(scope="instruction")) is NOBODY


def test_the_default_leaves_the_generation_hash_as_it_was(recipe: Any) -> None:
    """Answers that were paid for before there was a choice are found again."""
    before = generation_hash(recipe)
    assert generation_hash(recipe.model_copy(update={"teacher": "other"})) == before
    changed = {
        generation_hash(recipe.model_copy(update={"persona": PersonaSettings(**change), "teacher": teacher}))
        for change in ({"scope": "none"}, {"match": "top-k"}, {"match": "top-k", "k": 3})
        for teacher in ("lexical", "other")
    }
    assert before not in changed
    assert len(changed) == 5
