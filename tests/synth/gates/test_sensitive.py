from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from schemas.record import Pair
from synth.gates import CleaningGate
from synth.gates.sensitive import Sensitive

MakePair = Callable[..., Pair]
Action = Literal["flag", "mask", "drop"]

QUERY = "who is behind ana@acme.io?"
PASSAGE = "Ana Ruiz, (408) 996-1010 or ana@acme.io, pays with 4111 1111 1111 1111."
MASKED = "Ana Ruiz, [PHONE] or [EMAIL], pays with [CARD]."


def gate(action: Action = "mask") -> Sensitive:
    return Sensitive(Sensitive.Settings(action=action))


def test_masks_in_query_and_passage_are_counted_and_the_record_kept(make_pair: MakePair) -> None:
    verdict = gate().judge(make_pair(gate().clean(QUERY), gate().clean(PASSAGE)))
    assert (verdict.keep, verdict.reason, verdict.score, verdict.detail) == (True, "", 4.0, "card,email,phone")


@pytest.mark.parametrize("action", ["flag", "mask", "drop"])
def test_a_clean_record_passes(make_pair: MakePair, action: Action) -> None:
    verdict = gate(action).judge(make_pair("why did net sales grow?"))
    assert (verdict.keep, verdict.score, verdict.detail) == (True, 0.0, "")


def test_flagging_keeps_the_record_and_names_the_kinds(make_pair: MakePair) -> None:
    verdict = gate("flag").judge(make_pair(QUERY, PASSAGE))
    assert (verdict.keep, verdict.reason, verdict.score, verdict.detail) == (True, "", 4.0, "card,email,phone")


@pytest.mark.parametrize(("query", "passage"), [(QUERY, "clean text"), ("who is Ana?", PASSAGE)])
def test_dropping_looks_at_query_and_passage(make_pair: MakePair, query: str, passage: str) -> None:
    verdict = gate("drop").judge(make_pair(query, passage))
    assert (verdict.keep, verdict.reason) == (False, "sensitive")


@pytest.mark.parametrize(("action", "text"), [("flag", PASSAGE), ("mask", MASKED), ("drop", PASSAGE)])
def test_only_masking_changes_texts(action: Action, text: str) -> None:
    assert gate(action).clean(PASSAGE) == text


@pytest.mark.parametrize(
    ("action", "text", "kept"), [("flag", PASSAGE, PASSAGE), ("mask", MASKED, MASKED), ("drop", PASSAGE, None)]
)
def test_a_passage_is_kept_or_dropped_and_its_kinds_are_named(action: Action, text: str, kept: str | None) -> None:
    assert gate(action).clean_passage(text) == (kept, ["card", "email", "phone"])


@pytest.mark.parametrize("action", ["flag", "mask", "drop"])
def test_a_clean_passage_stays_as_it_is(action: Action) -> None:
    assert gate(action).clean_passage("Net sales grew 8%.") == ("Net sales grew 8%.", [])


def test_it_is_a_gate_that_cleans() -> None:
    assert isinstance(gate(), CleaningGate)
