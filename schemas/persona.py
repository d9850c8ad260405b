"""Who is asking."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Strict


class Persona(Strict):
    """A person with a reason to ask, in the words a prompt will use."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    text: Annotated[str, Field(min_length=20)]
    asks: list[str] = []
    style: Literal["keywords", "question", "conversational", "formal"] = "question"
    expertise: Literal["novice", "practitioner", "expert"] = "practitioner"
    origin: Literal["shipped", "file", "documents"] = "shipped"
    parent: str = ""
    licence: str = "Apache-2.0"
