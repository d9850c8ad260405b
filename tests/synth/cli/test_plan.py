from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_the_plan_is_what_generate_will_do(cli: Cli, documents: Path, tmp_path: Path) -> None:
    options = ("--domain", "finance", "--documents", documents, "--seed", 3)
    plan = cli("plan", *options, "--show", 48, "--json").json
    made = cli("generate", *options, "--store", tmp_path / "store", "--json").json
    assert plan["items_in_one_pass"] == made["planned"] == 48
    run = tmp_path / "store" / "runs" / made["run_id"]
    assert plan["recipe"]["corpus_sha256"]
    assert f'"corpus_sha256": "{plan["recipe"]["corpus_sha256"]}"' in (run / "recipe.json").read_text()
    import pyarrow.parquet as pq

    rows = pq.read_table(next((run / "items").iterdir())).to_pylist()
    for item, row in zip(plan["items"], rows, strict=True):
        assert item["position"] == row["position"]
        assert [item[k] for k in ("split", "persona", "query_type")] == [
            row[k] for k in ("split", "persona", "query_type")
        ]


def test_nothing_is_kept(cli: Cli, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    done = cli("plan", "--domain", "finance", "--documents", documents)
    assert done.code == 0
    assert list(scratch.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"scratch", "documents.jsonl"}


def test_the_plan_is_shown_for_people(cli: Cli, documents: Path) -> None:
    done = cli("plan", "--domain", "finance", "--documents", documents, "--show", 3)
    assert "12 read, 12 kept (none dropped)" in done.out
    assert "plan     48 items in one pass; the first 3:" in done.out
    assert done.out.count(" asks about doc") == 3
    assert "one full pass" in done.out
    assert "read documents" not in done.out
    assert "read documents" in done.err


def test_a_limit_is_part_of_the_recipe(cli: Cli, documents: Path) -> None:
    options = ("plan", "--domain", "finance", "--documents", documents)
    assert "accepted records: 25" in cli(*options, "--limit", 25).out
    assert cli(*options, "--json").json["recipe"]["limit"] is None


def test_leaks_and_dropped_sources_are_counted(
    cli: Cli, make_texts: Any, write_rows: Any, ids_of: Any, tmp_path: Path
) -> None:
    first, second = make_texts(2).values()
    (held_out,), (copied, other, twin) = ids_of("test", 1), ids_of("train", 3)
    path = write_rows(tmp_path / "r.jsonl", {held_out: first, copied: first + " End.", other: second, twin: second})
    plan = cli("plan", "--domain", "finance", "--documents", path, "--json").json
    assert (plan["passages"], plan["test_passages"], plan["leaked_passages"]) == (3, 1, 1)
    assert plan["sources"] == {"read": 4, "kept": 3, "dropped": {"duplicate_document": 1}}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--domain", "finanse"), "did you mean 'finance'?"),
        (("--domain", "finance", "--documents", "missing.txt"), "missing.txt does not exist"),
        (("--domain", "finance", "--limit", 0), "at least 1, got 0"),
        (("--domain", "finance", "--config", "none.yaml"), "No such file"),
    ],
)
def test_wrong_input_is_one_sentence(cli: Cli, arguments: tuple[object, ...], sentence: str) -> None:
    done = cli("plan", *arguments)
    assert done.code == 2
    assert sentence in done.error
