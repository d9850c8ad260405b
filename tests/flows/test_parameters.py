from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_embedder import Embedder
from fake_llm import fake_llm
from people import describe
from prefect.utilities.callables import parameter_schema
from pydantic import ValidationError

from flows.deployments import FLOWS, Kind
from flows.generate import generate_flow
from flows.parameters import GenerateParameters, build_parameters, open_run, parameters_of
from synth.errors import DomainError, InputError, StoreError
from synth.run import Run


@pytest.fixture(scope="module")
def form() -> dict[str, Any]:
    """What Prefect knows of the parameters, as its UI gets it."""
    schema = parameter_schema(generate_flow.fn).model_dump(mode="json")
    assert schema["properties"]["parameters"]["$ref"] == "#/definitions/GenerateParameters"
    definition: dict[str, Any] = schema["definitions"]["GenerateParameters"]
    return definition


def fields_of(kind: Kind) -> dict[str, Any]:
    schema = parameter_schema(FLOWS[kind].fn).model_dump(mode="json")
    name = schema["properties"]["parameters"]["$ref"].rpartition("/")[2]
    fields: dict[str, Any] = schema["definitions"][name]["properties"]
    return fields


def test_only_the_domain_must_be_filled_in(form: dict[str, Any]) -> None:
    assert form["required"] == ["domain"]


def test_every_field_says_what_it_is_and_where_it_stands(form: dict[str, Any]) -> None:
    fields = form["properties"]
    assert all(field["description"] for field in fields.values())
    assert [field["position"] for field in fields.values()] == list(range(len(fields)))


def test_ranges_reach_the_form(form: dict[str, Any]) -> None:
    fields = form["properties"]
    assert {"minimum": 1, "type": "integer"} in fields["limit"]["anyOf"]
    assert {"minimum": 0, "type": "integer"} in fields["seed"]["anyOf"]
    assert (fields["shard_size"]["minimum"], fields["shard_size"]["maximum"]) == (1, 100_000)
    assert fields["documents"]["items"] == {"type": "string"}


@pytest.mark.parametrize("kind", FLOWS)
def test_every_field_of_every_form_has_a_description_and_a_place_of_its_own(kind: Kind) -> None:
    fields = fields_of(kind)
    assert all(field["description"] for field in fields.values())
    places = [field["position"] for field in fields.values()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("kind", FLOWS)
def test_no_field_is_a_secret_but_names_the_block_that_holds_it(kind: Kind) -> None:
    secretive = {name for name in fields_of(kind) if {"token", "secret", "password", "key"} & set(name.split("_"))}
    assert all(name.endswith("_block") for name in secretive)


def test_choices_reach_the_form() -> None:
    assert "multi_signal" in fields_of("refine")["strategy"]["anyOf"][0]["enum"]
    assert "flagembedding" in fields_of("publish")["formats"]["items"]["enum"]


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"seed": -1}, {"shard_size": 0}, {"name": "No/Name"}, {"domain": ""}, {"surprise": 1}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GenerateParameters.model_validate({"domain": "finance"} | wrong)


def test_a_run_is_kept_from_evaluation_sets_and_asks_within_the_bounds_of_the_form(tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text('{"query": "who pays?"}\n')
    with fake_llm() as server:
        asked = build_parameters(
            domain="finance",
            decontaminate=[str(exam)],
            llm=[server.url],
            max_tokens_total=5_000,
            request_timeout=30,
            metrics_port=9_100,
            store=str(tmp_path / "s"),
        ).anchored()
        run = open_run(asked)
    assert run.recipe.set_gates[0].name == "contamination"
    assert run.info.decontaminate == parameters_of(run).decontaminate == [str(exam)]
    assert run.info.llm is not None
    assert (run.info.llm.budget.tokens, run.info.llm.request_timeout, run.info.llm.metrics_port) == (5_000, 30, 9_100)


def test_evaluation_sets_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sets = build_parameters(domain="finance", decontaminate=["exam", "hf://acme/exam:test"]).anchored().decontaminate
    assert sets == [str(tmp_path / "exam"), "hf://acme/exam:test"]


def test_a_wrong_flag_is_named() -> None:
    with pytest.raises(InputError, match=r"^--shard-size: .*got 0$"):
        build_parameters(domain="finance", shard_size=0)


def test_a_new_run_holds_what_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("A note.")
    asked = build_parameters(
        domain="finance",
        documents=[str(tmp_path)],
        name="mine",
        limit=7,
        seed=3,
        text_field="body",
        store=str(tmp_path / "s"),
    )
    run = open_run(asked)
    assert (run.info.name, run.recipe.limit, run.recipe.seed, run.info.text_field) == ("mine", 7, 3, "body")
    assert run.info.documents == [str(tmp_path)]


def test_the_parameters_of_a_run_continue_it(new_run: Callable[[], Run]) -> None:
    run = new_run()
    sent = parameters_of(run).model_dump(mode="json")
    assert open_run(GenerateParameters.model_validate(sent)) == run


def test_a_flow_takes_a_server_as_the_teacher_and_a_worker_finds_it_again(tmp_path: Path) -> None:
    with fake_llm(embedder=Embedder()) as fake:
        (tmp_path / "notes.txt").write_text("A note.")
        asked = build_parameters(
            domain="finance",
            documents=[str(tmp_path / "notes.txt")],
            teacher=f"{fake.url},dimensions=16,batch=4",
            store=str(tmp_path / "s"),
        )
        run = open_run(asked)
        assert run.recipe.teacher == "served:fake,dimensions=16"
        assert (run.info.teacher.url, run.info.teacher.batch) == (fake.url, 4)
        assert parameters_of(run).teacher == f"{fake.url},model=fake,dimensions=16,batch=4"


def test_an_unknown_run_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run 'gone'"):
        open_run(build_parameters(domain="finance", run_id="gone", store=str(tmp_path)))


def test_an_unknown_domain_is_an_input_error_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="did you mean 'finance'"):
        open_run(build_parameters(domain="financ", store=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_deployment_gets_absolute_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    anchored = build_parameters(domain="my.yaml", documents=["notes"], personas="people.jsonl", store="here").anchored()
    assert (anchored.domain, anchored.personas) == (f"{tmp_path}/my.yaml", f"{tmp_path}/people.jsonl")
    assert (anchored.documents, anchored.store, anchored.config) == ([f"{tmp_path}/notes"], f"{tmp_path}/here", None)


def test_the_name_of_a_domain_stays_a_name() -> None:
    assert build_parameters(domain="finance").anchored().domain == "finance"


def test_a_flow_derives_personas_from_its_documents(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(
        "The covenant was reset in June, and the lenders agreed to it without a fee. " * 4
    )
    with fake_llm(describe) as fake:
        chosen = build_parameters(
            domain="finance",
            documents=[str(tmp_path / "notes.txt")],
            personas="documents",
            llm=[fake.url],
            store=str(tmp_path / "store"),
        )
        assert chosen.anchored().personas == "documents"
        run = open_run(chosen)
    assert [persona.origin for persona in run.personas] == ["documents"]
