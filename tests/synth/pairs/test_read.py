from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.errors import DocumentError, InputError, StoreError
from synth.mining.miner import HardNegativeMiner
from synth.mining.table import retrieve
from synth.pairs import Pairs
from synth.pairs.read import Fields, read_pairs
from synth.store import Store


def lines(path: Path, rows: list[Any]) -> Path:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path: Path | str, corpus: Path | None = None, **fields: str) -> Pairs:
    return read_pairs(str(path), Store(Path("nowhere")), corpus, Fields(**fields))


def texts(pairs: Pairs) -> dict[str, list[str]]:
    """Query -> its positives."""
    known = [[pairs.passages[n] for n in own] for own in pairs.positives]
    return dict(zip(pairs.queries, known, strict=True))


GOLD = {"what is gold?": ["Gold is a metal."]}


@pytest.mark.parametrize(
    "row",
    [
        {"query": "what is gold?", "positive": "Gold is a metal."},
        {"anchor": "what is gold?", "positive": "Gold is a metal."},
        {"Question": "what is gold?", "Answer": "Gold is a metal."},
        {"query": "what is gold?", "pos": ["Gold is a metal."], "neg": ["Tin is soft."]},
        {"query": "what is gold?", "positive_passages": [{"docid": "7", "text": "is a metal.", "title": "Gold"}]},
        {"sentence1": "what is gold?", "sentence2": "Gold is a metal."},
    ],
    ids=lambda row: "-".join(row),
)
def test_rows_are_read_by_the_usual_names(tmp_path: Path, row: dict[str, Any]) -> None:
    found = texts(read(lines(tmp_path / "pairs.jsonl", [row])))
    assert {query: [text.replace("Gold\nis", "Gold is") for text in own] for query, own in found.items()} == GOLD


def test_fields_of_any_name_can_be_told(tmp_path: Path) -> None:
    path = lines(tmp_path / "pairs.jsonl", [{"q": "what is gold?", "a": "Gold is a metal.", "from": "chem"}])
    pairs = read(path, query="q", positive="a", source="from")
    assert (texts(pairs), pairs.sources) == (GOLD, ["chem"])


@pytest.mark.parametrize("name", ["pairs.jsonl.gz", "pairs.csv", "pairs.tsv", "pairs.parquet"])
def test_every_format_gives_the_same_pairs(tmp_path: Path, name: str) -> None:
    rows = [
        {"query": "what is gold?", "positive": "Gold, they say,\nis a metal."},
        {"query": "tin?", "positive": "Soft."},
    ]
    path = tmp_path / name
    if name.endswith("gz"):
        lines(path, rows)
    elif name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        cut = "\t" if name.endswith("tsv") else ","
        quoted = [cut.join(f'"{row[key]}"' for key in ("query", "positive")) for row in rows]
        path.write_text("\n".join([f"query{cut}positive", *quoted]))
    assert texts(read(path)) == {row["query"]: [row["positive"]] for row in rows}


def test_equal_queries_and_equal_passages_are_one(tmp_path: Path) -> None:
    rows = [("What is gold?", "Gold is a metal."), ("what is  GOLD?", "Au."), ("au?", "gold is a METAL.")]
    pairs = read(lines(tmp_path / "p.jsonl", [{"query": q, "positive": p} for q, p in rows]))
    assert texts(pairs) == {"What is gold?": ["Gold is a metal.", "Au."], "au?": ["Gold is a metal."]}
    assert (len(pairs.passages), pairs.count) == (2, 3)


def test_negatives_of_the_rows_join_the_pool_unless_a_corpus_is_given(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", [{"query": "q", "pos": ["a"], "neg": ["b", "c"]}])
    corpus = lines(tmp_path / "corpus.jsonl", [{"_id": "d7", "title": "D", "text": "d", "group": "g"}])
    assert read(path).passages == ["a", "b", "c"]
    pairs = read(path, corpus)
    assert (pairs.passages, pairs.passage_ids[1], pairs.groups) == (["a", "D\nd"], "d7", ["", "g"])


def test_an_id_that_comes_twice_names_two_passages(tmp_path: Path) -> None:
    corpus = lines(tmp_path / "c.jsonl", [{"id": "x", "text": "one"}, {"id": "x", "text": "two"}])
    pairs = read(lines(tmp_path / "p.jsonl", [{"query": "q", "positive": "a"}]), corpus)
    assert (pairs.passages, pairs.passage_ids[1]) == (["a", "one", "two"], "x")
    assert len(set(pairs.passage_ids)) == 3


def test_rows_without_a_text_are_counted(tmp_path: Path) -> None:
    rows = [{"query": " ", "positive": "a"}, {"query": "q", "positive": []}, {"query": "q", "positive": "a"}]
    assert read(lines(tmp_path / "p.jsonl", rows)).skipped == {"no query": 1, "no positive": 1}


@pytest.mark.parametrize("qrels", ["qrels.jsonl", "qrels/train.tsv"])
def test_a_beir_folder_is_read_with_what_was_judged_relevant(tmp_path: Path, qrels: str) -> None:
    lines(tmp_path / "corpus.jsonl", [{"_id": n, "text": f"text {n}", "title": ""} for n in "abc"])
    lines(tmp_path / "queries.jsonl.gz", [{"_id": "1", "text": "one?"}, {"_id": "2", "text": "two?"}])
    judged = [("1", "a", 1), ("1", "b", 0), ("2", "c", 2), ("1", "c", 1)]
    if qrels.endswith("tsv"):
        (tmp_path / "qrels").mkdir()
        rows = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in judged)]
        (tmp_path / qrels).write_text("\n".join(rows))
    else:
        lines(tmp_path / qrels, [dict(zip(("query_id", "doc_id", "score"), row, strict=True)) for row in judged])
    pairs = read(tmp_path)
    assert texts(pairs) == {"one?": ["text a", "text c"], "two?": ["text c"]}
    assert (pairs.passage_ids, pairs.query_ids) == (["a", "b", "c"], ["1", "2"])
    assert pairs.skipped == {"judged not relevant": 1}


@pytest.mark.parametrize(("split", "read_too"), [("", ["train"]), (":test", ["test"]), (":all", ["train", "test"])])
def test_a_published_version_is_read_by_split_and_the_pool_is_whole(
    finance: Any, split: str, read_too: list[str]
) -> None:
    pairs = read_pairs(f"finance@1{split}", finance.run.store)
    rows = [row for row in finance.records if row["split"] in read_too]
    assert len(pairs.queries) == len({row["query"].lower() for row in rows}) < len(finance.records) + (split == ":all")
    assert {"train", "test"} == set(pairs.splits)
    number = pairs.queries.index(rows[0]["query"])
    assert pairs.passages[pairs.positives[number][0]] == rows[0]["positive"]["text"]
    left = {
        f"in its split {name}, which is finance@1:{name}:": finance.manifest.splits[name]
        for name in ("train", "test")
        if name not in read_too
    }
    assert pairs.skipped == left


def test_train_queries_of_a_version_have_no_test_passage_among_their_negatives(finance: Any, tmp_path: Path) -> None:
    for split, sees_all in (("", False), (":all", False), (":test", True)):
        pairs = read_pairs(f"finance@1{split}", finance.run.store)
        table = retrieve(pairs, "lexical", store=Store(tmp_path))
        mined = HardNegativeMiner(strategy="naive", negatives=64).mine(pairs, table).negatives
        owner = np.repeat(mined.query, mined.found).tolist()
        of_train = [pairs.splits[pairs.positives[n][0]] == "train" for n in owner]
        is_test = [pairs.splits[n] == "test" for n in mined.passage.tolist()]
        assert any(is_test) == (sees_all or split == ":all")
        assert not any(one and other for one, other in zip(of_train, is_test, strict=True))


def test_a_split_that_no_dataset_has_is_one_sentence(finance: Any) -> None:
    with pytest.raises(
        InputError, match="finance@1:dev: a dataset has no split 'dev'; write finance@1:train, :test or"
    ):
        read_pairs("finance@1:dev", finance.run.store)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", '{"query": "q", "positive": "a"}\n{"query":', r"p\.jsonl, line 2 is no JSON: .*; give one object a line"),
        ("p.jsonl", "[1]", r"p\.jsonl, line 1 is a list; give one object a line"),
        ("p.jsonl", '{"quer": "q", "text": "a"}', r"p\.jsonl, line 1 has no field that is known to hold a query \(its fields are quer, text\): name it with --query-field"),
        ("p.jsonl", '{"query": "", "text": "a"}', r"holds no pair of a query and a positive \(no query 1\)"),
        ("p.csv", 'query,positive\n"a', r"p\.csv is no readable CSV file"),
        ("p.csv", "query,positive\na,b,c", r"p\.csv, row 1 has more fields than the header names"),
        ("p.parquet", "PAR1", r"p\.parquet is no readable Parquet file"),
        ("p.docx", "x", r"p\.docx is not a format synth reads pairs from: give \.jsonl"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_one_sentence(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DocumentError, match=message):
        read(tmp_path / name)


def test_a_wrong_path_field_or_dataset_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "pairs.jsonl", [{"query": "q", "positive": "a"}])
    with pytest.raises(DocumentError, match=r"pair\.jsonl does not exist; did you mean 'pairs\.jsonl'\?"):
        read(tmp_path / "pair.jsonl")
    with pytest.raises(
        DocumentError, match=r"has no field 'querry', which --query-field names; did you mean 'query'\?"
    ):
        read(path, query="querry")
    with pytest.raises(StoreError, match="no dataset 'pears' in"):
        read("pears")
    with pytest.raises(DocumentError, match=r"holds no pairs: put in \.jsonl"):
        read(tmp_path / "empty" if (tmp_path / "empty").mkdir() is None else "")
    lines(tmp_path / "corpus.jsonl", []), lines(tmp_path / "queries.jsonl", [])
    with pytest.raises(DocumentError, match="has a corpus and queries but no qrels"):
        read(tmp_path)
