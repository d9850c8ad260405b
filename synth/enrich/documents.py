"""`synth enrich documents`: a file of documents in which those of chosen sources are rewritten.

Conservation: read = rewritten + same + not_chosen + too_long + failed(reason) + unread(reason). Whatever is not rewritten
stays in the file as it is; what could not be read is not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Self, cast

import orjson
from pydantic import model_validator

from schemas.base import Strict
from schemas.document import Document, RejectedSource
from schemas.recipe import Recipe
from synth.asked import ask, asking, passing
from synth.documents.fields import FieldNames
from synth.enrich.requests import LONGEST, EnrichedText, Rewritten, enrich_input
from synth.errors import ConservationError, InputError, RunError
from synth.files import write_bytes
from synth.gates import CleaningGate, build_record_gates
from synth.generators import Answer, Call, Outcome
from synth.ingest import main_language
from synth.llm.settings import LlmSettings
from synth.numbers import numbers_of
from synth.plan import Choice
from synth.progress import Reporter
from synth.store import Store
from synth.tasks import Failure, Task
from synth.text import normalise, words

SHORTENED, PADDED = 0.5, 4
"""Words of a rewritten text, as a multiple of those of its original, beyond which it is no rewriting."""
_SPELT_OUT = 40
"""Words that may be added to any text: acronyms of a short one are most of it."""


class EnrichedDocument(Strict):
    """A row of the file: a document with the fields that readers know, and its original."""

    id: str
    """Of the original, so that both belong to one split."""
    title: str
    text: str
    original: str
    """The text before; empty where it was not rewritten."""
    source: str
    licence: str
    language: str
    topic: str
    written_by: str
    """The model that rewrote it, else who wrote the document."""


class EnrichedCount(Strict):
    """What became of every document; raises ConservationError where one is unaccounted for."""

    read: int
    rewritten: int
    same: int
    """Those that the model left as they are."""
    not_chosen: int
    too_long: int
    failed: dict[str, int]
    """By reason; they stay as they are."""
    unread: dict[str, int]

    @model_validator(mode="after")
    def _nothing_is_lost(self) -> Self:
        rest = self.rewritten + self.same + self.not_chosen + self.too_long
        found = rest + sum(self.failed.values()) + sum(self.unread.values())
        if self.read != found:
            raise ConservationError(f"{self.read} documents were read, and {found} are accounted for")
        return self

    def check_whole(self) -> None:
        """RunError where requests failed that would do better another time."""
        if missing := passing(self.failed):
            raise RunError(
                f"not all documents are rewritten ({missing}); the same command goes on where this one ended, with a larger budget if that was spent"
            )

    def describe(self) -> str:
        """The count in words."""
        parts = [f"read {self.read:,} = rewritten {self.rewritten:,}"]
        told = {"same": self.same, "not chosen": self.not_chosen, "too long": self.too_long}
        parts += [f"{name} {n:,}" for name, n in told.items() if n]
        parts += [f"failed {reason} {n:,}" for reason, n in self.failed.items()]
        parts += [f"unread {reason} {n:,}" for reason, n in self.unread.items()]
        return " + ".join(parts)


@dataclass(frozen=True)
class Enriched:
    """The documents, in the order they were read."""

    documents: list[EnrichedDocument]
    count: EnrichedCount


def enrich_documents(
    source: Iterable[Document | RejectedSource],
    only: Sequence[str],
    recipe: Recipe,
    about: tuple[str, str],
    store: Store,
    settings: LlmSettings,
    reporter: Reporter,
) -> Enriched:
    """Have the documents rewritten whose source matches a pattern of `only`, or all where there is none.

    `recipe` is of `synth.asked.recipe_of_requests`, `about` the name and description of its domain. Asked again, it asks
    only what was not answered. InputError where no source matches.
    """
    cleaners = [gate for gate in build_record_gates(recipe.gates) if isinstance(gate, CleaningGate)]
    found, unread = _cleaned(source, cleaners)
    fate: Counter[str] = Counter()
    calls = list(_calls(found, only, recipe, about, fate))
    if only and not calls and not fate["too_long"]:
        raise InputError(
            f"no document comes from {' or '.join(only)}; sources are named such as {', '.join(sorted({each.source for each in found})[:3]) or 'none'}"
        )
    reporter.stage("rewrite noisy documents", len(calls))
    documents = [_row(each) for each in found]
    failed: Counter[str] = Counter()
    with asking(recipe, store, settings) as generator:
        for outcome in ask(generator, calls, reporter):
            place = outcome.call.input.item.position
            made = _rewritten(outcome, cleaners)
            if isinstance(made, Failure):
                (fate if made.reason == "same" else failed)[made.reason] += 1
                continue
            fate["rewritten"] += 1
            row = documents[place]
            change = {"text": made[0], "original": row.text, "written_by": made[1]}
            documents[place] = row.model_copy(update=change)
    told = {name: fate[name] for name in ("rewritten", "same", "not_chosen", "too_long")}
    read = len(found) + sum(unread.values())
    return Enriched(documents, EnrichedCount(read=read, **told, failed=dict(failed), unread=dict(unread)))


def save_enriched(file: Path, enriched: Enriched, names: FieldNames | None = None, licence: str = "") -> None:
    """JSON Lines, atomically, with other names of fields where `names` has some; `licence` of documents that state none."""
    renamed = names._asdict() if names else {}
    rows = [each.model_dump() | {"licence": each.licence or licence} for each in enriched.documents]
    named = [{renamed.get(name) or name: value for name, value in row.items()} for row in rows]
    write_bytes(file, b"".join(orjson.dumps(row) + b"\n" for row in named))


def is_chosen(source: str, only: Sequence[str]) -> bool:
    """Whether a pattern stands for a source, or for the file that it is a row of.

    >>> is_chosen("notes/tickets.jsonl:12", ["notes/*.jsonl"])
    True
    """
    file = source.rpartition(":")[0]
    return any(fnmatch(source, pattern) or fnmatch(file, pattern) for pattern in only)


def fault_of(original: str, text: str) -> str:
    """What a machine sees of a rewriting that is none; `same` where nothing was changed, '' for a good one."""
    if normalise(text) == normalise(original):
        return "same"
    if numbers_of(text) - numbers_of(original):
        return "new_number"
    if numbers_of(original) - numbers_of(text):
        return "lost_number"
    before, after = len(words(original)), len(words(text))
    if after < SHORTENED * before:
        return "shortened"
    return "padded" if after > PADDED * before + _SPELT_OUT else ""


def _cleaned(
    source: Iterable[Document | RejectedSource], cleaners: Sequence[CleaningGate]
) -> tuple[list[Document], Counter[str]]:
    """Documents as they may be stored and sent, and reasons of those that could not be read."""
    found: list[Document] = []
    unread: Counter[str] = Counter()
    for each in source:
        if isinstance(each, RejectedSource):
            unread[each.reason] += 1
        else:
            told = {"text": _clean(each.text, cleaners), "title": _clean(each.title, cleaners)}
            found.append(each.model_copy(update=told))
    return found, unread


def _clean(text: str, cleaners: Sequence[CleaningGate]) -> str:
    for gate in cleaners:
        text = gate.clean(text)
    return text


def _calls(
    found: Sequence[Document], only: Sequence[str], recipe: Recipe, about: tuple[str, str], fate: Counter[str]
) -> Iterable[Call]:
    models = Choice({model.name: model.weight for model in recipe.models})
    language = main_language(recipe)
    for place, document in enumerate(found):
        if only and not is_chosen(document.source, only):
            fate["not_chosen"] += 1
        elif len(document.text) > LONGEST:
            fate["too_long"] += 1
        else:
            model = models.draw(recipe.seed, document.id)
            given = enrich_input(document, place, seed=recipe.seed, model=model, language=language, domain=about)
            yield Call(cast("type[Task]", EnrichedText), given)


def _rewritten(outcome: Outcome, cleaners: Sequence[CleaningGate]) -> tuple[str, str] | Failure:
    """(text, model), or why the original stays."""
    result, original = outcome.result, outcome.call.input.passage.text
    if not isinstance(result, Answer):
        return result or Failure("unasked")
    text = _clean(cast(Rewritten, result.outputs[EnrichedText.name]).text.strip(), cleaners)
    reason = fault_of(original, text)
    return Failure(reason) if reason else (text, result.model)


def _row(document: Document) -> EnrichedDocument:
    return EnrichedDocument(original="", **document.model_dump())
