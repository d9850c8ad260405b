"""Views over runs, and the queries of docs/sql.md, on a store that an LLM server in this process answered for."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from fake_llm import always, fake_llm

from synth.catalog import run_query
from synth.collect import Wish, find_removals, remove
from synth.errors import InputError
from synth.llm.settings import reach
from synth.recipe import Choices, resolve
from synth.run import create_run, execute, iterate_runs
from synth.store import Store, VersionRef

PAGE = Path(__file__).parents[2] / "docs" / "sql.md"
QUERIES = re.findall(r"\n([^\n]+)\n\n```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def store(fresh: Callable[[], Path], make_texts: Any, write_rows: Any) -> Store:
    """finance@1 and finance@2 of two runs that asked an LLM; read only."""
    folder = fresh()
    store = Store(folder / "a 'store'")
    with fake_llm(always) as server:
        llm = reach([server.url])
        for number, config in ((10, {}), (16, {"mining": {"negatives": 2, "strategy": "naive"}})):
            documents = write_rows(folder / f"{number}.jsonl", make_texts(number))
            file = folder / f"{number}.yaml"
            file.write_bytes(orjson.dumps({"splits": {"test": 0.2}, **config}))
            chosen = Choices("finance", documents=(documents,), config=file, models=tuple(llm.models))
            execute(create_run(resolve(chosen), store, llm=llm, shard_size=40))
    return store


@pytest.fixture
def own(store: Store, tmp_path: Path) -> Store:
    """A copy to change."""
    shutil.copytree(store.root, tmp_path / "store")
    return Store(tmp_path / "store")


def ask(store: Store, statement: str) -> list[Row]:
    rows: list[Row] = run_query(store, statement).to_pylist()
    return rows


def ask_page(store: Store, words: str) -> list[Row]:
    """The rows of the query on the page whose sentence has these words."""
    (statement,) = [query for sentence, query in QUERIES if words in sentence]
    return ask(store, statement)


def records(version: VersionRef) -> list[Row]:
    return [row for path in version.record_files() for row in pq.read_table(path).to_pylist()]


def passages(version: VersionRef) -> list[Row]:
    rows: list[Row] = pq.read_table(version.file("passages.parquet")).to_pylist()
    return rows


@pytest.mark.parametrize(("sentence", "statement"), QUERIES, ids=[sentence for sentence, _ in QUERIES])
def test_every_query_of_the_page_runs(store: Store, sentence: str, statement: str) -> None:
    assert run_query(store, statement).num_columns > 1


def test_the_page_has_ten_queries_and_more() -> None:
    assert len(QUERIES) >= 10


def test_the_hardest_query_is_the_one_whose_positive_is_ranked_lowest(store: Store) -> None:
    ranks = [row["positive"]["rank"] or 10**6 for row in records(store.find("finance"))]
    found = [row["rank"] or 10**6 for row in ask_page(store, "hardest queries")]
    assert found == sorted(ranks, reverse=True)[:10]


def test_negatives_above_their_positive_are_found(store: Store) -> None:
    rows = records(store.find("finance"))
    above = {(r["id"], n["passage_id"]) for r in rows for n in r["negatives"] if n["score"] > r["positive"]["score"]}
    found = ask_page(store, "Negatives that score above")
    assert {(row["id"], row["passage_id"]) for row in found} <= above
    assert len(found) == min(10, len(above)) > 0


def test_passages_above_the_positive_are_in_no_record_of_the_query(store: Store) -> None:
    found = ask_page(store, "Passages above the positive")
    by_query = {row["query"]: row for row in records(store.find("finance"))}
    for row in found:
        record = by_query[row["query"]]
        assert row["rank"] < record["positive"]["rank"]
        assert row["passage_id"] not in {negative["passage_id"] for negative in record["negatives"]}


def test_reject_reasons_are_those_of_the_manifest(store: Store) -> None:
    funnel = store.find("finance").manifest.funnel
    counted: Counter[tuple[str, str]] = Counter()
    for row in ask_page(store, "Why items were rejected"):
        counted[row["status"], row["reason"]] += row["items"]
    expected = {("rejected", k): n for k, n in funnel.rejected.items()}
    assert counted == expected | {("failed", k): n for k, n in funnel.failed.items()}


def test_passages_without_a_query_are_those_that_no_record_is_about(store: Store) -> None:
    version = store.find("finance")
    used = {each["passage_id"] for row in records(version) for each in [row["positive"], *row["more_positives"]]}
    expected = sorted(row["id"] for row in passages(version) if row["id"] not in used)
    assert [row["id"] for row in ask_page(store, "Passages that no query")] == expected


def test_records_are_counted_by_licence(store: Store) -> None:
    found = ask_page(store, "Records by licence")
    assert sum(row["records"] for row in found) == store.find("finance").manifest.funnel.accepted
    assert {row["licence"] for row in found} == set(store.find("finance").manifest.licences)


def test_what_changed_adds_up_to_both_versions(store: Store) -> None:
    found = {row["what"]: row["records"] for row in ask_page(store, "What changed between")}
    old, new = ({row["id"] for row in records(store.find(f"finance@{number}"))} for number in (1, 2))
    assert found["added"] == len(new - old)
    assert found.get("removed", 0) == len(old - new)
    assert found.get("same", 0) + found.get("changed", 0) == len(old & new)


def test_tokens_are_those_that_the_server_counted(store: Store) -> None:
    (row,) = ask_page(store, "Tokens spent")
    tables = [pq.read_table(path) for path in store.answers.glob("*/*/*.parquet")]
    assert row["model"] == "fake"
    assert row["answers"] == sum(table.num_rows for table in tables) > 100
    assert row["completion"] == sum(sum(table["completion_tokens"].to_pylist()) for table in tables)


def test_the_scores_of_a_split_are_those_of_its_records(store: Store) -> None:
    rows = records(store.find("finance"))
    for row in ask_page(store, "Scores of positives"):
        scores = [each["positive"]["score"] for each in rows if each["split"] == row["split"]]
        assert row["records"] == len(scores)
        assert min(scores) <= row["positive"][1] <= max(scores)


def test_a_version_stands_beside_its_parent(store: Store) -> None:
    first, second = ask_page(store, "share of items")
    assert (first["parent"], first["change"]) == (None, None)
    assert second["parent"] == "finance@1"
    assert second["change"] == pytest.approx(second["share"] - first["share"], abs=0.0011)


def test_answers_belong_to_the_items_they_were_asked_for(store: Store) -> None:
    found = ask_page(store, "Answers to items")
    by_reason = {row["reason"]: row["items"] for row in found}
    items = ask(store, "SELECT reason, count(*) AS n FROM items WHERE status != 'accepted' GROUP BY reason")
    assert by_reason == {row["reason"]: row["n"] for row in items}


def test_scores_are_the_score_tables_with_ids(store: Store) -> None:
    for run in iterate_runs(store):
        ids = [row["id"] for row in pq.read_table(run.folder / "corpus" / "passages.parquet").to_pylist()]
        expected = set()
        for folder in (run.folder / "scores").iterdir():
            queries = {row["query"]: row["id"] for row in pq.read_table(folder / "queries.parquet").to_pylist()}
            for row in pq.read_table(folder / "table.parquet").to_pylist():
                expected.add((queries[row["query"]], ids[row["passage"]], row["rank"], row["score"]))
        found = ask(store, f"SELECT query_id, passage_id, rank, score FROM scores WHERE run = '{run.id}'")
        assert len(found) == len(expected)
        assert {tuple(row.values()) for row in found} == expected


def test_the_scores_of_a_version_are_those_of_its_run(store: Store) -> None:
    for number in (1, 2):
        version = store.find(f"finance@{number}")
        (row,) = ask(
            store,
            f'SELECT count(*) AS rows, count(DISTINCT run) AS runs, any_value(run) AS run FROM "{version}_scores"',
        )
        assert (row["runs"], row["run"]) == (1, version.manifest.run_id)
        joined = ask(
            store, f'SELECT count(DISTINCT r.id) AS n FROM "{version}" r JOIN "{version}_scores" s ON s.query_id = r.id'
        )
        assert joined == [{"n": version.manifest.funnel.accepted}]
    assert ask(store, 'SELECT DISTINCT run FROM "finance_scores"') == [{"run": store.find("finance").manifest.run_id}]


def test_the_rank_of_a_positive_is_that_of_its_record(store: Store) -> None:
    rows = ask(
        store,
        'SELECT r.positive.rank AS told, p.rank, p.ahead FROM "finance" r JOIN positives p'
        " ON p.query_id = r.id AND p.passage_id = r.positive.passage_id AND p.run = (SELECT max(run_id) FROM versions WHERE version = 2)",
    )
    assert len(rows) == store.find("finance").manifest.funnel.accepted
    assert {(row["rank"] or 0) == row["told"] for row in rows} == {True}


def test_runs_say_what_they_published(store: Store) -> None:
    rows = ask(store, "SELECT name, generator, models, published FROM runs ORDER BY created, published")
    assert [row["published"] for row in rows] == ["finance@1", "finance@2"]
    assert {(row["generator"], tuple(row["models"])) for row in rows} == {("llm", ("fake",))}


def test_views_are_empty_where_runs_are_gone_and_versions_can_be_asked_still(own: Store) -> None:
    remove(own, find_removals(own, Wish(runs=True)).removals)
    for view in ("runs", "items", "scores", "positives", "finance_scores", "finance@1_scores"):
        assert ask(own, f'SELECT * FROM "{view}"') == []
    for _, statement in QUERIES:
        run_query(own, statement)


def test_a_run_that_can_not_be_read_hides_nothing(own: Store) -> None:
    (own.runs / "half").mkdir()
    next(own.runs.glob("finance*/run.json")).write_bytes(b"{}")
    assert len(ask(own, "SELECT * FROM runs")) == 1
    assert len(ask(own, "SELECT * FROM versions")) == 2


def test_an_empty_store_has_all_views_of_runs(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")
    for view in ("runs", "parents", "items", "scores", "positives", "answers"):
        assert ask(store, f"SELECT * FROM {view}") == []
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("typed", "meant"), [("verions", "versions"), ('"finance@1_reject"', "finance@1_rejects"), ("score", "scores")]
)
def test_a_view_that_does_not_exist_is_answered_with_the_one_that_was_meant(
    store: Store, typed: str, meant: str
) -> None:
    with pytest.raises(InputError, match=rf'did you mean "{meant}"\?'):
        run_query(store, f"SELECT * FROM {typed}")
