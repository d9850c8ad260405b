"""passage -> a remark behind which the passage's answer is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import PassageTask

__all__ = ["ImpliedNeedQuery"]


class ImpliedNeed(Strict):
    """What is needed, and the remark that does not ask for it."""

    need: Annotated[str, Field(min_length=1, max_length=240)]
    query: Annotated[str, Field(min_length=1, max_length=400)]


class ImpliedNeedQuery(PassageTask):
    """Somebody's situation, told without asking; what they need is implied. `need` is an attribute."""

    name: ClassVar[str] = "implied-need-query"
    prompt: ClassVar[str] = "implied-need-query"
    output: ClassVar[type[BaseModel]] = ImpliedNeed
    paper: ClassVar[str] = (
        "implicature tests of intent encoders; only about half of such remarks keep their intent, so have them judged"
    )
    example: ClassVar[Mapping[str, BaseModel]] = {
        "implied-need-query": ImpliedNeed(
            need="when the revolving facility must be repaid",
            query="I'm drawing up which of Harbour Lines' loans fall due before the 2028 dry-docking and the bank line is still blank.",
        )
    }
