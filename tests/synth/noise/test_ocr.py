from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.noise.ocr import CONFUSED, misread

SENTENCES = {
    "en": "The revolving facility was extended by two years in March 2019, and the committee said that its interest is 1.75 % above the rate.",
    "de": "Die Gemeinde musste größere Straßen früher schließen, während die Bürger am 3. Mai 1848 zusammenkamen.",
    "fr": "Le préfet a été élevé à la dignité d’évêque où l’archevêché siège depuis 1765.",
    "ru": "Ещё в 1905 году рабочий комитет потребовал сокращения рабочего дня до восьми часов.",
    "el": "Η κυβέρνηση ανακοίνωσε νέα μέτρα για την οικονομία το 2012.",
    "ar": "أعلنت الحكومة في القاهرة عن خطة جديدة لتطوير التعليم خلال السنوات المقبلة.",
    "he": "הממשלה הודיעה בירושלים על תוכנית חדשה לפיתוח החינוך בשנים הקרובות.",
    "hi": "सरकार ने नई दिल्ली में शिक्षा के विकास के लिए एक नई योजना की घोषणा की है।",
    "ja": "日本の土地は己の手で未来を作る人のものであり、失礼が多いと思われます。",
}


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_the_more_errors_are_asked_for_the_more_there_are(language: str) -> None:
    text = SENTENCES[language]
    few, many = (
        [misread(text, rate, language, random.Random(seed)).errors for seed in range(40)] for rate in (0.01, 0.1)
    )
    assert set(few) == {1}
    assert min(many) >= 2 and sum(many) > 3 * sum(few)
    assert all(misread(text, 0.02, language, random.Random(seed)).text != text for seed in range(40))


def test_the_rate_is_the_share_of_characters_with_an_error() -> None:
    for rate in (0.02, 0.05, 0.1):
        found = {misread(4 * SENTENCES["en"], rate, "en", random.Random(seed)).errors for seed in range(20)}
        assert found == {round(rate * 4 * len(SENTENCES["en"]))}


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_no_number_becomes_another_number(language: str) -> None:
    text = SENTENCES[language] + " In 50 of 118 cases 8 or 2,500 came."
    numbers = {token.strip(".,") for token in text.split() if token.strip(".,").isdigit()}
    for seed in range(200):
        noisy = misread(text, 0.15, language, random.Random(seed), old_print=True, columns=True).text
        assert {token.strip(".,") for token in noisy.split() if token.strip(".,").isdigit()} <= numbers


@given(st.text("lIOSoBab 0158.,", max_size=80), st.integers(0, 1_000))
def test_no_word_becomes_a_number(text: str, seed: int) -> None:
    noisy = misread(text, 0.3, "en", random.Random(seed)).text
    assert {t for t in noisy.split() if t.isdigit()} <= {t for t in text.split() if t.isdigit()}


def test_letters_are_confused_within_a_script_or_with_what_looks_like_them() -> None:
    def script(text: str) -> str:
        names = {unicodedata.name(char).split()[0] for char in text if char.isalpha()}
        return names.pop() if len(names) == 1 else ""

    mixed = {(a, b) for a, b in CONFUSED if script(a) and script(b) and script(a) != script(b)}
    assert mixed <= {("ι", "l"), ("ー", "一"), ("ロ", "口"), ("力", "カ"), ("カ", "力"), ("ニ", "二")}
    assert all(a != b for a, b in CONFUSED)


def test_accents_are_lost_in_every_script_that_has_them() -> None:
    for language, before, after in [("fr", "éèê", "e"), ("de", "öü", "ou"), ("ru", "ё", "е"), ("el", "έ", "ε")]:
        found = "".join(misread(before * 4, 0.5, language, random.Random(seed)).text for seed in range(20))
        assert set(after) & set(found)


def test_a_long_s_is_read_as_f() -> None:
    assert "f" in misread("Diſe Straſſe iſt geſperrt", 0.01, "de", random.Random(1)).text
    old = [misread("she said his passes", 0.01, "en", random.Random(seed), old_print=True) for seed in range(40)]
    assert any("faid" in found.text for found in old)
    assert not any(found.text.endswith("f") for found in old), "an s at the end of a word was printed round"
    assert all("long s" not in misread("она said", 0.1, "ru", random.Random(n), old_print=True).kinds for n in range(9))


def test_words_are_cut_at_line_ends_where_the_script_does_so() -> None:
    cut = [
        misread(SENTENCES[language], 0.1, language, random.Random(n))
        for language in "en de ru".split()
        for n in range(30)
    ]
    assert any("hyphen" in found.kinds and "- " in found.text for found in cut)
    assert not any(
        "- " in misread(SENTENCES[code], 0.2, code, random.Random(n)).text
        for code in ("ar", "hi", "ja")
        for n in range(30)
    )


def test_columns_are_read_across() -> None:
    """Five words a line: a line of the left column, then that of the right one; one word has an error as well."""
    words = "alpha bravo delta foxtrot golf hotel india kilo lima mike oscar papa quebec romeo sierra tango uncle victor whisky zulu"
    left, right = words.split()[:10], words.split()[10:]
    across = [*left[:5], *right[:5], *left[5:], *right[5:]]
    for seed in range(30):
        found = misread(words, 0.001, "en", random.Random(seed), columns=True)
        assert found.errors == 1 and "columns" in found.kinds
        if len(found.text.split()) == len(across):
            assert sum(a == b for a, b in zip(found.text.split(), across, strict=True)) >= len(across) - 1
    assert "columns" not in misread("too short for two columns", 0.001, "en", random.Random(0), columns=True).kinds
