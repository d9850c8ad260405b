from __future__ import annotations

import pytest
from sentences import sentences

from synth.language import as_code, as_found, identify, known_languages, named, primary
from synth.scripts import LATIN, count_letters, is_foreign, scripts_of, sole_language


@pytest.mark.parametrize("language", ["th", "ja", "zh"])
def test_a_script_of_one_language_tells_it_in_every_sentence(language: str) -> None:
    told = [sole_language(sentence) for sentence in sentences(language)]
    assert all(found and found[0] == language for found in told)


@pytest.mark.parametrize("language", ["de", "fr", "es", "pt", "ru", "uk", "hi", "mr"])
def test_a_script_of_several_languages_leaves_it_open(language: str) -> None:
    assert not any(map(sole_language, sentences(language)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("駅前の静かなカフェ", ("ja", 1.0)),
        ("駅前 地図", ("ja", 1.0)),
        ("東京 大阪", ("zh", 0.5)),
        ("劳动合同", ("zh", 1.0)),
        ("Services是多少？", ("zh", 0.5)),
        ("a long English sentence that quotes 北京 once", None),
        ("ξενοδοχείο", ("el", 1.0)),
        ("בית קפה", None),
        ("2024 — 15%", None),
        ("", None),
    ],
)
def test_what_a_script_says_of_a_text(text: str, found: tuple[str, float] | None) -> None:
    assert sole_language(text) == found


def test_letters_are_counted_by_script_and_signs_and_digits_are_none() -> None:
    assert count_letters("iPhone 11 की कीमत") == {"Devanagari": 4, LATIN: 6}
    assert count_letters("price 2024") == {LATIN: 5}


def test_every_language_that_can_be_found_is_written_with_something() -> None:
    assert all(scripts_of(language) for language in known_languages())
    assert scripts_of("sr") == {"Cyrillic", LATIN}
    assert scripts_of("de") == {LATIN}


def test_latin_names_are_foreign_to_no_script() -> None:
    assert not is_foreign(count_letters("Samsung Galaxy S23"), scripts_of("ru"))
    assert is_foreign(count_letters("где найти net sales"), scripts_of("en"))


def test_one_letter_is_enough_where_the_script_is_of_one_language() -> None:
    found = identify("ไหม", 40)
    assert found is not None
    assert found.language == "th"
    assert identify("где", 40) is None


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("de", "de", "German (de)"),
        ("pt_br", "pt-BR", "Portuguese of Brazil (pt-BR)"),
        ("en-in", "en-IN", "English of India (en-IN)"),
        ("ar-EG", "ar-EG", "Arabic of Egypt (ar-EG)"),
        ("zh-hant-tw", "zh-Hant-TW", "Chinese in Traditional script of Taiwan (zh-Hant-TW)"),
        ("sr-latn", "sr-Latn", "Serbian in Latin script (sr-Latn)"),
        ("es-419", "es-419", "Spanish of Latin America (es-419)"),
    ],
)
def test_a_locale_is_written_as_bcp_47_and_said_in_words(typed: str, code: str, words: str) -> None:
    assert as_code(typed) == code
    assert named(code) == words


def test_a_code_without_a_name_stays_a_code() -> None:
    assert (named(""), named("xx-unheard")) == ("", "xx-unheard")
    assert (as_found("yue-HK"), as_found("pt-BR"), primary("de_AT")) == ("zh", "pt", "de")
