"""passage -> a query with the mistakes of fast fingers.

The query is written clean; the mistakes are made by rule, so that how many there are is known
and no digit is touched: another number would be another question.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from synth.lexicon import Lexicon
from synth.tasks import Draft, Extracted, Failure, Outputs, PassageTask, Query, TaskInput
from synth.tasks.query_from_passage import QueryFromPassage

__all__ = ["NoisyQuery"]

SHARE = (0.15, 0.4)
"""Of the words that get a mistake; at least one does."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_PLACES = {letter: (row, column) for row, letters in enumerate(_ROWS) for column, letter in enumerate(letters)}


class NoisyQuery(PassageTask):
    """A query with typing mistakes: letters swapped, dropped, doubled or hit beside, no capitals, no punctuation.

    `clean_query` holds it without them. The extractive rule spoils what `query-from-passage` extracts.
    """

    name: ClassVar[str] = "noisy-query"
    prompt: ClassVar[str] = "noisy-query"
    exempt: ClassVar[frozenset[str]] = frozenset({"truncated"})
    paper: ClassVar[str] = "ours: synthetic queries read better than people type; the mistakes are made by rule"
    example: ClassVar[Mapping[str, BaseModel]] = {
        "noisy-query": Query(query="what interest does harbour lines pay on its revolving facility")
    }

    @staticmethod
    def extract(task_input: TaskInput, lexicon: Lexicon, random_source: random.Random) -> Extracted | Failure:
        return QueryFromPassage.extract(task_input, lexicon, random_source)

    @classmethod
    def draft(cls, task_input: TaskInput, outputs: Outputs, method: str) -> Draft:
        clean = QueryFromPassage.draft(task_input, {QueryFromPassage.name: outputs[cls.name]}, method)
        noisy = misspell(clean.query, random.Random(task_input.item.seed))
        return replace(clean, query=noisy, attributes={"clean_query": clean.query})


def misspell(text: str, source: random.Random) -> str:
    """The text with mistakes in some of its words; never in one that holds a digit."""
    tokens = text.split()
    may = [n for n, token in enumerate(tokens) if len(token) >= 4 and token.isalpha()]
    if may:
        count = max(1, round(source.uniform(*SHARE) * len(tokens)))
        for number in source.sample(may, min(count, len(may))):
            tokens[number] = source.choice(_MISTAKES)(tokens[number], source)
    joined = " ".join(tokens)
    if source.random() < 0.5:
        joined = joined.lower()
    return joined.rstrip("?.!") if source.random() < 0.7 else joined


def _swap(word: str, source: random.Random) -> str:
    places = [n for n in range(1, len(word) - 1) if word[n] != word[n + 1]] or [0]
    place = source.choice(places)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _drop(word: str, source: random.Random) -> str:
    place = source.randrange(1, len(word))
    return word[:place] + word[place + 1 :]


def _double(word: str, source: random.Random) -> str:
    place = source.randrange(1, len(word))
    return word[:place] + word[place] + word[place:]


def _hit_beside(word: str, source: random.Random) -> str:
    places = [n for n in range(1, len(word)) if word[n].lower() in _PLACES]
    if not places:
        return _swap(word, source)
    place = source.choice(places)
    row, column = _PLACES[word[place].lower()]
    beside = [_ROWS[row][c] for c in (column - 1, column + 1) if 0 <= c < len(_ROWS[row])]
    return word[:place] + source.choice(beside) + word[place + 1 :]


_MISTAKES: tuple[Callable[[str, random.Random], str], ...] = (_swap, _drop, _double, _hit_beside)
