from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.store import Store

Make = Callable[..., Any]
STRICT = {"strategy": "abs", "max_score": 0.12, "negatives": 6, "same_document": False}


def made_with(make: Make, texts: dict[str, str], store: Path, limit: int | None = 20, **mining: Any) -> Any:
    return make(texts, store=Store(store), limit=limit, settings={"mining": STRICT | mining})


def ids(made: Any) -> list[str]:
    return [row["id"] for row in made.records]


def test_short_records_are_rejected_before_the_limit_counts(make: Make, make_texts: Make, tmp_path: Path) -> None:
    texts = make_texts(14)
    kept = made_with(make, texts, tmp_path / "kept", limit=60)
    dropped = made_with(make, texts, tmp_path / "dropped", shortfall="drop")
    whole = [row["id"] for row in kept.records if len(row["negatives"]) == 6]
    assert 0 < len(whole) < 60, "or this shows nothing"
    assert [row["short"] for row in kept.records] == [len(row["negatives"]) < 6 for row in kept.records]
    assert len(dropped.records) == dropped.manifest.funnel.accepted == 20
    assert ids(dropped)[: len(whole)] == whole[:20]
    assert all(len(row["negatives"]) == 6 and not row["short"] for row in dropped.records)
    assert dropped.manifest.partial == ""


def test_what_is_dropped_for_its_shortfall_is_a_reject_with_a_reason_and_adds_up(
    make: Make, make_texts: Make, tmp_path: Path
) -> None:
    made = made_with(make, make_texts(14), tmp_path, shortfall="drop")
    few = [row for row in made.rejects if row["reason"] == "few_negatives"]
    assert len(few) == made.manifest.funnel.rejected["few_negatives"] > 0
    assert {(row["stage"], row["status"]) for row in few} == {("mining", "rejected")}
    assert all(row["detail"] == f"{row['score']:.0f} of 6 were found" and row["query"] for row in few)
    funnel = made.manifest.funnel
    assert funnel.planned == funnel.accepted + sum(funnel.rejected.values()) + sum(funnel.failed.values())


def test_documents_that_can_not_give_enough_negatives_are_told_of(make: Make, make_texts: Make, tmp_path: Path) -> None:
    made = made_with(make, make_texts(14), tmp_path, limit=400, shortfall="drop", negatives=12, max_score=0.08)
    assert made.manifest.funnel.accepted < 400
    assert made.manifest.partial.startswith("the documents hold no more")


@pytest.mark.slow
@pytest.mark.parametrize("shard_size", [7, 1000])
def test_every_record_is_whole_under_a_bound_that_the_model_chose(
    make: Make, make_texts: Make, tmp_path: Path, shard_size: int
) -> None:
    mining = {"strategy": "multi_signal", "relative_margin": 0.3, "negatives": 6, "shortfall": "drop"}
    made = make(make_texts(14), store=Store(tmp_path), limit=20, settings={"mining": mining}, shard_size=shard_size)
    assert len(made.records) == 20
    assert all(len(row["negatives"]) == 6 for row in made.records)
    assert made.manifest.suspicion is not None
