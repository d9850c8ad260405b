from __future__ import annotations

from collections.abc import Callable

import pytest

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
