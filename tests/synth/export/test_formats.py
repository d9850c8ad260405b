"""What each format says of a record, checked against the record."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import orjson
import pyarrow as pa
import pytest
from exports import all_records, is_cut, read_both, read_lines, read_records

from synth.errors import StoreError
from synth.evaluation import read_evaluations
from synth.export import NAMES, ExportOptions, convert, count_short, export_formats, export_version, losses_of
from synth.export.formats import FORMATS, TOOLS
from synth.store import VersionRef

Make = Callable[..., Any]


def scored(record: dict[str, Any]) -> list[tuple[str, float]]:
    """The passages that the teacher scored as they stand, with its scores."""
    own = [] if is_cut(record) else [record["positive"]]
    found = [*own, *(each for each in record["negatives"] if each["method"] == "mined")]
    return [(each["text"], each["score"]) for each in found]


@pytest.mark.parametrize("which", ["version", "perturbed"])
def test_pair_score_is_the_teachers_score_and_nothing_is_made_up(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    version: VersionRef = request.getfixturevalue(which)
    result = export_version(version, "pair-score", tmp_path)
    assert result.columns == ("sentence1", "sentence2", "score")
    records = all_records(version)
    expected = [(r["query"], *each) for r in records for each in scored(r)]
    assert [tuple(row.values()) for row in read_both(tmp_path, "pair-score")] == expected
    made = sum(each["method"] != "mined" for r in records for each in r["negatives"])
    cut = sum(map(is_cut, records))
    assert made + cut > 0
    assert sum(result.passages_left_out.values()) == made + cut
    assert result.left_out == 0


def test_pair_class_says_which_texts_answer(perturbed: VersionRef, tmp_path: Path) -> None:
    result = export_version(perturbed, "pair-class", tmp_path)
    assert result.columns == ("anchor", "text", "label")
    expected = [
        (r["query"], text, label)
        for r in all_records(perturbed)
        for text, label in [(r["positive"]["text"], 1), *((n["text"], 0) for n in r["negatives"])]
    ]
    assert [tuple(row.values()) for row in read_both(tmp_path, "pair-class")] == expected


def test_margin_has_the_teachers_scores_in_the_order_of_its_texts(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "margin", tmp_path)
    assert result.columns == ("query", "positive", "negative_1", "negative_2", "negative_3", "negative_4", "label")
    records = all_records(version)
    whole = [r for r in records if len(r["negatives"]) == 4 and not is_cut(r)]
    expected = [(r["query"], *(text for text, _ in scored(r)), [score for _, score in scored(r)]) for r in whole]
    assert [tuple(row.values()) for row in read_both(tmp_path, "margin")] == expected
    assert result.left_out == len(records) - len(whole)
    few = sum(len(r["negatives"]) < 4 for r in records)
    assert list(result.reasons.values()) == [few, len(records) - len(whole) - few]


def test_margin_takes_fewer_negatives_for_more_records(make: Make, dated_texts: dict[str, str], tmp_path: Path) -> None:
    version = make(dated_texts, settings={"mining": {"negatives": 4, "rank_max": 6}}).version
    whole = export_version(version, "margin", tmp_path / "whole")
    single = export_version(version, "margin", tmp_path / "single", ExportOptions(negatives=1))
    assert single.columns == ("query", "positive", "negative_1", "label")
    assert sum(single.rows.values()) > sum(whole.rows.values())
    assert all(len(row["label"]) == 2 for row in read_both(tmp_path / "single", "margin"))


def test_margin_leaves_out_made_negatives_and_counts_them(perturbed: VersionRef, tmp_path: Path) -> None:
    result = export_version(perturbed, "margin", tmp_path)
    mined = {each["text"] for r in all_records(perturbed) for each in r["negatives"] if each["method"] == "mined"}
    rows = read_both(tmp_path, "margin")
    assert rows
    assert {row[name] for row in rows for name in ("negative_1", "negative_2")} <= mined
    made = sum(count for method, count in perturbed.manifest.negatives.items() if method != "mined")
    assert result.passages_left_out == {"made negatives, which no teacher scored": made}


def test_margin_of_made_negatives_only_is_refused(make: Make, dated_texts: dict[str, str], tmp_path: Path) -> None:
    settings = {"mining": {"negatives": 0}, "perturbation": {"negatives": 1}}
    version = make(dated_texts, settings=settings).version
    with pytest.raises(StoreError, match="all its negatives were made, and no teacher scored those; export `triplet`"):
        export_version(version, "margin", tmp_path / "out")


def test_a_list_has_its_positives_first_and_one_label_a_text(perturbed: VersionRef, tmp_path: Path) -> None:
    export_version(perturbed, "list", tmp_path)
    expected = [
        {
            "query": r["query"],
            "docs": [r["positive"]["text"], *(n["text"] for n in r["negatives"])],
            "labels": [1.0] + [0.0] * len(r["negatives"]),
        }
        for r in all_records(perturbed)
        if r["negatives"]
    ]
    assert read_both(tmp_path, "list") == expected


@pytest.mark.parametrize("name", ["pair-class", "list", "margin", "flagembedding", "tevatron"])
def test_a_version_without_negatives_names_pair(name: str, make: Make, make_texts: Make, tmp_path: Path) -> None:
    version = make(make_texts(6), settings={"mining": {"negatives": 0}}).version
    with pytest.raises(StoreError, match="its recipe asked for 0 negatives; export `pair` instead"):
        export_version(version, name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def with_scale(version: VersionRef, folder: Path, **identity: str) -> VersionRef:
    """The same version by another teacher."""
    import shutil

    shutil.copytree(version.path, folder)
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    manifest["teacher"]["identity"] |= identity
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    return replace(version, path=folder)


def test_scores_that_only_rank_within_a_query_make_no_pair_score(version: VersionRef, tmp_path: Path) -> None:
    fused = with_scale(version, tmp_path / "fused", fusion="weighted")
    with pytest.raises(StoreError, match=r"its scores \(weighted\) rank the passages of one query"):
        export_version(fused, "pair-score", tmp_path / "out")
    assert export_version(fused, "margin", tmp_path / "out").rows


def test_logits_are_no_cosines(version: VersionRef, tmp_path: Path) -> None:
    rescored = with_scale(version, tmp_path / "rescored", range="logit")
    assert losses_of("pair-score", rescored.manifest) == ("CoSENTLoss", "AnglELoss")
    assert "CosineSimilarityLoss" in losses_of("pair-score", version.manifest)


def passage(name: str, score: float) -> dict[str, Any]:
    return {"passage_id": name, "text": f"text of {name}", "score": score, "rank": 1}


@pytest.fixture
def several() -> pa.Table:
    """A query that needs two passages, and one with too few negatives, as `synth mine` has them."""
    rows = [
        {
            "query": "q1",
            "positive": passage("a", 0.9),
            "more_positives": [passage("b", 0.8)],
            "negatives": [passage("c", 0.5), passage("d", 0.4)],
        },
        {"query": "q2", "positive": passage("e", 0.7), "more_positives": [], "negatives": [passage("f", 0.6)]},
    ]
    return pa.Table.from_pylist(rows)


EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "pair": [("q1", "a"), ("q1", "b"), ("q2", "e")],
    "triplet": [("q1", "a", "c"), ("q1", "a", "d"), ("q1", "b", "c"), ("q1", "b", "d"), ("q2", "e", "f")],
    "n-tuple": [("q1", "a", "c", "d"), ("q1", "b", "c", "d")],
    "margin": [("q1", "a", "c", "d", [0.9, 0.5, 0.4]), ("q1", "b", "c", "d", [0.8, 0.5, 0.4])],
    "pair-score": [
        ("q1", "a", 0.9), ("q1", "b", 0.8), ("q1", "c", 0.5), ("q1", "d", 0.4), ("q2", "e", 0.7), ("q2", "f", 0.6)
    ],
    "pair-class": [("q1", "a", 1), ("q1", "b", 1), ("q1", "c", 0), ("q1", "d", 0), ("q2", "e", 1), ("q2", "f", 0)],
    "list": [("q1", ["a", "b", "c", "d"], [1, 1, 0, 0]), ("q2", ["e", "f"], [1, 0])],
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_query_with_several_positives_gives_rows_for_each(name: str, several: pa.Table) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(each) for each in value]
        return value.removeprefix("text of ") if isinstance(value, str) else value

    rows = [tuple(plain(value) for value in row.values()) for row in convert(several, name, 2).to_pylist()]
    assert rows == EXPECTED[name]
    assert count_short(several, name, 2) == (name in ("n-tuple", "margin"))


def test_a_batch_that_gives_no_row_has_the_columns_all_the_same(several: pa.Table) -> None:
    for name in FORMATS:
        assert convert(several, name, 9).num_rows == (
            0 if name in ("n-tuple", "margin") else len(EXPECTED.get(name, "12"))
        )


def test_flagembedding_has_the_fields_that_its_trainer_reads(perturbed: VersionRef, tmp_path: Path) -> None:
    result = export_version(perturbed, "flagembedding", tmp_path)
    rows, records = read_lines(tmp_path, "flagembedding"), read_records(perturbed, "train")
    assert result.columns == ("query", "pos", "neg", "type", "prompt")
    assert [row["query"] for row in rows] == [r["query"] for r in records if r["negatives"]]
    for row, record in zip(rows, [r for r in records if r["negatives"]], strict=True):
        assert row["pos"] == [record["positive"]["text"]]
        assert row["neg"] == [n["text"] for n in record["negatives"]] != []
        assert row["prompt"] == record["instruction"] != ""
        assert row["type"] == "normal"
    train = sorted((tmp_path / "flagembedding" / "train").iterdir())
    assert train == [file for file in result.files if "train" in file.name]  # the trainer reads every file of a folder


def test_flagembedding_distils_where_scores_are_asked_for(perturbed: VersionRef, tmp_path: Path) -> None:
    export_version(perturbed, "flagembedding", tmp_path, ExportOptions(extras=("scores",)))
    by_query = {r["query"]: r for r in all_records(perturbed)}
    rows = read_lines(tmp_path, "flagembedding")
    assert rows
    for row in rows:
        record = by_query[row["query"]]
        assert list(zip(row["pos"] + row["neg"], row["pos_scores"] + row["neg_scores"], strict=True)) == scored(record)


def test_flagembedding_has_scores_unasked_where_every_text_has_one(
    make: Make, dated_texts: dict[str, str], tmp_path: Path
) -> None:
    version = make(dated_texts, settings={"mining": {"negatives": 2, "rank_max": 12}}).version
    methods = set(version.manifest.methods)
    result = export_version(version, "flagembedding", tmp_path)
    assert ("pos_scores" in result.columns) == (not any(method.endswith(":cloze") for method in methods))


@pytest.mark.parametrize("extras", [(), ("scores",)])
def test_tevatron_has_the_fields_that_its_trainer_reads(
    extras: tuple[str, ...], perturbed: VersionRef, tmp_path: Path
) -> None:
    result = export_version(perturbed, "tevatron", tmp_path, ExportOptions(extras=extras))
    assert result.columns == ("query_id", "query", "positive_passages", "negative_passages")
    by_id = {r["id"]: r for r in all_records(perturbed)}
    rows = read_lines(tmp_path, "tevatron")
    assert rows
    for row in rows:
        record, passages = by_id[row["query_id"]], row["positive_passages"] + row["negative_passages"]
        assert row["negative_passages"]
        if extras:
            assert [(each["text"], each["score"]) for each in passages] == scored(record)
        else:
            found = [record["positive"], *record["negatives"]]
            assert [(each["docid"], each["text"]) for each in passages] == [(f["passage_id"], f["text"]) for f in found]
    loaded = datasets.load_dataset(str(tmp_path / "tevatron"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == len(rows)


def test_beir_is_a_folder_that_evaluations_read(version: VersionRef, tmp_path: Path) -> None:
    result = export_version(version, "beir", tmp_path)
    folder = tmp_path / "beir"
    corpus = [orjson.loads(line) for line in (folder / "corpus.jsonl").read_bytes().splitlines()]
    queries = {
        row["_id"]: row["text"] for row in map(orjson.loads, (folder / "queries.jsonl").read_bytes().splitlines())
    }
    assert len(corpus) == version.manifest.passages
    assert set(corpus[0]) == {"_id", "title", "text"}
    for split in ("train", "test"):
        with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8") as file:
            head, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL)
        kept = [r for r in read_records(version, split) if not is_cut(r)]
        assert head == ["query-id", "corpus-id", "score"]
        assert rows == [[r["id"], r["positive"]["passage_id"], "1"] for r in kept]
        assert result.rows[split] == len(rows)
        assert all(queries[r["id"]] == r["query"] for r in kept)
    assert result.left_out == sum(map(is_cut, all_records(version))) > 0
    (found,) = read_evaluations([str(folder)])
    assert set(found.queries.values()) <= set(queries.values())


def test_several_formats_of_one_folder_load_by_name(perturbed: VersionRef, tmp_path: Path) -> None:
    results = export_formats(perturbed, NAMES, tmp_path / "out")
    assert [result.format for result in results] == list(NAMES)
    for result in results:
        if result.format in FORMATS:
            loaded = datasets.load_dataset(str(tmp_path / "out"), result.format, cache_dir=str(tmp_path / "cache"))
            assert {split: part.num_rows for split, part in loaded.items()} == result.rows
            assert tuple(loaded["train"].column_names) == result.columns


def test_json_lines_load_by_name_where_there_are_no_tables(perturbed: VersionRef, tmp_path: Path) -> None:
    for result in export_formats(perturbed, list(TOOLS), tmp_path / "out"):
        loaded = datasets.load_dataset(str(tmp_path / "out"), result.format, cache_dir=str(tmp_path / "cache"))
        assert {split: part.num_rows for split, part in loaded.items()} == result.rows


def test_no_trainer_facing_table_has_a_column_that_was_not_asked_for(version: VersionRef, tmp_path: Path) -> None:
    labels = {"label", "labels", "score", "scores"}
    for result in export_formats(version, [name for name in FORMATS if name != "full"], tmp_path / "out"):
        own = {"anchor", "positive", "negative", "query", "text", "docs", "sentence1", "sentence2"}
        assert {name for name in result.columns if not name.startswith("negative_")} <= own | labels
        assert len(labels & set(result.columns)) <= 1
        assert not labels & set(result.columns[:-1])


def test_the_docs_name_the_columns_and_losses_of_every_format(perturbed: VersionRef, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    table = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `") and row.count("|") == 6}
    assert set(table) == set(NAMES)
    for result in export_formats(perturbed, [*FORMATS, *TOOLS], tmp_path / "out"):
        chosen, row = FORMATS.get(result.format) or TOOLS[result.format], table[result.format]
        for column in result.columns if result.format != "full" else ():
            assert column.split("_")[0] in row.split("|")[2]
        for losses, cell in ((chosen.losses, 4), (chosen.other_losses, 5)):
            place = 5 if chosen.trainer == "CrossEncoderTrainer" else cell
            named = row.split("|")[place].replace("those of `pair`", table["pair"].split("|")[4])
            assert {each.strip() for each in named.split(",")} - {""} == set(losses) or not losses
