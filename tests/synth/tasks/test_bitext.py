from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from schemas.record import Attribute, Pair
from synth.tasks import TaskInput, language_of, steps_of
from synth.tasks.bitext import ERRORS, Bitext, Translations

Make = Callable[..., TaskInput]
MakeRecord = Callable[..., Pair]

LANGUAGES = ("de", "en", "en-GB", "zh")
SOURCE = "Net debt fell by 4.25% in the year to June, because the group sold its warehouses near Lyon."
RIGHT = "Die Nettoverschuldung sank im Jahr bis Juni um 4,25 %, weil der Konzern seine Lagerhäuser bei Lyon verkaufte."
SAID = Translations(positive=RIGHT, negative=RIGHT.replace("4,25", "4,75"))


def fault(make_record: MakeRecord, positive: str, negative: str, error: str = "name") -> str:
    said = {"source_language": "en", "target_language": "de", "error": error}
    attributes = [Attribute(name=name, value=value) for name, value in said.items()]
    record = make_record("bitext", SOURCE, positive, negative).model_copy(update={"attributes": attributes})
    return Bitext.fault(record)[0]


def test_the_target_is_drawn_from_the_other_languages_of_the_plan(make_input: Make) -> None:
    drawn = {Bitext.answer_language(make_input(seed=seed, languages=LANGUAGES)) for seed in range(40)}
    assert drawn == {"de", "zh"}, "en-GB is English too"


def test_the_answer_must_be_in_the_target_language_and_the_record_says_both(make_input: Make) -> None:
    given = make_input(languages=("de", "en"))
    (step,) = steps_of(Bitext)
    assert language_of(step, given) == "de" and step.inputs(given, {})["target"] == "German (de)"
    draft = Bitext.draft(given, {"bitext": SAID}, "llm")
    assert (draft.attributes["source_language"], draft.attributes["target_language"]) == ("en", "de")
    assert (draft.positive, draft.negatives) == (SAID.positive, (SAID.negative,))
    assert draft.query in given.passage.text


def test_the_error_is_drawn_by_rule_and_a_number_only_where_there_is_one(make_input: Make) -> None:
    def drawn(text: str) -> set[str]:
        inputs = [make_input(text, seed=seed, languages=("de", "en")) for seed in range(60)]
        for given in inputs:
            error = Bitext.draft(given, {"bitext": SAID}, "llm").attributes["error"]
            assert Bitext.prompt_inputs(given, {})["error"] == ERRORS[error]
        return {Bitext.draft(given, {"bitext": SAID}, "llm").attributes["error"] for given in inputs}

    assert drawn(SOURCE) == set(ERRORS)
    assert drawn("Net debt fell in the year to June because of a sale.") == set(ERRORS) - {"number"}


def test_what_can_not_be_translated_is_refused_before_anything_is_asked(make_input: Make) -> None:
    def reason(text: str, languages: tuple[str, ...], language: str = "en") -> str:
        given = make_input(text, languages=languages)
        refusal = Bitext.refuse(dataclasses.replace(given, item=dataclasses.replace(given.item, language=language)))
        return refusal.reason if refusal else ""

    assert reason(SOURCE, ("de", "en")) == ""
    assert reason(SOURCE, ("en", "en-GB")) == "one_language"
    assert reason(SOURCE, ("de", "en"), "de") == "wrong_language", "the text is English, its item German"
    assert reason("| 2024 | 410 |", ("de", "en")) == "no_sentence"


def test_a_passage_that_says_its_language_is_believed(make_input: Make) -> None:
    given = make_input("SONIA EURIBOR EBITDA 4.25 IFRS 16 CET1 2024 2025.", languages=("de", "en"))
    passage = given.passage.model_copy(update={"language": "de"})
    refusal = Bitext.refuse(dataclasses.replace(given, passage=passage))
    assert refusal is not None and refusal.detail == "the text: de instead of en"


def test_a_right_translation_with_a_wrong_one_is_kept(make_record: MakeRecord) -> None:
    assert fault(make_record, RIGHT, RIGHT.replace("4,25", "4,75"), "number") == ""
    assert fault(make_record, RIGHT, "Die Nettoverschuldung sank im Jahr bis Juni um 4,25 %.", "clause") == ""
    assert fault(make_record, RIGHT, RIGHT.replace("Lyon", "Lille")) == ""


@pytest.mark.parametrize(
    ("positive", "reason"),
    [
        (SOURCE.replace("4.25", "4,25"), "wrong_language"),
        (RIGHT.replace("weil der Konzern seine", "because the group sold its"), "untranslated"),
        (RIGHT.replace("4,25", "4,75"), "changed_number"),
        (RIGHT.replace(".", "?"), "lost_mark"),
        ("Die Schulden sanken um 4,25 %.", "dropped_text"),
        (RIGHT + " Damit hat sie sich seit dem Kauf der Reederei im Herbst des vorigen Jahres halbiert.", "added_text"),
    ],
)
def test_a_positive_that_is_no_translation_is_dropped(make_record: MakeRecord, positive: str, reason: str) -> None:
    assert fault(make_record, positive, RIGHT.replace("Lyon", "Lille")) == reason


@pytest.mark.parametrize(
    ("negative", "error", "reason"),
    [
        (RIGHT.replace("Lagerhäuser", "Lagerhallen"), "clause", "negative_is_positive"),
        (RIGHT.replace("Lyon", "Lille"), "number", "negative_is_positive"),
        (SOURCE, "name", "wrong_language"),
    ],
)
def test_a_negative_without_its_error_is_none(make_record: MakeRecord, negative: str, error: str, reason: str) -> None:
    assert fault(make_record, RIGHT, negative, error) == reason
