"""The corpora, personas and topics of shipped domains: big enough, varied, and nobody's private data."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from schemas.document import Document
from schemas.persona import Persona
from schemas.topics import Topics
from synth import registry
from synth.documents import read_documents
from synth.domains import load_domain, load_personas, load_topics
from synth.sensitive import find_sensitive
from synth.text import jaccard, shingles, words

DOMAINS = registry.names("domains")
LARGEST = "finance"
pytestmark = pytest.mark.parametrize("domain", DOMAINS)


@cache
def documents(domain: str) -> list[Document]:
    found = list(read_documents([load_domain(domain).corpus]))
    assert all(isinstance(item, Document) for item in found)
    return [item for item in found if isinstance(item, Document)]


@cache
def personas(domain: str) -> list[Persona]:
    return load_personas(load_domain(domain).personas)


def text_of(document: Document) -> str:
    return f"{document.title}\n{document.text}"


def too_alike(sets: dict[str, set[str]], limit: float) -> list[tuple[str, str, float]]:
    found = [(a, b, jaccard(sets[a], sets[b])) for a, b in combinations(sets, 2)]
    return [each for each in found if each[2] >= limit]


def test_there_are_enough_documents_of_150_to_600_words(domain: str) -> None:
    lengths = {document.source: len(words(text_of(document))) for document in documents(domain)}
    assert len(lengths) >= (80 if domain == LARGEST else 25)
    assert {source: n for source, n in lengths.items() if not 150 <= n <= 600} == {}


def test_every_document_has_a_title_of_its_own(domain: str) -> None:
    titles = Counter(document.title for document in documents(domain))
    assert "" not in titles
    assert [title for title, count in titles.items() if count > 1] == []


def test_no_two_documents_share_eight_words_in_a_row(domain: str) -> None:
    seen: dict[str, str] = {}
    shared = []
    for document in documents(domain):
        for run in shingles(words(text_of(document)), 8):
            if seen.setdefault(run, document.source) != document.source:
                shared.append((run, seen[run], document.source))
    assert shared == []


def test_no_two_documents_are_alike(domain: str) -> None:
    assert too_alike({d.source: shingles(words(text_of(d)), 5) for d in documents(domain)}, 0.1) == []


def test_the_corpus_holds_no_personal_or_secret_data(domain: str) -> None:
    found = {d.source: [text_of(d)[f.start : f.end] for f in find_sensitive(text_of(d))] for d in documents(domain)}
    assert {source: texts for source, texts in found.items() if texts} == {}


def test_there_are_enough_personas_and_no_two_are_alike(domain: str) -> None:
    assert len(personas(domain)) >= (60 if domain == LARGEST else 40)
    assert too_alike({p.id: set(words(p.text)) for p in personas(domain)}, 0.3) == []


def test_personas_differ_in_style_and_expertise_and_hold_no_personal_data(domain: str) -> None:
    for field in ("style", "expertise"):
        counts = Counter(getattr(persona, field) for persona in personas(domain))
        assert len(counts) == len(Persona.model_json_schema()["properties"][field]["enum"])
        assert min(counts.values()) >= 5
    assert [p.id for p in personas(domain) if find_sensitive(" ".join([p.text, *p.asks])) or not p.asks] == []


def test_the_corpus_lies_in_a_flat_folder_of_markdown(domain: str) -> None:
    folder: Path = load_domain(domain).corpus
    assert {path.suffix for path in folder.iterdir()} == {".md"}


def test_the_topic_tree_is_wide_and_its_leaves_are_short(domain: str) -> None:
    tree = load_topics(load_domain(domain))
    if tree is None:
        pytest.skip("the domain names no topics")
    assert isinstance(tree, Topics)
    leaves = [topic.leaf for topic in tree]
    assert len(tree.topics) >= 8
    assert len(leaves) >= 200
    assert [leaf for leaf in leaves if not 1 <= len(leaf.split()) <= 9] == []
