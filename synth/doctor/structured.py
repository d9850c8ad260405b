"""Whether a server makes its model keep to a JSON schema, or takes the schema and ignores it.

Every question comes with a schema of names that nobody can guess and with bounds that leave the right answer out: the
model is asked for a number that it knows, and may only say another one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.recipe import SamplingSettings
from synth.llm.answers import Bad, Completion, read_completion, without_thoughts
from synth.llm.endpoints import Endpoint, fetch
from synth.llm.requests import Body
from synth.prompts import Message

QUESTION = "How many legs does a horse have? Answer with the number."
"""Says nothing of JSON: only a server that enforces the schema gives any."""
_LOWEST = 11
"""Of a number that may be answered: no horse has so many."""


@dataclass(frozen=True)
class Puzzle:
    """A schema of made-up names, with what tasks use: a choice, a number in a range, a list of short texts."""

    choice: str
    words: tuple[str, ...]
    number: str
    lowest: int
    list: str

    @staticmethod
    def make() -> Puzzle:
        """Another one each time, so that no answer can be known or kept."""
        names = [f"{kind}_{secrets.token_hex(3)}" for kind in ("choice", "number", "list")]
        words = tuple(secrets.token_hex(4) for _ in range(3))
        return Puzzle(names[0], words, names[1], _LOWEST + secrets.randbelow(80), names[2])

    @property
    def schema(self) -> dict[str, Any]:
        fields = {
            self.choice: {"type": "string", "enum": [*self.words]},
            self.number: {"type": "integer", "minimum": self.lowest, "maximum": self.lowest + 8},
            self.list: {"type": "array", "minItems": 2, "maxItems": 2, "items": {"$ref": "#/$defs/Short"}},
        }
        return {
            "$defs": {"Short": {"type": "string", "minLength": 1, "maxLength": 12}},
            "type": "object",
            "properties": fields,
            "required": list(fields),
            "additionalProperties": False,
        }

    def read(self, content: str) -> Verdict:
        """How far an answer keeps to the schema."""
        try:
            answer = orjson.loads(without_thoughts(content))
        except orjson.JSONDecodeError:
            return Verdict(False, "it is no JSON")
        if not isinstance(answer, dict) or set(answer) != {self.choice, self.number, self.list}:
            return Verdict(False, "its fields are others")
        texts = answer[self.list]
        if answer[self.choice] not in self.words or not isinstance(texts, list) or type(answer[self.number]) is not int:
            return Verdict(False, "what its fields hold is of another kind")
        loose = []
        if not self.lowest <= answer[self.number] <= self.lowest + 8:
            loose.append("minimum and maximum of numbers")
        if len(texts) != 2:
            loose.append("minItems and maxItems of lists")
        if not all(isinstance(text, str) and 1 <= len(text) <= 12 for text in texts):
            loose.append("minLength and maxLength of texts")
        return Verdict(True, ", ".join(loose))


@dataclass(frozen=True)
class Verdict:
    """Whether an answer has the schema's form, and which of its bounds it breaks; `wrong` is '' where it keeps all of it."""

    has_form: bool
    wrong: str


def ask(endpoint: Endpoint, puzzle: Puzzle, sampling: SamplingSettings, patience: float) -> Completion | Bad:
    """One answer, asked for as runs ask. Raises InputError where none comes for `patience` seconds."""
    body = Body(endpoint.model, puzzle.schema, sampling).of([Message("user", QUESTION)])
    return read_completion(*fetch(f"{endpoint.url}/chat/completions", body, patience))
