"""passage -> its summary, as the query of a summary-to-text pair."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field
from sentencex import get_sentence_boundaries

from schemas.base import Strict
from synth.lexicon import Lexicon
from synth.tasks import Extracted, Failure, PassageTask, TaskInput
from synth.tasks.query_from_passage import count_words

__all__ = ["PassageSummary"]

SENTENCES = 3


class Summary(Strict):
    """The passage in short."""

    query: Annotated[str, Field(min_length=1, max_length=600)]


class PassageSummary(PassageTask):
    """One or two sentences that say what the passage says.

    The extractive rule takes the whole sentence that BM25 finds most telling of the passage.
    """

    name: ClassVar[str] = "passage-summary"
    prompt: ClassVar[str] = "passage-summary"
    output: ClassVar[type[BaseModel]] = Summary
    paper: ClassVar[str] = "AugTriever, abstractive and extractive summaries as queries"
    instruction: ClassVar[str] = "Given a summary, retrieve the text that it sums up"
    most_words: ClassVar[int] = 100
    exempt: ClassVar[frozenset[str]] = frozenset({"leak"})
    example: ClassVar[Mapping[str, BaseModel]] = {
        "passage-summary": Summary(
            query="Harbour Lines has used most of a 250 million pound bank line that runs to 2027 and caps its leverage."
        )
    }

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:  # noqa: ARG004
        text = task_input.passage.text
        found = [" ".join(s["text"].split()) for s in get_sentence_boundaries(task_input.item.language, text)]
        sentences = [sentence for sentence in found if 6 <= count_words(sentence) <= 60]
        if len(found) < SENTENCES or not sentences:
            return Failure("passage_too_short", f"{len(found)} sentences")
        best = max(sentences, key=lambda sentence: (_weight(sentence, lexicon), sentence))
        return Extracted(Summary(query=best[:600]), "extractive:sentence")


def _weight(sentence: str, lexicon: Lexicon) -> float:
    terms = sorted(set(lexicon.split(sentence)))
    return sum(lexicon.idf(term) for term in terms) / math.sqrt(count_words(sentence))
