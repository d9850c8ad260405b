"""The embedded generator: real text stays real, no LLM is asked."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from synth.generators import Answer, Call, Equipment, Outcome
from synth.progress import Reporter
from synth.tasks import Extracted

__all__ = ["Extractive"]


class Extractive:
    """Answers every call by the task's own extractive rule, seeded by the item."""

    name = "extractive"

    def __init__(self, equipment: Equipment) -> None:
        self._lexicon = equipment.lexicon

    def generate(self, calls: Iterable[Call], _reporter: Reporter) -> Iterator[Outcome]:
        for call in calls:
            random_source = random.Random(call.input.item.seed)
            made = call.task.extract(call.input, self._lexicon, random_source)
            yield Outcome(call, Answer(made.output, made.method) if isinstance(made, Extracted) else made)
