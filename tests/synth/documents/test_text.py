from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.document import Document, RejectedSource
from synth.documents import read_documents, text


def read_one(path: Path, content: bytes | str) -> Document | RejectedSource:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (item,) = read_documents([path])
    return item


def document(path: Path, content: bytes | str) -> Document:
    item = read_one(path, content)
    assert isinstance(item, Document), item
    return item


def rejected(path: Path, content: bytes | str) -> RejectedSource:
    item = read_one(path, content)
    assert isinstance(item, RejectedSource), item
    return item


def test_a_text_file_is_one_document_without_title(tmp_path: Path) -> None:
    found = document(tmp_path / "a.txt", "Rates rose.\n\nBonds fell.\n")
    assert (found.title, found.text, found.source, found.licence) == ("", "Rates rose.\n\nBonds fell.", "a.txt", "")


@pytest.mark.parametrize(
    "content",
    [
        "Zinssätze €".encode(),
        codecs.BOM_UTF8 + "Zinssätze €".encode(),
        "Zinssätze €".encode("utf-16"),
        codecs.BOM_UTF16_BE + "Zinssätze €".encode("utf-16-be"),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16-le", "utf-16-be"],
)
def test_utf8_and_utf16_with_a_byte_order_mark_are_read(tmp_path: Path, content: bytes) -> None:
    assert document(tmp_path / "a.txt", content).text == "Zinssätze €"


@pytest.mark.parametrize(("mark", "offset"), [(b"", 5), (codecs.BOM_UTF8, 8)])
def test_another_encoding_is_rejected_with_the_byte_its_offset_and_a_way_out(
    tmp_path: Path, mark: bytes, offset: int
) -> None:
    found = rejected(tmp_path / "a.txt", mark + "Zinss\xe4tze".encode("latin-1"))
    assert found.reason == "encoding"
    assert f"byte 0xe4 at offset {offset} is not UTF-8; convert the file with iconv" in found.detail


def test_broken_utf16_is_rejected_for_its_encoding(tmp_path: Path) -> None:
    assert rejected(tmp_path / "a.txt", codecs.BOM_UTF16_LE + b"a\0b").reason == "encoding"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.jsonl", "a.csv"])
def test_nul_bytes_mean_binary(tmp_path: Path, name: str) -> None:
    found = rejected(tmp_path / name, b"PK\x03\x04\x00\x00\xff\n\x00more\n")
    assert (found.source, found.reason) == (name, "binary")
    assert "NUL at offset 4" in found.detail


def test_nul_characters_in_utf16_mean_binary(tmp_path: Path) -> None:
    assert rejected(tmp_path / "a.txt", "a\0b".encode("utf-16")).reason == "binary"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.jsonl", "a.csv"])
@pytest.mark.parametrize("content", ["", " \n\t \r\n", "\ufeff"])
def test_a_file_of_nothing_is_empty(tmp_path: Path, name: str, content: str) -> None:
    assert rejected(tmp_path / name, content).reason == "empty"


def test_a_file_beyond_the_limit_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as handle:
        handle.truncate(text.MAX_BYTES + 1)
    (item,) = read_documents([path])
    assert isinstance(item, RejectedSource)
    assert item.reason == "too_large"


def test_line_ends_and_control_characters_are_normalised(tmp_path: Path) -> None:
    found = document(tmp_path / "a.txt", "  one\r\ntwo\x07three\tfour\x85five  \n\n")
    assert found.text == "one\ntwo three\tfour five"


@given(st.text(st.characters(codec=None)))
def test_cleaning_leaves_text_that_can_be_stored_and_needs_no_second_cleaning(dirty: str) -> None:
    cleaned = text.clean(dirty)
    cleaned.encode()
    assert text.clean(cleaned) == cleaned
    assert not any(ord(character) < 32 and character not in "\n\t" for character in cleaned)


def test_a_file_goes_by_its_name_so_that_an_edit_keeps_the_id(tmp_path: Path) -> None:
    before = document(tmp_path / "a.md", "# Bonds\n\nA bond is a loan.")
    after = document(tmp_path / "a.md", "# Bonds\n\nA bond is a tradable loan.")
    assert before.id == after.id == "a.md"


@pytest.mark.parametrize(
    ("content", "title", "body"),
    [
        ("# Bonds\n\nA loan.", "Bonds", "A loan."),
        ("\n\n#  Bonds ##\r\nA loan.", "Bonds", "A loan."),
        ("Intro.\n# Bonds\nA loan.", "", "Intro.\n# Bonds\nA loan."),
        ("## Bonds\nA loan.", "", "## Bonds\nA loan."),
        ("#Bonds\nA loan.", "", "#Bonds\nA loan."),
    ],
)
def test_the_heading_on_the_first_line_of_markdown_is_its_title(
    tmp_path: Path, content: str, title: str, body: str
) -> None:
    found = document(tmp_path / "a.md", content)
    assert (found.title, found.text) == (title, body)


def test_front_matter_gives_title_id_and_licence_and_is_dropped(tmp_path: Path) -> None:
    content = "---\ntitle: On bonds\nid: 007\nlicense: CC-BY-4.0\ntags: [a, b]\n---\n# On Bonds\nA loan.\n"
    found = document(tmp_path / "a.md", content)
    assert (found.id, found.title, found.text, found.licence) == ("007", "On bonds", "A loan.", "CC-BY-4.0")


def test_a_heading_that_differs_from_the_title_in_front_matter_stays(tmp_path: Path) -> None:
    found = document(tmp_path / "a.md", "---\ntitle: Bonds\nlicence: MIT\n...\n# Chapter 1\nA loan.")
    assert (found.title, found.text, found.licence) == ("Bonds", "# Chapter 1\nA loan.", "MIT")


def test_front_matter_without_fields_is_dropped(tmp_path: Path) -> None:
    assert document(tmp_path / "a.md", "---\n---\nA loan.").text == "A loan."
    assert document(tmp_path / "a.md", "---\n# nothing\n---\nA loan.").text == "A loan."


@pytest.mark.parametrize(
    "content",
    [
        "---\nA rule above.\n---\nA loan.",
        "---\ntitle: [unclosed\n---\nA loan.",
        "---\ntitle: never closed\nA loan.",
        "---\n" + "[" * 1_000 + "\n---\nA loan.",
    ],
    ids=["a rule", "invalid", "unclosed", "too deep"],
)
def test_what_only_looks_like_front_matter_stays_in_the_text(tmp_path: Path, content: str) -> None:
    assert document(tmp_path / "a.md", content).text == content


def test_markdown_that_is_only_a_heading_is_empty(tmp_path: Path) -> None:
    assert rejected(tmp_path / "a.md", "# Bonds\n").reason == "empty"
