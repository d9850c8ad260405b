"""Rows to look at before a run: about different documents, judged by the gates, kept nowhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_llm import fake_llm

from synth.corpora import Documents
from synth.dry_run import READ, ROWS, DryRun, dry_run, read_first
from synth.errors import DocumentError
from synth.llm.settings import LlmSettings, reach
from synth.progress import Silent
from synth.recipe import Choices, resolve

Texts = Callable[..., dict[str, str]]
Rows = Callable[..., Path]


def run(documents: Path, settings: LlmSettings | None = None, **changes: Any) -> DryRun:
    choices: dict[str, Any] = {}
    if changes:
        choices["config"] = documents.parent / "changes.yaml"
        choices["config"].write_text(yaml.safe_dump(changes))
    settings = settings or reach(())
    resolved = resolve(Choices("finance", (documents,), models=tuple(settings.models), **choices))
    return dry_run(resolved, read_first(Documents((documents,))), settings, Silent())


@pytest.fixture
def documents(tmp_path: Path, make_texts: Texts, write_rows: Rows) -> Path:
    return write_rows(tmp_path / "documents.jsonl", make_texts(12))


def test_the_rows_are_about_different_documents_and_every_gate_has_judged_them(documents: Path) -> None:
    tried = run(documents)
    assert len(tried.looks) == ROWS
    assert len({look.call.input.passage.document_id for look in tried.looks}) == ROWS
    for look in tried.looks:
        (row,) = look.rows.values()
        assert row.query and row.verdicts
        assert row.status == ("accepted" if row.verdicts[-1].keep else "rejected")
    assert (tried.corpus.documents, tried.more) == (12, False)


def test_rows_are_filled_up_with_other_items_where_there_are_few_passages(
    tmp_path: Path, make_texts: Texts, write_rows: Rows
) -> None:
    looks = run(write_rows(tmp_path / "two.jsonl", make_texts(2, sentences=4))).looks
    assert len({look.call.input.passage.id for look in looks}) == 2
    assert len({look.call.input.item.position for look in looks}) == ROWS


def test_only_the_first_documents_of_a_large_corpus_are_read(
    tmp_path: Path, make_texts: Texts, write_rows: Rows
) -> None:
    tried = run(write_rows(tmp_path / "many.jsonl", make_texts(READ + 5, sentences=3)))
    assert tried.more
    assert tried.corpus.documents == READ


def test_a_model_writes_the_rows_where_there_is_one_and_nothing_is_kept(
    documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = documents.parent / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with fake_llm() as fake:
        tried = run(documents, reach([fake.url]))
        assert len(fake.bodies) == ROWS
    assert {model for look in tried.looks for model in look.rows} == {"fake"}
    assert list(folder.iterdir()) == []
    assert not (documents.parent / "synth-store").exists()


def test_people_are_those_near_to_a_passage_where_the_domain_says_so(documents: Path) -> None:
    looks = run(documents, persona={"match": "top-k", "k": 1}).looks
    assert len(looks) == ROWS
    assert all(look.call.input.persona.id for look in looks)


def test_documents_without_text_make_no_rows(tmp_path: Path, write_rows: Rows) -> None:
    with pytest.raises(DocumentError, match="no passage could be made from the documents"):
        run(write_rows(tmp_path / "empty.jsonl", {"a": " ", "b": ""}))
