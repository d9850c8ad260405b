"""text -> its translation, and one with a single error."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.record import Pair
from synth.language import named, primary
from synth.numbers import figures
from synth.tasks import Draft, Failure, Outputs, TaskInput
from synth.text_pairs import TextPairTask, excerpt_of
from synth.translation import lost_number, other_language, translation_fault

__all__ = ["Bitext"]

NUMBER = "number"
ERRORS = {
    "clause": "one clause, or one of several sentences, is left out, so that nothing shows the gap",
    "name": "one name, or where there is none the person or thing that is spoken of, is exchanged for another",
    "negation": "what is denied is said to hold, or one thing that is said to hold is denied",
    NUMBER: "one number is another",
}
"""What is wrong with the negative; `number` is drawn for texts with a number alone."""
_SENTENCES = 3
_Text = Annotated[str, Field(min_length=2, max_length=2_000)]


class Translations(Strict):
    """The right translation, and the one with the error."""

    positive: _Text
    negative: _Text


class Bitext(TextPairTask):
    """A text of one to three sentences with its translation; the hard negative is a fluent translation with one error.

    The other language is drawn from those of the plan. `source_language`, `target_language` and `error` say which
    they are; the record's own language is that of the source.
    """

    name: ClassVar[str] = "bitext"
    prompt: ClassVar[str] = "bitext"
    output: ClassVar[type[BaseModel]] = Translations
    instruction: ClassVar[str] = "Retrieve the translation of the text"
    paper: ClassVar[str] = "E5-mistral (arXiv 2401.00368), bitext: S1 is real text, S2 its translation, S3 a worse one"
    languages: ClassVar[int] = 2
    tokens: ClassVar[int] = 1_200
    example: ClassVar[Mapping[str, BaseModel]] = {
        "bitext": Translations(
            positive="Sie läuft bis Juni 2027, wird mit SONIA plus 1,75 % verzinst und verlangt, dass die Nettoverschuldung unter dem 3,5-Fachen des EBITDA bleibt, geprüft jeweils im Juni und Dezember.",
            negative="Sie läuft bis Juni 2027 und verlangt, dass die Nettoverschuldung unter dem 3,5-Fachen des EBITDA bleibt, geprüft jeweils im Juni und Dezember.",
        )
    }

    @classmethod
    def query(cls, task_input: TaskInput) -> str:
        return excerpt_of(task_input, _SENTENCES)

    @classmethod
    def refuse(cls, task_input: TaskInput) -> Failure | None:
        language = task_input.item.language
        if not _others(task_input):
            return Failure("one_language", f"{language} is the only language of the plan")
        known = task_input.passage.language
        foreign = f"{known} instead of {language}" if known and primary(known) != primary(language) else ""
        if detail := foreign or other_language(cls.query(task_input), language):
            return Failure("wrong_language", f"the text: {detail}")
        return super().refuse(task_input)

    @classmethod
    def answer_language(cls, task_input: TaskInput) -> str:
        """The target: drawn by the item's seed."""
        return random.Random(f"{task_input.item.seed} target").choice(_others(task_input))

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        error = ERRORS[_error(cls.query(task_input), task_input)]
        target = cls.answer_language(task_input)
        return super().prompt_inputs(task_input, outputs) | {"target": named(target), "error": error}

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        made = super().draft(task_input, outputs, method)
        languages = {
            "source_language": task_input.item.language,
            "target_language": cls.answer_language(task_input),
        }
        return replace(made, attributes=languages | {"error": _error(made.query, task_input)})

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:
        said = {each.name: each.value for each in record.attributes}
        source, target, error = (said.get(name, "") for name in ("source_language", "target_language", "error"))
        positive = record.positive.text
        found = translation_fault(record.query, positive, source, target)
        if found[0]:
            return found
        for text in record.written:
            if detail := other_language(text, target):
                return "wrong_language", f"the negative: {detail}"
            if error == "clause" and len(text) >= len(positive):
                return "negative_is_positive", f"nothing is left out: {text[:160]}"
            if error == NUMBER and not lost_number(record.query, text) and figures(text) == figures(positive):
                return "negative_is_positive", f"no number is another: {text[:160]}"
        return "", ""


def _others(task_input: TaskInput) -> list[str]:
    own = primary(task_input.item.language)
    return [each for each in task_input.languages if primary(each) != own]


def _error(text: str, task_input: TaskInput) -> str:
    possible = [each for each in ERRORS if each != NUMBER or figures(text)]
    return random.Random(f"{task_input.item.seed} error").choice(possible)
