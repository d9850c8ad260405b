"""passage -> the question for a sentence that was put into it at a drawn depth."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from schemas.record import TEXT_PAIR, Pair
from synth.evidence import Evidence, drawn_depth, language_of
from synth.lexicon import Lexicon
from synth.needles import Needle, draw_needle, has_needles, put
from synth.tasks import Draft, Extracted, Failure, Outputs, PassageTask, Query, TaskInput
from synth.text import words
from synth.text_pairs import REAL_TEXT

__all__ = ["NeedleInPassage"]


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A needle in its passage, and its near misses in the same one."""

    needle: Needle
    evidence: Evidence
    positive: str
    negatives: tuple[str, ...]


class NeedleInPassage(PassageTask):
    """A question for one invented sentence that was put into the passage, such as the locker code of somebody.

    Its depth is drawn evenly over deciles and recorded as `evidence_decile`, as `evidence-query` does. The hard
    negatives are the same passage with other sentences of this form in the same place: another person with the same
    number, nearly the same person with the digits in another order, the same person with a number for something
    else. Both passage and negatives are made by rule; an LLM only words the question. English, German and French.
    """

    name: ClassVar[str] = "needle"
    prompt: ClassVar[str] = "needle"
    instruction: ClassVar[str] = "Given a question, retrieve the document that holds the answer"
    paper: ClassVar[str] = "LongEmbed (arXiv 2404.12096), passkey and needle sets with near-miss needles in real text"
    exempt: ClassVar[frozenset[str]] = REAL_TEXT | {"garbage"}
    negatives_by_rule: ClassVar[bool] = True
    example: ClassVar[Mapping[str, BaseModel]] = {
        "needle": Query(query="Which code opens the locker of Petra Fenwick from Utrecht?")
    }

    @staticmethod
    def refuse(task_input: TaskInput) -> Failure | None:
        language = language_of(task_input)
        if not has_needles(language):
            return Failure("no_needles", f"there is no data/needles/{language}.yaml")
        return None if _hide(task_input) else Failure("no_sentence", "there is no whole sentence to put it after")

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        needle = _hidden(task_input).needle
        given = {"passage": task_input.passage.text[:1_000], "needle": needle.text, "key": needle.key}
        return super().prompt_inputs(task_input, outputs) | given

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:  # noqa: ARG004
        question = _hidden(task_input).needle.question(random_source)
        return Extracted(Query(query=question), "extractive:needle")

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        hidden = _hidden(task_input)
        needle = hidden.needle
        said = {"needle_family": needle.family, "needle_key": needle.key, "needle_value": needle.value}
        return Draft(
            " ".join(outputs[cls.name].query.split()),
            hidden.positive,
            f"{method}{TEXT_PAIR}",
            instruction=cls.instruction,
            attributes={**hidden.evidence.attributes, **said},
            negatives=hidden.negatives,
        )

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:
        """A question that does not name its person or gives its number away; a negative that holds the needle."""
        said = {each.name: each.value for each in record.attributes}
        asked = set(words(record.query))
        if missing := set(words(said["needle_key"])) - asked - _SMALL_WORDS:
            return "no_key", f"the question does not name {sorted(missing)[0]!r}"
        if said["needle_value"] in asked:
            return "gives_value", said["needle_value"]
        if any(said["evidence"] in text for text in record.written):
            return "negative_is_positive", said["evidence"]
        return "", ""


_SMALL_WORDS = frozenset({"from", "aus", "de"})


def _hide(task_input: TaskInput) -> _Hidden | None:
    text, language = task_input.passage.text, language_of(task_input)
    source = random.Random(task_input.item.seed)
    needle = draw_needle(language, source)
    while needle.last in text and needle.first in text:
        needle = draw_needle(language, source)
    found = put(text, language, needle.text, drawn_depth(task_input))
    if found is None:
        return None
    positive, evidence = found
    before, after = positive[: evidence.start], positive[evidence.end :]
    negatives = tuple(f"{before}{other.text}{after}" for other in needle.near_misses(source))
    return _Hidden(needle, evidence, positive, negatives)


def _hidden(task_input: TaskInput) -> _Hidden:
    found = _hide(task_input)
    assert found is not None  # refuse() said so before anything was asked
    return found
