from __future__ import annotations

import random
from collections.abc import Callable

from synth.lexicon import build_lexicon
from synth.prompts import load_prompt
from synth.tasks import Extracted, Failure, Query, TaskInput
from synth.tasks.evidence_query import SHOWN, EvidenceQuery
from synth.text import words

Make = Callable[..., TaskInput]

LONG = " ".join(f"In week {n} the treasurer repaid {n * 7} thousand euros of the bridge loan." for n in range(1, 400))


def test_the_record_says_where_its_evidence_lies(make_input: Make) -> None:
    given = make_input(LONG)
    draft = EvidenceQuery.draft(given, {EvidenceQuery.name: Query(query="what was repaid?")}, "llm")
    said = draft.attributes
    start, end = int(said["evidence_start"]), int(said["evidence_end"])
    assert given.passage.text[start:end] == said["evidence"]
    assert 0 <= int(said["evidence_decile"]) <= 9
    assert draft.positive == LONG and draft.query == "what was repaid?"


def test_a_prompt_about_a_long_document_shows_the_evidence_and_what_stands_around_it(make_input: Make) -> None:
    given = make_input(LONG)
    inputs = EvidenceQuery.prompt_inputs(given, {})
    shown = "\n".join(message.content for message in load_prompt("evidence-query").render(inputs))
    assert len(LONG) > 4 * SHOWN and len(shown) < 2 * SHOWN
    assert f"<evidence>\n{inputs['evidence']}\n</evidence>" in shown and inputs["evidence"] in inputs["passage"]
    assert "a part of a long document" in shown


def test_a_prompt_about_a_short_passage_shows_all_of_it(make_input: Make) -> None:
    given = make_input()
    inputs = EvidenceQuery.prompt_inputs(given, {})
    assert inputs["passage"] == given.passage.text
    assert "part of a long" not in load_prompt("evidence-query").render(inputs)[0].content


def test_the_rule_takes_words_of_the_evidence_alone(make_input: Make) -> None:
    for seed in range(40):
        given = make_input(LONG, seed=seed)
        lexicon = build_lexicon([("", "", LONG)], "en")
        made = EvidenceQuery.extract(given, lexicon, random.Random(seed))
        assert isinstance(made, Extracted) and made.method == "extractive:span"
        draft = EvidenceQuery.draft(given, {EvidenceQuery.name: made.output}, made.method)
        assert draft.query in draft.attributes["evidence"]
        assert len(words(draft.query)) >= 4


def test_a_passage_without_a_sentence_is_refused(make_input: Make) -> None:
    refusal = EvidenceQuery.refuse(make_input("| a | b |\n|---|---|\n| 1 | 2 |"))
    assert isinstance(refusal, Failure) and refusal.reason == "no_sentence"
    assert EvidenceQuery.refuse(make_input()) is None
