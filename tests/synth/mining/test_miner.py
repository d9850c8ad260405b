from __future__ import annotations

import random
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from synth.errors import InputError
from synth.mining.ensemble import combine
from synth.mining.miner import BINS, HardNegativeMiner
from synth.mining.table import ScoreTable, retrieve
from synth.pairs import Pairs
from synth.store import Store

WORDS = ["bond", "rate", "covenant", "debt", "gold", "loan", "yield", "swap", "coupon", "audit", "tax", "lease"]


def some_pairs(shuffle: int | None = None) -> Pairs:
    """Twenty queries with one to three positives among 150 passages."""
    source = random.Random(3)
    passages = sorted({" ".join(source.choices(WORDS, k=source.randint(4, 9))) for _ in range(150)})
    rows = [(" ".join(source.sample(WORDS, 3)), source.sample(passages, source.randint(1, 3))) for _ in range(20)]
    if shuffle is not None:
        random.Random(shuffle).shuffle(passages)
        random.Random(shuffle + 1).shuffle(rows)
    pairs = Pairs()
    ordinals = {text: pairs.add_passage(text, id=f"id of {text}") for text in passages}
    for number, (query, positives) in enumerate(rows):
        pairs.add(query, [ordinals[text] for text in positives], source=("news", "forum")[number % 2])
    return pairs.by_text()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def table(store: Store) -> ScoreTable:
    return retrieve(some_pairs(), "lexical", store=store, depth=60, evidence=False)


def found(pairs: Pairs, table: ScoreTable, **settings: object) -> set[tuple[str, str]]:
    mined = HardNegativeMiner(**({"strategy": "perc_pos"} | settings)).mine(pairs, table)  # type: ignore[arg-type]
    rows = [row for block in mined.records() for row in block.to_pylist()]
    return {(row["query"], negative["text"]) for row in rows for negative in row["negatives"]}


def test_a_table_that_is_there_is_not_made_again(store: Store, table: ScoreTable) -> None:
    before = (table.folder / "table.parquet").stat().st_mtime_ns
    assert retrieve(some_pairs(), "lexical", store=store, depth=60, evidence=False).folder == table.folder
    assert (table.folder / "table.parquet").stat().st_mtime_ns == before
    assert retrieve(some_pairs(), "lexical", store=store, depth=10).folder != table.folder
    assert [entry for entry in table.folder.parent.iterdir() if entry.name.startswith(".")] == []


def test_no_negative_is_a_positive_and_every_one_keeps_the_bound(table: ScoreTable) -> None:
    pairs = some_pairs()
    mined = HardNegativeMiner(strategy="perc_pos", negatives=5, relative_margin=0.1).mine(pairs, table)
    rows = [row for block in mined.records() for row in block.to_pylist()]
    assert len(rows) == len(pairs.queries)
    assert sum(len(row["negatives"]) for row in rows) == mined.report.negatives > 10
    for row in rows:
        positives = [row["positive"], *row["more_positives"]]
        lowest = min(positive["score"] for positive in positives)
        assert not {n["text"] for n in row["negatives"]} & {p["text"] for p in positives}
        assert all(n["score"] < lowest - abs(lowest) * 0.1 + 1e-6 for n in row["negatives"])
        assert row["short"] == (len(row["negatives"]) < 5)


def test_each_positive_is_mined_for_by_itself_where_that_is_asked(table: ScoreTable) -> None:
    pairs = some_pairs()
    mined = HardNegativeMiner(strategy="perc_pos", negatives=3, positive_anchor="each").mine(pairs, table)
    rows = [row for block in mined.records() for row in block.to_pylist()]
    assert [(row["query"], row["positive"]["text"]) for row in rows] == [
        (query, pairs.passages[own])
        for query, known in zip(pairs.queries, pairs.positives, strict=True)
        for own in known
    ]
    for row in rows:
        known = {pairs.passages[own] for own in pairs.positives[pairs.queries.index(row["query"])]}
        assert row["more_positives"] == []
        assert all(n["score"] < row["positive"]["score"] for n in row["negatives"])
        assert not known & {n["text"] for n in row["negatives"]}


def test_permuted_pairs_give_the_same_negatives(tmp_path: Path, table: ScoreTable) -> None:
    moved = some_pairs(shuffle=1)
    again = retrieve(moved, "lexical", store=Store(tmp_path), depth=60)
    assert found(some_pairs(), table) == found(moved, again) != set()
    drawn = {"negatives": 2, "sampling": "uniform", "sample_pool": 60, "rank_max": 60}
    assert found(some_pairs(), table, **drawn) == found(moved, again, **drawn)


@pytest.mark.parametrize("shortfall", ["keep", "drop"])
def test_queries_with_too_few_negatives_are_kept_or_dropped_and_never_padded(table: ScoreTable, shortfall: str) -> None:
    mined = HardNegativeMiner(strategy="abs", max_score=0.3, negatives=8, shortfall=shortfall).mine(some_pairs(), table)  # type: ignore[arg-type]
    report = mined.report
    assert 0 < report.short < report.queries == 20
    assert len(mined.negatives.query) == (20 - report.short if shortfall == "drop" else 20)
    assert report.dropped == (report.short if shortfall == "drop" else 0)
    assert (mined.negatives.found == 8).sum() == 20 - report.short


def test_the_report_accounts_for_every_candidate_by_source(table: ScoreTable) -> None:
    report = HardNegativeMiner(strategy="perc_pos", negatives=2).mine(some_pairs(), table).report
    assert sum(report.candidates.values()) == sum(len(block.query) for _, block in table.blocks())
    assert set(report.by_source) == {"news", "forum"}
    for name, count in report.candidates.items():
        assert sum(own.get(name, 0) for own in report.by_source.values()) == count
        assert sum(report.histogram[name]) == count
    told = orjson.loads(report.as_json())
    assert told["candidates"]["selected"] == report.negatives
    assert (told["settings"]["relative_margin"], told["teacher"]["model"], told["depth"]) == (0.05, "bm25", 60)


def test_a_sweep_says_what_each_change_gives(table: ScoreTable) -> None:
    grid = [{"relative_margin": margin} for margin in (0.0, 0.3, 0.9)] + [
        {"strategy": "naive"},
        {"strategy": "shifted"},
    ]
    rows = HardNegativeMiner(strategy="perc_pos", negatives=60, rank_max=60).sweep(some_pairs(), table, grid)
    counts = [row["negatives"] for row in rows]
    assert counts[0] > counts[1] > counts[2]
    assert counts[3] >= counts[0], "the margin of the miner does not bind another strategy"
    assert rows[4]["candidates"]["outside_rank_window"] > 0
    assert all(row["short"] > 0 for row in rows)


@pytest.mark.parametrize(("name", "columns"), [
    ("pair", ["anchor", "positive"]),
    ("triplet", ["anchor", "positive", "negative"]),
    ("n-tuple", ["anchor", "positive", "negative_1", "negative_2"]),
    ("full", ["id", "source", "query", "positive", "more_positives", "negatives", "short", "in_batch_mask", "in_batch_complete"]),
])  # fmt: skip
def test_trainers_get_their_columns_in_order(tmp_path: Path, table: ScoreTable, name: str, columns: list[str]) -> None:
    mined = HardNegativeMiner(strategy="perc_pos", negatives=2).mine(some_pairs(), table)
    written = pq.read_table(mined.write(tmp_path, name))
    assert written.column_names == columns
    if name == "triplet":
        assert written.num_rows == int((mined.negatives.found * mined.negatives.known).sum())
    assert mined.report.rows == written.num_rows
    needed = {"pair": 0, "triplet": 1, "n-tuple": 2, "full": 0}[name]
    assert mined.report.left_out == int((mined.negatives.found < needed).sum())


@pytest.mark.parametrize(("name", "columns"), [
    ("pair-score", ["sentence1", "sentence2", "score"]),
    ("pair-class", ["anchor", "text", "label"]),
    ("margin", ["query", "positive", "negative_1", "negative_2", "label"]),
    ("list", ["query", "docs", "labels"]),
])  # fmt: skip
def test_trainers_that_take_labels_get_them(tmp_path: Path, table: ScoreTable, name: str, columns: list[str]) -> None:
    mined = HardNegativeMiner(strategy="perc_pos", negatives=2).mine(some_pairs(), table)
    assert pq.read_table(mined.write(tmp_path, name)).column_names == columns


def test_scores_of_several_teachers_are_not_distilled(tmp_path: Path, table: ScoreTable) -> None:
    each = HardNegativeMiner(strategy="perc_pos", negatives=2).mine(some_pairs(), table)
    both = combine([each, each], "intra_sample")
    with pytest.raises(InputError, match="with --ensemble each negative has that of another teacher"):
        both.write(tmp_path, "margin")
    assert both.write(tmp_path, "triplet").exists()


def test_nothing_to_write_is_an_error_that_says_what_to_do(tmp_path: Path, table: ScoreTable) -> None:
    mined = HardNegativeMiner(strategy="abs", max_score=-1.0, shortfall="drop").mine(some_pairs(), table)
    with pytest.raises(InputError, match="no query is left that has enough negatives for 'full', out of a pool of"):
        mined.write(tmp_path)
    with pytest.raises(InputError, match="there is no format 'tripled'; did you mean 'triplet'"):
        mined.write(tmp_path, "tripled")
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_no_query_has_enough_negatives_for_is_refused_and_not_written(tmp_path: Path) -> None:
    pairs = Pairs.of(["what is gold?"], [["Gold is a metal."]], ["Gold rose."])
    mined = HardNegativeMiner(strategy="naive", negatives=2).mine(
        pairs, retrieve(pairs, "lexical", store=Store(tmp_path / "store"))
    )
    with pytest.raises(InputError, match="enough negatives for 'n-tuple', out of a pool of 2 passages; loosen"):
        mined.write(tmp_path / "mined", "n-tuple")
    assert not (tmp_path / "mined").exists()


def test_more_depth_than_passages_is_no_problem(tmp_path: Path) -> None:
    pairs = Pairs.of(["what is gold?"], [["Gold is a metal."]], ["Gold rose.", "Tin fell."])
    mined = HardNegativeMiner(strategy="naive").mine(pairs, retrieve(pairs, "lexical", store=Store(tmp_path)))
    assert [pairs.passages[n] for n in mined.negatives.passage] == ["Gold rose."]


def test_what_scores_above_its_positive_has_a_bin_of_its_own(table: ScoreTable) -> None:
    reports = [
        HardNegativeMiner(strategy=name, negatives=5).mine(some_pairs(), table).report for name in ("naive", "perc_pos")
    ]
    naive, careful = (report.histogram["selected"] for report in reports)
    assert len(naive) == len(BINS) + 1
    assert naive[0] > 0 == careful[0]
