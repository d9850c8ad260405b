from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.record import Attribute, Pair
from synth.tasks import TaskInput
from synth.tasks.clustering import Clustering, Members

Make = Callable[..., TaskInput]
MakeRecord = Callable[..., Pair]

TEXT = "The ferry line refinanced its revolving credit facility with four banks in June."
OTHER_CASE = "Lenders to the depot prolonged its overdraft until the autumn of 2026."


def fault(make_record: MakeRecord, positive: str, theme: str = "bank loans", other: str = "bonds") -> str:
    themes = [Attribute(name="theme", value=theme), Attribute(name="other_theme", value=other)]
    record = make_record("clustering", TEXT, positive, "The ferry line sold notes.").model_copy(
        update={"attributes": themes}
    )
    return Clustering.fault(record)[0]


def test_the_themes_are_attributes_and_the_members_texts(make_input: Make) -> None:
    answer = Members(
        theme="bank loans", positive=OTHER_CASE, other_theme="bonds", negative="It sold notes in the spring."
    )
    draft = Clustering.draft(make_input(), {"clustering": answer}, "llm")
    assert (draft.positive, draft.negatives) == (OTHER_CASE, ("It sold notes in the spring.",))
    assert draft.attributes == {"theme": "bank loans", "other_theme": "bonds"}
    assert draft.instruction == "Identify the theme of the text"


def test_another_case_of_the_theme_is_kept(make_record: MakeRecord) -> None:
    assert fault(make_record, OTHER_CASE) == ""


def test_a_negative_of_the_same_theme_is_no_negative(make_record: MakeRecord) -> None:
    assert fault(make_record, OTHER_CASE, "Bank loans ", "bank loans") == "negative_is_positive"


def test_a_positive_in_the_words_of_the_text_tells_nothing_of_a_theme(make_record: MakeRecord) -> None:
    assert fault(make_record, "Four banks refinanced the revolving credit facility of the ferry line.") == "copied"
    assert fault(make_record, "A port refinanced its overdraft with two lenders.") == ""


def test_a_member_of_a_cluster_is_more_than_a_word() -> None:
    with pytest.raises(ValidationError, match="positive"):
        Members(theme="a", positive="short", other_theme="b", negative="x" * 20)
