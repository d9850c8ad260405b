from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fake_llm import FakeLlm, Say, fake_llm, wait_for
from judging import answering, knows, query_in

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
    done = cli(
        "mine", pairs, "--out", tmp_path / "m", "--store", tmp_path / "s", "--min-score", 0.9, "--format", "full"
    )
    assert "More than half of the rows are short: loosen the bound" in done.out
    none = cli("mine", pairs, "--out", tmp_path / "n", "--store", tmp_path / "s", "--min-score", 0.9)
    assert (none.code, "no query is left that has enough negatives for 'triplet'" in none.err) == (2, True)
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--strategy", "composite"], "Error: composite needs at least one of max_score, min_score"),
        (["--rank-min", "50", "--rank-max", "9"], "Error: rank_min (50) is above rank_max (9)"),
        (["--relative-margin", "2"], "Error: --relative-margin: Input should be less than 1"),
        (["--max-score", "nan"], "Error: --max-score nan bounds nothing; give a finite number"),
        (["--format", "tripled"], "Error: there is no format 'tripled'; did you mean 'triplet'?"),
        (["--teacher", "lexicall"], "Error: there is no teacher 'lexicall'; did you mean 'lexical'?"),
    ],
)
def test_a_wrong_flag_is_one_sentence_and_writes_nothing(
    cli: Cli, pairs: Path, tmp_path: Path, flags: list[str], message: str
) -> None:
    done = cli("mine", pairs, "--out", tmp_path / "mined", "--store", tmp_path / "store", *flags)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "mined").exists()


def test_ranks_after_the_rules_are_not_used_up_by_known_positives(cli: Cli, tmp_path: Path) -> None:
    """sentence-transformers #3872: a query with as many positives as the search is deep was left with no negative."""
    rows = [{"query": "gold price", "positive": f"The gold price rose {n} times, gold price."} for n in range(12)]
    rows += [{"query": "gold", "positive": f"Gold mine {n} of many words about other things."} for n in range(4)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--rank-max", 5, "--rank-after-rules", "--strategy", "naive", "--format", "full", "--negatives", 4]
    done = cli("mine", file, "--out", tmp_path / "mined", "--store", tmp_path / "store", *flags)
    assert done.code == 0
    (found,) = (r for r in pq.read_table(tmp_path / "mined" / "full.parquet").to_pylist() if r["query"] == "gold price")
    assert len(found["negatives"]) == 4


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


METALS = ("gold", "tin", "copper", "zinc", "silver", "lead")


@pytest.fixture
def answered(tmp_path: Path) -> Path:
    """Pairs whose pool holds an answer to each query that nobody labelled."""
    rows = [
        {"query": f"price of {m}", "positive": f"The price of {m} rose by {n} percent.", "source": "ab"[n % 2]}
        for n, m in enumerate(METALS)
    ]
    path = tmp_path / "answered.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pool = [{"text": f"Traders paid a higher price for {m}."} for m in METALS]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pool))
    return path


PLANTED = {(f"price of {m}", f"Traders paid a higher price for {m}.") for m in METALS}
KNOWN = PLANTED | {(f"price of {m}", f"The price of {m} rose by {n} percent.") for n, m in enumerate(METALS)}


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm(knows(KNOWN), model="qwen") as server:
        yield server


@pytest.fixture
def mine(cli: Cli, answered: Path, tmp_path: Path) -> Callable[..., Any]:
    def run(out: str, *flags: object) -> Any:
        given = ["--out", tmp_path / out, "--corpus", tmp_path / "pool.jsonl", "--store", tmp_path / "store"]
        return cli("mine", answered, *given, "--negatives", 4, *flags)

    return run


def pairs_in(path: Path) -> set[tuple[str, str]]:
    return {(row["anchor"], row["negative"]) for row in pq.read_table(path / "triplet.parquet").to_pylist()}


def test_an_llm_takes_the_planted_false_negatives_out_and_is_paid_once(
    mine: Callable[..., Any], fake: FakeLlm, tmp_path: Path
) -> None:
    mine("plain")
    done = mine("clean", "--llm", fake.url, "--relabel", "drop")
    assert done.code == 0
    assert "Judged by qwen: 24 asked = answers 6 + disputed 0 + clear 18 + unknown 0" in done.out
    assert "Kept as negatives 18, dropped 6, made positives 0" in done.out
    assert pairs_in(tmp_path / "plain") - pairs_in(tmp_path / "clean") == PLANTED
    asked = len(fake.bodies)
    again = mine("again", "--llm", fake.url, "--relabel", "promote", "--format", "full", "--json")
    assert len(fake.bodies) == asked == 12
    assert again.json["relabelled"]["negatives"]["promoted"] == 6
    rows = pq.read_table(tmp_path / "again" / "full.parquet").to_pylist()
    assert {(row["query"], row["more_positives"][0]["text"]) for row in rows} == PLANTED
    assert json.loads((tmp_path / "again" / "mining.json").read_bytes())["relabelled"]["verdicts"]["answers"] == 6


@pytest.mark.slow
def test_what_was_answered_before_a_kill_is_not_asked_again(
    mine: Callable[..., Any], start: Callable[..., Any], answered: Path, tmp_path: Path
) -> None:
    known = knows(KNOWN)

    def slowly(prompt: str, asked: int) -> Say:
        found = known(prompt, asked)
        assert isinstance(found, Say)
        return Say(found.content, seconds=0.2)

    with fake_llm(slowly, model="qwen", slots=1) as fake:
        flags = ["--corpus", tmp_path / "pool.jsonl", "--store", tmp_path / "store", "--negatives", 4]
        process = start("mine", answered, "--out", tmp_path / "m", *flags, "--llm", fake.url, "--relabel", "drop")
        wait_for(lambda: len(fake.bodies) >= len(METALS) + 2, 60)  # a second order is asked when the first is on disk
        process.kill()
        before = list(fake.prompts)
        safe = [p for p in before[: len(METALS)] if [query_in(q) for q in before].count(query_in(p)) == 2]
        assert len(safe) >= 2
        done = mine("m", "--llm", fake.url, "--relabel", "drop")
        assert "24 asked = answers 6 + disputed 0 + clear 18 + unknown 0" in done.out
        assert {fake.asked[prompt] for prompt in safe} == {1}
        assert len(set(fake.prompts)) == 2 * len(METALS)


def test_a_cascade_of_models_is_asked_in_the_order_named(mine: Callable[..., Any], fake: FakeLlm) -> None:
    with fake_llm(lambda prompt, _: answering(prompt, lambda *_: True), model="small") as small:
        flags = ["--llm", small.url, "--llm", fake.url, "--relabel", "drop"]
        done = mine("m", *flags, "--judge-with", "small", "--judge-with", "qwen")
        assert "Judged by small then qwen: 24 asked = answers 6 + disputed 0 + clear 18" in done.out
        refused = mine("n", *flags)
        assert "several models (qwen, small); say who judges, the cheapest first" in refused.error


def test_a_spent_budget_leaves_the_rest_unknown(mine: Callable[..., Any], fake: FakeLlm, tmp_path: Path) -> None:
    done = mine("m", "--llm", fake.url, "--relabel", "drop", "--max-requests", 4)
    assert "+ unknown 16 (unasked 16)" in done.out
    assert "The budget was spent; the same command with a larger one asks only what is missing." in done.out
    assert len(pairs_in(tmp_path / "m")) == 22
    assert len(fake.bodies) == 4


def test_grades_are_written_beside_the_negatives(mine: Callable[..., Any], fake: FakeLlm, tmp_path: Path) -> None:
    done = mine("m", "--llm", fake.url, "--relabel", "grade", "--format", "full")
    assert done.code == 0
    rows = pq.read_table(tmp_path / "m" / "full.parquet").to_pylist()
    graded = {(row["query"], each["text"]) for row in rows for each in row["negatives"] if each["grade"] == 2}
    assert graded == PLANTED


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Every pair of a query and a passage that is no positive, by text."""
    rows = [
        {"query": f"price of {m}", "text": text, "score": int((f"price of {m}", text) in KNOWN)}
        for m in METALS
        for text in {text for _, text in KNOWN}
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_bound_is_chosen_by_a_rate_of_false_negatives(
    mine: Callable[..., Any], labels: Path, tmp_path: Path
) -> None:
    flags = ["--judged", labels, "--target-false-negative-rate", 0.3]
    done = mine("m", *flags)
    assert done.code == 0
    assert "False negatives by max_false_negative_rate: 48 judged by labels.jsonl, 0 unknown" in done.out
    assert done.out.count("  chosen") == 1
    assert "  a: " in done.out
    assert not PLANTED & pairs_in(tmp_path / "m")
    told = json.loads((tmp_path / "m" / "mining.json").read_bytes())
    assert told["settings"]["max_false_negative_rate"] == told["calibrated"]["chosen"]["bound"] > 0
    assert set(told["calibrated"]["by_source"]) == {"a", "b"}


def test_a_target_that_nothing_reaches_is_told_with_the_curve(
    mine: Callable[..., Any], labels: Path, tmp_path: Path
) -> None:
    done = mine("m", "--judged", labels, "--target-false-negative-rate", 0.001)
    assert done.code == 2
    assert "95 % interval" in done.err
    assert "no value of max_false_negative_rate keeps the upper end of the interval at 0.1%" in done.err
    assert not (tmp_path / "m").exists()


def test_an_llm_chooses_the_bound_and_then_cleans_what_is_left(mine: Callable[..., Any], fake: FakeLlm) -> None:
    flags = ["--target-false-negative-rate", 0.5, "--judgements", 60, "--relabel", "drop"]
    done = mine("m", "--llm", fake.url, *flags)
    assert done.code == 0
    assert "False negatives by max_false_negative_rate" in done.out
    assert "Judged by qwen" in done.out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--relabel", "drop"], "--relabel needs a judge: add --llm http://HOST:8000/v1, or --judged LABELS"),
        (["--target-false-negative-rate", "0.05"], "--target-false-negative-rate needs a judge: add --llm"),
        (["--judged", "labels.jsonl"], "--judged judges nothing by itself: add --relabel drop"),
        (["--llm", "http://127.0.0.1:9/v1"], "--llm judges nothing by itself: add --relabel drop"),
        (["--llm", "http://127.0.0.1:9/v1", "--relabel", "drop"], "http://127.0.0.1:9/v1/models does not answer"),
        (["--judged", "label.jsonl", "--relabel", "drop"], "label.jsonl does not exist; did you mean 'labels.jsonl'?"),
        (
            ["--judged", "labels.jsonl", "--relabel", "grade"],
            "grades stand in the format full alone: add --format full",
        ),
        (["--judged", "x", "--llm", "http://h", "--relabel", "drop"], "--judged and --llm both judge; leave one out"),
        (["--judge-with", "qwen"], "--judge-with does nothing without --llm"),
        (["--band", "0.5", "1"], "--band does nothing without --relabel"),
        (["--judgements", "9"], "--judgements does nothing without --target-false-negative-rate"),
        (["--judged", "labels.jsonl", "--relabel", "drop", "--band", "1", "0.5"], "the band 1 to 0.5 holds nothing"),
        (
            ["--judged", "labels.jsonl", "--target-false-negative-rate", "0.1", "--strategy", "naive"],
            "the strategy 'naive' has no bound to choose by --target-false-negative-rate; use one of multi_signal, perc_pos",
        ),
        (
            ["--judged", "labels.jsonl", "--target-false-negative-rate", "0.1", "--relative-margin", "0.1"],
            "--relative-margin is what --target-false-negative-rate chooses; leave one of them out",
        ),
    ],
)
def test_flags_of_judges_that_can_not_work_are_one_sentence_and_write_nothing(
    mine: Callable[..., Any], labels: Path, tmp_path: Path, flags: list[str], message: str
) -> None:
    done = mine("m", *flags)
    assert done.code == 2
    assert f"Error: {message}" in done.err
    assert not (tmp_path / "m").exists()


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


def test_a_model_of_ones_own_is_fitted_and_used(cli: Cli, pairs: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    judged = [{"query": row["query"], "text": other["positive"], "score": 0} for row in rows for other in rows]
    labels.write_text("".join(json.dumps(row) + "\n" for row in judged))
    store = ["--store", tmp_path / "store"]
    done = cli("calibrate", pairs, "--judged", labels, "--out", tmp_path / "model.json", *store)
    assert done.code == 0
    assert "30 candidates judged, 0 of them answer their query (1.6%)" in done.out
    mined = cli(
        "mine", pairs, "--out", tmp_path / "m", "--strategy", "multi_signal", "--model", tmp_path / "model.json", *store
    )
    assert mined.code == 0
    again = cli("calibrate", pairs, "--judged", labels, "--out", tmp_path / "model.json", *store)
    assert (again.code, "model.json exists; choose another --out" in again.err) == (2, True)
    alone = cli("calibrate", pairs, "--judged", labels, "--judge-with", "big", "--out", tmp_path / "other.json", *store)
    assert (alone.code, "--judge-with does nothing without --llm" in alone.err) == (2, True)
    for flags, message in (
        ([], "calibrating needs a judge: give --judged LABELS"),
        (["--judged", tmp_path / "none.jsonl"], "none.jsonl does not exist"),
    ):
        refused = cli("calibrate", pairs, "--out", tmp_path / "x.json", *flags, *store)
        assert (refused.code, message in refused.err) == (2, True)
    assert not (tmp_path / "x.json").exists()
