from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.record import Pair, Verdict
from synth.gates.echo import Echo

MakePair = Callable[..., Pair]

PERSONA = "Retired teacher in Leeds who reads every fund factsheet twice and asks what the charges really come to."


def judge(record: Pair, **settings: object) -> Verdict:
    return Echo(Echo.Settings.model_validate(settings)).judge(record)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("why did sales grow Kind of query: fact", "Kind of query:"),
        ("Difficulty: hard", "Difficulty:"),
        ('<passage title="Results"> net sales', "<passage"),
        ("the one query this person would type", "the one query this person"),
        ("Net sales? Do not quote the passage!", "do not quote the passage"),
    ],
)
def test_wording_of_the_prompt_is_dropped_and_named(make_pair: MakePair, query: str, detail: str) -> None:
    verdict = judge(make_pair(query))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, "echo", detail)


def test_a_part_of_the_instruction_is_an_echo_too(make_pair: MakePair) -> None:
    record = make_pair(
        "retrieve the passage that answers net sales", instruction="Retrieve the passage that answers it"
    )
    assert judge(record).detail == "retrieve the passage that answers"


def test_who_asks_is_no_query(make_pair: MakePair) -> None:
    echoed = "reads every fund factsheet twice and asks what the charges"
    assert judge(make_pair(f"fund fees: {echoed}", persona=PERSONA)).reason == "echo"
    assert judge(make_pair(f"fund fees: {echoed}")).keep


def test_a_query_in_the_words_of_a_persona_is_kept(make_pair: MakePair) -> None:
    assert judge(make_pair("what the charges really come to", persona=PERSONA)).keep


@pytest.mark.parametrize(
    "query", ["what does the passage of time do to bonds", "difficulty of query languages", "length"]
)
def test_chance_is_no_echo(make_pair: MakePair, query: str) -> None:
    assert judge(make_pair(query)).keep


def test_a_task_that_is_not_installed_has_no_prompt_to_repeat(make_pair: MakePair) -> None:
    record = make_pair("Difficulty: hard")
    unknown = record.model_copy(update={"provenance": record.provenance.model_copy(update={"task": "gone"})})
    assert judge(unknown).keep
