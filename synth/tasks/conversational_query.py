"""passage -> a conversation whose last turn the passage answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import Draft, Outputs, PassageTask, TaskInput, as_text

__all__ = ["ConversationalQuery"]


class Turn(Strict):
    """What the user said and what was replied."""

    user: Annotated[str, Field(min_length=1, max_length=300)]
    assistant: Annotated[str, Field(min_length=1, max_length=400)]


class Conversation(Strict):
    """Earlier turns, then what the user asks now."""

    turns: Annotated[list[Turn], Field(min_length=1, max_length=3)]
    query: Annotated[str, Field(min_length=1, max_length=300)]


class ConversationalQuery(PassageTask):
    """The last turn of a conversation, which needs the turns before it to be understood.

    The record's query is the whole conversation, a line a turn; `last_turn` holds the last alone.
    """

    name: ClassVar[str] = "conversational-query"
    prompt: ClassVar[str] = "conversational-query"
    output: ClassVar[type[BaseModel]] = Conversation
    paper: ClassVar[str] = "Hakim and FaMTEB: queries with message history are what retrieval models fail at"
    instruction: ClassVar[str] = "Given a conversation, retrieve the passage that answers what was said last"
    most_words: ClassVar[int] = 400
    exempt: ClassVar[frozenset[str]] = frozenset({"leak"})
    example: ClassVar[Mapping[str, BaseModel]] = {
        "conversational-query": Conversation(
            turns=[
                Turn(
                    user="How much has Harbour Lines drawn on its credit line?",
                    assistant="180 of 250 million pounds at the end of 2024.",
                )
            ],
            query="And what are they paying on that?",
        )
    }

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        said: Conversation = outputs[cls.name]
        lines = [line for turn in said.turns for line in (f"User: {turn.user}", f"Assistant: {turn.assistant}")]
        whole = [" ".join(line.split()) for line in (*lines, f"User: {said.query}")]
        query, attributes = "\n".join(whole), {"last_turn": as_text(said.query)}
        return Draft(query, task_input.passage.text, method, instruction=cls.instruction, attributes=attributes)
