from __future__ import annotations

from typing import Any

import pytest

from schemas.recipe import MiningSettings, ScoringSettings
from synth.errors import InputError
from synth.scale import check_bounds, check_seen
from synth.teachers.scoring import Scale, scale_of


def mining(**fields: Any) -> MiningSettings:
    return MiningSettings(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"strategy": "perc_pos", "relative_margin": 0.1},
        {"strategy": "composite", "max_score": 3, "relative_margin": 0.1},
        {"strategy": "multi_signal"},
    ],
)
def test_a_share_of_a_logit_is_refused_with_what_to_take(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="a share of a logit means nothing: take .*--absolute-margin 1"):
        check_bounds(mining(**fields), "logit")
    check_bounds(mining(**fields), "unit")
    check_bounds(mining(**fields), "rrf")


@pytest.mark.parametrize(
    "fields",
    [
        {"strategy": "naive"},
        {"strategy": "shifted"},
        {"strategy": "margin_pos", "absolute_margin": 1},
        {"strategy": "abs", "max_score": 5},
        {"strategy": "multi_signal", "max_false_negative_rate": 0.03},
        {"strategy": "composite", "absolute_margin": 1},
    ],
)
def test_what_needs_no_zero_is_taken_on_every_scale(fields: dict[str, Any]) -> None:
    scales: tuple[Scale, ...] = ("similarity", "rrf", "weighted", "agreement", "unit", "logit", "cosine")
    for scale in scales:
        check_bounds(mining(**fields), scale)


@pytest.mark.parametrize(
    ("strategy", "scale", "said"),
    [
        ("margin_pos", "logit", "absolute_margin of 0.05, .* scores are logits: give .* --absolute-margin 1 "),
        ("margin_pos", "rrf", "scores are shares of the best possible rank: give .* --absolute-margin 0.1 "),
        ("abs", "weighted", "scores are stretched from 0 to 1 .*: give .* --max-score 0.8 "),
        ("abs", "logit", "max_score of 0.7, which is meant for cosines, .* --max-score 5 "),
    ],
)
def test_a_number_that_was_meant_for_cosines_must_be_given_anew(strategy: Any, scale: Scale, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_bounds(mining(strategy=strategy), scale)
    check_bounds(mining(strategy=strategy), "cosine")
    check_bounds(mining(strategy=strategy), scale, is_chosen=True)


def test_more_ranks_than_are_rescored_are_refused() -> None:
    chosen = ScoringSettings(rescorer="acme", rescore_depth=20)
    check_seen("--k", 20, chosen)
    with pytest.raises(InputError, match="--k needs 21 ranks, and 20 are rescored: add --rescore-depth 21"):
        check_seen("--k", 21, chosen)
    check_seen("--k", 21, ScoringSettings())


@pytest.mark.parametrize(
    ("identity", "scale"),
    [
        ({"model": "lexical"}, "similarity"),
        ({"model": "a + b", "fusion": "rrf"}, "rrf"),
        ({"model": "c over a", "range": "logit", "teacher.fusion": "rrf"}, "logit"),
    ],
)
def test_a_table_tells_its_scale_by_who_scored(identity: dict[str, str], scale: str) -> None:
    assert scale_of(identity) == scale
