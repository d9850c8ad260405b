from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Cli = Callable[..., Any]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    metals = ["gold", "tin", "copper", "zinc", "silver", "lead"]
    rows = [
        {"query": f"price of {metal}", "positive": f"The price of {metal} rose by {n} percent.", "source": "ab"[n % 2]}
        for n, metal in enumerate(metals)
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_come_back_with_negatives_and_a_report(cli: Cli, pairs: Path, tmp_path: Path) -> None:
    done = cli("mine", pairs, "--out", tmp_path / "mined", "--negatives", 3, "--store", tmp_path / "store")
    assert done.code == 0
    assert "6 pairs of 6 queries, 6 passages" in done.err
    assert "selected" in done.out
    rows = pq.read_table(tmp_path / "mined" / "triplet.parquet").to_pylist()
    assert len(rows) == 18
    assert all(row["anchor"].split()[-1] not in row["negative"] for row in rows)
    report = json.loads((tmp_path / "mined" / "mining.json").read_bytes())
    assert report["candidates"]["selected"] == 18
    assert set(report["by_source"]) == {"a", "b"}


def test_other_bounds_search_nothing_again(cli: Cli, pairs: Path, tmp_path: Path) -> None:
    first = cli("mine", pairs, "--out", tmp_path / "one", "--store", tmp_path / "store")
    second = cli(
        "mine", pairs, "--out", tmp_path / "two", "--strategy", "naive", "--store", tmp_path / "store", "--json"
    )
    assert "search" in first.err
    assert "search" not in second.err
    assert second.json["settings"]["strategy"] == "naive"


def test_what_is_left_short_is_told_with_what_to_do(cli: Cli, pairs: Path, tmp_path: Path) -> None:
    done = cli("mine", pairs, "--out", tmp_path / "m", "--store", tmp_path / "s", "--min-score", 0.9)
    assert "More than half of the rows are short: loosen the bound" in done.out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--strategy", "composite"], "Error: composite needs at least one of max_score, min_score"),
        (["--rank-min", "50", "--rank-max", "9"], "Error: rank_min (50) is above rank_max (9)"),
        (["--relative-margin", "2"], "Error: --relative-margin: Input should be less than 1"),
        (["--format", "tripled"], "Error: there is no format 'tripled'; did you mean 'triplet'?"),
        (["--teacher", "lexicall"], "Error: can't load the teacher 'lexicall'"),
    ],
)
def test_a_wrong_flag_is_one_sentence_and_writes_nothing(
    cli: Cli, pairs: Path, tmp_path: Path, flags: list[str], message: str
) -> None:
    done = cli("mine", pairs, "--out", tmp_path / "mined", "--store", tmp_path / "store", *flags)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "mined").exists()


def test_a_folder_in_use_is_refused(cli: Cli, pairs: Path, tmp_path: Path) -> None:
    done = cli("mine", pairs, "--out", tmp_path, "--store", tmp_path / "store")
    assert (done.code, "is not empty; choose another --out" in done.err) == (2, True)


def test_gate_keeps_consistent_pairs_and_says_why_others_went(cli: Cli, pairs: Path, tmp_path: Path) -> None:
    with pairs.open("a") as file:
        file.write(json.dumps({"query": "price of oil", "positive": "Bananas are yellow.", "source": "a"}) + "\n")
    flags = ["--store", tmp_path / "store", "--k", 1, "--source-k", "b=2"]
    done = cli("gate", pairs, "--out", tmp_path / "gated", "--direction", "mutual", *flags)
    assert done.code == 0
    assert "a: 3 of 4 kept (75.0%) by k 1 of 7; inconsistent 1" in done.out
    assert "b: 3 of 3 kept (100.0%) by k 2 of 7" in done.out
    (dropped,) = pq.read_table(tmp_path / "gated" / "dropped.parquet").to_pylist()
    assert (dropped["query"], dropped["reason"]) == ("price of oil", "inconsistent")
    again = cli("mine", tmp_path / "gated" / "kept.parquet", "--out", tmp_path / "mined", "--store", tmp_path / "store")
    assert "6 pairs of 6 queries" in again.err


def test_a_k_without_a_source_is_refused(cli: Cli, pairs: Path, tmp_path: Path) -> None:
    done = cli("gate", pairs, "--out", tmp_path / "g", "--store", tmp_path / "s", "--source-k", "9")
    assert (done.code, "--source-k '9' is no SOURCE=K, such as forum=20" in done.err) == (2, True)


def test_dedup_keeps_one_of_nearly_equal_queries_and_none_of_an_evaluation_set(
    cli: Cli, pairs: Path, tmp_path: Path
) -> None:
    with pairs.open("a") as file:
        for query in ("the price of gold in the year 2024 of our lord", "price of gold in the year 2024 of our lord"):
            file.write(json.dumps({"query": query, "positive": f"Gold, {query}."}) + "\n")
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"query": "price of TIN"}) + "\n")
    flags = ["--store", tmp_path / "store", "--decontaminate", exam]
    done = cli("dedup", pairs, "--out", tmp_path / "clean", *flags)
    assert done.code == 0
    assert "6 of 8 queries kept; contaminated_query 1; near_duplicate 1" in done.out
    dropped = pq.read_table(tmp_path / "clean" / "dropped.parquet").to_pylist()
    assert {row["reason"]: row["detail"] for row in dropped} == {
        "contaminated_query": "exam, 1",
        "near_duplicate": "the price of gold in the year 2024 of our lord",
    }
    assert pq.read_table(tmp_path / "clean" / "kept.parquet").num_rows == 6


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--near", "0.3"], "Error: --near: Input should be greater than 0.5"),
        (["--cosine", "0.9"], "the teacher 'lexical' has no vectors"),
        (["--against", "gold"], "against: no dataset 'gold'"),
        (["--decontaminate", "nowhere.jsonl"], "--decontaminate: nowhere.jsonl does not exist"),
    ],
)
def test_dedup_says_in_one_sentence_what_it_can_not_do(
    cli: Cli, pairs: Path, tmp_path: Path, flags: list[str], message: str
) -> None:
    done = cli("dedup", pairs, "--out", tmp_path / "clean", "--store", tmp_path / "store", *flags)
    assert (done.code, message in done.err) == (2, True), done.err
    assert not (tmp_path / "clean").exists()
