"""passage, often a long one -> the query that a drawn span of it answers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel

from synth.evidence import Evidence, evidence_of, language_of, surroundings
from synth.lexicon import Lexicon
from synth.tasks import Draft, Extracted, Failure, Outputs, PassageTask, Query, TaskInput
from synth.tasks.query_from_passage import best_span
from synth.text import word_count

__all__ = ["EvidenceQuery"]

SHOWN = 6_000
"""Characters of a passage that a prompt shows: all of a shorter one, else the whole sentences around the evidence."""
MIN_WORDS = 4


class EvidenceQuery(PassageTask):
    """A query that one to three sentences answer, at a depth of the passage that is drawn evenly over its deciles.

    `evidence` are the sentences, `evidence_start` and `evidence_end` their characters in the passage,
    `evidence_decile` (0 to 9) the tenth that their middle lies in. The extractive rule takes the best
    of 16 spans of these sentences.
    """

    name: ClassVar[str] = "evidence-query"
    prompt: ClassVar[str] = "evidence-query"
    paper: ClassVar[str] = (
        "positional bias (arXiv 2412.15241), queries from evenly drawn spans; LongEmbed (arXiv 2404.12096)"
    )
    example: ClassVar[Mapping[str, BaseModel]] = {
        "evidence-query": Query(query="What is the leverage covenant on Harbour Lines' revolving facility?")
    }

    @staticmethod
    def refuse(task_input: TaskInput) -> Failure | None:
        return None if evidence_of(task_input) else Failure("no_sentence", "there is no whole sentence to ask about")

    @classmethod
    def prompt_inputs(cls, task_input: TaskInput, outputs: Outputs) -> dict[str, Any]:
        evidence, text = _evidence(task_input), task_input.passage.text
        shown = surroundings(text, evidence, SHOWN, language_of(task_input))
        given = {"passage": shown, "evidence": evidence.text, "is_excerpt": shown != text}
        return super().prompt_inputs(task_input, outputs) | given

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        return replace(super().draft(task_input, outputs, method), attributes=_evidence(task_input).attributes)

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:
        text = _evidence(task_input).text
        query = best_span(text, task_input.item.length, lexicon, random_source)
        if (count := word_count(text)) < MIN_WORDS or not query:
            return Failure("no_words", f"{count} words in the evidence")
        return Extracted(Query(query=query[:400]), "extractive:span")


def _evidence(task_input: TaskInput) -> Evidence:
    found = evidence_of(task_input)
    assert found is not None  # refuse() said so before anything was asked
    return found
