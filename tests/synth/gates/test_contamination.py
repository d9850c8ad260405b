from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.record import Verdict
from synth.errors import DomainError, InputError
from synth.evaluation import EvaluationSet
from synth.gates.contamination import Contamination, set_of
from synth.view import EVALUATIONS, Background, SetView

LONG = " ".join(f"word{n}" for n in range(30))
EXAM = EvaluationSet("exam", {"q1": "who pays the fees", "q2": LONG}, {"p1": LONG + " and the answer is forty two"})


class Leaning:
    """A teacher whose vectors say only how long a text is."""

    def embed_queries(self, queries: Sequence[str]) -> Any:
        angles = np.asarray([len(query) / 100 for query in queries], dtype=np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def passage_vectors(self, ordinals: Sequence[int]) -> Any:
        return self.embed_queries([str(ordinal) for ordinal in ordinals])


def view_of(run: Path, queries: Sequence[str], positives: Sequence[Sequence[str]] | None = None) -> SetView:
    held = positives or [["unlike anything"]] * len(queries)
    count = len(queries)
    return SetView(
        alive=np.ones(count, dtype=bool),
        position=np.arange(count),
        passage=np.zeros(count, dtype=np.int64),
        query_key=np.zeros(count, dtype=np.uint64),
        ahead=np.zeros(count, dtype=np.int64),
        positive_score=np.ones(count, dtype=np.float32),
        pool=10,
        depth=10,
        fetch_queries=lambda rows: [queries[row] for row in rows],
        fetch_positives=lambda rows: [held[row] for row in rows],
        background=Background(run, "leaning", Leaning()),  # type: ignore[arg-type]
    )


def gate_for(run: Path, *sets: EvaluationSet, **settings: Any) -> Contamination:
    for each in sets:
        each.save(run / EVALUATIONS)
    named = [{"name": each.name, "sha256": each.sha256} for each in sets]
    return Contamination(Contamination.Settings(sets=named, **settings))


def judge(gate: Contamination, view: SetView) -> dict[int, Verdict]:
    rejections = list(gate.judge_set(view))
    assert len(dict(rejections)) == len(rejections), "a record is dropped once"
    return dict(rejections)


def test_a_query_of_the_evaluation_is_dropped_and_named(tmp_path: Path) -> None:
    dropped = judge(gate_for(tmp_path, EXAM), view_of(tmp_path, ["what is new?", "Who pays the fees?", f"and {LONG}"]))
    assert {row: (v.reason, v.score, v.detail) for row, v in dropped.items()} == {
        1: ("contaminated_query", 1.0, "exam, q1"),
        2: ("contaminated_query", 1.0, "exam, q2"),
    }
    assert set_of(dropped[1]) == "exam"


def test_a_positive_that_answers_the_evaluation_is_dropped_for_another_reason(tmp_path: Path) -> None:
    positives = [["nothing"], [f"Here: {LONG} and the answer is forty two."], ["nothing", EXAM.passages["p1"]]]
    dropped = judge(gate_for(tmp_path, EXAM), view_of(tmp_path, ["a b c", "d e f", "g h i"], positives))
    assert {row: (v.reason, v.detail) for row, v in dropped.items()} == {
        1: ("contaminated_positive", "exam, p1"),
        2: ("contaminated_positive", "exam, p1"),
    }


def test_the_positive_of_a_text_pair_is_compared_with_the_queries_of_an_evaluation_too(tmp_path: Path) -> None:
    positives = [["Who pays the fees?"], ["nothing"], ["Who pays the fees?"]]
    view = view_of(tmp_path, ["a b c", "d e f", "g h i"], positives)
    view = replace(view, searched=np.array([True, False, False]))
    dropped = judge(gate_for(tmp_path, EXAM), view)
    assert {row: (v.reason, v.detail) for row, v in dropped.items()} == {2: ("contaminated_positive", "exam, q1")}
    assert judge(gate_for(tmp_path, EXAM, positives=False), view) == {}


def test_positives_can_be_left_alone(tmp_path: Path) -> None:
    view = view_of(tmp_path, ["a b c"], [[EXAM.passages["p1"]]])
    assert judge(gate_for(tmp_path, EXAM, positives=False), view) == {}


def test_of_several_sets_the_first_that_holds_a_record_is_named(tmp_path: Path) -> None:
    other = EvaluationSet("other", {"x": "who pays the fees", "y": "when is it due"}, {})
    dropped = judge(
        gate_for(tmp_path, EXAM, other), view_of(tmp_path, ["who pays the fees", "when is it due", "is it"])
    )
    assert {row: set_of(verdict) for row, verdict in dropped.items()} == {0: "exam", 1: "other"}


def test_vectors_are_compared_only_where_asked_for(tmp_path: Path) -> None:
    queries = ["hwo pyas teh fese", "x" * 90]
    assert judge(gate_for(tmp_path, EXAM), view_of(tmp_path, queries)) == {}
    dropped = judge(gate_for(tmp_path, EXAM, cosine=0.999), view_of(tmp_path, queries))
    assert {row: (v.reason, v.score, v.detail) for row, v in dropped.items()} == {
        0: ("contaminated_embedding", 1.0, "exam, q1")
    }


def test_what_an_earlier_gate_dropped_is_not_dropped_again(tmp_path: Path) -> None:
    view = view_of(tmp_path, ["who pays the fees", "who pays the fees"])
    view = replace(view, alive=np.array([False, True]))
    assert list(judge(gate_for(tmp_path, EXAM), view)) == [1]


def test_the_gate_without_a_set_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="needs an evaluation set: add --decontaminate PATH"):
        gate_for(tmp_path).check(Background(tmp_path))
    unsaved = Contamination(Contamination.Settings.model_validate({"sets": [{"name": "exam", "sha256": "0" * 64}]}))
    with pytest.raises(DomainError, match="needs an evaluation set"):
        unsaved.check(Background(tmp_path))


def test_a_cosine_needs_a_teacher_with_vectors(tmp_path: Path) -> None:
    gate = gate_for(tmp_path, EXAM, cosine=0.95)
    gate.check(Background(tmp_path, "leaning", Leaning()))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'contamination' has a 'cosine', and the teacher 'lexical' has no vectors"):
        gate.check(Background(tmp_path, "lexical"))
