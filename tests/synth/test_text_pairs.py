from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from schemas.document import Passage
from schemas.record import Pair, PassageText, Provenance
from synth.personas.scope import NOBODY
from synth.plan import Item
from synth.tasks import TaskInput
from synth.tasks.semantic_similarity import Sentences
from synth.text_pairs import (
    TextPairTask,
    common_fault,
    excerpt_of,
    holds,
    same_words,
    sentences_of,
    written_texts,
)

Make = Callable[..., TaskInput]

REPORT = """# Borrowings of the group in the year

Net debt fell to four hundred million at the end of June. Why?

| Year | Debt |
|---|---|
| 2024 | 410 |

The covenants are these, as tested every June and December:

The revolving facility was extended by two years in March. It matures in June 2027."""


FOUR = (
    "Net debt fell to four hundred million at the end of June. "
    "The revolving facility was extended by two years in March. "
    "Covenant headroom widened because earnings recovered faster than planned. "
    "Management expects to repay the bridge loan before the winter."
)


@pytest.fixture
def make_text_input() -> Make:
    def make(text: str = FOUR, seed: int = 1) -> TaskInput:
        item = Item(7, "i7", 0, 1, "any", "", "fact", "easy", "short", "en", seed)
        passage = Passage(id="p1", document_id="d1", text=text, start=0, end=len(text), split="train")
        return TaskInput(item, passage, NOBODY, "finance", "find it")

    return make


class Plain(TextPairTask):
    """Nothing but what all text pairs have in common."""

    name = prompt = "semantic-similarity"
    output = Sentences
    instruction = "Find the same"


def pair(query: str, positive: str, *written: str) -> Pair:
    provenance = Provenance(
        task="semantic-similarity", method="llm:text", generator="llm", prompt="", prompt_sha256="", position=0, seed=0
    )
    text = PassageText(passage_id="p", document_id="d", text=positive)
    return Pair(
        id="r",
        language="en",
        split="train",
        query=query,
        positive=text,
        written=list(written),
        provenance=provenance,
    )


def test_sentences_are_whole_and_neither_headings_nor_rows_of_a_table(make_text_input: Make) -> None:
    assert sentences_of(make_text_input(REPORT)) == [
        "Net debt fell to four hundred million at the end of June.",
        "The revolving facility was extended by two years in March.",
    ]


def test_a_sentence_is_neither_a_scrap_nor_a_paragraph(make_text_input: Make) -> None:
    long = "The group " + "and the lender " * 20 + "agreed."
    assert sentences_of(make_text_input(f"It rose. {long}")) == []
    assert sentences_of(make_text_input(f"It rose. {long}"), (1, 200)) == ["It rose.", long]


def test_items_of_a_passage_take_its_sentences_in_turn(make_text_input: Make) -> None:
    first = make_text_input()
    taken = [
        Plain.query(dataclasses.replace(first, item=dataclasses.replace(first.item, occurrence=n))) for n in range(8)
    ]
    assert sorted(taken[:4]) == sorted(sentences_of(first)), "each once before any twice"
    assert taken[:4] == taken[4:]


def test_a_passage_without_a_sentence_is_refused_before_anything_is_asked(make_text_input: Make) -> None:
    refusal = Plain.refuse(make_text_input("| 2024 | 410 |"))
    assert refusal is not None and (refusal.reason, refusal.detail) == ("no_sentence", "no sentence of 6 to 45 words")
    assert Plain.refuse(make_text_input()) is None


def test_an_excerpt_is_a_run_of_sentences_as_they_stand(make_text_input: Make) -> None:
    whole = " ".join(sentences_of(make_text_input()))
    found = {excerpt_of(make_text_input(seed=seed), 3) for seed in range(40)}
    assert all(each in whole for each in found)
    assert {each.count(".") for each in found} == {1, 2, 3}
    assert excerpt_of(make_text_input("| 2024 |"), 3) == ""


def test_an_excerpt_skips_nothing_and_ends_before_it_is_too_long(make_text_input: Make) -> None:
    text = "The port was closed for nine days in March. Why? Ferries were sent to the other harbour instead."
    found = {excerpt_of(make_text_input(text, seed=seed), 3) for seed in range(40)}
    assert found == {"The port was closed for nine days in March.", "Ferries were sent to the other harbour instead."}
    long = " ".join(f"Sentence {n} says {' '.join(['more'] * 36)} of it." for n in range(6))
    assert max(len(excerpt_of(make_text_input(long, seed=seed), 6).split()) for seed in range(40)) <= 100


def test_a_draft_is_the_real_text_with_what_was_written_for_it(make_text_input: Make) -> None:
    given = make_text_input()
    answer = Sentences(positive=" Net debt\nwent down. ", negative="Net debt  rose.")
    draft = Plain.draft(given, {Plain.name: answer}, "llm")
    assert (draft.query, draft.positive, draft.negatives) == (
        Plain.query(given),
        "Net debt went down.",
        ("Net debt rose.",),
    )
    assert (draft.method, draft.instruction, draft.attributes) == ("llm:text", "Find the same", {})


def test_the_same_words_in_another_order_are_the_same_words() -> None:
    assert same_words("Debt rose, sales fell.", "sales fell debt rose")
    assert not same_words("debt rose", "debt debt rose")


def test_a_positive_that_is_the_text_again_is_a_fault() -> None:
    assert common_fault(pair("Net debt fell.", "net  debt fell.", "It rose."))[0] == "copied"
    assert common_fault(pair("Net debt fell.", "Net debt went down.", "It rose.")) == ("", "")


@pytest.mark.parametrize("negative", ["NET DEBT FELL.", "Net debt went  down."])
def test_a_negative_that_is_one_of_the_two_is_a_fault(negative: str) -> None:
    found = common_fault(pair("Net debt fell.", "Net debt went down.", "It rose.", negative))
    assert found == ("negative_is_positive", negative)


def test_what_was_written_is_the_positive_and_the_negatives() -> None:
    assert written_texts(pair("a", "b", "c", "d")) == ("b", "c", "d")


def test_a_phrase_is_held_by_whole_words_whatever_stands_after_them() -> None:
    assert holds("Can I check my recent refund?", "Recent refund")
    assert not holds("Can I check my recent refunds?", "recent refund")
    assert holds("净债务在六月底下降。", "六月") and not holds("净债务在六月底下降。", "七月")
