"""Where a persona shows: in the prompt that asks for the query, in the instruction of the task, in both, in neither."""

from __future__ import annotations

from schemas.persona import Persona
from schemas.recipe import PersonaSettings

NOBODY = Persona.model_construct(id="", text="", asks=[])
"""Stands where no persona shows: prompts leave out what they say of a person whose text is empty."""
_WHO = {"novice": "a novice", "practitioner": "a practitioner", "expert": "an expert"}


def in_prompt(persona: Persona, settings: PersonaSettings) -> Persona:
    """Whom the prompt for the query names: the persona, or nobody."""
    return persona if settings.scope in ("query", "both") else NOBODY


def instruct(instruction: str, persona: Persona, settings: PersonaSettings) -> str:
    """The instruction of a record: as it is, or with what the persona looks for, in the words of the persona file.

    >>> instruct("Find the passage", Persona(id="x", text="A saver in Kent.....", asks=["fees"]), PersonaSettings(scope="both"))
    'Find the passage. Asked by a practitioner who looks for: fees'
    """
    if settings.scope not in ("instruction", "both") or not persona.text:
        return instruction
    sought = f"{_WHO[persona.expertise]} who looks for: {'; '.join(persona.asks)}" if persona.asks else persona.text
    return f"{instruction.rstrip('.')}. Asked by {sought}" if instruction else f"Asked by {sought}"
