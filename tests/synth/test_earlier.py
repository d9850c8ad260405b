from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from synth.earlier import EarlierQueries
from synth.errors import DomainError
from synth.run import execute, iterate_runs
from synth.store import Store
from synth.text import hash64, normalise

Make = Callable[..., Any]


def against(*names: str) -> dict[str, Any]:
    settings = {"near": 0.85, "against": list(names)}
    return {"set_gates": [{"name": "consistency"}, {"name": "duplicates", "settings": settings}]}


def test_what_an_earlier_version_holds_is_a_duplicate_of_it(make: Make, make_texts: Make) -> None:
    texts = make_texts(12)
    first = make(dict(list(texts.items())[:6]), name="letters")
    later = make(texts, name="letters", store=first.run.store, settings=against("letters"))
    before = {normalise(record["query"]) for record in first.records}
    assert not before & {normalise(record["query"]) for record in later.records}
    repeated = [row for row in later.rejects if row["reason"] == "duplicate"]
    assert {row["detail"] for row in repeated} == {"in letters@1"}
    assert {normalise(row["query"]) for row in repeated} <= before
    assert len(repeated) > 10
    assert all(row["score"] is None for row in repeated)


@pytest.mark.slow
def test_one_version_can_be_named(make: Make, make_texts: Make) -> None:
    texts = make_texts(6)
    first = make(texts, name="letters", limit=5)
    store = first.run.store
    make(texts, name="letters", store=store, limit=15)
    third = make(texts, name="letters", store=store, settings=against("letters@1"))
    before = {normalise(record["query"]) for record in first.records}
    assert third.version.number == 3
    kept = {normalise(record["query"]) for record in third.records}
    assert not kept & before
    assert len(kept) > 10


def test_nearly_the_same_query_in_an_earlier_version_is_dropped_too(make: Make, make_texts: Make) -> None:
    texts = make_texts(6)
    first = make(texts, name="letters")
    changed = {key: text.replace(" which ", " and that ") for key, text in texts.items()}
    later = make(changed, name="letters", store=first.run.store, settings=against("letters"))
    near = [row for row in later.rejects if row["reason"] == "near_duplicate"]
    assert "in letters@1" in {row["detail"] for row in near}


def test_a_run_that_publishes_again_is_no_duplicate_of_itself(make: Make, make_texts: Make) -> None:
    texts = make_texts(8)
    first = make(dict(list(texts.items())[:4]), name="letters")
    later = make(texts, name="letters", store=first.run.store, settings=against("letters"))
    (later.run.folder / "result.json").unlink()
    again = execute(later.run)
    assert (again.name, again.number) == ("letters", later.version.number)


def test_a_dataset_that_is_not_there_is_refused_before_anything_is_made(new_run: Make, make_texts: Make) -> None:
    run = new_run(make_texts(3), name="letters", settings=against("leters"))
    with pytest.raises(DomainError, match="the gate 'duplicates', against: no dataset 'leters' in"):
        execute(run)
    assert not (run.folder / "items").exists()
    assert list(iterate_runs(run.store)) == [run]


def test_queries_are_found_by_the_hash_of_their_normalised_text(make: Make, make_texts: Make) -> None:
    made = make(make_texts(4), name="letters")
    earlier = EarlierQueries(list(Store(made.run.store.root).iterate("letters")))
    query = made.records[0]["query"]
    keys = np.asarray([hash64("never asked"), hash64(normalise(f" {query.upper()} "))], dtype=np.uint64)
    absent, place = earlier.find(keys).tolist()
    assert absent == -1
    assert earlier.texts[place] == query
    assert str(earlier.version_of(place)) == "letters@1"
    assert EarlierQueries([]).find(keys).tolist() == [-1, -1]
