from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from synth.store import Store
from synth.verify import verify_version

Cli = Callable[..., Any]

PLANTED = "Northline Rail letter on how its covenant reset changed the leverage test of the whole group in May"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def documents(tmp_path: Path, make_texts: Callable[..., dict[str, str]], write_rows: Callable[..., Path]) -> Path:
    """Documents of which one has an evaluation query for its title, and another answers one."""
    texts = make_texts(12, seed=3)
    texts["doc003"] = f"# {PLANTED}\n\n{texts['doc003']}"
    return write_rows(tmp_path / "documents.jsonl", texts)


@pytest.fixture
def exam(tmp_path: Path, make_texts: Callable[..., dict[str, str]]) -> Path:
    folder = tmp_path / "exam"
    folder.mkdir()
    answer = make_texts(12, seed=3)["doc007"]
    rows = {
        "queries": [{"_id": "q1", "text": PLANTED.upper() + "?"}, {"_id": "q2", "text": "who repaid what"}],
        "corpus": [{"_id": "p1", "text": f"Page 9. {answer}"}, {"_id": "p2", "text": "Nothing to see."}],
        "qrels": [
            {"query_id": "q1", "doc_id": "p2", "score": 1},
            {"query_id": "q2", "doc_id": "p1", "score": 1},
        ],
    }
    for name, each in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in each))
    return folder


def test_what_the_evaluation_holds_is_not_published_and_counted(
    cli: Cli, store: Store, documents: Path, exam: Path
) -> None:
    without = cli("generate", "-d", "finance", "--documents", documents, "--store", store.root, "--json")
    assert PLANTED in queries_of(store, 1)
    done = cli(
        "generate", "-d", "finance", "--documents", documents, "--decontaminate", exam, "--store", store.root, "--json"
    )
    assert done.code == 0
    assert PLANTED not in queries_of(store, 2)
    manifest = store.find("finance@2").manifest
    (found,) = manifest.decontamination
    assert (found.name, found.queries, found.passages) == ("exam", 2, 2)
    assert found.hits == {reason: n for reason, n in done.json["rejected"].items() if reason.startswith("contaminated")}
    assert found.hits["contaminated_query"] >= 1
    assert found.hits["contaminated_positive"] >= 2
    rejects = {
        row["id"]: row for row in pq.read_table(store.versions / "finance" / "2" / "rejects.parquet").to_pylist()
    }
    for reason, ids in found.ids.items():
        assert {rejects[each]["reason"] for each in ids} == {reason}
        assert len(ids) == found.hits[reason]
    positives = {rejects[each]["passage_id"].split("#")[0] for each in found.ids["contaminated_positive"]}
    assert len(positives) == 1
    assert done.json["accepted"] < without.json["accepted"]
    assert verify_version(store.find("finance@2")) == []


def queries_of(store: Store, number: int) -> set[str]:
    records = pq.read_table(store.versions / "finance" / str(number) / "records", columns=["query"])
    return set(records["query"].to_pylist())


def test_the_recipe_knows_what_was_compared_and_the_run_where_it_lay(
    cli: Cli, store: Store, documents: Path, exam: Path
) -> None:
    asked = ("generate", "-d", "finance", "--documents", documents, "--store", store.root, "--json")
    assert cli(*asked, "--decontaminate", exam).code == 0
    moved = exam.rename(exam.parent / "elsewhere")
    again = cli(*asked, "--decontaminate", moved)
    one, other = (orjson.loads(path.read_bytes()) for path in sorted(store.runs.glob("*/recipe.json")))
    assert (
        one["set_gates"][0]["settings"]["sets"][0]["sha256"] == other["set_gates"][0]["settings"]["sets"][0]["sha256"]
    )
    assert str(exam.parent) not in json.dumps(one)
    infos = [orjson.loads(path.read_bytes())["decontaminate"] for path in store.runs.glob("*/run.json")]
    assert sorted(infos) == sorted([[str(exam)], [str(moved)]])
    assert again.json["dataset"] == "finance@1", "the same records, wherever the evaluation set lay"


def test_a_run_goes_on_without_the_evaluation_set_where_it_was(
    cli: Cli, store: Store, documents: Path, exam: Path
) -> None:
    asked = ("--documents", documents, "--decontaminate", exam, "--store", store.root)
    assert cli("generate", "-d", "finance", *asked).code == 0
    first = store.find("finance").manifest
    for name in ("result.json",):
        next(store.runs.glob(f"*/{name}")).unlink()
    for path in sorted(exam.iterdir()):
        path.unlink()
    assert cli("resume", "--store", store.root, "--json").json["dataset"] == "finance@1"
    assert store.find("finance").manifest.decontamination == first.decontamination


def test_a_typo_in_the_path_is_one_sentence(cli: Cli, store: Store, documents: Path, exam: Path) -> None:
    done = cli(
        "generate",
        "-d",
        "finance",
        "--documents",
        documents,
        "--decontaminate",
        exam.parent / "exan",
        "--store",
        store.root,
    )
    assert done.code == 2
    assert done.error.endswith("exan does not exist; did you mean 'exam'?")
    assert not store.runs.exists()


def test_the_gate_in_a_config_file_keeps_its_settings_and_its_place(
    cli: Cli, store: Store, documents: Path, exam: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    gates = "[{name: duplicates}, {name: contamination, settings: {positives: false}}]"
    config.write_text(f"set_gates: {gates}")
    asked = ("generate", "-d", "finance", "--documents", documents, "--config", config, "--store", store.root)
    refused = cli(*asked)
    assert refused.code == 2
    assert refused.error.endswith(
        "the gate 'contamination' needs an evaluation set: add --decontaminate PATH, or take it out of set_gates"
    )
    assert list(store.runs.iterdir()) == []
    assert cli(*asked, "--decontaminate", exam).code == 0
    manifest = store.find("finance").manifest
    assert [gate.name for gate in manifest.recipe.set_gates] == ["duplicates", "contamination"]
    assert list(manifest.decontamination[0].hits) == ["contaminated_query"]
