"""The shipped finance corpus and personas: big enough, varied, and nobody's private data."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

from schemas.document import Document
from schemas.persona import Persona
from synth.documents import read_documents
from synth.domains import load_domain, load_personas
from synth.sensitive import find_sensitive
from synth.text import jaccard, shingles, words

BOILERPLATE: tuple[str, ...] = ()
"""Runs of words that several documents may share, such as a legal notice."""


@cache
def documents() -> list[Document]:
    found = list(read_documents([load_domain("finance").corpus]))
    assert all(isinstance(item, Document) for item in found)
    return [item for item in found if isinstance(item, Document)]


@cache
def personas() -> list[Persona]:
    return load_personas(load_domain("finance").personas)


def text_of(document: Document) -> str:
    return f"{document.title}\n{document.text}"


def too_alike(sets: dict[str, set[str]], limit: float) -> list[tuple[str, str, float]]:
    found = [(a, b, jaccard(sets[a], sets[b])) for a, b in combinations(sets, 2)]
    return [each for each in found if each[2] >= limit]


def test_there_are_at_least_eighty_documents_of_150_to_600_words() -> None:
    lengths = {document.source: len(words(text_of(document))) for document in documents()}
    assert len(lengths) >= 80
    assert {source: n for source, n in lengths.items() if not 150 <= n <= 600} == {}


def test_every_document_has_a_title_of_its_own() -> None:
    titles = Counter(document.title for document in documents())
    assert "" not in titles
    assert [title for title, count in titles.items() if count > 1] == []


def test_no_two_documents_share_eight_words_in_a_row() -> None:
    allowed = set().union(*(shingles(words(notice), 8) for notice in BOILERPLATE))
    seen: dict[str, str] = {}
    shared = []
    for document in documents():
        for run in shingles(words(text_of(document)), 8) - allowed:
            if seen.setdefault(run, document.source) != document.source:
                shared.append((run, seen[run], document.source))
    assert shared == []


def test_no_two_documents_are_alike() -> None:
    assert too_alike({d.source: shingles(words(text_of(d)), 5) for d in documents()}, 0.1) == []


def test_the_corpus_holds_no_personal_or_secret_data() -> None:
    found = {d.source: [text_of(d)[f.start : f.end] for f in find_sensitive(text_of(d))] for d in documents()}
    assert {source: texts for source, texts in found.items() if texts} == {}


def test_there_are_at_least_sixty_personas_and_no_two_are_alike() -> None:
    assert len(personas()) >= 60
    assert too_alike({p.id: set(words(p.text)) for p in personas()}, 0.3) == []


def test_personas_differ_in_style_and_expertise_and_hold_no_personal_data() -> None:
    for field in ("style", "expertise"):
        counts = Counter(getattr(persona, field) for persona in personas())
        assert len(counts) == len(Persona.model_json_schema()["properties"][field]["enum"])
        assert min(counts.values()) >= 5
    assert [p.id for p in personas() if find_sensitive(" ".join([p.text, *p.asks])) or not p.asks] == []


def test_the_corpus_lies_in_a_flat_folder_of_markdown() -> None:
    folder: Path = load_domain("finance").corpus
    assert {path.suffix for path in folder.iterdir()} == {".md"}
