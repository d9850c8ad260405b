"""What a machine sees of a wrong translation, on sentences written for it in five languages and three scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import orjson
import pytest

from synth.translation import (
    left_as_it_was,
    lost_mark,
    lost_number,
    measure,
    other_language,
    translation_fault,
    wrong_length,
)

PARALLEL = [orjson.loads(line) for line in (Path(__file__).parents[1] / "data" / "parallel.jsonl").open()]
"""Lengths were measured on the first half; the second was only looked at."""
LANGUAGES = ("de", "en", "fr", "hi", "zh")
HALVES = pytest.mark.parametrize("half", [PARALLEL[:12], PARALLEL[12:]], ids=["measured", "unseen"])
Rows = list[dict[str, str]]


def pairs(half: Rows) -> Iterator[tuple[str, str, str, str]]:
    """(source, target, language of each) in all directions."""
    for row in half:
        for source, target in permutations(LANGUAGES, 2):
            yield row[source], row[target], source, target


def test_there_are_twelve_sentences_a_half_in_five_languages() -> None:
    assert len(PARALLEL) == 24 and all(sorted(row) == sorted(LANGUAGES) for row in PARALLEL)


@HALVES
def test_right_translations_are_kept(half: Rows) -> None:
    faults = [found for pair in pairs(half) if (found := translation_fault(*pair))[0]]
    assert len(faults) <= 0.01 * len(list(pairs(half))), faults


@HALVES
def test_every_sentence_is_in_its_language(half: Rows) -> None:
    assert not [row[code] for row in half for code in LANGUAGES if other_language(row[code], code)]


@HALVES
def test_a_copy_of_the_source_is_no_translation(half: Rows) -> None:
    assert all(translation_fault(source, source, one, other)[0] for source, _, one, other in pairs(half))


@HALVES
def test_a_text_in_a_third_language_is_no_translation(half: Rows) -> None:
    wrong = [(row["en"], row["fr"], "en", "de") for row in half] + [(row["de"], row["hi"], "de", "zh") for row in half]
    assert all(translation_fault(*each)[0] == "wrong_language" for each in wrong)


def cut(row: dict[str, str], language: str, least: float) -> Iterator[str]:
    """The sentence without one of its clauses, of those that hold such a share of it."""
    parts = re.split(r"(?<=[,，。.।])\s*(?=\S)", row[language])
    for place in range(len(parts) if len(parts) > 1 else 0):
        left = ("" if language == "zh" else " ").join(parts[:place] + parts[place + 1 :])
        if measure(left, language) <= (1 - least) * measure(row[language], language):
            yield left


def seen(half: Rows, least: float, most: float = 1.0) -> tuple[int, int]:
    """(caught, planted) of translations that drop a clause of such a share of the text."""
    found = [
        bool(translation_fault(row[source], left, source, target)[0])
        for row in half
        for source, target in permutations(LANGUAGES, 2)
        for left in set(cut(row, target, least)) - set(cut(row, target, most))
    ]
    return sum(found), len(found)


@HALVES
def test_a_clause_that_was_two_fifths_of_the_text_is_missed(half: Rows) -> None:
    caught, planted = seen(half, 0.4)
    assert planted > 200 and caught / planted >= 0.95


@HALVES
def test_a_clause_of_a_few_words_is_not_and_needs_a_judge(half: Rows) -> None:
    caught, planted = seen(half, 0.05, 0.3)
    assert caught / planted < 0.8


def test_a_dropped_sentence_is_told_by_its_mark_and_a_smaller_gap() -> None:
    source = PARALLEL[11]["en"]
    whole = PARALLEL[11]["de"]
    assert wrong_length(source, whole, "en", "de") == ("", "")
    without = "Die Sitzung vom 14. Mai wurde verschoben, weil die Hälfte der Mitglieder krank war."
    assert wrong_length(source, without, "en", "de")[0] == "dropped_text"


def test_what_was_made_up_is_told_by_the_length() -> None:
    row = PARALLEL[5]
    more = row["de"] + " Sie finden dort auch, wann und wo jedes davon zuletzt benutzt wurde, und können es abmelden."
    assert wrong_length(row["en"], more, "en", "de")[0] == "added_text"


def test_of_scripts_that_nobody_measured_no_length_is_wrong() -> None:
    arabic = "أعلنت شركة العبارات خسارة."
    assert measure(arabic, "ar") == 0.0
    assert wrong_length(PARALLEL[0]["en"], arabic, "en", "ar") == ("", "")
    assert measure("東京の会社は損失を発表した。", "ja") == 0.0, "kana are no Han characters"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a loss of 4.2 million", "42 लाख का घाटा"),
        ("288 million euros", "2.88亿欧元"),
        ("three of 12 rooms in June 2024", "12间房中的3间,2024年6月"),
        ("in the 19th century", "au XIXe siècle"),
        ("100 times", "hundertmal"),
        ("two hundred and fifty", "250"),
        ("at 3:30 pm", "um 15:30 Uhr"),
        ("from half past nine to 6 pm", "9点30分到18点"),
        ("by 10:15", "a quarter past ten"),
    ],
)
def test_a_number_may_be_written_as_its_language_writes_it(source: str, target: str) -> None:
    assert lost_number(source, target) == ""


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("up 17.5 percent", "um 17,6 Prozent gestiegen", "175 stands in the source alone"),
        ("in 2024", "2025年", "2024 stands in the source alone"),
        ("39 degrees", "३८ डिग्री", "39 stands in the source alone"),
        ("from 9:30 to 18:00", "von 9.30 Uhr bis 19 Uhr", "6:00 stands in the source alone"),
        ("last year", "im Jahr 2024", "2024 stands in the translation alone"),
    ],
)
def test_a_number_that_is_another_is_seen(source: str, target: str, said: str) -> None:
    assert lost_number(source, target) == said


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("Who pays?", "Wer zahlt.", "one of the two is a question"),
        ("He pays.", "他付钱吗？", "one of the two is a question"),
        ("He pays (in cash).", "Er zahlt bar.", "the brackets are gone"),
        ('He "pays".', "Er zahlt.", "the quotation marks are gone"),
        ("Who pays (in cash)?", "谁（用现金）付钱？", ""),
        ('He "pays".', "Il « paie ».", ""),
        ("He pays.", "Er zahlt (in bar).", ""),
    ],
)
def test_questions_brackets_and_quotation_marks_stay(source: str, target: str, said: str) -> None:
    assert lost_mark(source, target) == said


def test_a_clause_that_was_left_in_the_source_s_language_is_seen() -> None:
    row = PARALLEL[12]
    assert left_as_it_was(row["en"], "Patienten sollten aufhören, since wounds heal more slowly otherwise.")
    assert left_as_it_was(row["zh"], "Patients should stop four weeks before, 否则伤口愈合会更慢。")


@pytest.mark.parametrize(
    "target",
    ["Die Royal Bank of Scotland zahlt.", "苏格兰皇家银行 Royal Bank of Scotland 付款。", "Sie zahlt 1 2 3 4 5."],
)
def test_names_and_numbers_are_no_leftover(target: str) -> None:
    assert left_as_it_was("The Royal Bank of Scotland pays 1 2 3 4 5.", target) == ""
