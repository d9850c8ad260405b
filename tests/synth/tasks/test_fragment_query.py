from __future__ import annotations

import random
from collections.abc import Callable

from synth.lexicon import build_lexicon
from synth.tasks import Extracted, Failure, TaskInput
from synth.tasks.fragment_query import FragmentQuery

Make = Callable[..., TaskInput]


def extract(given: TaskInput) -> Extracted | Failure:
    return FragmentQuery.extract(given, build_lexicon([("", "", given.passage.text)], "en"), random.Random(3))


def test_the_rule_takes_a_short_span_of_the_passage(make_input: Make) -> None:
    made = extract(make_input())
    assert isinstance(made, Extracted)
    query = made.output.model_dump()["query"]
    assert query in make_input().passage.text
    assert 3 <= len(query.split()) <= 6
    assert made.method == "extractive:span"


def test_a_passage_of_few_words_is_too_short(make_input: Make) -> None:
    assert extract(make_input("Net debt fell.")) == Failure("passage_too_short", "3 words")
