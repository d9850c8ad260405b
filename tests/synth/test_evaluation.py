from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.errors import DocumentError
from synth.evaluation import EvaluationSet, load_evaluation, read_evaluations

Rows = Sequence[Mapping[str, Any]]


def write(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path: Path) -> EvaluationSet:
    (found,) = read_evaluations([str(path)])
    return found


QUERIES = [{"_id": "q1", "text": "who pays?"}, {"_id": "q2", "text": "who owns?"}, {"_id": "q3", "text": "not judged"}]
CORPUS = [
    {"_id": "d1", "title": "Fees", "text": "The bank."},
    {"_id": "d2", "text": "Nobody."},
    {"_id": "d3", "text": "No."},
]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_folder_gives_the_judged_queries_and_the_passages_that_answer_them(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "exam"
    judged = [("q1", "d1", 1), ("q1", "d2", 0), ("q2", "d2", 2)]
    write(folder / f"queries{suffix}", QUERIES)
    write(folder / f"corpus{suffix}", CORPUS)
    write(folder / f"qrels{suffix}", [{"query_id": q, "doc_id": d, "score": s} for q, d, s in judged])
    assert read(folder) == EvaluationSet(
        "exam", {"q1": "who pays?", "q2": "who owns?"}, {"d1": "The bank.", "d2": "Nobody."}
    )


def test_qrels_may_be_tables_as_beir_has_them(tmp_path: Path) -> None:
    write(tmp_path / "queries.jsonl", QUERIES)
    write(tmp_path / "corpus.jsonl", CORPUS)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td3\t1\n")
    found = read(tmp_path)
    assert (found.queries, found.passages) == ({"q2": "who owns?"}, {"d3": "No."})


def test_where_nothing_is_judged_all_counts(tmp_path: Path) -> None:
    write(tmp_path / "queries.jsonl", QUERIES)
    assert len(read(tmp_path).queries) == 3


def test_a_file_has_a_query_a_row_and_the_passages_beside_it(tmp_path: Path) -> None:
    rows = [
        {"question": "who pays?", "positive": "The bank.", "score": 1},
        {"question": "who owns?", "answers": ["A", "B"], "positive": None},
        {"question": "", "positive": "of nothing"},
    ]
    found = read(write(tmp_path / "exam.jsonl", rows))
    assert (found.name, list(found.queries.values())) == ("exam", ["who pays?", "who owns?"])
    assert list(found.passages.values()) == ["The bank.", "A", "B"]


def _as_csv(path: Path) -> Path:
    file = path / "exam.csv"
    file.write_text('anchor,text\n"who pays, and why?",The bank.\n')
    return file


def _as_parquet(path: Path) -> Path:
    pq.write_table(pa.table({"anchor": ["who pays, and why?"], "text": ["The bank."]}), path / "exam.parquet")
    return path / "exam.parquet"


@pytest.mark.parametrize("made", [_as_csv, _as_parquet])
def test_tables_are_read_too(tmp_path: Path, made: Callable[[Path], Path]) -> None:
    found = read(made(tmp_path))
    assert list(found.queries.values()) == ["who pays, and why?"]
    assert list(found.passages.values()) == ["The bank."]


def test_a_column_of_texts_alone_holds_queries(tmp_path: Path) -> None:
    found = read(write(tmp_path / "exam.jsonl", [{"id": 7, "text": "who pays?"}]))
    assert (found.queries, found.passages) == ({"7": "who pays?"}, {})


def test_one_id_with_two_queries_loses_none(tmp_path: Path) -> None:
    found = read(write(tmp_path / "e.jsonl", [{"id": 1, "query": "a b"}, {"id": 1, "query": "c d"}]))
    assert sorted(found.queries.values()) == ["a b", "c d"]


def test_the_hash_is_of_what_is_there_not_of_where_or_in_which_order(tmp_path: Path) -> None:
    one, other = read(write(tmp_path / "a.jsonl", QUERIES)), read(write(tmp_path / "b" / "b.jsonl", QUERIES[::-1]))
    assert one.sha256 == other.sha256
    assert one.sha256 != read(write(tmp_path / "c.jsonl", QUERIES[:2])).sha256


def test_sets_of_one_name_are_told_apart_and_one_given_twice_counts_once(tmp_path: Path) -> None:
    paths = [write(tmp_path / folder / "exam, v1.jsonl", rows) for folder, rows in (("a", QUERIES), ("b", QUERIES[:1]))]
    found = read_evaluations([str(path) for path in (*paths, paths[0])])
    assert [each.name for each in found] == ["exam-v1", "exam-v1~2"]


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    made = EvaluationSet("exam", {"q": "who?"}, {"p": "The bank."})
    made.save(tmp_path)
    assert load_evaluation(tmp_path, made.sha256, "exam") == made


def test_a_path_that_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    write(tmp_path / "exam.jsonl", QUERIES)
    with pytest.raises(
        DocumentError, match=r"--decontaminate: .*exan\.jsonl does not exist; did you mean 'exam\.jsonl'\?"
    ):
        read(tmp_path / "exan.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("exam.jsonl", "{", "exam.jsonl, line 1 is no JSON: unexpected end of data"),
        ("exam.jsonl", "[1]\n", "exam.jsonl, line 1 is a list; give one object a line"),
        ("exam.jsonl", '{"label": 1}\n', "holds no queries: one of the columns query, question, anchor, text"),
        ("exam.parquet", "no", "no readable Parquet file"),
        ("exam.pdf", "no", "is not a format synth reads"),
        ("exam.jsonl.gz", "no", "exam.jsonl.gz, line 1 can't be read: Not a gzipped file"),
    ],
)
def test_a_file_that_is_no_evaluation_set_is_refused(tmp_path: Path, name: str, content: str, why: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DocumentError, match=why):
        read(tmp_path / name)


def test_a_folder_without_queries_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "corpus.jsonl", CORPUS)
    with pytest.raises(DocumentError, match="has no queries.jsonl"):
        read(tmp_path)
