from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from synth.generators import Answer, Outcome
from synth.progress import Silent
from synth.rows import ITEMS, judge_outcome, table_of
from synth.run import prepare
from synth.shard import Shard, Workshop, plan_calls
from synth.tasks import Failure, Query
from synth.tasks.query_from_passage import ClozeQuery

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def shop(new_run: Make, make_texts: Make) -> Workshop:
    return prepare(new_run(make_texts(3)), Silent())


def row_of(shop: Workshop, output: Query) -> Any:
    call = next(plan_calls(shop, [Shard(0, 1)]))
    return judge_outcome(Outcome(call, Answer({call.task.name: output}, "llm", "m")), shop.recipe, shop.gates)


def test_what_a_model_wrote_is_cleaned_before_any_gate_sees_it(shop: Workshop) -> None:
    kept = row_of(shop, Query(query="what did ana@acme.io say about the senior notes of the bank?"))
    assert (kept.status, kept.query) == ("accepted", "what did [EMAIL] say about the senior notes of the bank?")
    rejected = row_of(shop, Query(query="ana@acme.io?"))
    assert (rejected.reason, rejected.query) == ("too_short", "[EMAIL]?")


def test_the_detail_of_a_failure_is_cleaned(shop: Workshop) -> None:
    call = next(plan_calls(shop, [Shard(0, 1)]))
    row = judge_outcome(Outcome(call, Failure("refusal", "I can't; ask ana@acme.io.")), shop.recipe, shop.gates)
    assert (row.reason, row.detail) == ("refusal", "I can't; ask [EMAIL].")


def test_a_positive_that_is_not_the_passage_is_cleaned_too(shop: Workshop) -> None:
    row = row_of(shop, ClozeQuery(query="who hedged pension liabilities?", rest="Ask ana@acme.io who hedged them."))
    assert row.positive == "Ask [EMAIL] who hedged them."


def test_a_positive_that_is_the_passage_is_not_written_twice(shop: Workshop) -> None:
    assert row_of(shop, Query(query="who hedged pension liabilities?")).positive == ""


def test_a_row_has_the_columns_of_its_file(shop: Workshop) -> None:
    row = row_of(shop, Query(query="who hedged pension liabilities?"))
    table = table_of([row, row])
    assert table.schema.equals(ITEMS)
    (kept, again) = table.to_pylist()
    assert kept == again
    assert (kept["query"], kept["status"], len(kept["verdicts"])) == (row.query, "accepted", len(row.verdicts))
    assert kept["query_key"]
