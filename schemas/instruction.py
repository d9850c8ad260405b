"""What a task instruction is: one line of a list that a user can read, edit and pin."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.base import Strict


class TaskInstruction(Strict):
    """The instruction of a class of searches, comparisons or classifications."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    task: str
    """The task that takes it (`synth tasks`)."""
    text: Annotated[str, Field(min_length=10, max_length=300)]
    topic: str = ""
    """Path of the topic whose passages it suits; '' for any passage."""
    model: str = ""
    """The model that wrote it; '' for a person."""
