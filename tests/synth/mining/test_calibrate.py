from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from synth.errors import InputError
from synth.mining.calibrate import Calibration
from synth.mining.judging import Asked, Judged, LabelJudge
from synth.mining.miner import HardNegativeMiner, Negatives
from synth.mining.sampling import even_shares
from synth.mining.table import ScoreTable, retrieve
from synth.pairs import Pairs
from synth.progress import Reporter
from synth.store import Store
from synth.text import draw

WORDS = [f"{a}{b}" for a in ("gol", "ti", "zin", "lea", "cop", "ir", "ni", "tun", "bra", "co") for b in "abcdefghij"]
EVERYTHING = 1_000_000


def some_pairs(queries: int = 300, passages: int = 1_500) -> Pairs:
    source = random.Random(5)
    texts = sorted({" ".join(source.choices(WORDS, k=source.randint(8, 14))) for _ in range(passages)})
    pairs = Pairs()
    for text in texts:
        pairs.add_passage(text)
    for number, ordinal in enumerate(source.sample(range(len(texts)), queries)):
        words = source.sample(texts[ordinal].split(), 5)
        pairs.add(" ".join(words), [ordinal], source=("news", "forum")[number % 3 == 0])
    return pairs.by_text()


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return some_pairs()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, pairs: Pairs) -> ScoreTable:
    return retrieve(pairs, "lexical", store=Store(tmp_path_factory.mktemp("store")), depth=40)


def is_false(query: str, passage: str, gap: float, most: float) -> bool:
    """Near candidates are false negatives more often; some far ones are, too."""
    return draw("false", query, passage) < most * math.exp(-25 * max(gap - 0.42, 0)) + 0.005


@pytest.fixture(scope="module")
def judge(pairs: Pairs, table: ScoreTable) -> LabelJudge:
    """Knows every candidate; forums have more false negatives."""
    labels = []
    for numbers, block in table.blocks():
        anchor = block.positives.anchors(block.count, "min")[block.query]
        for query, passage, gap in zip(block.query, block.passage, (anchor - block.score) / anchor, strict=True):
            number = int(numbers[query])
            most = 0.6 if pairs.sources[number] == "forum" else 0.3
            ids = pairs.query_ids[number], pairs.passage_ids[int(passage)]
            labels.append((*ids, float(is_false(*ids, float(gap), most))))
    return LabelJudge.of(labels)


@pytest.fixture(scope="module")
def truth(pairs: Pairs, table: ScoreTable, judge: LabelJudge) -> Calibration:
    """Everything judged: then the estimate is the rate itself."""
    return HardNegativeMiner(strategy="perc_pos", negatives=5).calibrate(pairs, table, judge, n=EVERYTHING)


def rate_of(pairs: Pairs, table: ScoreTable, judge: LabelJudge, bound: float) -> float:
    """Of the negatives that the miner really returns."""
    miner = HardNegativeMiner(strategy="perc_pos", negatives=5, relative_margin=bound)
    return true_rate(pairs, judge, miner.mine(pairs, table).negatives)


def true_rate(pairs: Pairs, judge: LabelJudge, mined: Negatives) -> float:
    owner = np.repeat(mined.query, mined.found)
    found = [
        judge.relevant[pairs.query_ids[query], pairs.passage_ids[passage]]
        for query, passage in zip(owner.tolist(), mined.passage.tolist(), strict=True)
    ]
    return float(np.mean(found))


def test_with_everything_judged_the_rate_is_that_of_what_the_miner_returns(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge, truth: Calibration
) -> None:
    points = truth.overall.points
    assert len(points) > 6
    for point in points[:: len(points) // 3]:
        assert point.rate == pytest.approx(rate_of(pairs, table, judge, point.bound))
    assert points[0].rate > 0.15 > 0.05 > points[-1].rate
    assert points[0].bound == 0
    assert truth.unknown == 0


@pytest.mark.slow
def test_the_chosen_bound_keeps_the_target_and_its_interval_covers_the_truth_for_most_seeds(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge, truth: Calibration
) -> None:
    rates = {point.bound: point.rate for point in truth.overall.points}
    chosen, covered, points = [], 0, 0
    for seed in range(50):
        found = HardNegativeMiner(strategy="perc_pos", negatives=5, seed=seed).calibrate(
            pairs, table, judge, target=0.1, n=400
        )
        assert found.judged == 400
        chosen += [] if found.bound is None else [found.bound]
        covered += sum(point.low <= rates[point.bound] <= point.high for point in found.overall.points)
        points += len(found.overall.points)
    assert len(chosen) >= 45
    assert sum(rates[bound] > 0.1 for bound in chosen) <= 2
    assert covered / points >= 0.95
    assert min(rates.values()) < 0.1 < max(rates.values())


def test_the_loosest_bound_that_keeps_the_target_is_chosen(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge, truth: Calibration
) -> None:
    found = HardNegativeMiner(strategy="perc_pos", negatives=5).calibrate(
        pairs, table, judge, target=0.1, by="rate", n=EVERYTHING
    )
    looser = [point.rate for point in truth.overall.points if point.bound < (found.bound or 0)]
    assert looser
    assert min(looser) > 0.1 >= (found.rate or 1)
    strict = HardNegativeMiner(strategy="perc_pos", negatives=5).calibrate(pairs, table, judge, target=0.1, n=600)
    assert strict.bound is not None
    assert found.bound is not None
    assert strict.bound >= found.bound
    assert strict.interval is not None
    assert strict.interval[1] <= 0.1
    assert f"relative_margin {strict.bound:g}: " in strict.describe()


def test_sources_have_curves_of_their_own(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge, truth: Calibration
) -> None:
    assert set(truth.by_source) == {"news", "forum"}
    assert truth.by_source["forum"].points[0].rate > 1.5 * truth.by_source["news"].points[0].rate
    found = HardNegativeMiner(strategy="perc_pos", negatives=5).calibrate(pairs, table, judge, n=400)
    for name, curve in found.by_source.items():
        for point, true in zip(curve.points, truth.by_source[name].points, strict=True):
            assert point.low <= true.rate <= point.high
    told = found.as_dict()
    assert told["by_source"]["forum"]["curve"][0]["bound"] == 0
    assert (told["judged"], told["bound"], told["judge"]) == (400, "relative_margin", "labels")


def test_where_no_bound_keeps_the_target_it_says_so(pairs: Pairs, table: ScoreTable, judge: LabelJudge) -> None:
    found = HardNegativeMiner(strategy="perc_pos", negatives=5).calibrate(pairs, table, judge, target=0.001, n=200)
    assert (found.bound, found.rate, found.interval) == (None, None, None)
    assert "no value of relative_margin keeps the upper end of the interval at 0.1%;" in found.describe()


@pytest.mark.parametrize("bound", ["absolute_margin", "max_score"])
def test_other_bounds_go_from_loose_to_tight_as_well(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge, bound: str
) -> None:
    found = HardNegativeMiner(strategy="naive", negatives=5).calibrate(
        pairs, table, judge, bound=bound, target=0.1, n=EVERYTHING
    )
    bounds = [point.bound for point in found.overall.points]
    assert bounds == sorted(bounds, reverse=bound == "max_score")
    assert found.overall.points[0].rate > 0.1 > found.overall.points[-1].rate
    mined = HardNegativeMiner(strategy="naive", negatives=5, **{bound: found.bound}).mine(pairs, table)  # type: ignore[arg-type]
    assert found.overall.chosen is not None
    assert mined.report.negatives / mined.report.queries == pytest.approx(found.overall.chosen.negatives)


def test_a_given_grid_is_used_as_it_is(pairs: Pairs, table: ScoreTable, judge: LabelJudge) -> None:
    found = HardNegativeMiner(strategy="perc_pos").calibrate(pairs, table, judge, grid=(0.5, 0.1), n=50)
    assert [point.bound for point in found.overall.points] == [0.1, 0.5]


@dataclass
class Forgetful:
    """Labels of which some are lost."""

    labels: LabelJudge
    seen: list[Asked] = field(default_factory=list)
    name: str = "forgetful"

    def judge(self, asked: Sequence[Asked], reporter: Reporter, /) -> list[Judged]:
        self.seen += asked
        known = [each for each in asked if draw("known", each.query.id) < 0.6]
        lost = LabelJudge({})
        return [(self.labels if each in known else lost).judge([each], reporter)[0] for each in asked]


def test_what_is_unknown_is_counted_and_biases_nothing(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge, truth: Calibration
) -> None:
    found = HardNegativeMiner(strategy="perc_pos", negatives=5).calibrate(pairs, table, Forgetful(judge), n=400)
    assert found.judged + found.unknown == 400
    assert 80 < found.unknown < 240
    for point, true in zip(found.overall.points, truth.overall.points, strict=True):
        assert point.low <= true.rate <= point.high


def test_a_judge_that_knows_nothing_is_refused(pairs: Pairs, table: ScoreTable) -> None:
    with pytest.raises(InputError, match=r"the judge \(labels\) knows nothing of 50 sampled candidates"):
        HardNegativeMiner(strategy="perc_pos").calibrate(pairs, table, LabelJudge.of([("q", "p", 1)]), n=50)


def test_the_same_seed_asks_the_same_and_no_pair_twice(pairs: Pairs, table: ScoreTable, judge: LabelJudge) -> None:
    first, second, other = Forgetful(judge), Forgetful(judge), Forgetful(judge)
    HardNegativeMiner(strategy="perc_pos").calibrate(pairs, table, first, n=100)
    HardNegativeMiner(strategy="perc_pos").calibrate(pairs, table, second, n=100)
    HardNegativeMiner(strategy="perc_pos", seed=1).calibrate(pairs, table, other, n=100)
    assert first.seen == second.seen != other.seen
    asked = [(each.query.id, candidate.id) for each in first.seen for candidate in each.candidates]
    assert len(asked) == len(set(asked)) == 100


def test_each_positive_is_judged_with_its_own_candidates(tmp_path: Path) -> None:
    source = random.Random(1)
    texts = [" ".join(source.choices(WORDS[:20], k=9)) for _ in range(60)]
    pairs = Pairs.of([" ".join(texts[n].split()[:4]) for n in (0, 9)], [texts[:2], texts[9:11]], texts)
    table = retrieve(pairs, "lexical", store=Store(tmp_path), depth=40)
    judge = Forgetful(LabelJudge.of([(query, text, 0) for query in pairs.queries for text in texts]))
    HardNegativeMiner(strategy="perc_pos", positive_anchor="each").calibrate(pairs, table, judge, n=60)
    assert {each.positives[0].text for each in judge.seen} == {texts[0], texts[1], texts[9], texts[10]}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"bound": "relative_margins"}, "'relative_margins' can't be calibrated; did you mean 'relative_margin'?"),
        ({"target": 0.0}, "a target rate is between 0 and 1"),
    ],
)
def test_what_can_not_be_calibrated_is_one_sentence(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge, wanted: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        HardNegativeMiner(strategy="perc_pos").calibrate(pairs, table, judge, **wanted)


def test_a_miner_that_cuts_by_probability_is_calibrated_by_that_alone(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge
) -> None:
    with pytest.raises(InputError, match="is calibrated by that, not by relative_margin; take another strategy"):
        HardNegativeMiner().calibrate(pairs, table, judge, bound="relative_margin")


def test_the_default_miner_is_calibrated_by_how_likely_a_negative_is_false(
    pairs: Pairs, table: ScoreTable, judge: LabelJudge
) -> None:
    miner = HardNegativeMiner(negatives=5)
    found = miner.calibrate(pairs, table, judge, target=0.25, by="rate", n=EVERYTHING)
    assert found.wanted.bound == "max_false_negative_rate"
    bounds = [point.bound for point in found.overall.points]
    assert bounds == sorted(bounds, reverse=True)
    assert 0 < bounds[-1] < bounds[0] < 1
    assert found.rate is not None
    assert found.rate <= 0.25
    mined = miner.changed(max_false_negative_rate=found.bound).mine(pairs, table)
    assert true_rate(pairs, judge, mined.negatives) == pytest.approx(found.rate)
    looser = miner.changed(max_false_negative_rate=bounds[0]).mine(pairs, table)
    assert true_rate(pairs, judge, looser.negatives) > 0.25


def test_small_strata_give_what_they_do_not_need_to_the_others() -> None:
    sizes = np.asarray([2, 100, 0, 100, 5])
    shares = even_shares(sizes, 60)
    assert shares.tolist() == [2, 27, 0, 26, 5]
    assert even_shares(sizes, 1_000).tolist() == sizes.tolist()
    assert even_shares(sizes, 2).sum() == 2
