"""Documents that an LLM writes about the topics of a domain: `synth topics documents`, `--documents topics`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import orjson

from schemas.base import Strict, sha256_of
from schemas.persona import Persona
from schemas.recipe import Recipe
from schemas.topics import Topics
from synth.asked import FRUITLESS, AskedCount, Tally, ask, asking, recipe_of_requests
from synth.domains import LoadedDomain, hash_personas, load_domain, load_personas, load_topics
from synth.errors import DomainError, InputError
from synth.files import write_bytes
from synth.gates import CleaningGate, build_record_gates
from synth.generators import Answer, Call, Generator, Outcome
from synth.language import as_found, identify
from synth.llm.settings import LlmSettings
from synth.near import find_originals
from synth.progress import Reporter
from synth.recipe import Choices, override
from synth.shingle_sets import read_shingles
from synth.store import Store
from synth.tasks import Failure, Task
from synth.text import content_words, normalise, word_count
from synth.topics.draw import Draw
from synth.topics.requests import DocumentFromTopic, Invented, request_input

FROM_TOPICS = Path("topics")
"""`--documents topics`, where there is no file or folder of that name."""
SHORTEST = 0.4
"""Of the words that were asked for: a document with fewer is not what was asked for."""
NEAR, SHINGLE = 0.6, 3
"""Jaccard similarity of word 3-gram sets from which two documents are one."""
LETTERS, SURE = 40, 0.8
"""Of a document whose language is checked: how many it must have, and how likely another language must be. An answer of
any kind is let pass up to 0.95, which most documents in English are below."""
RECORDS_A_DOCUMENT = 8
"""With `--limit N` a document is written for so many records."""
_BLANK = re.compile(
    r"\[(?:your |the )?(?:name|date|company|address|insert|phone)[^\]]{0,30}\]|lorem ipsum|as an ai\b", re.IGNORECASE
)


class InventedDocument(Strict):
    """A row of the file: what readers of documents know, and what was drawn for it."""

    id: str
    title: str
    text: str
    language: str
    topic: str
    genre: str
    persona: str
    written_by: str


@dataclass(frozen=True)
class Library:
    """The documents kept, in the order of asking, and the count of all requests."""

    documents: list[InventedDocument]
    count: AskedCount
    exhausted: bool
    """Whether a hundred requests in a row brought nothing new, or the budget was spent, before all were there."""


@dataclass(frozen=True)
class Subject:
    """What documents and instructions are asked about."""

    loaded: LoadedDomain
    topics: Topics
    people: Sequence[Persona]
    recipe: Recipe

    @property
    def domain(self) -> tuple[str, str]:
        return self.loaded.domain.name, self.loaded.domain.description

    @property
    def sha256(self) -> str:
        """Of all that requests depend on."""
        said = [self.topics.model_dump(), hash_personas(list(self.people)), self.recipe.sha256, self.domain]
        return sha256_of([*said, self.loaded.domain.invention.model_dump(mode="json")])


def subject_of(choices: Choices, prompt: str, what: str) -> Subject:
    """Topics, people and recipe that `choices` mean for requests. Raises InputError and DomainError."""
    loaded = override(load_domain(choices.domain), choices)
    topics = load_topics(loaded)
    if topics is None:
        raise DomainError(
            f"{loaded.path} names no topics, and without them there is nothing to write about: add `topics: FILE` (docs/domains.md), or have one drawn up: synth topics tree --domain {choices.domain} --llm URL -o topics.yaml"
        )
    own = choices.personas if choices.personas and choices.personas.suffix else loaded.personas
    recipe = recipe_of_requests(loaded.domain, choices.models, [prompt], what)
    longest = max(loaded.domain.invention.words)
    sampling = recipe.sampling.model_copy(update={"max_tokens": max(recipe.sampling.max_tokens, 4 * longest + 400)})
    return Subject(loaded, topics, load_personas(own), recipe.model_copy(update={"sampling": sampling}))


def draw_of(subject: Subject, kind: dict[str, float], size: dict[str, float], language: dict[str, float]) -> Draw:
    """The draws of a subject's requests."""
    models = {model.name: model.weight for model in subject.recipe.models}
    return Draw(subject.topics, subject.people, kind, size, language, models, subject.recipe.seed)


def write_documents(subject: Subject, wanted: int, store: Store, settings: LlmSettings, reporter: Reporter) -> Library:
    """Ask until `wanted` documents are kept. Asked again, it asks only what was not answered."""
    with asking(subject.recipe, store, settings) as generator:
        work = _Work(subject, generator, reporter)
        while len(work.kept) < wanted and work.fruitless < FRUITLESS and not work.tally.failed["unasked"]:
            missing = wanted - len(work.kept)
            reporter.stage("write documents about topics", missing)
            work.take(missing)
    return Library(work.kept, work.tally.count(len(work.kept)), len(work.kept) < wanted)


@dataclass
class _Work:
    subject: Subject
    generator: Generator
    reporter: Reporter
    kept: list[InventedDocument] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    fruitless: int = 0

    def __post_init__(self) -> None:
        invention = self.subject.loaded.domain.invention
        sizes = {str(size): weight for size, weight in invention.words.items()}
        self._draw = draw_of(self.subject, invention.genres, sizes, self.subject.recipe.plan.language)
        gates = build_record_gates(self.subject.recipe.gates)
        self._cleaners = [gate for gate in gates if isinstance(gate, CleaningGate)]

    def take(self, missing: int) -> None:
        first = self.tally.asked
        outcomes = ask(self.generator, [self._call(number) for number in range(first, first + missing)], self.reporter)
        self.tally.asked += missing
        found = list(self._read(outcomes))
        known = len(self.kept)
        texts = [each.text for each in [*self.kept, *found]]
        originals = find_originals(read_shingles(texts, SHINGLE), NEAR) if texts else np.empty(0)
        fresh = [each for each, original in zip(found, originals[known:].tolist(), strict=True) if original < 0]
        self.tally.duplicate.update(["words"] * (len(found) - len(fresh)))
        self.kept += fresh
        self.fruitless = 0 if fresh else self.fruitless + missing

    def _call(self, number: int) -> Call:
        draw, subject = self._draw, self.subject
        given = request_input(
            DocumentFromTopic,
            draw.topic(number),
            number,
            seed=subject.recipe.seed,
            domain=subject.domain,
            person=draw.person(number),
            drawn=draw.drawn(number),
        )
        return Call(cast("type[Task]", DocumentFromTopic), given)

    def _read(self, outcomes: Sequence[Outcome]) -> Iterator[InventedDocument]:
        for outcome in outcomes:
            made = self._document(outcome)
            if isinstance(made, Failure):
                self.tally.failed[made.reason] += 1
            else:
                yield made

    def _document(self, outcome: Outcome) -> InventedDocument | Failure:
        item, result = outcome.call.input.item, outcome.result
        if not isinstance(result, Answer):
            return result or Failure("unasked")
        said = cast(Invented, result.outputs[DocumentFromTopic.name])
        title, text = (self._cleaned(part) for part in (said.title, said.text))
        if (length := word_count(text)) < SHORTEST * int(item.length):
            return Failure("too_short", f"{length} of {item.length} words")
        found = identify(text, LETTERS)
        if found is not None and found.probability >= SURE and found.language != as_found(item.language):
            return Failure("wrong_language", f"{found.language} instead of {item.language}")
        if _BLANK.search(text):
            return Failure("blank_left", "a blank to fill in, or a remark of the model")
        topic = self._draw.topic(item.position)
        return InventedDocument(
            id="-".join([*slug(topic.leaf), item.id[:8]]),
            title=" ".join(title.split()),
            text=text,
            language=item.language,
            topic=topic.path,
            genre=item.query_type,
            persona=item.persona,
            written_by=result.model,
        )

    def _cleaned(self, text: str) -> str:
        for gate in self._cleaners:
            text = gate.clean(text)
        return text.strip()


def slug(text: str) -> list[str]:
    """A few words to know a thing by, as an id may hold them."""
    plain = (re.sub(r"[^a-z0-9]", "", word) for word in content_words(normalise(text)))
    return [word for word in plain if word][:4]


def is_topics(path: Path | str) -> bool:
    """Whether a path stands for documents to be written, there being no file of that name."""
    return Path(path) == FROM_TOPICS and not FROM_TOPICS.exists()


def save_documents(file: Path, library: Library) -> None:
    """JSON Lines, atomically; InputError where none was kept."""
    if not library.documents:
        raise InputError(f"no document was kept ({library.count.describe()}); nothing is written")
    write_bytes(file, b"".join(orjson.dumps(each.model_dump()) + b"\n" for each in library.documents))


def with_invented(choices: Choices, store: Store, settings: LlmSettings, reporter: Reporter) -> Choices:
    """The same choices with a file of the store where `--documents topics` was chosen; what was written once is taken."""
    if not any(is_topics(path) for path in choices.documents):
        return choices
    if len(choices.documents) > 1:
        raise InputError(
            "--documents topics stands alone; write them to a file to add others: synth topics documents … -o FILE"
        )
    subject = subject_of(choices, DocumentFromTopic.prompt, "documents about topics are written by an LLM")
    wanted = subject.loaded.domain.invention.documents
    if choices.limit:
        wanted = max(-(-choices.limit // RECORDS_A_DOCUMENT), 20)
    kept = store.invented / f"{sha256_of([subject.sha256, wanted])}.jsonl"
    if not kept.exists():
        library = write_documents(subject, wanted, store, settings, reporter)
        reporter.note(f"documents about topics: {library.count.describe()}")
        if library.exhausted:
            library.count.check_whole("documents")
        save_documents(kept, library)
    return replace(choices, documents=(kept,))
