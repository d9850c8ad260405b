from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.audit import AuditKey, AuditRow, AuditStatus
from synth.audit.answers import Answer, Sheet
from synth.audit.findings import compute
from synth.audit.sample import Drawn, Population
from synth.text import draw

STATUS: dict[str, AuditStatus] = {"": "accepted"}
CELLS = st.dictionaries(
    st.tuples(
        st.sampled_from(["", "judge/irrelevant", "judge/unclear", "copy/copied", "leak/leaked"]), st.sampled_from("abc")
    ),
    st.integers(1, 40),
    min_size=1,
)


def population(cells: dict[tuple[str, str], int], sample: int, seed: int = 0) -> Population:
    made = Population(sample)
    for (cause, task), size in cells.items():
        for number in range(size):
            name = f"{cause}-{task}-{number}"
            made.add(draw(seed, name), name, STATUS.get(cause, "rejected"), cause, task)
    return made


@given(CELLS, st.integers(2, 60))
def test_strata_hold_everything_once_and_as_many_are_drawn_as_can_be(
    cells: dict[tuple[str, str], int], sample: int
) -> None:
    made = population(cells, sample)
    drawn = made.draw()
    assert made.size == sum(each.stratum.size for each in drawn) == sum(cells.values())
    assert sum(each.stratum.drawn for each in drawn) == min(sample, sum(cells.values()))
    for each in drawn:
        assert 1 <= each.stratum.drawn == len(set(each.ids)) <= each.stratum.size
        causes = {name.split("-")[0] for name in each.ids} - {""}
        assert causes <= set(each.stratum.causes)
        assert {name.split("-")[1] for name in each.ids} <= set(each.stratum.tasks)


def test_half_are_accepted_and_each_reason_gets_as_many() -> None:
    cells = {
        ("", "a"): 700,
        ("", "b"): 300,
        ("judge/irrelevant", "a"): 900,
        ("copy/copied", "a"): 50,
        ("leak/leaked", "b"): 4,
    }
    drawn = population(cells, 100).draw()
    found = {(tuple(each.stratum.causes), tuple(each.stratum.tasks)): each.stratum.drawn for each in drawn}
    assert found == {
        ((), ("a",)): 35,
        ((), ("b",)): 15,
        (("judge/irrelevant",), ("a",)): 23,
        (("copy/copied",), ("a",)): 23,
        (("leak/leaked",), ("b",)): 4,
    }


def test_small_strata_are_joined_so_that_everything_can_be_drawn() -> None:
    cells = {("", task): 10 for task in "abcdefgh"} | {(f"gate/{n}", "a"): 5 for n in range(6)}
    drawn = population(cells, 8).draw()
    assert sum(each.stratum.size for each in drawn) == 110
    assert max(len(each.stratum.causes) for each in drawn) == 3
    assert {task for each in drawn for task in each.stratum.tasks} == set("abcdefgh")


def test_what_is_drawn_depends_on_the_seed_and_not_on_the_order() -> None:
    cells = {("", "a"): 100, ("copy/copied", "a"): 30}
    ids = [sorted(name for each in population(cells, 20, seed).draw() for name in each.ids) for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]
    backwards = population(dict(reversed(cells.items())), 20).draw()
    assert sorted(name for each in backwards for name in each.ids) == ids[0]


def test_every_member_is_drawn_as_often_as_any_other_of_its_stratum() -> None:
    times: Counter[str] = Counter()
    for seed in range(2_000):
        times.update(population({("", "a"): 20}, 5, seed).draw()[0].ids)
    assert len(times) == 20
    assert times.total() == 10_000
    assert 400 < min(times.values()) <= max(times.values()) < 600


def _alone(key: AuditKey, sheet: Sheet) -> tuple[AuditKey, list[Sheet]]:
    return key, [sheet]


def audited(drawn: list[Drawn], is_right: dict[str, bool]) -> tuple[AuditKey, Sheet]:
    """An audit of a simulated population in which the auditor knows the truth; the gate `judge` is the judge."""
    rows, sheet = [], Sheet(1, "sheet-1.csv")
    for place, each in enumerate(drawn):
        for name in each.ids:
            gate, _, reason = name.split("-")[0].partition("/")
            number = len(rows) + 1
            kept = {"": True, "judge": False}.get(gate)
            told = {"gate": gate, "reason": reason, "task": name.split("-")[1], "method": "llm", "kept_by_judge": kept}
            rows.append(AuditRow(number=number, id=name, stratum=place, status=each.stratum.status, **told))
            sheet.answers[number] = Answer(relevant=float(is_right[name]), clear=True)
    strata = [each.stratum for each in drawn]
    key = {"audit": "a", "dataset": "d@1", "content_sha256": "", "seed": 0, "auditors": 1, "left_out": {}}
    return AuditKey(**key, strata=strata, rows=rows), sheet


@settings(max_examples=15)
@given(CELLS, st.randoms(use_true_random=False))
def test_of_a_population_that_is_audited_whole_the_estimates_are_the_truth(
    cells: dict[tuple[str, str], int], source: random.Random
) -> None:
    drawn = population(cells, 2 + sum(cells.values())).draw()
    is_right = {name: source.random() < 0.5 for each in drawn for name in each.ids}
    found = compute(*_alone(*audited(drawn, is_right)), 0.95)
    for status, rate in (("accepted", found.accepted.right), ("rejected", found.rejected.right)):
        those = [name for each in drawn if each.stratum.status == status for name in each.ids]
        assert rate.rows == len(those)
        if those:
            assert rate.rate == pytest.approx(sum(is_right[name] for name in those) / len(those))


@pytest.mark.slow
@pytest.mark.parametrize("sample", [30, 90])
def test_weighted_estimates_are_unbiased_and_their_intervals_hold(sample: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A population whose strata are right to different degrees; the plain share of the sheet would be far off."""
    monkeypatch.setattr("synth.mining.rates._RESAMPLES", 200)
    shares = {("", "a"): (900, 0.9), ("", "b"): (100, 0.5), ("judge/irrelevant", "a"): (300, 0.1), ("judge/unclear", "b"): (60, 0.6), ("copy/copied", "a"): (640, 0.2)}  # fmt: skip
    source = random.Random(1)
    is_right = {
        f"{cause}-{task}-{n}": n < size * share for (cause, task), (size, share) in shares.items() for n in range(size)
    }
    cells = {cell: size for cell, (size, _) in shares.items()}
    truth = {
        "accepted": 860 / 1000,
        "rejected": (30 + 36 + 128) / 1000,
        "false_reject": 66 / 360,
        "recall": 860 / 926,
        "judge/unclear": 36 / 60,
    }
    estimates: dict[str, list[float]] = {name: [] for name in truth}
    held = Counter[str]()
    rounds = 150
    for _ in range(rounds):
        drawn = population(cells, sample, source.randrange(10**9)).draw()
        found = compute(*_alone(*audited(drawn, is_right)), 0.95)
        assert found.judge is not None
        rates = {
            "accepted": found.accepted.right,
            "rejected": found.rejected.right,
            "false_reject": found.judge.false_reject,
            "recall": found.judge.recall,
            "judge/unclear": found.rejected.by_cause["judge/unclear"],
        }
        for name, rate in rates.items():
            estimates[name].append(rate.rate)
            held[name] += rate.low <= truth[name] <= rate.high
    for name, values in estimates.items():
        error = float(np.std(values)) / rounds**0.5
        ratio = 0.01 if name in ("recall", "false_reject") else 0.0  # ratios of two estimates have a small bias
        assert abs(float(np.mean(values)) - truth[name]) < 4 * error + ratio, name
        assert held[name] >= 0.9 * rounds, name
