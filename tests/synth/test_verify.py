from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.files import sha256_of_file
from synth.store import VersionRef
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
    """Change rows of a file and sign it again, as a forger would."""
    path = version.path / name
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)

    def sign(manifest: dict[str, Any]) -> None:
        for file in manifest["files"]:
            if file["path"] == name:
                file |= {"rows": len(rows), "bytes": path.stat().st_size, "sha256": sha256_of_file(path)}

    change_manifest(version, sign)


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


def test_a_reject_that_went_missing_is_found(version: VersionRef) -> None:
    left = version.manifest.funnel.planned - 30
    rewrite(version, "rejects.parquet", lambda rows: rows.pop())
    assert verify_version(version) == [f"{left} items were rejected or failed but {left - 1} are stored"]


def test_a_record_id_that_stands_twice_is_found(version: VersionRef) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["id"] = rows[0]["id"]

    rewrite(version, "records/train.parquet", change)
    assert verify_version(version) == ["1 record ids stand twice"]


@pytest.mark.parametrize("kind", ["positives", "negatives"])
def test_a_text_that_points_to_no_passage_is_found(version: VersionRef, kind: str) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["negatives"])
        (row["positive"] if kind == "positives" else row["negatives"][0])["passage_id"] = "nowhere#0"

    rewrite(version, "records/train.parquet", change)
    assert verify_version(version) == [f"1 {kind} point to no passage"]


def test_a_negative_that_is_its_own_positive_is_found(version: VersionRef) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["negatives"])
        row["negatives"][0] |= row["positive"]

    rewrite(version, "records/train.parquet", change)
    assert verify_version(version) == ["1 negatives are their own positive"]


MADE = {"method": "perturbed:period", "changes": [{"before": "2024", "after": "2020"}]}


def add_made(version: VersionRef, **changes: Any) -> None:
    """A made negative of the first train record, with fields changed."""

    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["negatives"])
        made = row["negatives"][0] | MADE | {"passage_id": "made", "text": "Made up."}
        row["negatives"].append(made | {"made_from": row["positive"]["passage_id"]} | changes)

    rewrite(version, "records/train.parquet", change)


def test_a_made_negative_of_a_passage_is_sound(version: VersionRef) -> None:
    add_made(version)
    assert verify_version(version) == []


def test_a_made_negative_that_was_made_from_no_passage_is_found(version: VersionRef) -> None:
    add_made(version, made_from="nowhere#0")
    assert verify_version(version) == ["1 negatives point to no passage"]


def test_a_made_negative_that_is_a_passage_is_found(version: VersionRef) -> None:
    passage = pq.read_table(version.path / "passages.parquet").to_pylist()[0]
    add_made(version, text=passage["text"])
    assert verify_version(version) == ["1 made negatives are passages of the corpus"]


def test_a_made_negative_that_was_made_from_a_test_passage_is_found_in_train(version: VersionRef) -> None:
    rows = pq.read_table(version.path / "passages.parquet").to_pylist()
    add_made(version, made_from=next(row["id"] for row in rows if row["split"] == "test"))
    assert verify_version(version) == ["1 train records hold a test passage"]


def test_a_test_passage_in_a_train_record_is_found(version: VersionRef) -> None:
    held_out = next(
        row for row in pq.read_table(version.path / "passages.parquet").to_pylist() if row["split"] == "test"
    )

    def change(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["negatives"])
        row["negatives"][0]["passage_id"] = held_out["id"]

    rewrite(version, "records/train.parquet", change)
    assert verify_version(version) == ["1 train records hold a test passage"]


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
