"""What to know about a domain: each note where its cause is, and none where all is well."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.corpora import Documents
from synth.domain_notes import SAMPLE, find_notes, holds_sample
from synth.domains import load_domain
from synth.dry_run import dry_run, read_first
from synth.ingest import split_of
from synth.llm.settings import reach
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.resources import find_shipped

HEAD = """\
name: tea
title: Tea
description: Leaves and water.
corpus: leaves
personas: people.jsonl
"""
PERSON = '{"id": "taster", "text": "Somebody who tastes tea for a living."}\n'
FINE = "limit: 10\ncorpus_licence: MIT\n"

Notes = Callable[..., list[str]]


@pytest.fixture
def notes(tmp_path: Path, make_texts: Callable[..., dict[str, str]], ids_of: Callable[..., list[str]]) -> Notes:
    """The notes on a domain of ten documents for training and as many for tests as are wanted."""

    def find(
        settings: str = FINE, *, tests: int = 1, trains: int = 10, more: dict[str, Any] | None = None
    ) -> list[str]:
        (tmp_path / "leaves").mkdir()
        names = [*ids_of("train", trains), *ids_of("test", tests)]
        rows = [{"id": name, "text": text} for name, text in zip(names, make_texts(30).values(), strict=False)]
        rows += [{"id": name, "text": text} for name, text in (more or {}).items()]
        (tmp_path / "leaves" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / "people.jsonl").write_text(PERSON)
        (tmp_path / "tea.yaml").write_text(HEAD + settings)
        loaded = load_domain(str(tmp_path / "tea.yaml"))
        first = read_first(Documents((loaded.corpus,)))
        tried = dry_run(resolve(Choices(str(loaded.path))), first, reach(()), Silent())
        return find_notes(loaded, first, tried)

    return find


def test_where_all_is_well_there_is_nothing_to_say(notes: Notes) -> None:
    assert notes() == []


def test_documents_without_a_licence_are_counted(notes: Notes) -> None:
    (note,) = notes("limit: 10\n")
    assert note.startswith("documents without a licence: 11; state it as corpus_licence in ")


def test_an_empty_test_split_is_told_with_the_share_that_fills_it(
    notes: Notes, ids_of: Callable[..., list[str]]
) -> None:
    (note,) = notes(tests=0)
    told = re.fullmatch(
        r"no document falls into the test split \(10% of 10 are meant to\): add documents, or set splits\.test to (.*)",
        note,
    )
    assert told is not None
    share = float(told[1])
    trains = ids_of("train", 10)
    assert "test" in {split_of(name, share) for name in trains}
    assert "test" not in {split_of(name, share - 0.01) for name in trains}


def test_where_all_documents_are_for_tests_nothing_is_left_to_train_on(notes: Notes) -> None:
    (note,) = notes(trains=0, tests=6)
    assert note.startswith("every document falls into the test split, so nothing is left to train on")


def test_sources_that_became_no_document_are_counted_by_reason(notes: Notes) -> None:
    (note,) = notes(more={"blank": "  "})
    assert note.startswith("some sources became no documents (empty 1)")


def test_more_records_than_a_pass_makes_are_told(notes: Notes) -> None:
    (note,) = notes("limit: 5000\ncorpus_licence: MIT\n")
    assert note.startswith("5,000 records are asked for (limit) and one pass over ")


def test_draws_that_no_prompt_knows_are_told_with_their_line(notes: Notes) -> None:
    plan = "plan:\n  query_type: {fatc: 1, gossip: 1}\n  difficulty: {meduim: 1}\n  language: {xq: 1, en: 9}\n"
    kind, difficulty, language = notes(FINE + plan)
    assert "tea.yaml, line 9: plan.query_type draws 'fatc'" in kind and kind.endswith("did you mean 'fact'?")
    assert "line 10: plan.difficulty draws 'meduim'" in difficulty and difficulty.endswith("did you mean 'medium'?")
    assert "line 11: the language gate knows no language 'xq'" in language


def test_documents_in_another_language_than_the_queries_are_told(notes: Notes) -> None:
    found = notes(FINE + "plan: {language: {de: 1}}\n")
    assert "most documents are in 'en' and queries are asked for in de: see plan.language" in found


def test_rows_of_which_none_is_kept_are_told_with_the_reasons(notes: Notes) -> None:
    (note,) = notes(FINE + "gates: [{name: length, settings: {min_words: 600, max_words: 700, max_chars: 9000}}]\n")
    assert note.startswith("none of the 5 rows was kept (too_short): look at the documents, and at gates in ")


def test_the_sample_is_told_as_long_as_it_lies_among_the_documents_unchanged(notes: Notes, tmp_path: Path) -> None:
    notes()
    loaded = load_domain(str(tmp_path / "tea.yaml"))
    assert not holds_sample(loaded)
    sample = tmp_path / "leaves" / SAMPLE
    sample.write_bytes(find_shipped("data", "scaffold", "documents", SAMPLE).read_bytes())
    first = read_first(Documents((loaded.corpus,)))
    tried = dry_run(resolve(Choices(str(loaded.path))), first, reach(()), Silent())
    (note,) = find_notes(loaded, first, tried)
    assert (
        note == f"the sample is still among the documents: put yours into {tmp_path}/leaves and delete {SAMPLE} there"
    )
    sample.write_text("A page of our own.")
    assert not holds_sample(loaded)
