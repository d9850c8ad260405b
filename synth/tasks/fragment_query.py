"""passage -> a phrase that is no sentence."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from synth.lexicon import Lexicon
from synth.tasks import Extracted, Failure, PassageTask, Query, TaskInput
from synth.tasks.query_from_passage import MIN_WORDS, best_span, count_words

__all__ = ["FragmentQuery"]


class FragmentQuery(PassageTask):
    """A phrase as people leave it unfinished: no verb, no question mark.

    The extractive rule takes the best of 16 short spans (QExt).
    """

    name: ClassVar[str] = "fragment-query"
    prompt: ClassVar[str] = "fragment-query"
    paper: ClassVar[str] = "E5-mistral (arXiv 2401.00368), under 5 words and 5 to 15; QExt of AugTriever for the rule"
    example: ClassVar[Mapping[str, BaseModel]] = {
        "fragment-query": Query(query="interest on Harbour Lines' revolving facility")
    }

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:
        text = task_input.passage.text
        if (count := count_words(text)) < MIN_WORDS:
            return Failure("passage_too_short", f"{count} words")
        span = best_span(text, "short", lexicon, random_source)
        return Extracted(Query(query=span[:400]), "extractive:span") if span else Failure("no_words")
