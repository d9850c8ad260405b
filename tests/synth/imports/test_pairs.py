"""Pairs of one's own as a version, from files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from served_hub import lines

from schemas.manifest import Manifest
from schemas.record import NTuple
from synth.card import Place, render_card
from synth.catalog import run_query
from synth.collect import Wish, find_removals
from synth.diff import compare
from synth.errors import DocumentError, StoreError
from synth.export import ExportOptions, export_version
from synth.imports import Import, PairFields, import_dataset
from synth.pairs.read import read_pairs
from synth.progress import Silent
from synth.store import Store, VersionRef
from synth.survey import survey_version
from synth.update import newest_version
from synth.verify import verify_version

ROWS = [
    {"anchor": "what is gold", "positive": "Gold is a metal.", "negative": "Silver is a coin.", "id": "q1"},
    {"anchor": "what is gold", "positive": "Gold is a metal.", "negative": "Silver is a coin."},
    {"anchor": "what is gold", "positive": "Gold is a metal.", "negative": "Copper is a cable."},
    {"anchor": "", "positive": "Nobody asks."},
    {"anchor": "who asks?", "positive": ""},
    {
        "anchor": "who pays",
        "positive": ["The bank pays.", "A trustee pays."],
        "neg_1": "Nobody.",
        "neg_2": "the BANK pays.",
    },
    {"anchor": "what shines", "positive": "Gold is a metal.", "negative": "Lead is dull.", "split": "validation"},
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def take(store: Store, tmp_path: Path) -> Callable[..., VersionRef]:
    """Import rows under the name `mine`."""

    def imported(rows: list[dict[str, Any]] | Path, **options: Any) -> VersionRef:
        file = rows if isinstance(rows, Path) else tmp_path / "pairs.jsonl"
        if not isinstance(rows, Path):
            file.write_bytes(lines(rows))
        return import_dataset(Import(str(file), "mine", **options), store, Silent())

    return imported


def records(version: VersionRef) -> list[dict[str, Any]]:
    return [
        row
        for split in ("train", "test")
        for row in pq.read_table(version.file(f"records/{split}.parquet")).to_pylist()
    ]


def test_every_row_is_kept_or_dropped_and_every_pair_accepted_or_rejected(take: Callable[..., VersionRef]) -> None:
    version = take(ROWS)
    manifest = version.manifest
    assert (manifest.sources.read, manifest.sources.dropped) == (7, {"no_positive": 1, "no_query": 1})
    assert (manifest.funnel.planned, manifest.funnel.accepted, manifest.funnel.rejected) == (6, 5, {"duplicate": 1})
    assert manifest.splits == {"train": 4, "test": 1}
    assert verify_version(version) == []
    (reject,) = pq.read_table(version.file("rejects.parquet")).to_pylist()
    assert (reject["reason"], reject["query"]) == ("duplicate", "what is gold")
    assert reject["detail"].startswith("pairs.jsonl, line 2")
    dropped = pq.read_table(version.file("rejected_sources.parquet")).to_pylist()
    assert [row["source"] for row in dropped] == ["pairs.jsonl, line 4", "pairs.jsonl, line 5"]


def test_records_keep_negatives_that_are_no_positive_and_mask_all_positives(take: Callable[..., VersionRef]) -> None:
    found = records(take(ROWS))
    assert all(NTuple.model_validate(row) for row in found)
    paid = [row for row in found if row["query"] == "who pays"]
    assert [row["positive"]["text"] for row in paid] == ["The bank pays.", "A trustee pays."]
    assert [[each["text"] for each in row["negatives"]] for row in paid] == [["Nobody."]] * 2
    assert paid[0]["in_batch_mask"] == [row["positive"]["passage_id"] for row in paid]
    assert not paid[0]["in_batch_complete"]
    assert found[0]["attributes"] == [{"name": "source_id", "value": "q1"}]
    assert {row["provenance"]["method"] for row in found} == {"imported"}


def test_a_passage_of_train_and_test_belongs_to_train(take: Callable[..., VersionRef]) -> None:
    version = take(ROWS)
    passages = pq.read_table(version.file("passages.parquet")).to_pylist()
    splits = {row["text"]: row["split"] for row in passages}
    assert splits["Gold is a metal."] == "train"
    assert splits["Lead is dull."] == "test"
    assert len(passages) == version.manifest.passages == 7


def test_the_manifest_says_that_nobody_made_the_records(take: Callable[..., VersionRef]) -> None:
    manifest = take(ROWS, licence="CC0-1.0").manifest
    assert manifest.origin is not None
    assert (manifest.origin.source, manifest.origin.shape) == ("pairs.jsonl", "pairs")
    assert len(manifest.origin.sha256) == 64
    assert (manifest.teacher.name, manifest.recipe.generator, manifest.recipe.gates) == ("none", "import", [])
    assert (manifest.licences, manifest.methods) == ({"CC0-1.0": 5}, {"imported": 5})
    assert manifest.candidates == {"known_positive": 1, "selected": 5}
    assert manifest.recipe.mining.negatives == 1
    before = manifest.model_dump(mode="json")
    del before["origin"]
    assert Manifest.model_validate(before).origin is None


def test_the_same_import_twice_is_one_version_and_another_licence_is_another(take: Callable[..., VersionRef]) -> None:
    first = take(ROWS)
    assert take(ROWS) == first
    second = take(ROWS, licence="MIT")
    assert second.number == 2
    assert second.manifest.content_sha256 == first.manifest.content_sha256
    assert take(ROWS[1:]).number == 3
    assert [path.name for path in first.path.parent.iterdir() if path.name.startswith(".")] == []


def test_an_import_is_read_exported_and_queried_like_any_version(
    take: Callable[..., VersionRef], store: Store, tmp_path: Path
) -> None:
    version = take(ROWS)
    pairs = read_pairs("mine:all", store)
    assert (len(pairs.queries), pairs.count, len(pairs.passages)) == (3, 4, 7)
    result = export_version(version, "triplet", tmp_path / "out")
    assert dict(result.rows) == {"train": 4, "test": 1}
    counted = run_query(store, 'SELECT split, count(*) AS n FROM "mine" GROUP BY ALL ORDER BY ALL').to_pylist()
    assert counted == [{"split": "test", "n": 1}, {"split": "train", "n": 4}]


def test_files_of_a_folder_give_the_split(take: Callable[..., VersionRef], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "dev.jsonl").write_bytes(lines([{"query": "a b", "answer": "A letter."}]))
    (folder / "train-0.csv").write_text("question,answer\nwhat is it,It is a thing.\n")
    version = take(folder)
    assert version.manifest.splits == {"train": 1, "test": 1}
    assert version.manifest.origin is not None and version.manifest.origin.source == "set"


def test_a_beir_folder_keeps_its_corpus_and_says_what_was_not_relevant(
    take: Callable[..., VersionRef], tmp_path: Path
) -> None:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{n}", "title": f"Title {n}", "text": f"Body {n}."} for n in range(5)] + [
        {"_id": "d9", "text": ""}
    ]
    (folder / "corpus.jsonl").write_bytes(lines(corpus))
    (folder / "queries.jsonl").write_bytes(lines([{"_id": f"q{n}", "text": f"question {n}"} for n in range(3)]))
    (folder / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td0\t1\nq0\td1\t0\nq0\td8\t1\n")
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td2\t2\nq7\td2\t1\n")
    version = take(folder)
    manifest = version.manifest
    assert manifest.splits == {"train": 1, "test": 1}
    assert manifest.funnel.rejected == {"not_relevant": 1, "unknown_passage": 1, "unknown_query": 1}
    assert manifest.sources.dropped == {"empty_passage": 1, "not_judged": 1}
    assert [[each["passage_id"] for each in row["negatives"]] for row in records(version)] == [["d1"], []]
    splits = {row["id"]: row["split"] for row in pq.read_table(version.file("passages.parquet")).to_pylist()}
    assert splits == {"d0": "train", "d1": "train", "d2": "test", "d3": "train", "d4": "train"}
    assert verify_version(version) == []


def test_a_label_has_to_be_explained(take: Callable[..., VersionRef]) -> None:
    rows = [{"sentence1": f"one {n}", "sentence2": f"two {n}", "score": n / 4} for n in range(5)]
    with pytest.raises(DocumentError, match=r"pairs.jsonl, line 1 has a field 'score' .*--min-score"):
        take(rows)
    manifest = take(rows, pairs=PairFields(min_score=0.5)).manifest
    assert (manifest.funnel.accepted, manifest.funnel.rejected) == (3, {"below_min_score": 2})
    assert manifest.origin is not None and manifest.origin.settings == {"min_score": "0.5"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"left": "a", "right": "b"}],
            r"line 1 has no field that is known to hold a query .*left, right.*--query-field",
        ),
        ([{"query": "a", "positive": ""}], r"holds no pair that can be imported \(no_positive 1\)"),
        ([{"query": "a", "stuff": "b"}], r"known to hold a positive .*--positive-field"),
    ],
)
def test_what_can_not_be_imported_leaves_nothing(
    take: Callable[..., VersionRef], store: Store, rows: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(DocumentError, match=said):
        take(rows)
    assert store.names() == []
    assert not (store.versions / "mine").exists()


def test_a_name_that_is_none_is_refused_before_anything_is_read(store: Store) -> None:
    with pytest.raises(StoreError, match="can't name a dataset"):
        import_dataset(Import("nowhere", "No Name"), store, Silent())


def test_many_rows_are_counted_over_row_groups(take: Callable[..., VersionRef]) -> None:
    rows = [{"query": f"question {n % 6_000}", "positive": f"Answer {n % 6_000}."} for n in range(9_000)]
    version = take(rows)
    assert Counter(version.manifest.funnel.rejected) == {"duplicate": 3_000}
    assert verify_version(version) == []
    assert [row["provenance"]["position"] for row in records(version)[:2]] == [0, 1]


PAIRS = [{"query": f"ask {n}", "positive": f"Answer {n}.", "negative": f"No answer {n}."} for n in range(6)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("margin", {}),
        ("pair-score", {}),
        ("triplet", {"extras": ("scores",)}),
        ("triplet", {"extras": ("difficulty",)}),
        ("flagembedding", {"extras": ("scores",)}),
        ("triplet", {"order": "curriculum"}),
    ],
)
def test_scores_that_no_teacher_gave_are_not_exported(
    take: Callable[..., VersionRef], tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    with pytest.raises(
        StoreError,
        match="it was imported and no teacher has scored it; `synth mine mine@1 --teacher MODEL --out FOLDER`",
    ):
        export_version(take(PAIRS), name, tmp_path / "out", ExportOptions(**options))
    assert not (tmp_path / "out").exists()


def test_flagembedding_gets_no_scores_of_an_import(take: Callable[..., VersionRef], tmp_path: Path) -> None:
    result = export_version(take(PAIRS), "flagembedding", tmp_path / "out")
    assert not {"pos_scores", "neg_scores"} & set(result.columns)
    assert result.rows == {"train": 6}


def test_a_diff_with_an_import_compares_no_scores(take: Callable[..., VersionRef]) -> None:
    found = compare(take(PAIRS), take(PAIRS[:4]))
    assert found.numbers["positive score"].old is None
    assert found.numbers["gap to best negative"].new is None
    assert found.rows["removed"] == 2


def test_an_import_can_not_be_updated(take: Callable[..., VersionRef], store: Store) -> None:
    version = take(PAIRS)
    with pytest.raises(StoreError, match=f"{version} was imported: .* choose another --name"):
        newest_version(version.name, store)


def test_older_content_that_is_imported_again_is_the_newest(take: Callable[..., VersionRef]) -> None:
    first, second, third = take(PAIRS), take(PAIRS[:4]), take(PAIRS)
    assert [version.number for version in (first, second, third)] == [1, 2, 3]
    assert take(PAIRS) == third
    assert third.manifest.content_sha256 == first.manifest.content_sha256


def test_an_import_keeps_no_answers_from_being_collected(take: Callable[..., VersionRef], store: Store) -> None:
    take(PAIRS)
    (store.answers / ("f" * 64)).mkdir(parents=True)
    found = find_removals(store, Wish(answers=True))
    assert ([each.kind for each in found.removals], found.spared) == (["answers"], [])


def test_the_card_of_an_import_claims_nothing_that_synth_did_not_do(take: Callable[..., VersionRef]) -> None:
    version = take(PAIRS)
    card = render_card(version.manifest, Place(), [], survey_version(version))
    for claim in ("Splits are by document", "mined from the same corpus", "source_datasets", "synthetic", "teacher"):
        assert claim not in card
    for fact in (
        "6 records",
        "and the source's negatives",
        "synth wrote, scored and gated none",
        "one source",
        "6 of 6 rows were taken",
    ):
        assert fact in card
