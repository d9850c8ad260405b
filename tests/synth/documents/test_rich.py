from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.document import Document, RejectedSource
from synth.documents import read_documents, text

docx = pytest.importorskip("docx")
pytest.importorskip("pypdfium2")
pytest.importorskip("trafilatura")

PARAGRAPHS = (
    "<h1>Rates and bonds</h1><p>When rates rise, the price of a bond falls, since its coupon is fixed.</p>"
    "<h2>Duration</h2><p>Duration measures how much the price moves when the yield does.</p>"
)


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


def pdf(*pages: str, title: str = "") -> bytes:
    """A small PDF by hand: catalog, page tree, font, metadata and two objects per page."""
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Title ({title}) >>",
    ]
    for n, page in enumerate(pages):
        shown = " ".join(f"({line}) Tj 0 -20 Td" for line in page.split("\n") if line)
        content = f"BT /F1 12 Tf 72 700 Td {shown} ET"
        box = "/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} /Contents {6 + 2 * n} 0 R >>")
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    body, offsets = "%PDF-1.4\n", []
    for number, written in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{written}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R /Info 4 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode("latin-1")


def saved(word: docx.document.Document) -> bytes:
    target = io.BytesIO()
    word.save(target)
    return target.getvalue()


def test_html_gives_its_title_and_its_main_text_with_headings(tmp_path: Path) -> None:
    page = f"<html><head><title>Rates and bonds</title></head><body><nav>Home</nav>{PARAGRAPHS}</body></html>"
    found = document(tmp_path / "a.html", page)
    assert found.title == "Rates and bonds"
    assert found.text.startswith("When rates rise")
    assert "\n\n## Duration\n\nDuration measures" in found.text
    assert "<" not in found.text


def test_html_with_an_article_keeps_its_headings_and_tables(tmp_path: Path) -> None:
    table = "<table><tr><th>year</th><th>rate</th></tr><tr><td>2024</td><td>4.25</td></tr></table>"
    page = f"<html><body><article>{PARAGRAPHS * 3}{table}</article></body></html>"
    found = document(tmp_path / "a.htm", page)
    assert "## Duration" in found.text
    assert "| 2024 | 4.25 |" in found.text


def test_html_without_headings_is_read(tmp_path: Path) -> None:
    page = "<html><head><title>A note</title></head><body>Just a line of text.</body></html>"
    found = document(tmp_path / "a.html", page)
    assert (found.title, found.text) == ("A note", "Just a line of text.")


def test_html_in_the_encoding_it_declares_is_read(tmp_path: Path) -> None:
    page = '<html><head><meta charset="iso-8859-1"></head><body><p>Die Zinssätze der Märkte stiegen.</p></body></html>'
    assert "Zinssätze" in document(tmp_path / "a.html", page.encode("latin-1")).text


@pytest.mark.parametrize("charset", ["", '<meta charset="klingon">', '<meta charset="ascii">'])
def test_html_in_an_encoding_it_does_not_declare_is_rejected(tmp_path: Path, charset: str) -> None:
    assert rejected(tmp_path / "a.html", f"{charset}<p>Zinssätze</p>".encode("latin-1")).reason == "encoding"


def test_html_without_text_is_rejected(tmp_path: Path) -> None:
    assert rejected(tmp_path / "a.html", "<html><body><img src='a.png'></body></html>").reason == "no_text"
    assert rejected(tmp_path / "a.html", "<html>\0</html>").reason == "binary"
    assert rejected(tmp_path / "a.html", "  \n").reason == "empty"


def test_pdf_pages_are_joined_by_blank_lines(tmp_path: Path) -> None:
    found = document(tmp_path / "a.pdf", pdf("Rates rose.\nBonds fell.", "", "The end.", title="Annual report 2024"))
    assert (found.title, found.text) == ("Annual report 2024", "Rates rose.\nBonds fell.\n\nThe end.")


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ("", ""),
        ("ab", ""),
        ("scan_0001.pdf", ""),
        ("Microsoft Word - Q3 final.DOCX", ""),
        ("Untitled", ""),
        ("Microsoft Word - Outlook for rates", "Outlook for rates"),
        ("Basel 3.5", "Basel 3.5"),
    ],
)
def test_a_pdf_title_counts_only_when_it_is_sensible(tmp_path: Path, metadata: str, title: str) -> None:
    assert document(tmp_path / "a.pdf", pdf("Rates rose.", title=metadata)).title == title


def test_a_pdf_without_text_is_probably_scanned(tmp_path: Path) -> None:
    found = rejected(tmp_path / "a.pdf", pdf("", ""))
    assert found.reason == "no_text"
    assert "probably scanned" in found.detail


def test_a_broken_pdf_is_corrupt(tmp_path: Path) -> None:
    found = rejected(tmp_path / "a.pdf", b"%PDF-1.4 and then nothing")
    assert found.reason == "corrupt"
    assert found.detail


def test_word_paragraphs_headings_and_tables_come_in_reading_order(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_heading("Rates and bonds", level=0)
    word.add_paragraph("When rates rise, prices fall.")
    word.add_heading("Duration", level=2)
    table = word.add_table(rows=2, cols=3)
    for cell, content in zip(table._cells, ["year", "rate", "note", "2024", "4.25", "up\nagain"], strict=True):
        cell.text = content
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(1, 2).add_table(rows=1, cols=1).cell(0, 0).text = "inner"
    word.add_paragraph("The end.")
    found = document(tmp_path / "a.docx", saved(word))
    assert found.title == "Rates and bonds"
    assert found.text == (
        "When rates rise, prices fall.\n\n## Duration\n\nyear | rate note\n2024 | 4.25 | up again inner\n\nThe end."
    )


def test_the_title_of_a_word_file_is_its_property_before_its_heading(tmp_path: Path) -> None:
    word = docx.Document()
    word.core_properties.title = "The bond handbook"
    word.add_heading("Chapter one", level=1)
    word.add_paragraph("A loan.")
    found = document(tmp_path / "a.docx", saved(word))
    assert (found.title, found.text) == ("The bond handbook", "# Chapter one\n\nA loan.")


def test_a_later_heading_of_a_word_file_is_its_title_and_stays_in_place(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("Preamble.")
    word.add_heading("Bonds", level=1)
    found = document(tmp_path / "a.docx", saved(word))
    assert (found.title, found.text) == ("Bonds", "Preamble.\n\n# Bonds")


def test_a_word_file_without_text_is_rejected(tmp_path: Path) -> None:
    assert rejected(tmp_path / "a.docx", saved(docx.Document())).reason == "no_text"


def test_a_broken_word_file_is_corrupt(tmp_path: Path) -> None:
    whole = saved(docx.Document())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as empty:
        empty.writestr("hello.txt", "hello")
    for content in (b"not a zip", whole[: len(whole) // 2], archive.getvalue()):
        found = rejected(tmp_path / "a.docx", content)
        assert found.reason == "corrupt"
        assert found.detail


def test_a_word_file_that_unpacks_to_far_more_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word = docx.Document()
    for _ in range(400):
        word.add_paragraph("same words " * 200)
    content = saved(word)
    monkeypatch.setattr(text, "MAX_BYTES", len(content))
    assert rejected(tmp_path / "a.docx", content).reason == "too_large"


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["docx", "pdf", "html"]),
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=6),
    keep=st.floats(0.2, 1),
)
def test_any_damage_gives_a_document_or_a_rejection(
    tmp_path: Path, kind: str, damage: list[tuple[float, bytes]], keep: float
) -> None:
    word = docx.Document()
    word.add_paragraph("Rates rose.")
    data = bytearray({"docx": saved(word), "pdf": pdf("Rates rose."), "html": PARAGRAPHS.encode()}[kind])
    for where, what in damage:
        at = int(where * len(data))
        data[at : at + len(what)] = what
    assert isinstance(read_one(tmp_path / f"a.{kind}", bytes(data[: int(keep * len(data))])), Document | RejectedSource)
