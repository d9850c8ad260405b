from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLlm, Fill, fake_llm

Cli = Callable[..., Any]


@pytest.fixture
def fakes() -> Iterator[tuple[FakeLlm, FakeLlm]]:
    with fake_llm(model="one") as one, fake_llm(model="two") as two:
        yield one, two


def preview(cli: Cli, documents: Path, *more: object) -> Any:
    return cli("preview", "--domain", "finance", "--documents", documents, *more)


def test_the_prompt_is_shown_as_it_is_sent_and_the_schema_and_results_below(cli: Cli, documents: Path) -> None:
    shown = preview(cli, documents, "--items", 2).out
    assert "── system\nYou write realistic search queries for the finance domain." in shown
    assert "<passage" in shown and "Kind of query: " in shown
    assert '"required": ["query"]' in shown
    assert "extractive" in shown
    assert shown.count("accepted") + shown.count("rejected") == 2


def test_each_model_answers_the_same_items(cli: Cli, documents: Path, fakes: tuple[FakeLlm, FakeLlm]) -> None:
    looks = preview(cli, documents, "--llm", fakes[0].url, "--llm", fakes[1].url, "--json").json
    assert len(looks) == 3
    assert len({look["passage"] for look in looks}) == 3
    for look in looks:
        assert sorted(look["results"]) == ["one", "two"]
        assert {result["status"] for result in look["results"].values()} == {"accepted"}
        assert [message["role"] for message in look["messages"]] == ["system", "user"]
    assert len(fakes[0].bodies) == len(fakes[1].bodies) == 3


def test_every_step_is_shown_with_what_it_asks_after_the_answers_before(cli: Cli, documents: Path) -> None:
    with fake_llm(lambda _prompt, _asked: Fill()) as fake:
        task = ("--task", "query-from-configuration", "--items", 1, "--llm", fake.url)
        shown = preview(cli, documents, *task).out
        (look,) = preview(cli, documents, *task, "--json").json
    assert look["schema"]["properties"].keys() == {"character", "question_type", "difficulty"}
    assert [later["step"] for later in look["later"]] == ["query-from-configuration"]
    assert look["later"][0]["schema"]["required"] == ["query"]
    assert look["later"][0]["messages"][1]["content"] == fake.bodies[1]["messages"][1]["content"]
    assert shown.index('"question_type"') < shown.index("then, step query-from-configuration") < shown.index("Kind: ")


def test_of_a_text_pair_all_that_was_written_is_shown(cli: Cli, documents: Path) -> None:
    labels = {"positive": "inventory", "negatives": ["revenue", "leases"]}
    with fake_llm(lambda _prompt, _asked: Fill(labels)) as fake:
        task = ("--task", "classification", "--items", 1, "--llm", fake.url)
        shown = preview(cli, documents, *task).out
        (look,) = preview(cli, documents, *task, "--json").json
    assert shown.index("positive inventory") < shown.index("negative revenue") < shown.index("negative leases")
    result = look["results"]["fake"]
    assert (result["positive"], result["negatives"]) == ("inventory", ["revenue", "leases"])
    assert result["instruction"].startswith("why do")


def test_an_instruction_that_is_pinned_is_shown_in_place_of_the_step_that_would_invent_it(
    cli: Cli, documents: Path, tmp_path: Path
) -> None:
    said = "Given a sentence of a report, name the kind of obligation"
    (tmp_path / "list.jsonl").write_text(json.dumps({"id": "duty", "task": "classification", "text": said}))
    with fake_llm(lambda _prompt, _asked: Fill()) as fake:
        task = ("--task", "classification", "--items", 1, "--llm", fake.url, "--instructions", "list.jsonl")
        (look,) = preview(cli, documents, *task, "--json").json
    assert look["schema"]["required"] == ["positive", "negatives"]
    assert said in look["messages"][1]["content"]
    assert look["later"] == []
    assert len(fake.bodies) == 1


def test_what_was_answered_is_not_asked_again(cli: Cli, documents: Path, fakes: tuple[FakeLlm, FakeLlm]) -> None:
    first = preview(cli, documents, "--llm", fakes[0].url, "--json").json
    asked = len(fakes[0].bodies)
    assert preview(cli, documents, "--llm", fakes[0].url, "--json").json == first
    assert len(fakes[0].bodies) == asked


def test_a_run_that_follows_uses_what_was_answered(cli: Cli, documents: Path, fakes: tuple[FakeLlm, FakeLlm]) -> None:
    preview(cli, documents, "--llm", fakes[0].url, "--items", 5)
    done = cli("generate", "--domain", "finance", "--documents", documents, "--llm", fakes[0].url, "--json")
    assert done.json["planned"] == len(fakes[0].bodies)


def test_nothing_is_published(cli: Cli, documents: Path) -> None:
    preview(cli, documents)
    assert cli("datasets", "list", "--json").code == 0
    assert cli("datasets", "list", "--json").json == []


def test_an_unknown_task_is_named_with_the_nearest(cli: Cli, documents: Path) -> None:
    done = preview(cli, documents, "--task", "query-from-pasage")
    assert done.code == 2
    assert "there is no task called 'query-from-pasage'; did you mean 'query-from-passage'?" in done.err
