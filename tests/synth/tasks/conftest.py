from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.document import Passage
from schemas.persona import Persona
from schemas.record import Pair, PassageText, Provenance
from synth.plan import Item
from synth.tasks import TaskInput

TEXT = (
    "Net debt fell to four hundred million at the end of June. "
    "The revolving facility was extended by two years in March. "
    "Covenant headroom widened because earnings recovered faster than planned. "
    "Management expects to repay the bridge loan before the winter."
)
ANALYST = Persona(id="analyst", text="A credit analyst who reads loan agreements.")


def passage(number: int, text: str = TEXT) -> Passage:
    return Passage(id=f"p{number}", document_id="d1", text=text, start=0, end=len(text), split="train")


@pytest.fixture
def make_input() -> Callable[..., TaskInput]:
    """A task's input about one passage; `others` is how many more its document has."""

    def make(text: str = TEXT, others: int = 0, seed: int = 1, **fields: Any) -> TaskInput:
        item = Item(7, "i7", 0, 1, "any", "analyst", "fact", "easy", "short", "en", seed)
        more = tuple(passage(n, f"{TEXT} Note {n}.") for n in range(2, 2 + others))
        ordinals = tuple(range(1, 1 + others))
        return TaskInput(item, passage(1, text), ANALYST, "finance", "find it", more, ordinals, **fields)

    return make


@pytest.fixture
def make_record() -> Callable[..., Pair]:
    """A text pair as its gate sees it."""

    def make(task: str, query: str, positive: str, *written: str, language: str = "en") -> Pair:
        provenance = Provenance(
            task=task, method="llm:text", generator="llm", prompt=task, prompt_sha256="", position=0, seed=0
        )
        return Pair(
            id="r1",
            language=language,
            split="train",
            query=query,
            positive=PassageText(passage_id="p1", document_id="d1", text=positive),
            written=list(written),
            provenance=provenance,
        )

    return make
