"""Where a persona shows: in the prompt that asks for the query, in the instruction of the task, in both, in neither."""

from __future__ import annotations

from schemas.persona import Persona

NOBODY = Persona.model_construct(id="", text="", asks=[])
"""Stands where no persona shows: prompts leave out what they say of a person whose text is empty."""
