from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpora import Row, make_recipe, write_corpus
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.recipe import GateSettings, MiningSettings
from schemas.record import Verdict
from synth.errors import DomainError, InputError
from synth.gates import build_record_gates, build_set_gates
from synth.gates.consistency import Consistency
from synth.generators import Equipment, build_generator
from synth.plan import Plan
from synth.shard import Workshop
from synth.teachers.lexical import Lexical
from synth.view import Background, SetView


def view_of(ahead: list[int], scores: list[float], alive: list[bool] | None = None) -> SetView:
    count = len(ahead)
    return SetView(
        alive=np.array(alive if alive is not None else [True] * count, dtype=bool),
        position=np.arange(count) + 50,
        passage=np.zeros(count, dtype=np.int64),
        query_key=np.arange(count, dtype=np.uint64),
        ahead=np.array(ahead, dtype=np.int64),
        positive_score=np.array(scores, dtype=np.float32),
        pool=4_000,
        depth=100,
        fetch_queries=lambda rows: [""] * len(rows),
    )


def judge(view: SetView, **settings: object) -> dict[int, Verdict]:
    return dict(Consistency(Consistency.Settings.model_validate(settings)).judge_set(view))


def test_rank_k_is_kept_and_the_next_is_dropped() -> None:
    verdicts = judge(view_of([0, 9, 10, 100], [0.5] * 4), k=10)
    assert sorted(verdicts) == [2, 3]
    assert (verdicts[2].reason, verdicts[2].score, verdicts[2].keep) == ("inconsistent", 11.0, False)


def test_k_of_one_keeps_the_first_alone() -> None:
    assert sorted(judge(view_of([0, 1, 2], [0.5] * 3), k=1)) == [1, 2]


def test_a_score_at_the_floor_is_too_low() -> None:
    verdicts = judge(view_of([0, 0, 0], [0.0, 0.0001, -0.2]))
    assert {row: verdict.reason for row, verdict in verdicts.items()} == {0: "low_score", 2: "low_score"}
    assert verdicts[2].score == pytest.approx(-0.2)


def test_the_floor_is_a_setting() -> None:
    assert sorted(judge(view_of([0, 0, 0], [0.4, 0.5, 0.6]), min_score=0.5)) == [0, 1]
    assert sorted(judge(view_of([0, 0], [-0.9, 0.0]), min_score=-1.0)) == []


def test_a_record_that_is_both_low_and_far_is_called_low() -> None:
    assert judge(view_of([100], [0.0]))[0].reason == "low_score"


def test_the_detail_names_k_and_the_pool() -> None:
    for verdict in judge(view_of([70, 0], [0.5, 0.0]), k=60).values():
        assert verdict.detail == "k 60, pool 4000, depth 100"
        assert verdict.gate == "consistency"


def test_records_that_are_dropped_already_are_not_judged() -> None:
    assert sorted(judge(view_of([100, 100], [0.5, 0.5], [False, True]))) == [1]


def test_an_empty_set_is_judged() -> None:
    assert judge(view_of([], [])) == {}


def test_the_gate_says_how_deep_the_teacher_must_search() -> None:
    assert Consistency(Consistency.Settings(k=25)).needs_depth >= 25


def test_the_teacher_searches_as_deep_as_the_gate_needs(tmp_path: Path) -> None:
    """`ahead` never exceeds the depth, so a gate with k above it would let everything pass."""
    recipe = make_recipe(
        set_gates=[GateSettings(name="consistency", settings={"k": 10})], mining=MiningSettings(rank_max=3)
    )
    corpus = write_corpus(tmp_path / "corpus", [Row(f"d{n}", text=f"word{n}") for n in range(40)])
    teacher = Lexical("lexical", tmp_path, tmp_path)
    generator = build_generator(Equipment(recipe, corpus.lexicon, tmp_path, tmp_path))
    assert Workshop(tmp_path, recipe, corpus, Plan(recipe, corpus.ids, ["someone"]), {}, teacher, generator).depth >= 10


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-10, 10), st.booleans())), st.integers(1, 30))
def test_exactly_the_records_within_k_and_above_the_floor_stay(rows: list[tuple[int, int, bool]], k: int) -> None:
    ahead, scores, alive = [row[0] for row in rows], [row[1] / 10 for row in rows], [row[2] for row in rows]
    verdicts = judge(view_of(ahead, scores, alive), k=k)
    assert sorted(verdicts) == [n for n in range(len(rows)) if alive[n] and (ahead[n] + 1 > k or scores[n] <= 0)]


def test_a_larger_k_never_drops_more() -> None:
    view = view_of(list(range(40)), [0.5] * 40)
    dropped = [len(judge(view, k=k)) for k in range(1, 41)]
    assert dropped == sorted(dropped, reverse=True) == list(range(39, -1, -1))


@pytest.mark.parametrize("settings", [{"k": 0}, {"k": -1}, {"kk": 3}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Consistency.Settings.model_validate(settings)
    with pytest.raises(DomainError, match="consistency"):
        build_set_gates([GateSettings(name="consistency", settings=settings)])


def test_a_set_gate_can_not_stand_among_the_record_gates() -> None:
    with pytest.raises(DomainError, match="set_gates"):
        build_record_gates([GateSettings(name="consistency")])


def test_what_a_judge_kept_in_other_words_stays_whatever_its_rank() -> None:
    queries = ["who pays for delays?", "gold price rose", "who pays for delays?", "gold price rose"]
    positives = [["The contractor bears late completion."], ["The gold price rose."]] * 2
    view = view_of([99, 99, 99, 99], [0.5, 0.5, 0.5, 0.0]).but(
        fetch_queries=lambda rows: [queries[row] for row in rows],
        fetch_positives=lambda rows: [positives[row] for row in rows],
        judged=np.array([True, True, False, True]),
    )
    assert sorted(judge(view)) == [1, 2, 3]
    assert sorted(judge(view, judged_overlap=0)) == [1, 2, 3]
    assert sorted(judge(view, judged_overlap=1)) == [2]
    assert sorted(judge(view.but(judged=None))) == [0, 1, 2, 3]


def test_a_task_may_have_its_own_k() -> None:
    view = view_of([1, 1, 4, 4], [0.5] * 4).but(task=np.array(["easy", "hard", "easy", "hard"]))
    verdicts = judge(view, k=1, per_task={"hard": 2})
    assert {row: verdict.detail.split(",")[0] for row, verdict in verdicts.items()} == {0: "k 1", 2: "k 1", 3: "k 2"}


def test_a_quantile_chooses_k_for_each_task_by_the_records_that_are_left() -> None:
    ahead = [0, 1, 2, 3, 10, 20, 30, 40, 99]
    task = np.array(["easy"] * 4 + ["hard"] * 5)
    view = view_of(ahead, [0.5] * 9, [True] * 8 + [False]).but(task=task)
    assert sorted(judge(view, quantile=0.5)) == [2, 3, 6, 7]
    assert sorted(judge(view, quantile=0.75, per_task={"hard": 1})) == [3, 4, 5, 6, 7]
    assert judge(view, quantile=1.0) == {}
    assert Consistency(Consistency.Settings(quantile=0.5)).needs_depth == 50


def test_a_task_that_there_is_not_is_refused_before_anything_is_made() -> None:
    with pytest.raises(InputError, match="there is no task called 'keyword-quey'; did you mean 'keyword-query'"):
        Consistency(Consistency.Settings(per_task={"keyword-quey": 3})).check(Background())
