from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.record import Pair
from synth.tasks import TaskInput, extractive_rule
from synth.tasks.semantic_similarity import HIGH, LOW, SemanticSimilarity, Sentences

Make = Callable[..., TaskInput]
MakeRecord = Callable[..., Pair]

QUERY = "The facility of 250 million runs to 2027."


def fault(make_record: MakeRecord, positive: str, *negatives: str) -> str:
    return SemanticSimilarity.fault(make_record("semantic-similarity", QUERY, positive, *negatives))[0]


def test_the_scores_that_were_aimed_at_stand_in_prompt_and_record(make_input: Make) -> None:
    drawn = set()
    for seed in range(40):
        given = make_input(seed=seed)
        asked = SemanticSimilarity.prompt_inputs(given, {})
        answer = Sentences(positive="Debt went down.", negative="Debt went up.")
        said = SemanticSimilarity.draft(given, {"semantic-similarity": answer}, "llm").attributes
        assert said == {"similarity": asked["high"], "negative_similarity": asked["low"]}
        drawn.add((asked["high"], asked["low"]))
    assert drawn == {(high, low) for high in HIGH for low in LOW}


@pytest.mark.parametrize("positive", ["A line of 250 million lasts until 2027.", "The bank line lasts for years."])
def test_a_sentence_that_names_no_other_number_is_kept(make_record: MakeRecord, positive: str) -> None:
    assert fault(make_record, positive, "The facility of 240 million runs to 2027.") == ""


def test_a_positive_with_a_number_of_its_own_is_dropped(make_record: MakeRecord) -> None:
    assert fault(make_record, "A line of 240 million lasts until 2027.") == "changed_number"


def test_a_negative_with_the_words_of_the_positive_is_dropped(make_record: MakeRecord) -> None:
    positive = "A line of 250 million lasts until 2027."
    assert fault(make_record, positive, "Until 2027 lasts a line of 250 million.") == "negative_is_positive"


def test_a_negative_in_which_numbers_changed_places_is_kept(make_record: MakeRecord) -> None:
    assert fault(make_record, "A line lasts.", "The facility of 2027 million runs to 250.") == ""


def test_both_sentences_are_needed() -> None:
    with pytest.raises(ValidationError, match="negative"):
        Sentences.model_validate({"positive": "a", "negative": ""})
    assert extractive_rule(SemanticSimilarity) is None
