"""Drops queries that repeat what the model was told: rules, labels and persona of the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth import registry
from synth.errors import InputError
from synth.gates import verdict
from synth.prompts import load_prompt
from synth.text import runs, word_count, words

__all__ = ["Echo"]

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_LABEL = re.compile(r"^([A-Z][\w ]{2,40}):[ \t]*\{\{", re.MULTILINE)
_TAG = re.compile(r"</?([a-z][\w-]*)\b")

_Run = tuple[str, ...]


class Echo:
    """Looks for `run` words in a row of the prompt's own text or of the instruction, for its labels
    ("Difficulty:") and tags (`<passage`), and for `persona_run` words in a row of the persona.
    """

    name = "echo"

    class Settings(Strict):
        """Words in a row that no query shares with the prompt by chance."""

        run: Annotated[int, Field(ge=3)] = 5
        persona_run: Annotated[int, Field(ge=3)] = 8

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        detail = self._echoed(record)
        return verdict(self.name, "echo" if detail else "", detail=detail)

    def _echoed(self, record: Pair) -> str:
        told = _told(record.provenance.task, self.settings.run)
        marked = ":" in record.query or "<" in record.query
        if marked and told.markup and (found := told.markup.search(record.query)):
            return found[0].strip()
        query = words(record.query)
        stretches = runs(query, self.settings.run)
        echoed = _shared(stretches, told.runs) or _shared(stretches, _runs_of(record.instruction, self.settings.run))
        size = self.settings.persona_run
        if not echoed and record.persona and word_count(query) >= size:
            return _shared(runs(query, size), _runs_of(record.persona, size))
        return echoed


@dataclass(frozen=True)
class _Told:
    """What a task's prompt says by itself: its words in runs, its labels and tags."""

    runs: frozenset[_Run]
    markup: re.Pattern[str] | None


@cache
def _told(task_name: str, size: int) -> _Told:
    try:
        task = registry.find("tasks", task_name)
        prompt = load_prompt(task.prompt, task.prompt_folder)
    except InputError:
        return _Told(frozenset(), None)
    bodies = [body for _, body in prompt.parts]
    pieces = [piece for body in bodies for piece in _JINJA.split(body)]
    told = frozenset(run for piece in pieces for run in runs(words(piece), size))
    labels = [re.escape(label) for body in bodies for label in _LABEL.findall(body)]
    tags = [re.escape(tag) for piece in pieces for tag in _TAG.findall(piece)]
    markup = [rf"\b(?:{'|'.join(labels)}):"] * bool(labels) + [rf"</?(?:{'|'.join(tags)})\b"] * bool(tags)
    return _Told(told, re.compile("|".join(markup), re.IGNORECASE) if markup else None)


def _shared(found: Sequence[_Run], known: frozenset[_Run]) -> str:
    return "" if known.isdisjoint(found) else next(" ".join(run) for run in found if run in known)


@lru_cache(maxsize=4096)
def _runs_of(text: str, size: int) -> frozenset[_Run]:
    return frozenset(runs(words(text), size))
