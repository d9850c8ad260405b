from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from synth.lexicon import build_lexicon
from synth.tasks import Extracted, Query, TaskInput
from synth.tasks.noisy_query import NoisyQuery, misspell

Make = Callable[..., TaskInput]

CLEAN = "When was the revolving facility of 2024 extended by Q3-2026?"


def test_the_record_holds_both_the_noisy_and_the_clean_query(make_input: Make) -> None:
    draft = NoisyQuery.draft(make_input(), {NoisyQuery.name: Query(query=CLEAN)}, "llm")
    assert draft.attributes == {"clean_query": CLEAN}
    assert draft.query != CLEAN
    assert draft == NoisyQuery.draft(make_input(), {NoisyQuery.name: Query(query=CLEAN)}, "llm"), "the seed decides"


def test_other_items_make_other_mistakes(make_input: Make) -> None:
    output = {NoisyQuery.name: Query(query=CLEAN)}
    assert len({NoisyQuery.draft(make_input(seed=seed), output, "llm").query for seed in range(30)}) > 20


@given(st.text("abcdefgh 0123456789.?", min_size=1, max_size=80), st.integers(0, 10_000))
def test_numbers_are_never_touched(text: str, seed: int) -> None:
    noisy = misspell(text, random.Random(seed))
    digits = [token for token in text.split() if any(char.isdigit() for char in token)]
    found = [token for token in noisy.split() if any(char.isdigit() for char in token)]
    assert [token.rstrip("?.") for token in digits] == [token.rstrip("?.") for token in found]
    assert len(noisy.split()) <= len(text.split())


def test_a_mistake_changes_a_word_by_a_letter_or_two() -> None:
    for seed in range(200):
        words, noisy = (
            CLEAN.lower().rstrip("?").split(),
            misspell(CLEAN, random.Random(seed)).lower().rstrip("?").split(),
        )
        changed = [(a, b) for a, b in zip(words, noisy, strict=True) if a != b]
        assert 1 <= len(changed) <= 4
        assert all(abs(len(a) - len(b)) <= 1 and a[0] == b[0] for a, b in changed)


def test_the_rule_spoils_what_was_extracted(make_input: Make) -> None:
    given_input = make_input()
    lexicon = build_lexicon([("", "", given_input.passage.text)], "en")
    made = NoisyQuery.extract(given_input, lexicon, random.Random(1))
    assert isinstance(made, Extracted)
    draft = NoisyQuery.draft(given_input, {NoisyQuery.name: made.output}, made.method)
    assert draft.method.startswith("extractive:")
    assert draft.attributes["clean_query"] != draft.query
