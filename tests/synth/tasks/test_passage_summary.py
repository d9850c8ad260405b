from __future__ import annotations

import random
from collections.abc import Callable

from synth.lexicon import build_lexicon
from synth.tasks import Extracted, Failure, TaskInput
from synth.tasks.passage_summary import PassageSummary, Summary

Make = Callable[..., TaskInput]


def extract(given: TaskInput) -> Extracted | Failure:
    rows = [("", "", given.passage.text), ("", "", "Net debt fell to four hundred million at the end of June.")]
    return PassageSummary.extract(given, build_lexicon(rows, "en"), random.Random(0))


def test_a_summary_is_found_by_an_instruction_of_its_own(make_input: Make) -> None:
    draft = PassageSummary.draft(make_input(), {PassageSummary.name: Summary(query="Debt fell.")}, "llm")
    assert (draft.query, draft.instruction) == ("Debt fell.", "Given a summary, retrieve the text that it sums up")


def test_the_rule_takes_the_sentence_that_says_most_of_the_passage(make_input: Make) -> None:
    made = extract(make_input())
    assert isinstance(made, Extracted)
    assert made.method == "extractive:sentence"
    query = made.output.model_dump()["query"]
    assert query in make_input().passage.text
    assert not query.startswith("Net debt"), "another passage says the same"


def test_one_or_two_sentences_have_no_summary(make_input: Make) -> None:
    assert extract(make_input("Net debt fell to four hundred million.")) == Failure("passage_too_short", "1 sentences")
