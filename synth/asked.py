"""Requests to an LLM that are no items of a plan: personas, documents, task instructions, topics.

They have the shape of a task's first step, so that the LLM generator asks, mends, journals and archives them as it
does any other. Conservation: asked = kept + duplicate(measure) + failed(reason).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import model_validator

from schemas.base import Strict
from schemas.recipe import Domain, MiningSettings, ModelChoice, PersonaSettings, PlanSettings, Recipe
from synth.errors import ConservationError, InputError, RunError
from synth.generators import Call, Equipment, Generator, Outcome, build_generator
from synth.lexicon import build_lexicon
from synth.llm.settings import LlmSettings
from synth.progress import Reporter
from synth.prompts import load_prompt
from synth.recipe import shared_settings
from synth.store import Store

FRUITLESS = 100
"""So many requests in a row that bring nothing new end the asking."""
_PASSING = ("unasked", "timeout", "connection", "overloaded", "http_5")
"""Failures that another attempt may not have: a run must not keep what they left."""


def passing(failed: Mapping[str, int]) -> str:
    """Of failures by reason those that another attempt may not have, in words; '' for none."""
    return ", ".join(f"{reason} {n:,}" for reason, n in failed.items() if reason.startswith(_PASSING))


class AskedCount(Strict):
    """What became of every request; raises ConservationError where one is unaccounted for."""

    asked: int
    kept: int
    duplicate: dict[str, int]
    """By measure."""
    failed: dict[str, int]
    """By reason."""

    @model_validator(mode="after")
    def _nothing_is_lost(self) -> Self:
        found = self.kept + sum(self.duplicate.values()) + sum(self.failed.values())
        if self.asked != found:
            raise ConservationError(f"{self.asked} were asked for, and {found} are accounted for")
        return self

    def describe(self) -> str:
        """The count in words: asked = kept + duplicates + failures."""
        parts = [f"asked {self.asked:,} = kept {self.kept:,}"]
        parts += [f"duplicate by {measure} {n:,}" for measure, n in self.duplicate.items()]
        parts += [f"failed {reason} {n:,}" for reason, n in self.failed.items()]
        return " + ".join(parts)

    def check_whole(self, what: str) -> None:
        """RunError where requests failed that would do better another time."""
        if missing := passing(self.failed):
            raise RunError(
                f"the {what} are not all there ({missing}); the same command goes on where this one ended, with a larger budget if that was spent"
            )


@dataclass
class Tally:
    """Counts requests while they are asked."""

    asked: int = 0
    duplicate: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def count(self, kept: int) -> AskedCount:
        duplicate, failed = dict(sorted(self.duplicate.items())), dict(sorted(self.failed.items()))
        return AskedCount(asked=self.asked, kept=kept, duplicate=duplicate, failed=failed)


def ask(generator: Generator, calls: Sequence[Call], reporter: Reporter) -> list[Outcome]:
    """The outcomes of all calls, in the order of their positions."""
    outcomes = []
    for outcome in generator.generate(iter(calls), reporter):
        outcomes.append(outcome)
        reporter.advance()
    return sorted(outcomes, key=lambda outcome: outcome.call.input.item.position)


def recipe_of_requests(domain: Domain, models: Sequence[ModelChoice], prompts: Sequence[str], what: str) -> Recipe:
    """What determines requests: models, sampling, seed, language, the gates that clean, and the prompts.

    Raises InputError, which begins with `what`, where there is no model to ask.
    """
    if not models:
        raise InputError(f"{what}: add --llm http://HOST:8000/v1, or --llm vllm:MODEL")
    changed = {
        "generator": "llm",
        "plan": PlanSettings(language=domain.plan.language),
        "persona": PersonaSettings(),
        "set_gates": [],
        "mining": MiningSettings(),
    }
    return Recipe(
        domain=domain.name,
        personas_sha256="",
        prompts={name: load_prompt(name).sha256 for name in prompts},
        models=list(models),
        **shared_settings(domain) | changed,
    )


@contextmanager
def asking(recipe: Recipe, store: Store, settings: LlmSettings) -> Iterator[Generator]:
    """A generator for requests that need no corpus; what is answered stays in the store."""
    store.check_writable()
    with tempfile.TemporaryDirectory(prefix="synth-ask-") as folder:
        nothing = build_lexicon((), "en")
        generator = build_generator(Equipment(recipe, nothing, store.answers, Path(folder), settings))
        try:
            yield generator
        finally:
            close = getattr(generator, "close", None)
            if close is not None:
                close()
