from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.record import Pair
from synth.tasks import TaskInput
from synth.tasks.negation_pair import Contradiction, NegationPair
from synth.text_pairs import sentences_of

Make = Callable[..., TaskInput]
MakeRecord = Callable[..., Pair]

QUERY = "Two men in helmets are repairing the roof of a school in the rain."


def fault(make_record: MakeRecord, positive: str, negative: str, query: str = QUERY) -> str:
    return NegationPair.fault(make_record("negation-pair", query, positive, negative))[0]


def test_the_anchor_is_real_and_both_others_are_written(make_input: Make) -> None:
    given = make_input()
    answer = Contradiction(positive="A debt was cut.", negative="No debt was cut.")
    draft = NegationPair.draft(given, {"negation-pair": answer}, "llm")
    assert draft.query in sentences_of(given)
    assert (draft.positive, draft.negatives, draft.attributes) == ("A debt was cut.", ("No debt was cut.",), {})


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ("Somebody works outside in bad weather.", "Nobody works outside in bad weather."),
        ("The building is not abandoned.", "The building is abandoned."),
    ],
)
def test_a_contradiction_in_the_words_of_what_follows_is_kept(
    make_record: MakeRecord, positive: str, negative: str
) -> None:
    assert fault(make_record, positive, negative) == ""


def test_where_words_tell_the_positive_nothing_is_learnt(make_record: MakeRecord) -> None:
    close = "Two men are repairing the roof of a school in the rain."
    assert fault(make_record, close, "The pupils sit in the sun and sing.") == "shortcut"


def test_a_number_of_its_own_does_not_follow(make_record: MakeRecord) -> None:
    assert fault(make_record, "The 2 men get wet.", "The 2 men stay dry.") == "changed_number"


def test_words_are_characters_where_no_spaces_stand_between_them(make_record: MakeRecord) -> None:
    query = "两名戴头盔的男子正在雨中修理学校的屋顶。"
    assert fault(make_record, "有人在坏天气里工作。", "没有人在坏天气里工作。", query) == ""
    assert fault(make_record, "两名男子正在雨中修理屋顶。", "学生们在阳光下唱歌。", query) == "shortcut"


def test_both_sentences_are_needed() -> None:
    with pytest.raises(ValidationError, match="positive"):
        Contradiction.model_validate({"positive": "", "negative": "a"})
