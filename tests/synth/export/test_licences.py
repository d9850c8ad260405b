"""Commercial use: what is known to allow it, and that nothing else is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from exports import all_records, read_both

from synth.errors import StoreError
from synth.export import ExportOptions, export_version
from synth.licences import allows_commercial_use
from synth.store import VersionRef

COMMERCIAL = ExportOptions(commercial_only=True)
LICENCES = ("MIT", "CC-BY-NC-4.0", "cc-by-4.0", "", "Apache-2.0 OR CC-BY-NC-4.0", "ask the author")
ALLOWED = {"MIT", "cc-by-4.0", "Apache-2.0 OR CC-BY-NC-4.0"}


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("Apache-2.0", True),
        ("apache-2.0", True),
        ("CC0-1.0", True),
        ("CC-BY-SA-4.0", True),
        ("GPL-3.0-or-later", True),
        ("CC-BY-NC-4.0", False),
        ("CC-BY-ND-4.0", False),
        ("proprietary", False),
        ("", False),
        ("unknown", False),
        ("MIT OR CC-BY-NC-4.0", True),
        ("MIT AND CC-BY-NC-4.0", False),
        ("(MIT AND Apache-2.0)", True),
        ("CC-BY-NC-4.0 OR MIT AND BSD-3-Clause", True),
        ("(CC-BY-NC-4.0 OR MIT) AND MIT", False),  # nested: not read, so not allowed
    ],
)
def test_only_known_licences_allow_commercial_use(licence: str, allowed: bool) -> None:
    assert allows_commercial_use(licence) is allowed


@pytest.fixture(scope="module")
def mixed(make: Callable[..., Any], make_texts: Callable[..., dict[str, str]], fresh: Callable[[], Path]) -> VersionRef:
    """Documents under six licences in turn."""
    file = fresh() / "documents.jsonl"
    rows = [
        {"id": name, "text": text, "licence": LICENCES[number % len(LICENCES)]}
        for number, (name, text) in enumerate(make_texts(24).items())
    ]
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    made: VersionRef = make([file], settings={"mining": {"negatives": 3, "rank_max": 20}}).version
    return made


@pytest.mark.parametrize("name", ["pair", "triplet", "full", "pair-class"])
def test_every_text_that_is_left_is_of_an_allowed_document(name: str, mixed: VersionRef, tmp_path: Path) -> None:
    records = all_records(mixed)
    licence = {r["positive"]["document_id"]: r["provenance"]["licence"] for r in records}
    owner = {each["text"]: each["document_id"] for r in records for each in (r["positive"], *r["negatives"])}
    result = export_version(mixed, name, tmp_path, COMMERCIAL)
    rows = read_both(tmp_path, name)
    assert rows
    texts = {
        text
        for row in rows
        for text in (
            [row["positive"]["text"], *(n["text"] for n in row["negatives"])]
            if name == "full"
            else [row[key] for key in ("positive", "negative", "text") if key in row]
        )
    }
    assert {licence.get(owner[text]) for text in texts} <= ALLOWED
    refused = sum(r["provenance"]["licence"] not in ALLOWED for r in records)
    assert result.reasons["no licence that is known to allow commercial use"] == refused > 0


def test_records_add_up(mixed: VersionRef, tmp_path: Path) -> None:
    result = export_version(mixed, "full", tmp_path, COMMERCIAL)
    assert sum(result.rows.values()) + result.left_out == sum(mixed.manifest.splits.values())
    kept = {row["id"]: row for row in read_both(tmp_path, "full")}
    before = sum(len(r["negatives"]) for r in all_records(mixed) if r["id"] in kept)
    left = sum(len(row["negatives"]) for row in kept.values())
    assert result.passages_left_out == {"no licence that is known to allow commercial use": before - left}


def test_a_corpus_for_evaluation_has_allowed_documents_only(mixed: VersionRef, tmp_path: Path) -> None:
    result = export_version(mixed, "beir", tmp_path, COMMERCIAL)
    corpus = (tmp_path / "beir" / "corpus.jsonl").read_bytes().splitlines()
    left_out = result.passages_left_out["no licence that is known to allow commercial use"]
    assert len(corpus) + left_out == mixed.manifest.passages
    licence = {r["positive"]["document_id"]: r["provenance"]["licence"] for r in all_records(mixed)}
    assert {licence[orjson.loads(line)["_id"].rpartition("#")[0]] for line in corpus} <= ALLOWED


def test_a_version_without_an_allowed_licence_says_so(
    make: Callable[..., Any], make_texts: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    version = make(make_texts(6)).version
    with pytest.raises(StoreError, match=r"none of \d+ records gives a row \(\d+ no licence that is known"):
        export_version(version, "pair", tmp_path / "out", COMMERCIAL)
    assert not (tmp_path / "out").exists()
