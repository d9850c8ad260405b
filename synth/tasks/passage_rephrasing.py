"""passage -> the same in other words, as a text-to-text pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import PassageTask

__all__ = ["PassageRephrasing"]


class Rephrasing(Strict):
    """The main statement in other words."""

    query: Annotated[str, Field(min_length=1, max_length=600)]


class PassageRephrasing(PassageTask):
    """What the passage states, as a layman would put it who avoids its terms."""

    name: ClassVar[str] = "passage-rephrasing"
    prompt: ClassVar[str] = "passage-rephrasing"
    output: ClassVar[type[BaseModel]] = Rephrasing
    paper: ClassVar[str] = "the ICD-10 rephrasing test: general models beat clinical ones on reworded descriptions"
    instruction: ClassVar[str] = "Given a statement, retrieve the text that says the same in other words"
    most_words: ClassVar[int] = 100
    exempt: ClassVar[frozenset[str]] = frozenset({"leak"})
    example: ClassVar[Mapping[str, BaseModel]] = {
        "passage-rephrasing": Rephrasing(
            query="The shipping firm may take out up to 250 million from its lenders until mid-2027, as long as what it owes stays under three and a half years of earnings."
        )
    }
