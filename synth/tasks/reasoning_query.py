"""passage -> a situation that can be mastered only with what the passage explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import PassageTask

__all__ = ["ReasoningQuery"]


class Reasoning(Strict):
    """What the passage teaches comes first; the query never names it."""

    principle: Annotated[str, Field(min_length=1, max_length=300)]
    query: Annotated[str, Field(min_length=1, max_length=1500)]


class ReasoningQuery(PassageTask):
    """A described problem for which the passage holds the principle, not the wording.

    Nothing that a lexical search could match is shared on purpose. `principle` is an attribute.
    """

    name: ClassVar[str] = "reasoning-query"
    prompt: ClassVar[str] = "reasoning-query"
    output: ClassVar[type[BaseModel]] = Reasoning
    paper: ClassVar[str] = "ReasonIR (arXiv 2504.20595), hard queries; ReasonEmbed (arXiv 2510.08252)"
    most_words: ClassVar[int] = 300
    example: ClassVar[Mapping[str, BaseModel]] = {
        "reasoning-query": Reasoning(
            principle="a leverage covenant is tested twice a year against EBITDA",
            query="A ferry operator borrows heavily in May for two ships whose income starts only in the autumn. Its lender compares debt with the earnings of the past year every half year. Why may it be in trouble in June although it will not be in December?",
        )
    }
