from __future__ import annotations

from collections.abc import Callable

from synth.tasks import Failure, TaskInput
from synth.tasks.multi_hop_query import MultiHop, MultiHopQuery

Make = Callable[..., TaskInput]

OUTPUT = MultiHop(facts=["debt fell", "earnings recovered"], query="did leverage fall?")


def test_all_passages_are_positives(make_input: Make) -> None:
    given = make_input(others=2)
    draft = MultiHopQuery.draft(given, {MultiHopQuery.name: OUTPUT}, "llm")
    assert (draft.query, draft.positive) == ("did leverage fall?", given.passage.text)
    assert [passage.id for passage in draft.more_positives] == ["p2", "p3"]


def test_what_each_passage_gives_is_an_attribute(make_input: Make) -> None:
    draft = MultiHopQuery.draft(make_input(others=1), {MultiHopQuery.name: OUTPUT}, "llm")
    assert draft.attributes == {"facts": "1. debt fell\n2. earnings recovered"}


def test_the_prompt_shows_all_passages(make_input: Make) -> None:
    given = make_input(others=2)
    shown = MultiHopQuery.prompt_inputs(given, {})["others"]
    assert [other["text"] for other in shown] == [other.text for other in given.others]


def test_a_lone_passage_is_refused_before_anything_is_asked(make_input: Make) -> None:
    assert MultiHopQuery.refuse(make_input()) == Failure("lone_passage", "its document has no other passage")
    assert MultiHopQuery.refuse(make_input(others=1)) is None
