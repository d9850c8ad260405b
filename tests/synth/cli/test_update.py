"""`--update`, as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_llm import fake_llm

from synth.errors import InputError
from synth.store import Store

Cli = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def options(store: Store, documents: Path) -> tuple[object, ...]:
    return ("--domain", "finance", "--documents", documents, "--name", "filings", "--store", store.root)


@pytest.fixture
def edited(write_rows: Any, make_texts: Any) -> Callable[[Path], None]:
    """One document more, one edited, one less."""

    def edit(documents: Path) -> None:
        texts = make_texts() | make_texts(1, seed=4) | {"new": make_texts(1, seed=5)["doc000"]}
        del texts["doc007"]
        write_rows(documents, texts)

    return edit


def test_an_update_says_what_was_carried_over_and_what_was_retired(
    cli: Cli, options: tuple[object, ...], documents: Path, edited: Any
) -> None:
    first = cli("generate", *options, "--json").json
    edited(documents)
    done = cli("generate", *options, "--update")
    assert done.code == 0
    assert "carry records over" in done.err
    assert "filings@2: 8 planned items" in done.out
    assert f"of the {first['records']} of filings@1 carried over and" in done.out.replace("\n", " ")
    assert "document_changed" in done.out
    assert "1 new, 1 changed, 1 deleted" in done.out.replace("\n", " ")
    told = cli("datasets", "show", "filings", *options[-2:], "--json").json
    assert told["parent"] == "filings@1"
    assert sum(told["splits"].values()) == told["update"]["carried"] + told["funnel"]["accepted"]
    assert "is sound" in cli("datasets", "verify", "filings", *options[-2:]).out
    rows = cli("sql", 'SELECT reason, count(*) AS n FROM "filings_retired" GROUP BY ALL ORDER BY 1', *options[-2:]).out
    assert "document_changed" in rows
    assert "document_deleted" in rows


def test_the_json_of_an_update_has_its_counts(
    cli: Cli, options: tuple[object, ...], documents: Path, edited: Any
) -> None:
    first = cli("generate", *options, "--json").json
    assert (first["parent"], first["update"], first["records"]) == ("", None, first["accepted"])
    edited(documents)
    second = cli("generate", *options, "--update", "--json").json
    update = second["update"]
    assert second["records"] == update["carried"] + second["accepted"]
    assert update["records"] == first["records"] == update["carried"] + sum(update["retired"].values())


def test_nothing_changed_says_so_and_ends_well(cli: Cli, options: tuple[object, ...]) -> None:
    first = cli("generate", *options, "--json").json
    again = cli("generate", *options, "--update", "--json")
    assert (again.code, again.json["dataset"], again.json["content_sha256"]) == (
        0,
        "filings@1",
        first["content_sha256"],
    )
    assert "nothing changed: the documents are those of filings@1, and so are the settings" in again.err


def test_a_plan_of_an_update_prices_only_what_is_new(
    cli: Cli, options: tuple[object, ...], documents: Path, edited: Any
) -> None:
    with fake_llm() as server:
        asked = (*options, "--llm", server.url)
        cli("generate", *asked, "--json")
        edited(documents)
        plan = cli("plan", *asked, "--update", "--json").json
        assert plan["items_in_one_pass"] == plan["llm"]["requests"] == 8
        assert {item["passage"] for item in plan["items"]} == {"doc000#0", "new#0"}
        assert plan["update"]["documents"] == {"unchanged": 10, "renamed": 0, "new": 1, "changed": 1, "deleted": 1}
        shown = cli("plan", *asked, "--update").out
        assert "records of filings@1 carried over, retired: document_changed" in shown.replace("\n", " ")
        server.bodies.clear()
        made = cli("generate", *asked, "--update", "--json").json
        assert made["planned"] == 8
        assert server.bodies == []  # the forecast asked all of them, and kept the answers


def test_a_plan_of_an_update_with_nothing_new_has_no_items(cli: Cli, options: tuple[object, ...]) -> None:
    cli("generate", *options, "--json")
    plan = cli("plan", *options, "--update", "--json").json
    assert (plan["items_in_one_pass"], plan["items"], plan["llm"]) == (0, [], None)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--update",), "there is no version of 'filings' in"),
        (("--no-freeze-test",), "--[no-]freeze-test says how a dataset is updated: add --update"),
        (("--mixed-recipes",), "--mixed-recipes says how a dataset is updated: add --update"),
    ],
)
@pytest.mark.parametrize("verb", ["generate", "plan"])
def test_wrong_use_is_one_sentence_and_leaves_nothing(
    cli: Cli, options: tuple[object, ...], store: Store, verb: str, flags: tuple[str, ...], sentence: str
) -> None:
    done = cli(verb, *options, *flags)
    assert done.code == 2
    assert sentence in done.error
    assert not store.root.exists()


def test_an_update_whose_teacher_can_not_be_used_leaves_no_run(
    cli: Cli, options: tuple[object, ...], store: Store, documents: Path, edited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("generate", *options, "--json")
    runs = {path.name for path in store.runs.iterdir()}
    edited(documents)

    def refuse(*_args: Any) -> Any:
        raise InputError("no such teacher")

    monkeypatch.setattr("synth.run.build_scoring", refuse)
    done = cli("generate", *options, "--update")
    assert (done.code, done.error) == (2, "Error: no such teacher")
    assert {path.name for path in store.runs.iterdir()} == runs
