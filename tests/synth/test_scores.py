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
from synth.errors import InputError
from synth.mining.candidates import BEYOND
from synth.progress import Silent
from synth.scores import TABLE, Questions, read_candidates, read_metadata, write_scores
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
        own = np.where(positives >= 0, np.take_along_axis(everything, np.maximum(positives, 0), axis=1), 0)
        return Hits(order.astype(np.int64), np.take_along_axis(everything, order, axis=1), own)


def score(
    folder: Path, corpus: Corpus, said: dict[str, list[float]], positives: list[int], depth: int
) -> tuple[pa.Table, list[dict]]:
    """The table and the rows of `positives.parquet` for one query called `q`, number 7."""
    questions = Questions.of(["q"], [positives], number=np.array([7]), ids=["r7"])
    write_scores(folder / "scores", questions.blocks(), corpus, Told(said), depth)
    known = pq.read_table(folder / "scores" / "positives.parquet").to_pylist()
    return pq.read_table(folder / "scores" / "table.parquet"), known


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
    """(number, positives) of `count` queries with one to three positives each."""
    corpus, teacher = lexical
    random = np.random.default_rng(1)
    known = [
        (100 + 2 * n, random.choice(len(corpus), random.integers(1, 4), replace=False).tolist()) for n in range(count)
    ]
    texts = [" ".join(random.choice(WORDS, 3)) for _ in known]
    number = np.array([n for n, _ in known])
    questions = Questions.of(texts, [own for _, own in known], number=number, ids=[f"r{n}" for n, _ in known])
    write_scores(folder / "scores", questions.blocks(), corpus, teacher, depth)
    return folder / "scores", known


def test_a_table_has_the_promised_columns(tmp_path: Path, lexical: tuple[Corpus, Lexical]) -> None:
    folder, _ = write_real_table(tmp_path, lexical, 10)
    schema = pq.read_schema(folder / "table.parquet")
    assert [(field.name, str(field.type)) for field in schema] == [
        ("query", "int32"),
        ("passage", "int32"),
        ("rank", "uint16"),
        ("score", "float"),
    ]
    assert pq.read_schema(folder / "queries.parquet").names == ["query", "id", "key", "text"]
    assert pq.read_schema(folder / "positives.parquet").names == ["query", "passage", "rank", "score", "ahead"]


def test_the_metadata_names_teacher_depth_and_pool(tmp_path: Path, lexical: tuple[Corpus, Lexical]) -> None:
    folder, _ = write_real_table(tmp_path, lexical, 10)
    metadata = pq.read_schema(folder / "table.parquet").metadata
    assert orjson.loads(metadata[b"teacher"]) == dict(lexical[1].identity) == read_metadata(folder).teacher
    assert metadata[b"depth"] == b"10"
    assert metadata[b"pool"] == str(len(lexical[0])).encode()


@pytest.mark.parametrize("block", [3, 7, 512])
def test_rows_are_sorted_and_no_query_crosses_a_row_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lexical: tuple[Corpus, Lexical], block: int
) -> None:
    monkeypatch.setattr(scores, "BLOCK", block)
    folder, known = write_real_table(tmp_path, lexical, 10)
    with pq.ParquetFile(folder / "table.parquet") as file:
        groups = [file.read_row_group(n).to_pydict() for n in range(file.num_row_groups)]
    assert len(groups) == -(-len(known) // block)
    places = [place for group in groups for place in zip(group["query"], group["rank"], strict=True)]
    assert places == sorted(places)
    queries = [set(group["query"]) for group in groups]
    assert sum(map(len, queries)) == len(set.union(*queries)) == len(known)


def test_blocks_change_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lexical: tuple[Corpus, Lexical]) -> None:
    whole, _ = write_real_table(tmp_path / "whole", lexical, 10)
    monkeypatch.setattr(scores, "BLOCK", 3)
    parts, _ = write_real_table(tmp_path / "parts", lexical, 10)
    for name in ("table.parquet", "positives.parquet", "queries.parquet"):
        assert pq.read_table(whole / name).equals(pq.read_table(parts / name))


@pytest.mark.parametrize("block", [3, 512])
def test_what_is_read_is_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lexical: tuple[Corpus, Lexical], block: int
) -> None:
    monkeypatch.setattr(scores, "BLOCK", block)
    folder, known = write_real_table(tmp_path, lexical, 10)
    table = pq.read_table(folder / "table.parquet").to_pylist()
    read: dict[int, tuple[list[int], list[tuple[int, int, float]]]] = {}
    for numbers, block_read in read_candidates(folder):
        for n, number in enumerate(numbers.tolist()):
            own, rows = block_read.positives.owner == n, block_read.query == n
            columns = (block_read.passage[rows], block_read.rank[rows], block_read.score[rows])
            found = list(zip(*(column.tolist() for column in columns), strict=True))
            read[number] = (block_read.positives.passage[own].tolist(), found)
    assert list(read) == [number for number, _ in known]
    for number, positives in known:
        expected = [(row["passage"], row["rank"], row["score"]) for row in table if row["query"] == number]
        assert read[number] == (positives, expected)


@pytest.mark.parametrize("depth", [1, 10, 200])
def test_every_known_positive_is_scored_once_whatever_the_search_reached(
    tmp_path: Path, lexical: tuple[Corpus, Lexical], depth: int
) -> None:
    folder, known = write_real_table(tmp_path, lexical, depth)
    table = {(row["query"], row["passage"]): row for row in pq.read_table(folder / "table.parquet").to_pylist()}
    rows = pq.read_table(folder / "positives.parquet").to_pylist()
    assert [(row["query"], row["passage"]) for row in rows] == [(n, own) for n, positives in known for own in positives]
    for row in rows:
        found = table.get((row["query"], row["passage"]))
        assert row["rank"] == (found["rank"] if found else BEYOND)
        assert found is None or found["score"] == row["score"]


def test_a_positive_beyond_the_depth_has_the_last_rank_there_is(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row(f"d{n}") for n in range(5)])
    table, (row,) = score(tmp_path, corpus, {"q": [0.9, 0.8, 0.7, 0.2, 0.6]}, [3], depth=2)
    assert table.to_pydict() == {"query": [7, 7], "passage": [0, 1], "rank": [1, 2], "score": pytest.approx([0.9, 0.8])}
    assert row == {"query": 7, "passage": 3, "rank": 65_535, "score": pytest.approx(0.2), "ahead": BEYOND}


def test_a_positive_that_the_search_reached_keeps_its_rank(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row(f"d{n}") for n in range(5)])
    table, (row,) = score(tmp_path, corpus, {"q": [0.9, 0.8, 0.7, 0.2, 0.6]}, [2], depth=4)
    assert table["passage"].to_pylist() == [0, 1, 2, 4]
    assert (row["rank"], row["ahead"]) == (3, 2)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_refused_with_its_query(tmp_path: Path, wrong: float) -> None:
    corpus = write_corpus(tmp_path, [Row(f"d{n}") for n in range(3)])
    with pytest.raises(InputError, match="the teacher 'told' gives a score that is no number .* for the query 'q'"):
        score(tmp_path, corpus, {"q": [0.9, wrong, 0.7]}, [0], depth=3)


def test_known_positives_are_not_ahead_of_each_other(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row(f"d{n}") for n in range(5)])
    _, rows = score(tmp_path, corpus, {"q": [0.9, 0.8, 0.7, 0.2, 0.6]}, [4, 0, 2], depth=5)
    assert [(row["passage"], row["rank"], row["ahead"]) for row in rows] == [(4, 4, 1), (0, 1, 0), (2, 3, 1)]


def test_only_strictly_better_passages_are_ahead(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row(f"d{n}") for n in range(4)])
    _, (row,) = score(tmp_path, corpus, {"q": [0.5, 0.5, 0.5, 0.6]}, [2], depth=4)
    assert row["ahead"] == 1


def test_passages_that_are_the_same_as_the_positive_are_never_ahead_of_it(tmp_path: Path) -> None:
    rows = [Row("a", 0, 10), Row("a", 8, 20), Row("b"), Row("c"), Row("a", 20, 30)]
    corpus = write_corpus(tmp_path, rows, [(0, 2)])
    _, (row,) = score(tmp_path, corpus, {"q": [0.1, 0.9, 0.8, 0.7, 0.6]}, [0], depth=5)
    assert row["ahead"] == 2, "the overlapping chunk 1 and the near-duplicate 2 do not count; 3 and 4 do"


@pytest.mark.parametrize("block", [1, 512])
def test_queries_that_find_nothing_are_read_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lexical: tuple[Corpus, Lexical], block: int
) -> None:
    monkeypatch.setattr(scores, "BLOCK", block)
    corpus, teacher = lexical
    questions = Questions.of(["zeppelin", "bond", "airship", "dirigible"], [[4], [5], [6], [7]])
    write_scores(tmp_path / "scores", questions.blocks(), corpus, teacher, 10)
    read = [
        (int(number), int((block_read.query == n).sum()))
        for numbers, block_read in read_candidates(tmp_path / "scores")
        for n, number in enumerate(numbers)
    ]
    assert read == [(0, 0), (1, 10), (2, 0), (3, 0)]
    known = pq.read_table(tmp_path / "scores" / "positives.parquet").to_pylist()
    assert [row["score"] > 0 for row in known] == [False, known[1]["score"] > 0, False, False]


def test_no_question_at_all_gives_empty_tables(tmp_path: Path, lexical: tuple[Corpus, Lexical]) -> None:
    corpus, teacher = lexical
    write_scores(tmp_path / "scores", Questions.of([], []).blocks(), corpus, teacher, 10)
    assert list(read_candidates(tmp_path / "scores")) == []
    assert read_metadata(tmp_path / "scores").teacher == dict(teacher.identity)


def test_overlapping_chunks_of_a_real_document_are_not_ahead(tmp_path: Path) -> None:
    sentences = [f"Covenant number{n} binds the borrower until year{n}." for n in range(30)]
    chunk = ChunkSettings(max_chars=160, min_chars=10, overlap_sentences=1)
    corpus = build_corpus(tmp_path / "corpus", [" ".join(sentences), "Gold fell."], chunk=chunk)
    teacher = Lexical("lexical", tmp_path / "teacher", tmp_path)
    teacher.index(corpus, Silent())
    shared = next(s for s in sentences if s in corpus.texts([1])[0] and s in corpus.texts([2])[0])
    write_scores(tmp_path / "scores", Questions.of([shared, shared], [[1], [2]]).blocks(), corpus, teacher, 10)
    assert pq.read_table(tmp_path / "scores" / "positives.parquet")["ahead"].to_pylist() == [0, 0]


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
    questions = Questions.of(list(told), [[positives[n]] for n in range(len(said))])
    write_scores(folder / "scores", questions.blocks(), corpus, Told(told), depth)
    table = pq.read_table(folder / "scores" / "table.parquet")
    assert table.schema.equals(TABLE)
    known = pq.read_table(folder / "scores" / "positives.parquet").to_pylist()
    for n, row in enumerate(said):
        own = positives[n]
        ranked = sorted(range(6), key=lambda passage, row=row: (-row[passage], passage))[:depth]
        found = [r for r in table.to_pylist() if r["query"] == n]
        assert [(r["passage"], r["rank"]) for r in found] == [(passage, rank) for rank, passage in enumerate(ranked, 1)]
        assert [r["score"] for r in found] == pytest.approx([row[passage] / 100 for passage in ranked])
        same = {own} | {a for a, b in near if b == own} | {b for a, b in near if a == own}
        is_beyond = own not in ranked and row[own] < row[ranked[-1]]
        ahead = sum(row[passage] > row[own] for passage in ranked if passage not in same)
        assert known[n]["ahead"] == (BEYOND if is_beyond else ahead)
        assert known[n]["score"] == pytest.approx(row[own] / 100)
