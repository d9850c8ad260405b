from __future__ import annotations

import codecs
import gzip
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.document import Document, RejectedSource
from synth.documents import read_documents, text
from synth.errors import DocumentError

MB = 1_000_000


def read(path: Path, content: bytes | str, **fields: str) -> list[Document | RejectedSource]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_documents([path], **fields))


def outline(items: list[Document | RejectedSource]) -> list[tuple[str, str]]:
    """Source and text, or source and reason."""
    return [(item.source, item.text if isinstance(item, Document) else item.reason) for item in items]


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_table(path: Path, columns: dict[str, list[object]], **options: int) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


ROW = {"Name": "Bonds", "_id": 7, "body": "A bond is a loan.", "License": "CC0", "n": 3}


def write_row(folder: Path, suffix: str) -> Path:
    path = folder / f"corpus{suffix}"
    if suffix == ".jsonl":
        path.write_text(jsonl(ROW))
    elif suffix == ".jsonl.gz":
        path.write_bytes(gzip.compress(jsonl(ROW).encode()))
    elif suffix == ".csv":
        path.write_text(",".join(ROW) + "\n" + ",".join(map(str, ROW.values())) + "\n")
    else:
        write_table(path, {name: [value] for name, value in ROW.items()})
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".csv", ".parquet"])
def test_every_row_is_a_document_and_its_usual_fields_are_found(tmp_path: Path, suffix: str) -> None:
    (found,) = read_documents([write_row(tmp_path, suffix)])
    assert found == Document(id="7", title="Bonds", text="A bond is a loan.", source=f"corpus{suffix}:1", licence="CC0")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_named_fields_win_over_the_usual_ones(tmp_path: Path, suffix: str) -> None:
    path = write_row(tmp_path, suffix)
    (found,) = read_documents([path], text_field="Name", title_field="License", id_field="body")
    assert isinstance(found, Document)
    assert (found.text, found.title, found.id) == ("Bonds", "CC0", "A bond is a loan.")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_named_text_field_that_is_not_there_is_an_error_with_a_suggestion(tmp_path: Path, suffix: str) -> None:
    path = write_row(tmp_path, suffix)
    with pytest.raises(DocumentError, match=rf"corpus\{suffix} has no field 'bodi', .*; did you mean 'body'\?"):
        list(read_documents([path], text_field="bodi"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("option", ["title_field", "id_field"])
def test_a_named_column_that_is_not_there_is_an_error(tmp_path: Path, suffix: str, option: str) -> None:
    named = option.replace("_", "-")
    with pytest.raises(DocumentError, match=f"no field 'licens', which --{named} names; did you mean 'License'"):
        list(read_documents([write_row(tmp_path, suffix)], **{option: "licens"}))


@pytest.mark.parametrize("content", [jsonl({"a": "x", "b": "y"}), jsonl({})])
def test_a_file_without_a_text_field_is_an_error_that_says_how_to_name_it(tmp_path: Path, content: str) -> None:
    with pytest.raises(DocumentError, match=r"(fields are a, b|has no fields)\): name it with --text-field"):
        read(tmp_path / "a.jsonl", content)


def test_of_many_fields_the_first_are_shown(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"c18, c19 \.\.\.\)"):
        read(tmp_path / "a.csv", ",".join(f"c{n}" for n in range(40)) + "\n")


def test_text_comes_before_body_and_fields_in_any_case_are_found(tmp_path: Path) -> None:
    items = read(tmp_path / "a.jsonl", jsonl({"body": "no", "TEXT": "yes", "subject": "s", "UUID": "u"}))
    assert items == [Document(id="u", title="s", text="yes", source="a.jsonl:1")]


def test_a_row_without_a_usable_id_gets_one_from_its_content(tmp_path: Path) -> None:
    rows = [{"id": value, "text": "same", "title": 5, "licence": None} for value in ("", "  ", None, True, 1.5, [1])]
    documents = [item for item in read(tmp_path / "a.jsonl", jsonl(*rows)) if isinstance(item, Document)]
    assert len({found.id for found in documents}) == 1
    assert [(len(found.id), found.title, found.licence) for found in documents] == [(16, "", "")] * 6


def test_bad_jsonl_rows_are_rejected_with_their_line_number_and_blank_lines_skipped(tmp_path: Path) -> None:
    lines = [
        '{"text": "one"}',
        "",
        "{broken",
        "[1, 2]",
        '{"other": 1}',
        '{"text": null}',
        '{"text": 3}',
        '{"text": " "}',
        "[" * 100_000,
        '{"text": ' + "9" * 5_000 + "}",
        '{"text": "caf\\ud800e\\u0000"}',
        '{"text": "last"}',
    ]
    assert outline(read(tmp_path / "a.jsonl", "\r\n".join(lines))) == [
        ("a.jsonl:1", "one"),
        ("a.jsonl:3", "invalid_json"),
        ("a.jsonl:4", "not_an_object"),
        ("a.jsonl:5", "no_text"),
        ("a.jsonl:6", "no_text"),
        ("a.jsonl:7", "no_text"),
        ("a.jsonl:8", "empty"),
        ("a.jsonl:9", "invalid_json"),
        ("a.jsonl:10", "invalid_json"),
        ("a.jsonl:11", "caf e"),
        ("a.jsonl:12", "last"),
    ]


def test_a_line_that_is_not_text_costs_only_itself(tmp_path: Path) -> None:
    content = b'{"text": "one"}\n{"text": "caf\xe9"}\n\0\0\0\n{"text": "two"}\n'
    items = read(tmp_path / "a.jsonl", content)
    assert outline(items) == [
        ("a.jsonl:1", "one"),
        ("a.jsonl:2", "encoding"),
        ("a.jsonl:3", "binary"),
        ("a.jsonl:4", "two"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_rows_in_utf16_or_below_a_byte_order_mark_are_read(tmp_path: Path, encoding: str) -> None:
    assert outline(read(tmp_path / "a.jsonl", '{"text": "€"}\n'.encode(encoding))) == [("a.jsonl:1", "€")]
    assert outline(read(tmp_path / "a.csv", "text\n€\n".encode(encoding))) == [("a.csv:1", "€")]


def test_utf16_that_breaks_off_keeps_the_rows_before_it(tmp_path: Path) -> None:
    content = codecs.BOM_UTF16_LE + '{"text": "one"}\n'.encode("utf-16-le") + b"\x00"
    assert outline(read(tmp_path / "a.jsonl", content)) == [("a.jsonl:1", "one"), ("a.jsonl", "encoding")]


def test_a_line_of_51_mb_is_skipped_without_ever_being_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as handle:
        handle.write(b'{"text": "one"}\n{"text": "')
        for _ in range(51):
            handle.write(b"x" * MB)
        handle.write(b'"}\n{"text": "two"}\n')
    tracemalloc.start()
    items = list(read_documents([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outline(items) == [("a.jsonl:1", "one"), ("a.jsonl:2", "too_large"), ("a.jsonl:3", "two")]
    assert peak < 30 * MB


def test_a_long_line_within_the_limit_is_read_whole(tmp_path: Path) -> None:
    long = "word " * 400_000 + "end"
    items = read(tmp_path / "a.jsonl", jsonl({"text": long}, {"text": "two"}).rstrip("\n"))
    assert outline(items) == [("a.jsonl:1", long), ("a.jsonl:2", "two")]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    def peak_of(rows: int, suffix: str) -> int:
        path = tmp_path / f"{rows}{suffix}"
        if suffix == ".parquet":
            write_table(path, {"text": [f"{n} " * 100 for n in range(rows)]}, row_group_size=500)
        else:
            path.write_text("text\n" + "".join(f"{n} " * 100 + "\n" for n in range(rows)))
        tracemalloc.start()
        assert sum(1 for _ in read_documents([path])) == rows
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    for suffix in (".csv", ".parquet"):
        assert peak_of(4_000, suffix) < peak_of(1_000, suffix) * 1.5 + 200_000


def test_a_gz_cut_in_half_keeps_its_rows_and_ends_with_one_rejection(tmp_path: Path) -> None:
    whole = gzip.compress(jsonl(*({"text": f"{n} {n**50}"} for n in range(2_000))).encode())
    items = read(tmp_path / "a.jsonl.gz", whole[: len(whole) // 2])
    *rows, last = items
    assert len(rows) > 100
    assert all(isinstance(row, Document) for row in rows)
    assert isinstance(last, RejectedSource)
    assert (last.source, last.reason) == ("a.jsonl.gz", "corrupt")


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.parquet"])
def test_a_file_that_is_not_what_its_suffix_says_is_corrupt(tmp_path: Path, name: str) -> None:
    (item,) = read(tmp_path / name, "this is no such file, but some text")
    assert isinstance(item, RejectedSource)
    assert (item.source, item.reason) == (name, "corrupt")
    assert item.detail
    assert "\n" not in item.detail


def test_csv_reads_quotes_newlines_and_other_separators(tmp_path: Path) -> None:
    assert outline(read(tmp_path / "a.csv", 'id,text\r\n1,"a, ""b""\r\nc"\r\n\r\n2,d\r\n')) == [
        ("a.csv:1", 'a, "b"\nc'),
        ("a.csv:2", "d"),
    ]
    assert outline(read(tmp_path / "b.csv", "\n id ; text\n1;a, b\n")) == [("b.csv:1", "a, b")]
    assert outline(read(tmp_path / "c.csv", "id\ttext\n1\ta, b\n")) == [("c.csv:1", "a, b")]


def test_csv_rows_with_too_many_cells_or_too_few_are_told_apart(tmp_path: Path) -> None:
    items = read(tmp_path / "a.csv", "id,text,note\n1,a,b,c\n2,d\n3\n4,,\n")
    assert outline(items) == [
        ("a.csv:1", "malformed_row"),
        ("a.csv:2", "d"),
        ("a.csv:3", "no_text"),
        ("a.csv:4", "empty"),
    ]
    assert isinstance(items[0], RejectedSource)
    assert "4 cells below a header of 3" in items[0].detail


def test_a_csv_row_with_broken_quotes_is_rejected(tmp_path: Path) -> None:
    assert outline(read(tmp_path / "a.csv", 'text\n"a"b\nc\n"never closed\n')) == [
        ("a.csv:1", "malformed_row"),
        ("a.csv:2", "c"),
        ("a.csv:3", "malformed_row"),
    ]


@pytest.mark.parametrize("content", [b'"text\n', b"t\xe9xt\nrow\n"])
def test_a_csv_with_a_broken_header_is_rejected_as_a_whole(tmp_path: Path, content: bytes) -> None:
    (item,) = read(tmp_path / "a.csv", content)
    assert isinstance(item, RejectedSource)
    assert item.source == "a.csv"
    assert "the header" in item.detail


def test_a_csv_with_only_a_header_is_empty(tmp_path: Path) -> None:
    assert outline(read(tmp_path / "a.csv", "id,text\n")) == [("a.csv", "empty")]


def test_a_csv_line_that_cannot_be_used_costs_only_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_BYTES", 40)
    too_long = b"x" * 60
    lines = [
        b"id;text",
        b"1;one",
        b"2;" + too_long,
        b'3;"open ' + too_long,
        b'end of three"',
        b'4;"open',
        too_long,
        b'end of four"',
        b'5;"open',
        b"caf\xe9",
        b'";x',
        b'6;"open',
        b'\0"',
        b"7;seven",
    ]
    assert outline(read(tmp_path / "a.csv", b"\n".join(lines))) == [
        ("a.csv:1", "one"),
        ("a.csv:2", "too_large"),
        ("a.csv:3", "too_large"),
        ("a.csv:4", "too_large"),
        ("a.csv:5", "encoding"),
        ("a.csv:6", "binary"),
        ("a.csv:7", "seven"),
    ]


def test_a_spoiled_csv_line_in_a_row_that_never_closes_gives_its_own_reason(tmp_path: Path) -> None:
    assert outline(read(tmp_path / "a.csv", b'text\n"open\ncaf\xe9\n')) == [("a.csv:1", "encoding")]


def test_a_csv_field_beyond_the_limit_ends_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_BYTES", 40)
    items = read(tmp_path / "a.csv", 'text\none\n"never closed\n' + "a line of text\n" * 9)
    assert outline(items) == [("a.csv:1", "one"), ("a.csv:2", "too_large")]
    assert isinstance(items[1], RejectedSource)
    assert "rows after it were not read" in items[1].detail


def test_a_csv_in_utf16_that_breaks_off_keeps_the_rows_before_it(tmp_path: Path) -> None:
    content = codecs.BOM_UTF16_LE + "text\none\n".encode("utf-16-le") + b"\x00"
    assert outline(read(tmp_path / "a.csv", content)) == [("a.csv:1", "one"), ("a.csv", "encoding")]


def test_parquet_rows_are_numbered_across_batches_and_null_text_is_rejected(tmp_path: Path) -> None:
    texts: list[object] = [f"row {n}" for n in range(300)]
    texts[200] = None
    path = write_table(tmp_path / "a.parquet", {"text": texts, "vector": [[0.5]] * 300}, row_group_size=90)
    items = outline(list(read_documents([path])))
    assert items[0] == ("a.parquet:1", "row 0")
    assert items[200] == ("a.parquet:201", "no_text")
    assert items[299] == ("a.parquet:300", "row 299")


def test_parquet_text_that_is_not_text_is_rejected_row_by_row(tmp_path: Path) -> None:
    assert outline(list(read_documents([write_table(tmp_path / "a.parquet", {"text": [1, 2]})]))) == [
        ("a.parquet:1", "no_text"),
        ("a.parquet:2", "no_text"),
    ]


def test_a_parquet_value_that_python_cannot_hold_costs_only_its_row(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"caf\xe9"], pa.binary()).buffers())
    days = pa.array([10**9, 1], pa.int32()).cast(pa.date32())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": broken, "id": days}), path)
    assert outline(list(read_documents([path]))) == [("a.parquet:1", "malformed_row"), ("a.parquet:2", "encoding")]


def test_a_parquet_text_beyond_the_limit_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_BYTES", 10)
    path = write_table(tmp_path / "a.parquet", {"text": ["short", "rather too long"]})
    assert outline(list(read_documents([path]))) == [("a.parquet:1", "short"), ("a.parquet:2", "too_large")]


def test_a_parquet_without_rows_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    assert outline(list(read_documents([path]))) == [("a.parquet", "empty")]


def test_a_parquet_whose_column_names_are_damaged_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["one"]}), path, store_schema=False)
    assert outline(read(path, path.read_bytes().replace(b"text", b"\xdcext"))) == [("a.parquet", "corrupt")]


def test_a_parquet_damaged_in_its_middle_keeps_the_rows_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"{n} {n**60}" for n in range(2_000)]}), path, row_group_size=500)
    data = bytearray(path.read_bytes())
    middle = len(data) * 5 // 8
    data[middle : middle + 4_000] = b"\xff" * 4_000
    items = read(path, bytes(data))
    assert [isinstance(item, Document) for item in items[:500]] == [True] * 500
    assert outline(items[-1:]) == [("a.parquet", "corrupt")]
    assert isinstance(items[-1], RejectedSource)
    assert f"{len(items) - 1} rows before it" in items[-1].detail
