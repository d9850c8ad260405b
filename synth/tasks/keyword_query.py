"""passage -> what somebody types who wants few words and no grammar."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from synth.lexicon import Lexicon
from synth.tasks import Extracted, Failure, PassageTask, Query, TaskInput
from synth.text import content_words, is_lettered, is_unspaced

__all__ = ["KeywordQuery"]

MOST_KEYWORDS = 6


class KeywordQuery(PassageTask):
    """Two to six keywords, as they are typed into a search box.

    The extractive rule takes the words that BM25 finds most telling of the passage, in its order; it has none for text without spaces.
    """

    name: ClassVar[str] = "keyword-query"
    prompt: ClassVar[str] = "keyword-query"
    paper: ClassVar[str] = "Qwen3-Embedding (arXiv 2506.05176), type `keywords`; Hakim's keyword pairs"
    example: ClassVar[Mapping[str, BaseModel]] = {
        "keyword-query": Query(query="Harbour Lines revolving facility covenant leverage")
    }

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:
        if is_unspaced(task_input.passage.text):
            return Failure("no_words", "no spaces tell the words of the passage apart")
        tokens = dict.fromkeys(word for word in content_words(task_input.passage.text) if is_lettered(word))
        weights = {token: max((lexicon.idf(term) for term in lexicon.split(token)), default=0.0) for token in tokens}
        wanted = random_source.randint(3, MOST_KEYWORDS)
        best = sorted(weights, key=lambda token: (-weights[token], token))[:wanted]
        if len(best) < wanted:
            return Failure("passage_too_short", f"{len(best)} words to choose from")
        return Extracted(Query(query=" ".join(token for token in tokens if token in best)), "extractive:keywords")
