"""The embedded generator: real text stays real, no LLM is asked."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from synth.generators import Answer, Call, Equipment, Outcome
from synth.progress import Reporter
from synth.tasks import Extracted, Failure, extractive_rule

__all__ = ["Extractive"]


class Extractive:
    """Answers every call by the task's own extractive rule, seeded by the item."""

    name = "extractive"

    def __init__(self, equipment: Equipment) -> None:
        self._lexicon = equipment.lexicon

    def generate(self, calls: Iterable[Call], _reporter: Reporter) -> Iterator[Outcome]:
        for call in calls:
            random_source = random.Random(call.input.item.seed)
            rule = extractive_rule(call.task)
            made = rule(call.input, self._lexicon, random_source) if rule else Failure("needs_llm")
            result = Answer({call.task.name: made.output}, made.method) if isinstance(made, Extracted) else made
            yield Outcome(call, result)
