from __future__ import annotations

from collections.abc import Callable

import pytest
from sentences import passage, sentences

from schemas.record import Pair, Verdict
from synth.gates.language import Language

MakePair = Callable[..., Pair]

ENGLISH = "How did net sales of the company develop in fiscal 2022 compared with 2021?"
FRENCH = "Quelle est la politique de dividende de la société pour l'exercice 2019 ?"


def judge(record: Pair, **settings: object) -> Verdict:
    return Language(Language.Settings.model_validate(settings)).judge(record)


def test_a_query_in_the_language_of_the_record_is_kept(make_pair: MakePair) -> None:
    verdict = judge(make_pair(ENGLISH))
    assert (verdict.keep, verdict.reason, verdict.detail) == (True, "", "English words")


def test_a_query_in_another_language_is_dropped_and_the_language_named(make_pair: MakePair) -> None:
    verdict = judge(make_pair(FRENCH))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, "wrong_language", "fr")


@pytest.mark.parametrize("language", ["fr", "fr-CA", "FR_ca"])
def test_the_language_of_the_record_decides_whatever_its_region(make_pair: MakePair, language: str) -> None:
    assert judge(make_pair(FRENCH, language=language)).keep


def test_accepted_languages_replace_that_of_the_record(make_pair: MakePair) -> None:
    assert judge(make_pair(FRENCH), accept=["en", "fr"]).keep
    assert not judge(make_pair(ENGLISH), accept=["fr"]).keep


def test_a_query_with_few_letters_is_not_judged(make_pair: MakePair) -> None:
    verdict = judge(make_pair("Wo? 2019, 2020, 2021, 2022"))
    assert (verdict.keep, verdict.detail, verdict.score) == (True, "abstained", None)


@pytest.mark.parametrize(
    "query",
    [
        "Pourquoi net sales a-t-il diminué ?",
        "hoe werkt foreign currencies eigenlijk",
        "¿Cuál es el valor de iPhone sales?",
        "где найти net sales",
        "Services是多少？",
    ],
)
def test_words_of_its_own_tell_the_language_of_a_short_query_about_english_names(
    make_pair: MakePair, query: str
) -> None:
    assert judge(make_pair(query)).reason == "wrong_language"


@pytest.mark.parametrize(
    "query", ["Groupe Valmeuse super senior bank enforcement", "who runs Düsseldorf office", "Tchaikovsky opus 35 β"]
)
def test_foreign_names_among_english_words_are_kept(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query)).keep


def test_a_language_that_the_identifier_does_not_know_is_not_judged(make_pair: MakePair) -> None:
    assert judge(make_pair(FRENCH, language="tlh")).detail == "abstained"


def test_in_doubt_the_query_is_kept(make_pair: MakePair) -> None:
    assert judge(make_pair(FRENCH), min_probability=1.0, min_own_probability=1.0, min_own_letters=99).keep


@pytest.mark.parametrize(
    "query",
    [
        "Goldman Sachs JPMorgan Chase Citigroup Morgan Stanley Wells Fargo ratings 2019",
        "Alphabet 10-K 2021 Google Cloud TAC capex EBITDA EPS diluted GAAP reconciliation",
        "Kreditanstalt für Wiederaufbau Landesbank Baden-Württemberg Bayerische Landesbank: who guarantees their bonds?",
        "tar extract gz archive into directory excluding node_modules folder",
    ],
)
def test_names_and_terms_are_not_taken_for_another_language(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query)).keep


LANGUAGES = ("de", "en", "fr", "hi", "ru", "zh")
FEW = ("es", "ja", "mr", "pt", "th", "uk")


def kept(make_pair: MakePair, language: str, expected: str) -> list[bool]:
    """Whether each sentence of one language is kept of a record of another, about a passage of that."""
    return [judge(make_pair(s, passage(expected), language=expected)).keep for s in sentences(language)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_real_sentences_98_in_100_are_kept_in_their_language(make_pair: MakePair, language: str) -> None:
    found = kept(make_pair, language, language)
    assert len(found) >= 74
    assert sum(found) >= 0.98 * len(found)


@pytest.mark.parametrize("language", FEW)
def test_sentences_of_languages_that_are_close_to_others_are_kept(make_pair: MakePair, language: str) -> None:
    assert all(kept(make_pair, language, language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_of_another_language_is_caught_always_by_its_script_and_mostly_among_latin_ones(
    make_pair: MakePair, language: str
) -> None:
    for expected in LANGUAGES:
        if expected != language:
            caught = 1 - sum(kept(make_pair, language, expected)) / len(sentences(language))
            alike = {language, expected} <= {"de", "en", "fr"}
            assert caught >= (0.85 if alike else 1.0), (language, expected, caught)


@pytest.mark.parametrize(
    ("query", "language", "keep"),
    [
        ("失业金", "zh", True),
        ("失业金", "de", False),
        ("住民票 必要書類", "ja", True),
        ("劳动合同纠纷", "ja", False),
        ("駅前の静かなカフェ", "zh", False),
        ("Python 读取 csv 乱码", "zh", True),
        ("read csv file with odd characters", "zh", False),
        ("開放時間 圖書館", "yue", True),
        ("замена экрана iPhone 11", "ru", True),
        ("dinar kurs danas u banci", "sr", True),
        ("kurs dinara danas u banci", "sr-Latn", True),
        ("β-blocker dose after surgery", "en", True),
        ("क्या GST लगता है", "hi", True),
    ],
)
def test_scripts_decide_at_once_however_short_a_query_is(
    make_pair: MakePair, query: str, language: str, keep: bool
) -> None:
    assert judge(make_pair(query, "…", language=language)).keep is keep
