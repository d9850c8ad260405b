from __future__ import annotations

import random
from collections.abc import Callable

from synth.lexicon import build_lexicon
from synth.tasks import Extracted, Failure, TaskInput
from synth.tasks.keyword_query import MOST_KEYWORDS, KeywordQuery

Make = Callable[..., TaskInput]


def extract(given: TaskInput, seed: int = 0) -> Extracted | Failure:
    passage = given.passage
    rows = [("", "", passage.text), ("", "", "Net debt fell. Net earnings recovered at the end of June.")]
    return KeywordQuery.extract(given, build_lexicon(rows, "en"), random.Random(seed))


def test_the_rule_takes_the_most_telling_words_in_the_order_of_the_passage(make_input: Make) -> None:
    for seed in range(20):
        made = extract(make_input(), seed)
        assert isinstance(made, Extracted)
        chosen = made.output.model_dump()["query"].split()
        assert 3 <= len(chosen) <= MOST_KEYWORDS
        places = [make_input().passage.text.lower().index(word) for word in chosen]
        assert places == sorted(places)
        assert not {"debt", "fell", "the"} & set(chosen), "words of other passages say less"
        assert made.method == "extractive:keywords"


def test_a_passage_of_few_words_is_too_short(make_input: Make) -> None:
    assert extract(make_input("It is what it is.")) == Failure("passage_too_short", "0 words to choose from")


def test_text_without_spaces_has_no_keywords_that_could_be_told_apart(make_input: Callable[..., TaskInput]) -> None:
    text = "图书馆星期一闭馆，不过自习室一直开到晚上九点。护士每隔一个星期二到村里来。"
    made = KeywordQuery.extract(make_input(text), build_lexicon([("", "", text)], "zh"), random.Random(1))
    assert isinstance(made, Failure)
    assert made.reason == "no_words"
