"""What a domain is, in figures: its documents, people, topics and settings, out of its own files."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from schemas.base import Strict
from schemas.manifest import SourceCount
from schemas.persona import Persona
from schemas.recipe import GateSettings, Recipe
from schemas.topics import Topics
from synth.corpora import Documents, make_corpus
from synth.corpus import Corpus
from synth.domains import LoadedDomain, check_parts, load_facts, load_personas, load_topics
from synth.files import read_batches
from synth.instructions import load_instructions
from synth.licences import UNKNOWN
from synth.progress import Reporter
from synth.recipe import shared_settings
from synth.store import Store
from synth.text import words

DRAWN = ("query_type", "difficulty", "length", "language")


class CorpusSummary(Strict):
    """Documents and what they are cut into."""

    documents: int
    test_documents: int
    passages: int
    words: int
    licences: dict[str, int]
    """Documents by licence: their own, else the domain's."""
    dropped: dict[str, int] = {}
    """Sources that did not become documents, by reason."""


class PersonaSummary(Strict):
    """Who asks."""

    personas: int
    style: dict[str, int]
    expertise: dict[str, int]
    licence: dict[str, int]


class TopicSummary(Strict):
    """How wide a topic tree is."""

    branches: int
    sections: int
    leaves: int


class DomainSummary(Strict):
    """A domain, as `synth domains show --json` prints it. Shares are 0 to 1."""

    name: str
    title: str
    description: str
    instruction: str
    file: str
    corpus: CorpusSummary
    personas: PersonaSummary
    topics: TopicSummary | None
    tasks: dict[str, float]
    draws: dict[str, dict[str, float]]
    gates: list[GateSettings]
    set_gates: list[GateSettings]
    mining: dict[str, Any]
    teacher: str
    generator: str
    chunk: dict[str, Any]
    splits: dict[str, Any]
    limit: int


def check_domain(loaded: LoadedDomain) -> tuple[list[Persona], Topics | None]:
    """Everything that a domain file names is there and can be read: its people and topics.

    Raises DomainError naming file, line and field.
    """
    check_parts(loaded)
    _ = loaded.corpus
    people = load_personas(loaded.personas)
    load_facts(loaded)
    if loaded.domain.instructions:
        load_instructions(loaded.instructions)
    return people, load_topics(loaded)


def summarise_domain(loaded: LoadedDomain, store: Store, reporter: Reporter) -> DomainSummary:
    """Read all of a domain's files; its passages are taken from the store where a run has made them."""
    people, topics = check_domain(loaded)
    domain = loaded.domain
    return DomainSummary(
        **{field: getattr(domain, field) for field in ("name", "title", "description", "instruction", "limit")},
        file=str(loaded.path),
        corpus=_read_corpus(loaded, store, reporter),
        personas=summarise_personas(people),
        topics=summarise_topics(topics),
        tasks=shares(domain.plan.tasks),
        draws={name: shares(getattr(domain.plan, name)) for name in DRAWN},
        gates=domain.gates,
        set_gates=domain.set_gates,
        mining=domain.mining.model_dump(mode="json"),
        teacher=domain.scored_by,
        generator=domain.generator,
        chunk=domain.chunk.model_dump(mode="json"),
        splits=domain.splits.model_dump(mode="json"),
    )


def _read_corpus(loaded: LoadedDomain, store: Store, reporter: Reporter) -> CorpusSummary:
    with tempfile.TemporaryDirectory(prefix="synth-domain-") as name:
        domain = loaded.domain
        recipe = Recipe(domain=domain.name, personas_sha256="", prompts={}, **shared_settings(domain))
        corpus, count, _ = make_corpus(
            Documents((loaded.corpus,)), recipe, store.corpora, Path(name) / "corpus", reporter, keep=False
        )
        return summarise_corpus(corpus, count, domain.corpus_licence)


def summarise_corpus(corpus: Corpus, count: SourceCount, licence: str) -> CorpusSummary:
    """Of a corpus as a run reads it; `licence` is that of documents which state none."""
    licences: Counter[str] = Counter()
    total = 0
    cut = set(pq.read_table(corpus.folder / "passages.parquet", columns=["document_id"])["document_id"].to_pylist())
    for batch in read_batches(corpus.folder / "documents.parquet", ["id", "licence", "text"], size=256):
        kept = [row for row in batch.to_pylist() if row["id"] in cut]
        licences.update(row["licence"] or licence or UNKNOWN for row in kept)
        total += sum(len(words(row["text"])) for row in kept)
    in_test = set(corpus.document[corpus.is_test].tolist())
    return CorpusSummary(
        documents=count.kept,
        test_documents=len(in_test),
        passages=len(corpus),
        words=total,
        licences=dict(sorted(licences.items())),
        dropped=count.dropped,
    )


def summarise_personas(people: Sequence[Persona]) -> PersonaSummary:
    """Counts of their styles, expertise and licences."""
    counts = {
        field: count_values(getattr(person, field) or UNKNOWN for person in people)
        for field in ("style", "expertise", "licence")
    }
    return PersonaSummary(personas=len(people), **counts)


def summarise_topics(topics: Topics | None) -> TopicSummary | None:
    """How many branches, sections and leaves a tree has."""
    if topics is None:
        return None
    sections = sum(len(branch) for branch in topics.topics.values())
    return TopicSummary(branches=len(topics.topics), sections=sections, leaves=sum(1 for _ in topics))


def count_values(values: Iterable[str]) -> dict[str, int]:
    """How often each value stands, by name."""
    return dict(sorted(Counter(values).items()))


def shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights as shares of their sum, largest first."""
    total = sum(weights.values())
    return {name: weight / total for name, weight in sorted(weights.items(), key=lambda each: (-each[1], each[0]))}
