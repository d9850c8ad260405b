from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.collect import Wish, find_removals, remove
from synth.errors import StoreError
from synth.files import sha256_of_file
from synth.fingerprint import content_sha256
from synth.store import Store, VersionRef
from synth.verify import verify_version

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def sound(make: Make, make_texts: Make) -> VersionRef:
    version: VersionRef = make(make_texts(14), limit=30, settings={"splits": {"test": 0.3}}).version
    return version


@pytest.fixture
def version(sound: VersionRef, tmp_path: Path) -> VersionRef:
    """A copy to damage."""
    path = tmp_path / "finance" / "1"
    shutil.copytree(sound.path, path)
    return VersionRef("finance", 1, path)


def change_manifest(version: VersionRef, change: Callable[[dict[str, Any]], None]) -> None:
    path = version.path / "manifest.json"
    manifest = orjson.loads(path.read_bytes())
    change(manifest)
    path.write_bytes(orjson.dumps(manifest))


def rewrite(version: VersionRef, name: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change rows of a file, then sign it and count negatives again, as a forger would."""
    path = version.path / name
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)

    def sign(manifest: dict[str, Any]) -> None:
        for file in manifest["files"]:
            if file["path"] == name:
                file |= {"rows": len(rows), "bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
        if "negatives" in table.column_names:
            kept = [row for each in version.record_files() for row in pq.read_table(each).to_pylist()]
            found = Counter(negative["method"] for row in kept for negative in row["negatives"])
            manifest |= {"negatives": found, "content_sha256": content_sha256(version)}

    change_manifest(version, sign)


def problems(version: VersionRef) -> list[tuple[str, bool]]:
    """Each without its example, and whether that is a record."""
    ids = {row["id"] for path in version.record_files() for row in pq.read_table(path, columns=["id"]).to_pylist()}
    told = (problem.removesuffix(")").partition(" (record ") for problem in verify_version(version))
    return [(problem, example in ids) for problem, _, example in told]


FILES = [
    "records/train.parquet",
    "records/test.parquet",
    "rejects.parquet",
    "rejected_sources.parquet",
    "passages.parquet",
]


def test_a_version_as_it_was_published_is_sound(sound: VersionRef) -> None:
    assert verify_version(sound) == []
    assert sorted(file.path for file in sound.manifest.files) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_changed_byte_is_found(version: VersionRef, name: str, place: float) -> None:
    content = bytearray((version.path / name).read_bytes())
    content[int(place * len(content)) if place >= 0 else -1] ^= 1
    (version.path / name).write_bytes(content)
    assert verify_version(version) == [f"{name} was changed: its sha256 is not the manifest's"]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(version: VersionRef, name: str) -> None:
    (version.path / name).unlink()
    assert verify_version(version) == [f"{name} is missing"]


def test_every_damaged_file_is_told(version: VersionRef) -> None:
    (version.path / "passages.parquet").unlink()
    (version.path / "rejects.parquet").write_bytes(b"")
    assert len(verify_version(version)) == 2


def test_a_wrong_number_of_rows_is_found(version: VersionRef) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"][0]["rows"] += 1

    change_manifest(version, change)
    (problem,) = verify_version(version)
    assert problem.endswith(" rows")
    assert "does not hold" in problem


def test_a_file_that_nobody_knows_is_found(version: VersionRef) -> None:
    (version.path / "records" / "notes.txt").write_text("mine")
    assert verify_version(version) == ["records/notes.txt is not in the manifest"]


def test_a_file_that_is_no_parquet_is_found(version: VersionRef) -> None:
    (version.path / "rejects.parquet").write_bytes(b"nothing")

    def sign(manifest: dict[str, Any]) -> None:
        for file in manifest["files"]:
            if file["path"] == "rejects.parquet":
                file["sha256"] = sha256_of_file(version.path / "rejects.parquet")

    change_manifest(version, sign)
    (problem,) = verify_version(version)
    assert problem.startswith("rejects.parquet does not hold")


def test_a_record_that_went_missing_is_found_although_the_file_was_signed_again(version: VersionRef) -> None:
    rewrite(version, "records/train.parquet", lambda rows: rows.pop())
    assert verify_version(version) == ["30 records were accepted but 29 are stored"]


@pytest.fixture(scope="module")
def updated(make: Make, make_texts: Make, fresh: Make) -> VersionRef:
    """A version with records carried over, new and retired."""
    store, texts = Store(fresh() / "store"), make_texts(8)
    make(texts, store=store)
    texts |= {"new": make_texts(1, seed=5)["doc000"]}
    del texts["doc003"]
    version: VersionRef = make(texts, store=store, update={}).version
    return version


def test_a_retired_record_that_went_missing_is_found(updated: VersionRef, tmp_path: Path) -> None:
    assert verify_version(updated) == []
    copied = VersionRef("finance", 2, tmp_path / "finance" / "2")
    shutil.copytree(updated.path, copied.path)
    rewrite(copied, "retired.parquet", lambda rows: rows.pop())
    count = sum(updated.manifest.update.retired.values()) if updated.manifest.update else 0
    assert verify_version(copied) == [f"{count} records of its parent were retired but {count - 1} are stored"]


def test_a_record_of_the_parent_that_nobody_accounts_for_is_found(updated: VersionRef, tmp_path: Path) -> None:
    copied = VersionRef("finance", 2, tmp_path / "finance" / "2")
    shutil.copytree(updated.path, copied.path)
    change_manifest(copied, lambda manifest: manifest["update"].update(records=manifest["update"]["records"] + 1))
    with pytest.raises(StoreError, match=r"field update: .*the parent has \d+ records but \d+ are accounted for"):
        verify_version(copied)


def test_a_reject_that_went_missing_is_found(version: VersionRef) -> None:
    left = version.manifest.funnel.planned - 30
    rewrite(version, "rejects.parquet", lambda rows: rows.pop())
    assert verify_version(version) == [f"{left} items were rejected or failed but {left - 1} are stored"]


def test_a_record_id_that_stands_twice_is_found(version: VersionRef) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["id"] = rows[0]["id"]

    rewrite(version, "records/train.parquet", change)
    assert problems(version) == [("1 record ids stand twice", True)]


@pytest.mark.parametrize("kind", ["positives", "negatives"])
def test_a_text_that_points_to_no_passage_is_found(version: VersionRef, kind: str) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["negatives"])
        (row["positive"] if kind == "positives" else row["negatives"][0])["passage_id"] = "nowhere#0"

    rewrite(version, "records/train.parquet", change)
    assert problems(version) == [(f"1 {kind} point to no passage", True)]


def test_a_negative_that_is_its_own_positive_is_found(version: VersionRef) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["negatives"])
        row["negatives"][0] |= row["positive"]
        row["negatives"][0]["made_from"] = ""

    rewrite(version, "records/train.parquet", change)
    assert problems(version) == [("1 negatives are their own positive", True)]


MADE = {"method": "perturbed:period", "changes": [{"before": "2024", "after": "2020"}]}


def add_made(version: VersionRef, **changes: Any) -> None:
    """A made negative of the first train record, with fields changed."""

    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["negatives"])
        made = row["negatives"][0] | MADE | {"passage_id": "made", "text": "Made up."}
        own = {"made_from": row["positive"]["passage_id"], "document_id": row["positive"]["document_id"]}
        row["negatives"].append(made | own | changes)

    rewrite(version, "records/train.parquet", change)


def test_a_made_negative_of_a_passage_is_sound(version: VersionRef) -> None:
    add_made(version)
    assert verify_version(version) == []


def test_a_made_negative_that_was_made_from_no_passage_is_found(version: VersionRef) -> None:
    add_made(version, made_from="nowhere#0")
    assert problems(version) == [("1 negatives point to no passage", True)]


def test_a_made_negative_that_is_a_passage_is_found(version: VersionRef) -> None:
    passage = pq.read_table(version.path / "passages.parquet").to_pylist()[0]
    add_made(version, text=passage["text"])
    assert problems(version) == [("1 made negatives are passages of the corpus", True)]


def test_a_made_negative_that_was_made_from_a_test_passage_is_found_in_train(version: VersionRef) -> None:
    rows = pq.read_table(version.path / "passages.parquet").to_pylist()
    held_out = next(row for row in rows if row["split"] == "test")
    add_made(version, made_from=held_out["id"], document_id=held_out["document_id"])
    assert problems(version) == [("1 train records hold a test passage", True)]


def test_a_test_passage_in_a_train_record_is_found(version: VersionRef) -> None:
    held_out = next(
        row for row in pq.read_table(version.path / "passages.parquet").to_pylist() if row["split"] == "test"
    )

    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["negatives"])
        row["negatives"][0] |= {"passage_id": held_out["id"]} | {k: held_out[k] for k in ("document_id", "text")}

    rewrite(version, "records/train.parquet", change)
    assert problems(version) == [("1 train records hold a test passage", True)]


def test_a_file_that_the_manifest_does_not_know_is_found(version: VersionRef) -> None:
    """A stray file in records/ is read by everyone who reads records/*.parquet."""
    shutil.copy(version.path / "records" / "test.parquet", version.path / "records" / "stray.parquet")
    (problem,) = verify_version(version)
    assert "records/stray.parquet" in problem


@pytest.mark.parametrize("name", ["brackets[1]", "stars*"])
def test_a_version_below_a_folder_with_wildcards_in_its_name_is_sound(
    sound: VersionRef, tmp_path: Path, name: str
) -> None:
    shutil.copytree(sound.path, tmp_path / name / "1")
    assert verify_version(VersionRef("finance", 1, tmp_path / name / "1")) == []


def with_negatives(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next(row for row in rows if row["negatives"])


def mask_nothing(rows: list[dict[str, Any]]) -> None:
    rows[0]["in_batch_mask"] = ["nowhere#0"]


def name_another_document(kind: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(rows: list[dict[str, Any]]) -> None:
        row = with_negatives(rows)
        (row["positive"] if kind == "positives" else row["negatives"][0])["document_id"] = "elsewhere"

    return change


def edit_a_negative(rows: list[dict[str, Any]]) -> None:
    with_negatives(rows)["negatives"][0]["text"] += " Edited."


@pytest.mark.parametrize(
    ("problem", "change"),
    [
        ("1 ids of in_batch_mask are no passage's", mask_nothing),
        ("1 positives name a document that is not their passage's", name_another_document("positives")),
        ("1 negatives name a document that is not their passage's", name_another_document("negatives")),
        ("1 mined negatives have another text than their passage", edit_a_negative),
    ],
)
def test_a_record_that_does_not_fit_its_passages_is_found(
    version: VersionRef, problem: str, change: Callable[[list[dict[str, Any]]], None]
) -> None:
    rewrite(version, "records/train.parquet", change)
    assert problems(version) == [(problem, True)]


def test_a_reject_of_no_passage_is_found_with_its_id(version: VersionRef) -> None:
    rewrite(version, "rejects.parquet", lambda rows: rows[3].update(passage_id="nowhere#0"))
    example = pq.read_table(version.path / "rejects.parquet")["id"][3]
    assert verify_version(version) == [f"1 rejects point to no passage (reject {example})"]


def test_a_passage_id_that_stands_twice_is_found(version: VersionRef) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["id"] = rows[0]["id"]

    example = pq.read_table(version.path / "passages.parquet")["id"][0]
    rewrite(version, "passages.parquet", change)
    assert verify_version(version) == [f"1 passage ids stand twice (passage {example})"]


def test_a_document_that_is_in_both_splits_is_found(version: VersionRef) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        held_out = [row for row in rows if row["split"] == "test"]
        rows.append(held_out[0] | {"id": "added#0", "split": "train"})

    rewrite(version, "passages.parquet", change)
    change_manifest(version, lambda manifest: manifest.update(passages=manifest["passages"] + 1))
    (problem,) = verify_version(version)
    assert " passages are of a document that has passages in both splits (passage " in problem


def test_a_test_record_about_a_train_passage_is_found(version: VersionRef) -> None:
    train = [row for row in pq.read_table(version.path / "passages.parquet").to_pylist() if row["split"] == "train"]

    def change(rows: list[dict[str, Any]]) -> None:
        rows[0]["negatives"] = []
        rows[0]["positive"] |= {"passage_id": train[0]["id"], "document_id": train[0]["document_id"]}

    rewrite(version, "records/test.parquet", change)
    assert problems(version) == [("1 test records have a train passage as their positive", True)]


def test_a_record_in_the_file_of_the_other_split_is_found(version: VersionRef) -> None:
    rewrite(version, "records/test.parquet", lambda rows: rows[0].update(split="train"))
    found = verify_version(version)
    splits = version.manifest.splits
    assert (
        found[0] == f"the manifest counts {splits['test']} 'test' among its splits but {splits['test'] - 1} are stored"
    )
    assert any(each.startswith("1 records stand in the file of the other split (record ") for each in found)


@pytest.mark.parametrize("field", ["splits", "methods", "licences", "negatives"])
def test_a_count_of_the_manifest_that_is_not_that_of_the_rows_is_found(version: VersionRef, field: str) -> None:
    counts = getattr(version.manifest, field)
    key = next(iter(counts))
    change_manifest(version, lambda manifest: manifest[field].update({key: counts[key] + 1}))
    expected = f"the manifest counts {counts[key] + 1} {key!r} among its {field} but {counts[key]} are stored"
    assert verify_version(version) == [expected]


def test_a_number_of_passages_that_is_not_theirs_is_found(version: VersionRef) -> None:
    held = version.manifest.passages
    change_manifest(version, lambda manifest: manifest.update(passages=held - 1))
    assert verify_version(version) == [f"the manifest counts {held - 1} passages but {held} are stored"]


def test_a_reason_that_was_changed_in_the_rejects_is_found(version: VersionRef) -> None:
    rewrite(version, "rejects.parquet", lambda rows: rows[0].update(reason="made_up"))
    found = verify_version(version)
    assert any("among its rejected" in problem for problem in found)


def test_a_query_that_was_changed_is_found_although_its_file_was_signed_again(version: VersionRef) -> None:
    before = version.manifest.content_sha256
    rewrite(version, "records/train.parquet", lambda rows: rows[0].update(query="changed"))
    change_manifest(version, lambda manifest: manifest.update(content_sha256=before))
    (problem,) = verify_version(version)
    assert problem.startswith("the content was changed: its hash is ")


def test_a_column_that_is_missing_is_found(version: VersionRef) -> None:
    path = version.path / "passages.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["heading"]), path)

    def sign(manifest: dict[str, Any]) -> None:
        for file in manifest["files"]:
            if file["path"] == "passages.parquet":
                file |= {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}

    change_manifest(version, sign)
    expected = "passages.parquet does not have the columns of schema version 1: see 'heading'"
    assert verify_version(version) == [expected]


def test_a_parent_has_to_be_there_or_to_be_written_down_as_collected(
    make: Make, make_texts: Make, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    first, second = (make(make_texts(number), store=store).version for number in (5, 6))
    assert verify_version(second, store) == []
    shutil.move(first.path, tmp_path / "elsewhere")
    assert verify_version(second, store) == ["finance@1 is gone and was not collected by `synth gc`"]
    shutil.move(tmp_path / "elsewhere", first.path)
    remove(store, find_removals(store, Wish(keep=1)).removals)
    assert verify_version(second, store) == []
    change_manifest(second, lambda manifest: manifest.update(parent="finance@2"))
    assert verify_version(second, store) == ["'finance@2' can't be a version before finance@2"]
