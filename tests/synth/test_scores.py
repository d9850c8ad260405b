from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import Row, build_corpus, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.recipe import ChunkSettings
from synth import scores
from synth.corpus import Corpus
from synth.files import write_parquet
from synth.progress import Silent
from synth.scores import BEYOND, TABLE, positive_ranks, read_teacher, write_scores
from synth.teachers import Hits
from synth.teachers.lexical import Lexical

WORDS = ["bond", "rate", "covenant", "debt", "gold", "loan", "yield", "swap", "coupon"]


class Told:
    """A teacher that says what it was told to: for each query the score of every passage."""

    identity = {"model": "told", "revision": "3"}

    def __init__(self, table: dict[str, list[float]]) -> None:
        self.table = table

    def index(self, corpus: Corpus, reporter: object) -> None:
        pass

    def search(self, queries: Sequence[str], positives: np.ndarray, depth: int) -> Hits:
        everything = np.array([self.table[query] for query in queries], dtype=np.float32)
        order = np.argsort(-everything, axis=1, kind="stable")[:, :depth]
        own = everything[np.arange(len(queries)), positives]
        return Hits(order.astype(np.int64), np.take_along_axis(everything, order, axis=1), own)


def write_items(path: Path, items: Sequence[tuple[int, str, int, str]]) -> Path:
    """(position, status, passage, query): the columns of a shard file that scoring reads."""
    columns = {
        "position": pa.array([item[0] for item in items], type=pa.int64()),
        "id": pa.array([f"r{item[0]}" for item in items], type=pa.string()),
        "status": pa.array([item[1] for item in items], type=pa.string()),
        "passage": pa.array([item[2] for item in items], type=pa.int64()),
        "query": pa.array([item[3] for item in items], type=pa.string()),
    }
    write_parquet(path, pa.table(columns))
    return path


def score(
    folder: Path, corpus: Corpus, said: dict[str, list[float]], passage: int, depth: int
) -> tuple[pa.Table, dict]:
    """The table and the only row of `queries.parquet` for one query called `q`."""
    items = write_items(folder / "items.parquet", [(7, "accepted", passage, "q")])
    write_scores(items, folder / "scores", corpus, Told(said), depth)
    (row,) = pq.read_table(folder / "scores" / "queries.parquet").to_pylist()
    return pq.read_table(folder / "scores" / "table.parquet"), row


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Lexical]:
    folder = tmp_path_factory.mktemp("lexical")
    random = np.random.default_rng(0)
    texts = list(dict.fromkeys(" ".join(random.choice(WORDS, random.integers(2, 9))) for _ in range(120)))
    corpus = build_corpus(folder / "corpus", texts)
    teacher = Lexical("lexical", folder / "teacher", folder)
    teacher.index(corpus, Silent())
    return corpus, teacher


def write_real_table(folder: Path, lexical: tuple[Corpus, Lexical], depth: int, count: int = 40) -> tuple[Path, list]:
    """Items of a whole shard, some of them not accepted."""
    corpus, teacher = lexical
    random = np.random.default_rng(1)
    status = ("accepted", "accepted", "rejected", "failed")
    items = [
        (100 + n, status[n % 4], int(random.integers(len(corpus))), " ".join(random.choice(WORDS, 3)))
        for n in range(count)
    ]
    write_scores(write_items(folder / "items.parquet", items), folder / "scores", corpus, teacher, depth)
    return folder / "scores", [item for item in items if item[1] == "accepted"]


def test_a_table_has_the_promised_columns(tmp_path: Path, lexical: tuple[Corpus, Lexical]) -> None:
    folder, _ = write_real_table(tmp_path, lexical, 10)
    schema = pq.read_schema(folder / "table.parquet")
    assert [(field.name, str(field.type)) for field in schema] == [
        ("query", "int32"),
        ("passage", "int32"),
        ("rank", "uint16"),
        ("score", "float"),
    ]
    assert pq.read_schema(folder / "queries.parquet").names == ["query", "id", "positive_score", "ahead"]


def test_the_metadata_names_teacher_depth_and_pool(tmp_path: Path, lexical: tuple[Corpus, Lexical]) -> None:
    folder, _ = write_real_table(tmp_path, lexical, 10)
    metadata = pq.read_schema(folder / "table.parquet").metadata
    assert orjson.loads(metadata[b"teacher"]) == dict(lexical[1].identity) == read_teacher(folder)
    assert metadata[b"depth"] == b"10"
    assert metadata[b"pool"] == str(len(lexical[0])).encode()


@pytest.mark.parametrize("block", [3, 7, 512])
def test_rows_are_sorted_and_no_query_crosses_a_row_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lexical: tuple[Corpus, Lexical], block: int
) -> None:
    monkeypatch.setattr(scores, "BLOCK", block)
    folder, accepted = write_real_table(tmp_path, lexical, 10)
    with pq.ParquetFile(folder / "table.parquet") as file:
        groups = [file.read_row_group(n).to_pydict() for n in range(file.num_row_groups)]
    assert len(groups) == -(-len(accepted) // block)
    places = [place for group in groups for place in zip(group["query"], group["rank"], strict=True)]
    assert places == sorted(places)
    queries = [set(group["query"]) for group in groups]
    assert sum(map(len, queries)) == len(set.union(*queries)) == len(accepted)


def test_blocks_change_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lexical: tuple[Corpus, Lexical]) -> None:
    whole, _ = write_real_table(tmp_path / "whole", lexical, 10)
    monkeypatch.setattr(scores, "BLOCK", 3)
    parts, _ = write_real_table(tmp_path / "parts", lexical, 10)
    for name in ("table.parquet", "queries.parquet"):
        assert pq.read_table(whole / name).equals(pq.read_table(parts / name))


def test_accepted_items_are_scored_and_no_others(tmp_path: Path, lexical: tuple[Corpus, Lexical]) -> None:
    folder, accepted = write_real_table(tmp_path, lexical, 10)
    queries = pq.read_table(folder / "queries.parquet").to_pydict()
    assert queries["query"] == [position for position, *_ in accepted]
    assert queries["id"] == [f"r{position}" for position, *_ in accepted]
    assert set(pq.read_table(folder / "table.parquet")["query"].to_pylist()) == set(queries["query"])


@pytest.mark.parametrize("depth", [1, 10, 200])
def test_every_positive_stands_in_its_table_once(tmp_path: Path, lexical: tuple[Corpus, Lexical], depth: int) -> None:
    folder, accepted = write_real_table(tmp_path, lexical, depth)
    table = pq.read_table(folder / "table.parquet").to_pylist()
    queries = {row["query"]: row for row in pq.read_table(folder / "queries.parquet").to_pylist()}
    for position, _, passage, _ in accepted:
        rows = [row for row in table if row["query"] == position]
        own = [row for row in rows if row["passage"] == passage]
        assert len({row["passage"] for row in rows}) == len(rows)
        assert [row["score"] for row in own] == [queries[position]["positive_score"]]
        ranked = [row["rank"] for row in rows if row["rank"] != BEYOND]
        assert ranked == list(range(1, len(ranked) + 1))
        assert len(ranked) <= depth


def test_a_positive_beyond_the_depth_has_the_last_rank_there_is(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row(f"d{n}") for n in range(5)])
    table, row = score(tmp_path, corpus, {"q": [0.9, 0.8, 0.7, 0.2, 0.6]}, passage=3, depth=2)
    assert table.to_pydict() == {
        "query": [7, 7, 7],
        "passage": [0, 1, 3],
        "rank": [1, 2, 65_535],
        "score": pytest.approx([0.9, 0.8, 0.2]),
    }
    assert row == {"query": 7, "id": "r7", "positive_score": pytest.approx(0.2), "ahead": 2}
    assert positive_ranks(table, {7: 3}) == {7: 0}


def test_a_positive_that_the_search_reached_keeps_its_rank(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row(f"d{n}") for n in range(5)])
    table, row = score(tmp_path, corpus, {"q": [0.9, 0.8, 0.7, 0.2, 0.6]}, passage=2, depth=4)
    assert table["passage"].to_pylist() == [0, 1, 2, 4]
    assert table["rank"].to_pylist() == [1, 2, 3, 4]
    assert row["ahead"] == 2
    assert positive_ranks(table, {7: 2}) == {7: 3}
    assert positive_ranks(table, {8: 2}) == {}


def test_only_strictly_better_passages_are_ahead(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row(f"d{n}") for n in range(4)])
    _, row = score(tmp_path, corpus, {"q": [0.5, 0.5, 0.5, 0.6]}, passage=2, depth=4)
    assert row["ahead"] == 1


def test_passages_that_are_the_same_as_the_positive_are_never_ahead_of_it(tmp_path: Path) -> None:
    rows = [Row("a", 0, 10), Row("a", 8, 20), Row("b"), Row("c"), Row("a", 20, 30)]
    corpus = write_corpus(tmp_path, rows, [(0, 2)])
    _, row = score(tmp_path, corpus, {"q": [0.1, 0.9, 0.8, 0.7, 0.6]}, passage=0, depth=5)
    assert row["ahead"] == 2, "the overlapping chunk 1 and the near-duplicate 2 do not count; 3 and 4 do"


def test_a_query_that_finds_nothing_still_has_a_row(tmp_path: Path, lexical: tuple[Corpus, Lexical]) -> None:
    corpus, teacher = lexical
    items = write_items(tmp_path / "items.parquet", [(0, "accepted", 4, "zeppelin")])
    write_scores(items, tmp_path / "scores", corpus, teacher, 10)
    assert pq.read_table(tmp_path / "scores" / "table.parquet").to_pylist() == [
        {"query": 0, "passage": 4, "rank": BEYOND, "score": 0.0}
    ]
    (row,) = pq.read_table(tmp_path / "scores" / "queries.parquet").to_pylist()
    assert (row["positive_score"], row["ahead"]) == (0.0, 0)


def test_a_shard_without_accepted_items_has_empty_tables(tmp_path: Path, lexical: tuple[Corpus, Lexical]) -> None:
    corpus, teacher = lexical
    items = write_items(tmp_path / "items.parquet", [(0, "failed", 1, "")])
    write_scores(items, tmp_path / "scores", corpus, teacher, 10)
    assert pq.read_table(tmp_path / "scores" / "table.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "scores" / "queries.parquet").num_rows == 0
    assert read_teacher(tmp_path / "scores") == dict(teacher.identity)


def test_overlapping_chunks_of_a_real_document_are_not_ahead(tmp_path: Path) -> None:
    sentences = [f"Covenant number{n} binds the borrower until year{n}." for n in range(30)]
    chunk = ChunkSettings(max_chars=160, min_chars=10, overlap_sentences=1)
    corpus = build_corpus(tmp_path / "corpus", [" ".join(sentences), "Gold fell."], chunk=chunk)
    teacher = Lexical("lexical", tmp_path / "teacher", tmp_path)
    teacher.index(corpus, Silent())
    shared = next(s for s in sentences if s in corpus.texts([1])[0] and s in corpus.texts([2])[0])
    items = write_items(tmp_path / "items.parquet", [(n, "accepted", n, shared) for n in (1, 2)])
    write_scores(items, tmp_path / "scores", corpus, teacher, 10)
    assert pq.read_table(tmp_path / "scores" / "queries.parquet")["ahead"].to_pylist() == [0, 0]


@settings(max_examples=30, deadline=None)
@given(
    said=st.lists(st.lists(st.integers(-50, 50), min_size=6, max_size=6), min_size=1, max_size=5),
    positives=st.lists(st.integers(0, 5), min_size=5, max_size=5),
    near=st.sets(st.sampled_from([(0, 1), (1, 4), (2, 3), (4, 5)])),
    depth=st.integers(1, 6),
)
def test_a_table_says_what_the_teacher_said(
    tmp_path_factory: pytest.TempPathFactory,
    said: list[list[int]],
    positives: list[int],
    near: set[tuple[int, int]],
    depth: int,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    corpus = write_corpus(folder, [Row(f"d{n}") for n in range(6)], near)
    told = {f"q{n}": [value / 100 for value in row] for n, row in enumerate(said)}
    items = [(n, "accepted", positives[n], f"q{n}") for n in range(len(said))]
    write_scores(write_items(folder / "items.parquet", items), folder / "scores", corpus, Told(told), depth)
    table = pq.read_table(folder / "scores" / "table.parquet")
    assert table.schema.equals(TABLE)
    queries = pq.read_table(folder / "scores" / "queries.parquet").to_pylist()
    for n, row in enumerate(said):
        own = positives[n]
        ranked = sorted(range(6), key=lambda passage, row=row: (-row[passage], passage))[:depth]
        expected = [(passage, rank) for rank, passage in enumerate(ranked, 1)]
        expected += [(own, BEYOND)] if own not in ranked else []
        found = [r for r in table.to_pylist() if r["query"] == n]
        assert [(r["passage"], r["rank"]) for r in found] == expected
        assert [r["score"] for r in found] == pytest.approx([row[passage] / 100 for passage, _ in expected])
        same = {own} | {a for a, b in near if b == own} | {b for a, b in near if a == own}
        assert queries[n]["ahead"] == sum(row[passage] > row[own] for passage in ranked if passage not in same)
        assert queries[n]["positive_score"] == pytest.approx(row[own] / 100)
