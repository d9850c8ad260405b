"""Personas out of documents: text -> persona, then persona -> persona (Persona Hub, arXiv 2406.20094).

Passages are gone through in an order that touches every document before any document twice. Each round asks for one
person close to each persona that the round before kept, so that a passage begins a chain of at most 1 + rounds. No
more is asked than could still be kept. Conservation: asked = kept + duplicate(measure) + failed(reason).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, cast

import numpy as np
import pyarrow.parquet as pq
from pydantic import Field

from schemas.base import Strict
from schemas.document import Passage
from schemas.persona import Persona
from schemas.recipe import Recipe
from synth.arrays import Ints
from synth.asked import FRUITLESS, AskedCount, Tally, ask
from synth.corpus import Corpus
from synth.gates import CleaningGate, build_record_gates
from synth.generators import Answer, Call, Generator, Outcome
from synth.ingest import main_language
from synth.personas.dedup import Thresholds, find_duplicates
from synth.personas.requests import Described, PersonaFromPersona, PersonaFromText, relation_of
from synth.personas.scope import NOBODY
from synth.plan import Choice, Item
from synth.progress import Reporter
from synth.tasks import Task, TaskInput
from synth.teachers import Comparing
from synth.text import content_words, hash64, join

ROUND = 10**9
"""Requests of round r have positions from r * ROUND on, by the place of the passage that their chain began with."""
SHORTEST = 20
"""Characters of a description, once spaces and sensitive data are taken out."""
_SLUG_WORDS = 4


class Wanted(Strict):
    """How many personas, and by which rules."""

    count: Annotated[int, Field(ge=1, lt=ROUND)] = 100
    rounds: Annotated[int, Field(ge=0, le=100)] = 0
    """Of persona -> persona after text -> persona."""
    thresholds: Thresholds = Thresholds()


@dataclass(frozen=True)
class Derivation:
    """The personas kept, in the order they were found, and the count of all."""

    personas: list[Persona]
    count: AskedCount
    compared: str
    """What the teacher's cosine was of."""
    exhausted: str = ""
    """Why there are fewer than were wanted."""


def derive(
    recipe: Recipe,
    corpus: Corpus,
    licence: str,
    wanted: Wanted,
    generator: Generator,
    teacher: Comparing,
    reporter: Reporter,
) -> Derivation:
    """Ask until `wanted.count` personas are kept or the passages are used up.

    `recipe` is of `request_recipe`; `licence` is that of documents that state none themselves.
    """
    order = spread_passages(corpus, recipe.seed)
    work = _Work(recipe, corpus, licence, wanted, generator, teacher, reporter, order)
    place = 0
    while work.missing and place < len(order) and work.fruitless < FRUITLESS:
        chains = range(place, min(place + math.ceil(work.missing / (wanted.rounds + 1)), len(order)))
        place = chains.stop
        reporter.stage("ask who reads the documents", len(chains))
        latest = work.take([work.from_text(place) for place in chains])
        for number in range(1, wanted.rounds + 1):
            if not latest or not work.missing:
                break
            latest = latest[: work.missing]
            reporter.stage(f"ask who is close to them (round {number})", len(latest))
            latest = work.take([work.from_persona(number, link) for link in latest])
    return Derivation(
        [link.persona for link in work.kept], work.tally.count(len(work.kept)), teacher.compares, work.exhausted()
    )


def spread_passages(corpus: Corpus, seed: int) -> Ints:
    """Ordinals of train passages: one of every document, then a second one of each that has two, and so on.

    What is said of test documents must not reach training through a persona; where all are test, all are taken.
    """
    usable = np.flatnonzero(~corpus.is_test & ~corpus.leaked)
    usable = usable if len(usable) else np.arange(len(corpus))
    keys = np.asarray([hash64(join(seed, "persona", corpus.ids[n])) for n in usable.tolist()], dtype=np.uint64)
    document = corpus.document[usable]
    by_document = np.lexsort((keys, document))
    firsts = np.flatnonzero(np.diff(document[by_document], prepend=-1))
    sizes = np.diff(np.append(firsts, len(usable)))
    turn = np.empty(len(usable), dtype=np.int64)
    turn[by_document] = np.arange(len(usable)) - np.repeat(firsts, sizes)
    ordered: Ints = usable[np.lexsort((keys, turn))]
    return ordered


@dataclass(frozen=True, slots=True)
class _Link:
    """A persona that was kept, and the place of the passage that its chain began with."""

    persona: Persona
    place: int


@dataclass
class _Work:
    """A derivation under way."""

    recipe: Recipe
    corpus: Corpus
    licence: str
    wanted: Wanted
    generator: Generator
    teacher: Comparing
    reporter: Reporter
    order: Ints
    kept: list[_Link] = field(default_factory=list)
    fruitless: int = 0
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self._language = main_language(self.recipe)
        self._models = Choice({model.name: model.weight for model in self.recipe.models})
        gates = build_record_gates(self.recipe.gates)
        self._cleaners = [gate for gate in gates if isinstance(gate, CleaningGate)]

    @property
    def missing(self) -> int:
        return self.wanted.count - len(self.kept)

    def exhausted(self) -> str:
        if not self.missing:
            return ""
        if self.fruitless >= FRUITLESS:
            return f"the last {self.fruitless} answers brought nobody new"
        return f"each of the {len(self.order):,} passages was asked about once; more rounds of --expand find more"

    def from_text(self, place: int) -> Call:
        return self._call(PersonaFromText, 0, place, NOBODY)

    def from_persona(self, number: int, link: _Link) -> Call:
        return self._call(PersonaFromPersona, number, link.place, link.persona)

    def _call(self, request: type[PersonaFromText | PersonaFromPersona], number: int, place: int, of: Persona) -> Call:
        passage: Passage = self.corpus.passages([int(self.order[place])])[0]
        key = hash64(join(self.recipe.seed, request.name, number, passage.id))
        item = Item(
            position=number * ROUND + place,
            id=f"{key:016x}",
            passage=int(self.order[place]),
            occurrence=number,
            task=request.name,
            persona=of.id,
            query_type="",
            difficulty="",
            length="",
            language=self._language,
            seed=key >> 1,
            model=self._models.draw(self.recipe.seed, f"{key:016x}"),
        )
        task = cast("type[Task]", request)  # the LLM generator wants no more of a task than a request has
        return Call(task, TaskInput(item, passage, of, self.recipe.domain, ""))

    def take(self, calls: Sequence[Call]) -> list[_Link]:
        """Ask, and keep what is new; returns that, in the order of the calls."""
        outcomes = ask(self.generator, calls, self.reporter)
        self.tally.asked += len(calls)
        found = list(self._described(outcomes))
        known = len(self.kept)
        texts = [link.persona.text for link in [*self.kept, *found]]
        dropped = find_duplicates(texts, self.teacher, self.wanted.thresholds)
        fresh = [link for number, link in enumerate(found, known) if number not in dropped]
        self.tally.duplicate.update(one.measure for number, one in dropped.items() if number >= known)
        self.kept += fresh
        self.fruitless = 0 if fresh else self.fruitless + len(calls)
        return fresh

    def _described(self, outcomes: Sequence[Outcome]) -> Iterator[_Link]:
        licences = self._licences(outcomes)
        for outcome in outcomes:
            given, result = outcome.call.input, outcome.result
            if not isinstance(result, Answer):
                self.tally.failed[result.reason if result else "unasked"] += 1
                continue
            said = cast(Described, result.outputs[outcome.call.task.name])
            text, *asks = (self._cleaned(part) for part in (said.text, *said.asks))
            if len(text) < SHORTEST:
                self.tally.failed["too_short"] += 1
                continue
            expanded = outcome.call.task.name == PersonaFromPersona.name
            yield _Link(
                Persona(
                    id="-".join([*_slug(text), given.item.id[:8]]),
                    text=text,
                    asks=[ask for ask in dict.fromkeys(asks) if ask],
                    style=said.style,
                    expertise=said.expertise,
                    origin="documents",
                    parent=given.persona.id if expanded else given.passage.id,
                    relation=relation_of(given.item) if expanded else "",
                    model=result.model,
                    licence=licences.get(given.passage.document_id) or self.licence,
                ),
                given.item.position % ROUND,
            )

    def _cleaned(self, text: str) -> str:
        text = " ".join(text.split())
        for gate in self._cleaners:
            text = gate.clean(text)
        return text

    def _licences(self, outcomes: Sequence[Outcome]) -> dict[str, str]:
        """Licences of the documents asked about."""
        wanted = sorted({outcome.call.input.passage.document_id for outcome in outcomes})
        documents = self.corpus.folder / "documents.parquet"
        found = pq.read_table(documents, columns=["id", "licence"], filters=[("id", "in", wanted)])
        return dict(zip(found["id"].to_pylist(), found["licence"].to_pylist(), strict=True))


def _slug(text: str) -> list[str]:
    """A few words to know a persona by, as an id may hold them."""
    plain = (re.sub(r"[^a-z0-9]", "", word) for word in content_words(text))
    return [word for word in plain if word][:_SLUG_WORDS]
