from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.record import Pair
from synth.tasks import TaskInput, steps_of
from synth.tasks.classification import LABELLING, Classification, Labelling, Labels
from synth.text_pairs import sentences_of

Make = Callable[..., TaskInput]
MakeRecord = Callable[..., Pair]

SAID = {
    LABELLING: Labelling(instruction="Given a note,\n name its tone"),
    "classification": Labels(positive="hopeful", negatives=["gloomy", "neutral"]),
}


def fault(make_record: MakeRecord, label: str, *others: str) -> str:
    return Classification.fault(make_record("classification", "Can I check my recent refund?", label, *others))[0]


def test_the_classification_is_invented_first_and_becomes_the_instruction(make_input: Make) -> None:
    given = make_input()
    first, second = steps_of(Classification)
    assert (first.name, first.in_language) == (LABELLING, False), "an instruction may be in English for any text"
    assert second.inputs(given, SAID)["instruction"] == "Given a note, name its tone"
    draft = Classification.draft(given, SAID, "llm")
    assert (draft.instruction, draft.positive) == ("Given a note, name its tone", "hopeful")
    assert (draft.negatives, draft.attributes) == (("gloomy", "neutral"), {})


def test_both_steps_see_the_same_text_which_is_a_run_of_sentences(make_input: Make) -> None:
    given = make_input(seed=3)
    texts = {step.inputs(given, SAID)["text"] for step in steps_of(Classification)}
    assert texts == {Classification.query(given)}
    assert Classification.query(given) in " ".join(sentences_of(given))


def test_a_label_that_the_text_holds_word_for_word_is_dropped(make_record: MakeRecord) -> None:
    assert fault(make_record, "recent refund") == "label_in_text"
    assert fault(make_record, "refunds") == fault(make_record, "fund") == "", "part of a word is no label in the text"


def test_a_label_of_a_sentence_s_length_is_dropped_also_where_it_misleads(make_record: MakeRecord) -> None:
    long = "a message in which somebody asks whether the money is back"
    assert fault(make_record, long) == "long_label"
    assert fault(make_record, "refund status", "card lost", long) == "long_label"


@pytest.mark.parametrize("count", [0, 1, 5])
def test_two_to_four_labels_mislead(count: int) -> None:
    with pytest.raises(ValidationError, match="negatives"):
        Labels(positive="a", negatives=["b"] * count)
