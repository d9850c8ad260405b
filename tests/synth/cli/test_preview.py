from __future__ import annotations

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
