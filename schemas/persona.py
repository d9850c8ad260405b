"""Who is asking."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Strict

Style = Literal["keywords", "question", "conversational", "formal"]
Expertise = Literal["novice", "practitioner", "expert"]


class Persona(Strict):
    """A person with a reason to ask, in the words a prompt will use."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    text: Annotated[str, Field(min_length=20)]
    asks: list[str] = []
    style: Style = "question"
    expertise: Expertise = "practitioner"
    origin: Literal["shipped", "file", "documents"] = "shipped"
    parent: str = ""
    """The passage or the persona it was derived from."""
    relation: str = ""
    """What it is to the persona that is its parent."""
    model: str = ""
    """The model that wrote it."""
    licence: str = "Apache-2.0"
    """Of a derived persona: that of the document, '' where it is not known."""
