from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from corpora import make_recipe

from schemas.document import Passage
from schemas.persona import Persona
from synth.errors import InputError
from synth.generators import Answer, Call, Equipment, build_generator
from synth.generators.extractive import Extractive
from synth.lexicon import build_lexicon
from synth.plan import Item
from synth.progress import Silent
from synth.tasks import Failure, TaskInput
from synth.tasks.query_from_passage import QueryFromPassage

TEXT = (
    "Net debt fell to four hundred million at the end of June. The revolving facility was extended by two years. "
    "Covenant headroom widened because earnings recovered faster than planned."
)
LEXICON = build_lexicon([("", "", TEXT), ("", "", "Gilts fell.")], "en")
EQUIPMENT = Equipment(make_recipe(), LEXICON, Path("answers"), Path("run"))
PERSONA = Persona(id="analyst", text="A credit analyst who reads loan agreements.")


def call(number: int, text: str = TEXT) -> Call:
    item = Item(
        number, f"i{number}", 0, number, "query-from-passage", "analyst", "fact", "easy", "short", "en", 10 + number
    )
    passage = Passage(id="p", document_id="d", text=text, start=0, end=len(text), split="train")
    return Call(QueryFromPassage, TaskInput(item, passage, PERSONA, "finance", ""))


def test_every_call_has_one_outcome() -> None:
    calls = [call(n, TEXT if n % 3 else "too short") for n in range(12)]
    outcomes = list(Extractive(EQUIPMENT).generate(calls, Silent()))
    assert [outcome.call for outcome in outcomes] == calls
    assert [isinstance(outcome.result, Failure) for outcome in outcomes] == [n % 3 == 0 for n in range(12)]


def test_an_answer_says_how_it_was_made_and_names_no_model() -> None:
    for outcome in Extractive(EQUIPMENT).generate([call(n) for n in range(20)], Silent()):
        assert isinstance(outcome.result, Answer)
        assert outcome.result.method.startswith("extractive:")
        assert (outcome.result.model, outcome.result.revision) == ("", "")
        QueryFromPassage.output.model_validate({"query": vars(outcome.result.outputs[QueryFromPassage.name])["query"]})


def test_an_answer_depends_on_its_item_alone() -> None:
    calls = [call(n) for n in range(10)]
    forward = {o.call.input.item.id: o.result for o in Extractive(EQUIPMENT).generate(calls, Silent())}
    backward = {o.call.input.item.id: o.result for o in Extractive(EQUIPMENT).generate(reversed(calls), Silent())}
    assert forward == backward
    assert len({str(result) for result in forward.values()}) > 5


def test_calls_are_pulled_one_at_a_time() -> None:
    pulled: list[int] = []

    def calls() -> Iterator[Call]:
        for number in range(5):
            pulled.append(number)
            yield call(number)

    outcomes = Extractive(EQUIPMENT).generate(calls(), Silent())
    next(outcomes)
    assert pulled == [0]


def test_a_generator_is_built_by_name() -> None:
    assert isinstance(build_generator(EQUIPMENT), Extractive)
    with pytest.raises(InputError, match="no generator called 'extractiv'; did you mean 'extractive'"):
        build_generator(replace(EQUIPMENT, recipe=make_recipe(generator="extractiv")))
