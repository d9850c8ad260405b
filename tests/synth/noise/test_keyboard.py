from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.noise import letters_of, without_marks
from synth.noise.keyboard import mistype

SENTENCES = {
    "en": "The revolving facility was extended by two years in March 2019",
    "de": "Die Straßenbahn fährt während größerer Störungen über andere Strecken",
    "fr": "Le préfet a été élevé à la dignité suprême après les élections générales",
    "ru": "Рабочий комитет потребовал сокращения рабочего дня до восьми часов",
    "el": "Η κυβέρνηση ανακοίνωσε νέα μέτρα για την οικονομία",
    "hi": "सरकार ने अर्थव्यवस्था सुधारने के लिए पुनर्निर्माण योजना बनाई",
}


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_so_many_words_have_a_mistake_as_are_told(language: str) -> None:
    text = SENTENCES[language]
    for seed in range(100):
        noisy, count = mistype(text, 0.4, random.Random(seed), language)
        changed = sum(a != b for a, b in zip(text.split(), noisy.split(), strict=True))
        assert 1 <= changed <= count <= 1 + 0.4 * len(text.split())


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_letters_of_another_script_never_appear(language: str) -> None:
    script = {unicodedata.name(char).split()[0] for char in SENTENCES[language] if char.isalpha()}
    for seed in range(100):
        noisy, _ = mistype(SENTENCES[language], 0.6, random.Random(seed), language)
        assert {unicodedata.name(char).split()[0] for char in noisy if char.isalpha()} <= script


def test_no_vowel_sign_stands_without_its_letter() -> None:
    """Words are letters with their marks: a mark at the beginning of a word would belong to nothing."""
    for seed in range(200):
        noisy, _ = mistype(SENTENCES["hi"], 0.9, random.Random(seed), "hi")
        assert not any(unicodedata.category(word[0]).startswith("M") for word in noisy.split())


def test_accents_are_left_out_as_who_has_no_key_for_them_does() -> None:
    found = {mistype("Straßenbahn", 1.0, random.Random(seed), "de")[0] for seed in range(60)}
    assert "Strassenbahn" in found
    assert "Stoerung" in {mistype("Störung", 1.0, random.Random(seed), "de")[0] for seed in range(60)}
    assert "eleve" in {mistype("eléve", 1.0, random.Random(seed), "fr")[0] for seed in range(60)}


def test_a_german_hits_beside_on_a_german_keyboard() -> None:
    found = {mistype("zzzz", 1.0, random.Random(seed), "de")[0] for seed in range(200)}
    assert {"zuzz", "ztzz"} <= found and not any("x" in word for word in found)


@given(st.text("äbcdeé 0123456789.", max_size=60), st.integers(0, 1_000))
def test_no_word_with_a_digit_is_touched(text: str, seed: int) -> None:
    noisy, _ = mistype(text, 0.5, random.Random(seed))
    pairs = list(zip(text.split(), noisy.split(), strict=True))
    assert all(a == b for a, b in pairs if any(map(str.isdigit, a + b)))


def test_a_letter_keeps_its_marks() -> None:
    assert letters_of("fu\u0308r") == ["f", "u\u0308", "r"]
    assert letters_of("नीति") == ["नी", "ति"]
    assert [without_marks(letter) for letter in "éßйё日नe"] == ["e", "ss", "и", "е", "日", "न", "e"]
