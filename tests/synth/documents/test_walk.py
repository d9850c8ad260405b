from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from schemas.document import Document, RejectedSource
from synth.documents import read_documents
from synth.errors import DocumentError, MissingExtra


def write(path: Path, content: str = "A bond is a loan.") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def sources(*paths: Path) -> list[str]:
    return [item.source for item in read_documents(paths)]


def test_a_folder_is_read_recursively_in_the_order_of_relative_paths(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b/c.md", "c.TXT", "a.txt"):
        write(tmp_path / name)
    assert sources(tmp_path) == ["a/b/c.md", "a/z.txt", "a.txt", "b.txt", "c.TXT"]


def test_a_file_given_by_itself_is_called_by_its_name(tmp_path: Path) -> None:
    assert sources(write(tmp_path / "deep" / "a.txt")) == ["a.txt"]


def test_paths_are_read_in_the_order_given_and_each_file_once(tmp_path: Path) -> None:
    first, second = write(tmp_path / "b.txt"), write(tmp_path / "a.txt")
    assert sources(first, second, tmp_path, tmp_path / "." / "b.txt") == ["b.txt", "a.txt"]


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    for name in (".hidden.txt", ".git/a.txt", "a.txt"):
        write(tmp_path / name)
    assert sources(tmp_path) == ["a.txt"]


def test_an_unsupported_file_in_a_folder_is_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.xyz")
    write(tmp_path / "b.txt")
    rejected, document = read_documents([tmp_path])
    assert isinstance(rejected, RejectedSource)
    assert isinstance(document, Document)
    assert (rejected.source, rejected.reason) == ("a.xyz", "unsupported")
    assert ".jsonl.gz" in rejected.detail


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("reprots/a.txt", r"reprots/a\.txt does not exist; did you mean 'reports'\?"),
        ("reports/alphq.txt", r"does not exist; did you mean 'alpha\.txt'\?"),
        ("reports/alpha.txt/b.txt", r"does not exist$"),
        ("reports/unlike", r"unlike does not exist$"),
        ("reports/table.xlsx", r"table\.xlsx is not a format synth reads: give \.txt, \.md, "),
        ("empty", r"the folder .*empty holds no file synth reads"),
        ("pictures", r"the folder .*pictures holds no file synth reads"),
    ],
)
def test_a_path_that_cannot_be_used_is_an_error_of_one_sentence(tmp_path: Path, given: str, message: str) -> None:
    write(tmp_path / "reports" / "alpha.txt")
    write(tmp_path / "reports" / "table.xlsx")
    write(tmp_path / "pictures" / "cat.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DocumentError, match=message) as raised:
        read_documents([tmp_path / given])
    assert "\n" not in str(raised.value)


def test_no_path_at_all_is_an_error() -> None:
    with pytest.raises(DocumentError, match="name at least one file or folder"):
        read_documents([])


def test_a_given_file_that_cannot_be_opened_is_an_error_and_one_in_a_folder_is_rejected(tmp_path: Path) -> None:
    path, kept = write(tmp_path / "a.txt"), write(tmp_path / "b.txt")
    by_name, by_folder = read_documents([path]), read_documents([tmp_path])
    path.unlink()
    with pytest.raises(DocumentError, match=r"a\.txt can't be read \(No such file or directory\): check"):
        next(by_name)
    rejected, document = by_folder
    assert isinstance(rejected, RejectedSource)
    assert rejected.reason == "unreadable"
    assert document.source == kept.name


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_unreadable(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt")
    path.chmod(0)
    with pytest.raises(DocumentError, match="Permission denied"):
        list(read_documents([path]))
    assert [item.reason for item in read_documents([tmp_path]) if isinstance(item, RejectedSource)] == ["unreadable"]


def test_a_folder_that_cannot_be_listed_is_an_error_when_given_and_rejected_below_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.txt")
    closed = write(tmp_path / "closed" / "b.txt").parent
    listdir = os.listdir

    def refuse(folder: Path) -> list[str]:
        if folder == closed:
            raise PermissionError(13, "Permission denied")
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", refuse)
    rejected = [item for item in read_documents([tmp_path]) if isinstance(item, RejectedSource)]
    assert [(item.source, item.reason) for item in rejected] == [("closed", "unreadable")]
    with pytest.raises(DocumentError, match=r"closed can't be read \(Permission denied\)"):
        read_documents([closed])
    with pytest.raises(DocumentError, match=r"does not exist$"):
        read_documents([closed / "missing.txt"])


def test_links_and_special_files_are_accounted_for(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write(folder / "a.txt")
    (folder / "b.txt").symlink_to(folder / "a.txt")
    (folder / "dangling.txt").symlink_to(folder / "gone.txt")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "pipe.txt")
    found = {item.source: getattr(item, "reason", "read") for item in read_documents([folder])}
    assert found == {
        "a.txt": "read",
        "b.txt": "read",
        "dangling.txt": "unreadable",
        "loop": "unsupported",
        "pipe.txt": "unsupported",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8_can_still_be_a_source(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    path.write_text("A text.")
    assert sources(tmp_path) == ["caf\ufffd.txt"]


@pytest.mark.parametrize(
    ("name", "module"),
    [("report.pdf", "pypdfium2"), ("page.html", "trafilatura"), ("page.HTM", "trafilatura"), ("memo.docx", "docx")],
)
def test_a_missing_extra_refuses_the_whole_run_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    write(tmp_path / "a.txt")
    write(tmp_path / "sub" / name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"reading sub/{name} needs the extra 'documents'"):
        read_documents([tmp_path])
    assert sources(tmp_path / "a.txt") == ["a.txt"]
