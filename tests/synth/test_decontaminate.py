from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.decontaminate import GRAM, Matcher
from synth.text import jaccard, normalise, shingles, words

VOCABULARY = [f"w{n}" for n in range(60)]
LONG = " ".join(f"word{n}" for n in range(30))


def matches(text: str, reference: str) -> float | None:
    found = Matcher({"r": reference}, 0.5, 0.8).find(["nothing of it", text])
    assert 0 not in found
    return found[1].share if 1 in found else None


def by_comparing_each(texts: list[str], references: list[str]) -> dict[int, float]:
    """The largest share of each text that holds a reference."""
    found: dict[int, float] = {}
    for number, text in enumerate(texts):
        own = words(normalise(text))
        for reference in references:
            other = words(normalise(reference))
            if min(len(own), len(other)) >= GRAM:
                first, second = shingles(own, GRAM), shingles(other, GRAM)
                if (share := len(first & second) / min(len(first), len(second))) >= 0.5:
                    found[number] = max(found.get(number, 0), share)
            if max(len(own), len(other)) <= 16 and (share := jaccard(set(own), set(other))) >= 0.8:
                found[number] = max(found.get(number, 0), share)
    return found


def test_a_text_that_holds_a_reference_is_found_whatever_its_case_and_punctuation() -> None:
    assert matches(f"Before it. {LONG.upper()}! And after.", LONG) == 1.0
    assert matches(LONG, f"a page with much else, {LONG} and so on " + "x y z " * 20) == 1.0


def test_half_of_the_13_grams_are_enough_and_fewer_are_not() -> None:
    grams = 30 - GRAM + 1
    kept = " ".join(LONG.split()[: GRAM - 1 + grams // 2])
    assert matches(kept + " then other words " * 9, LONG) == 0.5
    assert matches(" ".join(kept.split()[:-1]) + " then other words " * 9, LONG) is None


def test_short_texts_are_the_same_when_their_words_are() -> None:
    assert matches("Who pays the FEES?", "who pays the fees") == 1.0
    assert matches("who pays all the fees", "who pays the fees") == 0.8
    assert matches("who pays all of the fees", "who pays the fees") is None
    assert matches(f"who pays the fees {LONG}", "who pays the fees") is None


def test_width_and_ligatures_make_no_difference() -> None:
    assert matches("Ｗｈｏ ﬁnds the fees", "who finds the fees") == 1.0


def test_a_text_without_words_holds_nothing() -> None:
    assert matches("?!", "--") is None
    assert Matcher({}, 0.5, 0.8).find(["who pays the fees", LONG]) == {}


def test_the_reference_that_is_held_most_is_named() -> None:
    other = " ".join([*LONG.split()[:25], "but", "not", "all", "of", "it"])
    matcher = Matcher({"other": other, "same": LONG}, 0.5, 0.8)
    assert matcher.find([LONG])[0].id == "same"


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False))
def test_the_texts_found_are_those_of_comparing_each_with_each(source: random.Random) -> None:
    references = [" ".join(source.choices(VOCABULARY, k=source.choice([3, 8, 12, 13, 20, 40]))) for _ in range(6)]
    texts = []
    for _ in range(40):
        chosen = source.choice(references).split()
        start = source.randint(0, len(chosen) // 2)
        edited = chosen[start:] if source.random() < 0.4 else list(chosen)
        for _ in range(source.randint(0, 2)):
            edited[source.randrange(len(edited))] = source.choice(VOCABULARY)
        texts.append(" ".join(edited + source.choices(VOCABULARY, k=source.choice([0, 0, 1, 30]))))
    found = Matcher({str(n): text for n, text in enumerate(references)}, 0.5, 0.8).find(texts)
    expected = by_comparing_each(texts, references)
    assert found.keys() == expected.keys()


@pytest.mark.parametrize("count", [5_000])
def test_many_texts_are_read_in_blocks(count: int) -> None:
    texts = [f"{n} " + " ".join(VOCABULARY[:20]) for n in range(count)]
    texts[4_321] = LONG
    assert list(Matcher({"r": LONG}, 0.5, 0.8).find(texts)) == [4_321]
