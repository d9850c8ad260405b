"""What a domain is, in figures that a run of it would find too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth import registry
from synth.domain_summary import shares, summarise_domain
from synth.domains import load_domain
from synth.errors import DomainError
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.run import create_run, execute
from synth.store import Store
from synth.text import words

DOMAIN = """\
name: tea
title: Tea
description: Leaves and water.
corpus: leaves.jsonl
corpus_licence: CC-BY-4.0
personas: people.jsonl
topics: topics.yaml
plan: {query_type: {fact: 3, reason: 1}}
"""
PEOPLE = [
    {"id": "taster", "text": "Somebody who tastes tea for a living.", "style": "formal"},
    {"id": "grower", "text": "Somebody who grows tea on a hill.", "licence": ""},
]
TOPICS = "topics: {Growing: {Soil: [acid soil, drainage], Pests: [tea mosquito]}, Making: {Heat: [pan firing]}}\n"


@pytest.fixture
def tea(tmp_path: Path, make_texts: Callable[..., dict[str, str]]) -> Path:
    rows: list[dict[str, Any]] = [{"id": key, "text": text} for key, text in make_texts(30).items()]
    rows[0]["licence"] = "MIT"
    rows += [{"id": "copy", "text": rows[1]["text"]}, {"id": "blank", "text": " "}]
    (tmp_path / "leaves.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(person) + "\n" for person in PEOPLE))
    (tmp_path / "topics.yaml").write_text(TOPICS)
    (tmp_path / "tea.yaml").write_text(DOMAIN)
    return tmp_path / "tea.yaml"


def test_documents_people_and_topics_are_counted(tea: Path) -> None:
    found = summarise_domain(load_domain(str(tea)), Store(tea.parent / "store"), Silent())
    texts = {row["id"]: row["text"] for row in map(json.loads, (tea.parent / "leaves.jsonl").open())}
    assert found.corpus.documents == 30
    assert found.corpus.licences == {"CC-BY-4.0": 29, "MIT": 1}
    assert found.corpus.words == sum(len(words(text)) for name, text in texts.items() if name not in ("copy", "blank"))
    assert sum(found.corpus.dropped.values()) == 2
    assert found.personas.model_dump() == {
        "personas": 2,
        "style": {"formal": 1, "question": 1},
        "expertise": {"practitioner": 2},
        "licence": {"Apache-2.0": 1, "unknown": 1},
    }
    assert found.topics is not None
    assert found.topics.model_dump() == {"branches": 2, "sections": 3, "leaves": 4}
    assert found.draws["query_type"] == {"fact": 0.75, "reason": 0.25}
    assert not (tea.parent / "store").exists()


@pytest.mark.slow
def test_passages_and_splits_are_those_of_a_run(tea: Path) -> None:
    store = Store(tea.parent / "store")
    found = summarise_domain(load_domain(str(tea)), store, Silent())
    run = create_run(resolve(Choices(str(tea), limit=20)), store)
    manifest = execute(run).manifest
    assert found.corpus.passages == manifest.passages
    assert found.corpus.dropped == manifest.sources.dropped
    assert 0 < found.corpus.test_documents < 30
    assert summarise_domain(load_domain(str(tea)), store, Silent()) == found


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names("domains"))
def test_shipped_domains_state_a_licence_for_every_document_and_person(name: str, tmp_path: Path) -> None:
    found = summarise_domain(load_domain(name), Store(tmp_path), Silent())
    assert "unknown" not in found.corpus.licences | found.personas.licence
    assert found.corpus.dropped == {}
    assert found.corpus.test_documents > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("topics.yaml", "topic.yaml"),
            r"tea\.yaml, line 7, field topics: there is no .*; did you mean 'topics\.yaml'",
        ),
        (("leaves.jsonl", "leafs.jsonl"), r"tea\.yaml, line 4, field corpus: there is no"),
        (("{fact: 3", "{fact: three"), r"tea\.yaml, line 8, field plan\.query_type\.fact: Input should be"),
    ],
)
def test_a_mistake_is_named_with_its_line(tea: Path, change: tuple[str, str], message: str) -> None:
    tea.write_text(DOMAIN.replace(*change))
    with pytest.raises(DomainError, match=message):
        summarise_domain(load_domain(str(tea)), Store(tea.parent / "store"), Silent())


def test_shares_are_of_their_sum_and_largest_first() -> None:
    assert list(shares({"b": 1, "a": 1, "c": 2}).items()) == [("c", 0.5), ("a", 0.25), ("b", 0.25)]
