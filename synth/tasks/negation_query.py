"""passage -> a query that says what is not wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import PassageTask

__all__ = ["NegationQuery"]


class Negation(Strict):
    """What is ruled out, and the query that rules it out."""

    excluded: Annotated[str, Field(min_length=1, max_length=240)]
    query: Annotated[str, Field(min_length=1, max_length=400)]


class NegationQuery(PassageTask):
    """A query with an exclusion that the passage respects. `excluded` is an attribute.

    Its share is capped: the better models get at negation, the worse they get at grouping texts.
    """

    name: ClassVar[str] = "negation-query"
    prompt: ClassVar[str] = "negation-query"
    output: ClassVar[type[BaseModel]] = Negation
    paper: ClassVar[str] = (
        "negation tests of intent encoders, where it trades off against clustering; Jina's negation set"
    )
    most_share: ClassVar[float] = 0.15
    example: ClassVar[Mapping[str, BaseModel]] = {
        "negation-query": Negation(
            excluded="bonds", query="What does Harbour Lines owe its banks, leaving bonds aside?"
        )
    }
