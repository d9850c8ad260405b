from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpora import make_recipe

from schemas.recipe import Recipe
from synth.corpora import Documents, corpus_key, make_corpus
from synth.errors import DocumentError
from synth.progress import Silent

Make = Callable[..., Any]


class Notes(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.said.append(name)

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def documents(tmp_path: Path, make_texts: Make) -> Documents:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in make_texts(4).items():
        (folder / f"{name}.txt").write_text(text)
    (folder / "empty.txt").write_text("")
    return Documents((folder,))


@pytest.fixture
def make(tmp_path: Path, documents: Documents) -> Make:
    """Make the documents' passages in a new folder; returns what was said, and the folder."""

    def made(name: str, **options: Any) -> tuple[list[str], Path]:
        notes = Notes()
        keep = options.pop("keep", True)
        make_corpus(documents, make_recipe(**options), tmp_path / "corpora", tmp_path / name, notes, keep=keep)
        return notes.said, tmp_path / name

    return made


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_documents_are_not_read_again(make: Make) -> None:
    (first, one), (second, other) = make("one"), make("two")
    assert first == ["read documents", "chunk documents", "compare passages"]
    assert second[0] == "read documents"
    assert second[1].startswith("the documents are as they were: 4 passages taken from")
    assert files_of(one) == files_of(other)
    assert len(list((one.parent / "corpora").iterdir())) == 1


def test_what_is_returned_is_the_same_too(documents: Documents, tmp_path: Path) -> None:
    made = [
        make_corpus(documents, make_recipe(), tmp_path / "corpora", tmp_path / name, Silent()) for name in ("a", "b")
    ]
    (corpus, count, sha), (again, count_again, sha_again) = made
    assert (corpus.ids, count, sha) == (again.ids, count_again, sha_again)
    assert count.dropped == {"empty": 1}


@pytest.mark.parametrize(
    "changed",
    [
        {"chunk": {"max_chars": 700}},
        {"splits": {"test": 0.5}},
        {"gates": [{"name": "sensitive", "settings": {"action": "drop"}}]},
    ],
    ids=["chunks", "splits", "cleaning"],
)
def test_a_recipe_that_cuts_or_cleans_otherwise_reads_again(make: Make, changed: dict[str, Any]) -> None:
    make("one")
    assert len(make("two", **changed)[0]) == 3


def test_gates_that_change_no_text_and_personas_do_not_matter(make: Make) -> None:
    make("one", gates=[{"name": "sensitive"}, {"name": "length"}])
    assert len(make("two", gates=[{"name": "sensitive"}, {"name": "copy"}], seed=7)[0]) == 2


def test_a_changed_a_new_and_a_renamed_file_are_read(documents: Documents, make: Make) -> None:
    make("one")
    file = documents.paths[0] / "empty.txt"
    before = file.stat()
    file.write_text("Bonds fell.")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(make("two")[0]) == 3
    (documents.paths[0] / "new.txt").write_text("Gilts rose, for once, by more than anyone had thought.")
    assert len(make("three")[0]) == 3
    (documents.paths[0] / "new.txt").rename(documents.paths[0] / "newer.txt")
    assert len(make("four")[0]) == 3
    assert len(make("five")[0]) == 2


def test_other_names_of_fields_make_another_corpus(documents: Documents) -> None:
    recipe: Recipe = make_recipe()
    assert corpus_key(documents, recipe) != corpus_key(Documents(documents.paths, text_field="body"), recipe)


def test_files_that_are_only_looked_at_are_not_kept(make: Make, tmp_path: Path) -> None:
    make("one", keep=False)
    assert not (tmp_path / "corpora").exists()


def test_documents_that_give_no_passage_leave_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(DocumentError, match="no passage could be made"):
        make_corpus(
            Documents((tmp_path / "empty.txt",)), make_recipe(), tmp_path / "corpora", tmp_path / "one", Silent()
        )
    assert not (tmp_path / "corpora").exists()


def test_nothing_of_other_documents_stays_in_the_folder(make: Make, tmp_path: Path) -> None:
    _, one = make("one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "passages.arrow").write_bytes(b"texts of other documents")
    (tmp_path / "two" / "read.parquet").write_bytes(b"half")
    said, two = make("two")
    assert len(said) == 2
    assert files_of(one) == files_of(two)


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_what_was_kept_and_is_damaged_is_made_again(make: Make, tmp_path: Path, damage: str) -> None:
    _, one = make("one")
    (kept,) = (tmp_path / "corpora").iterdir()
    (kept / "terms.parquet").unlink()
    if damage == "empty":
        (kept / "terms.parquet").write_bytes(b"")
    said, two = make("two")
    assert len(said) == 3
    assert len(make("three")[0]) == 2
    assert (one / "passages.parquet").read_bytes() == (two / "passages.parquet").read_bytes()


def test_documents_that_are_gone_once_they_are_read_do_no_harm(
    documents: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Removing(Silent):
        def stage(self, name: str, total: int | None = None) -> None:
            if name == "compare passages":
                shutil.rmtree(documents.paths[0])

    corpus, _, _ = make_corpus(documents, make_recipe(), tmp_path / "corpora", tmp_path / "one", Removing())
    assert len(corpus) == 4
    assert not (tmp_path / "corpora").exists()


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    assert corpus_key(Documents((pipe,)), make_recipe()) is None


def test_where_links_can_not_be_made_files_are_copied(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    (_, one), (said, other) = make("one"), make("two")
    assert len(said) == 2
    assert files_of(one) == files_of(other)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_store_that_can_not_be_written_is_no_error(make: Make, tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir(mode=0o500)
    assert len(make("one")[0]) == 3
