from __future__ import annotations

import random

import pytest

from synth.needles import draw_needle, has_needles, needle_words, put
from synth.resources import find_shipped
from synth.sensitive import find_sensitive
from synth.text import words

LANGUAGES = sorted(path.stem for path in find_shipped("data", "needles").glob("*.yaml"))
TEXT = "The first sentence is a short one. " + " ".join(f"Sentence number {n} says what it says." for n in range(60))


def test_needles_ship_for_three_languages() -> None:
    assert LANGUAGES == ["de", "en", "fr"]
    assert has_needles("en-GB") and not has_needles("ja")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_names_the_person_and_never_the_number(language: str) -> None:
    for seed in range(200):
        needle = draw_needle(language, source := random.Random(seed))
        question = needle.question(source)
        assert needle.key in question and needle.key in needle.text
        assert needle.value in needle.text and needle.value not in question
        assert question.endswith("?") and needle.text.endswith(".")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_near_miss_looks_like_the_needle_and_answers_nothing(language: str) -> None:
    for seed in range(200):
        needle = draw_needle(language, source := random.Random(seed))
        other, shuffled, elsewhere = needle.near_misses(source)
        assert other.value == needle.value and other.key != needle.key
        assert (other.family, other.form) == (needle.family, needle.form)
        assert sorted(shuffled.value) == sorted(needle.value) and shuffled.value != needle.value
        parts = zip(
            (shuffled.first, shuffled.last, shuffled.town), (needle.first, needle.last, needle.town), strict=True
        )
        assert sum(one != own for one, own in parts) == 1
        assert elsewhere.key == needle.key and elsewhere.family != needle.family
        assert len({needle.text, other.text, shuffled.text, elsewhere.text}) == 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_of_a_family_is_masked_as_sensitive_or_says_what_another_family_says(language: str) -> None:
    said = [text for family in needle_words(language).families.values() for text in (*family.says, *family.asks)]
    assert len(set(said)) == len(said)
    for text in said:
        assert find_sensitive(text.format(key="Ada Marsh", value="48213")) == []


@pytest.mark.parametrize("depth", [0.0, 0.05, 0.33, 0.5, 0.77, 0.99])
def test_a_sentence_is_put_where_it_was_drawn_and_nothing_else_changes(depth: float) -> None:
    needle = "The locker code of Ada Marsh from Leeds is 48213."
    found = put(TEXT, "en", needle, depth)
    assert found is not None
    text, evidence = found
    assert text[evidence.start : evidence.end] == needle
    assert len(text) == evidence.size
    assert words(text[: evidence.start] + text[evidence.end :]) == words(TEXT)
    assert (evidence.start + evidence.end) / 2 / len(text) == pytest.approx(depth, abs=0.03)


def test_a_text_without_a_sentence_takes_no_needle() -> None:
    assert put("| a | b |", "en", "It is hidden here.", 0.5) is None
