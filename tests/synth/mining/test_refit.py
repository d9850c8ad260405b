from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from synth.errors import InputError
from synth.mining import refit as refits
from synth.mining.evidence import with_evidence
from synth.mining.judging import LabelJudge
from synth.mining.miner import HardNegativeMiner
from synth.mining.model import FalseNegativeModel
from synth.mining.refit import refit
from synth.mining.table import ScoreTable, retrieve
from synth.pairs import Pairs
from synth.store import Store

TOPICS = [
    f"{a} {b}" for a in ("gold", "swap", "pension", "lease") for b in ("price", "value", "risk", "plan", "report")
]
WORDS = ["quarter", "rose", "fell", "board", "market", "audit", "euro", "share", "note", "fund", "desk", "half"]


def some_pairs() -> tuple[Pairs, LabelJudge]:
    """Every query has four more answers among passages that share one word with it; all of them are labelled."""
    source, pairs, labels = random.Random(2), Pairs(), []
    for topic in TOPICS:
        answers = [f"{topic} {' '.join(source.choices(WORDS, k=7))}" for _ in range(5)]
        pairs.add(f"{topic} {source.choice(WORDS)}", [pairs.add_passage(answers[0])])
        labels += [(pairs.queries[-1], text, 1) for text in answers[1:]]
        for text in answers[1:]:
            pairs.add_passage(text)
    labels += [(query, text, 0) for query in pairs.queries for text in pairs.passages]
    return pairs.by_text(), LabelJudge.of(labels)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ScoreTable:
    store = Store(tmp_path_factory.mktemp("store"))
    return retrieve(some_pairs()[0], "lexical", store=store, evidence=True)


def suspects(table: ScoreTable, model: FalseNegativeModel) -> np.ndarray:
    suspicion = HardNegativeMiner(strategy="multi_signal", model=model)._suspicion(table)
    assert suspicion is not None
    assert suspicion.note == ""
    return np.concatenate([suspicion.of(table.corpus, block).probability for _, block in with_evidence(table.folder)])


def test_enough_judgements_fit_new_coefficients(table: ScoreTable) -> None:
    pairs, judge = some_pairs()
    found = refit(pairs, table, judge)
    assert found.is_fitted
    assert (found.judged, found.unknown) == (20 * 30, 0)
    assert found.answers == 80
    assert found.model.fitted.sets == ("labels",)
    probability = suspects(table, found.model)
    assert float(np.sort(probability)[-60:].min()) > 0.5
    read = FalseNegativeModel.from_json(found.model.to_json(), "here")
    assert read == found.model


def test_few_judgements_set_the_rate_and_keep_the_order(table: ScoreTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refits, "ENOUGH", (1_000, 1_000))
    pairs, judge = some_pairs()
    found = refit(pairs, table, judge)
    shipped = HardNegativeMiner(strategy="multi_signal")._suspicion(table)
    assert shipped is not None
    assert not found.is_fitted
    assert found.model.coefficients == shipped.model.coefficients
    assert found.rate == pytest.approx(80.5 / 601)
    assert found.model.offset != shipped.model.offset


def test_a_sample_is_drawn_by_hash(table: ScoreTable) -> None:
    pairs, judge = some_pairs()
    one, other = (refit(pairs, table, judge, judgements=100, seed=seed) for seed in (1, 2))
    assert one.judged == other.judged == 100
    assert one == refit(pairs, table, judge, judgements=100, seed=1)
    assert one.model != other.model


def test_a_judge_that_knows_nothing_is_told(table: ScoreTable, tmp_path: Path) -> None:
    pairs, _ = some_pairs()
    with pytest.raises(InputError, match=r"the judge \(labels\) knows none of 600 candidates"):
        refit(pairs, table, LabelJudge.of([("another", "text", 1)]))
    plain = retrieve(pairs, "lexical", store=Store(tmp_path), evidence=False)
    with pytest.raises(InputError, match="holds no evidence"):
        refit(pairs, plain, LabelJudge.of([]))
