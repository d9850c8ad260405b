from __future__ import annotations

import math
from pathlib import Path

import pytest

from schemas.audit import AuditKey
from synth.audit.answers import Answer, Sheet
from synth.audit.calibration import Calibration
from synth.audit.findings import Findings, compute, import_audit, read_key
from synth.audit.report import parts_of, render_markdown, write_report
from synth.errors import InputError
from synth.files import write_model

YES, NO, UNSURE, NOTHING = (1.0, True), (0.0, True), (0.5, True), (None, None)
Said = list[tuple[float | None, bool | None]]


def sheet(auditor: int, said: Said, negatives: dict[int, set[int]] | None = None) -> Sheet:
    answers = {number: Answer(*each) for number, each in enumerate(said, 1)}
    for number, chosen in (negatives or {}).items():
        answers[number].negatives = frozenset(chosen)
    return Sheet(auditor, f"sheet-{auditor}.csv", answers=answers)


@pytest.fixture
def found(key: AuditKey) -> Findings:
    """One auditor: of three accepted two are right, of two that the judge dropped one, and what was copied."""
    return compute(key, [sheet(1, [YES, NO, YES, YES, NO, YES], {1: {1}, 2: set()})], 0.95)


def test_shares_are_weighed_by_what_the_rows_stand_for(found: Findings) -> None:
    assert found.population == {"accepted": 300, "rejected": 50}
    assert found.accepted.right.rate == pytest.approx(2 / 3)
    assert found.rejected.right.rate == pytest.approx((40 * 1 / 2 + 10) / 50)
    assert {name: rate.rate for name, rate in found.rejected.by_cause.items()} == {
        "judge/irrelevant": 0.5,
        "copy/copied": 1.0,
    }
    assert found.rejected.by_gate["judge"].rows == 2
    assert found.accepted.by_task["a"] == found.accepted.right
    for rate in (found.accepted.right, found.rejected.right, found.rejected.by_gate["copy"]):
        assert 0 <= rate.low < rate.rate <= rate.high <= 1


def test_the_judge_is_held_against_people(found: Findings) -> None:
    judge = found.judge
    assert judge is not None
    assert judge.models == ["acme/judge"]
    assert judge.precision.rate == pytest.approx(2 / 3)
    assert judge.false_reject.rate == 0.5
    assert judge.recall.rate == pytest.approx(200 / 220)
    assert (judge.precision.rows, judge.false_reject.rows, judge.recall.rows) == (3, 2, 3)


def test_false_negatives_are_counted_by_how_they_were_made(found: Findings) -> None:
    assert found.negatives.false.rate == 0.25
    assert {name: rate.rate for name, rate in found.negatives.by_method.items()} == {"mined": 0.5, "llm": 0.0}
    assert found.negatives.false.rows == 4


def test_an_unclear_query_is_not_right_whatever_its_positive(key: AuditKey) -> None:
    said: Said = [(1.0, False), (0.5, False), YES, NO, NO, NO]
    found = compute(key, [sheet(1, said)], 0.95)
    assert found.accepted.right.rate == pytest.approx(1 / 3)
    assert (found.accepted.relevant.rate, found.accepted.relevant.rows) == (1.0, 2)
    assert found.accepted.clear.rate == pytest.approx(1 / 3)


def test_rows_that_nobody_answered_leave_their_weight_to_their_stratum(key: AuditKey) -> None:
    found = compute(key, [sheet(1, [YES, UNSURE, NOTHING, YES, NOTHING, NOTHING])], 0.95)
    assert found.accepted.right.rate == 1.0
    assert found.accepted.right.rows == 1
    assert found.covered == {"accepted": 1.0, "rejected": 0.8}
    assert found.undecided == 1
    assert found.negatives.false.rows == 0
    assert math.isnan(found.negatives.false.rate)


def test_most_auditors_decide_and_a_draw_counts_half(key: AuditKey) -> None:
    sheets = [
        sheet(1, [YES, YES, YES, NO, NO, NO]),
        sheet(2, [YES, NO, NO, NO, NO, NO]),
        sheet(3, [NO, NO, NOTHING, YES, NO, NO]),
    ]
    found = compute(key, sheets, 0.95)
    assert found.accepted.right.rate == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.agreement["relevant"].auditors == 3
    assert found.agreement["relevant"].kappa is None
    assert "negatives_right" not in found.agreement


def test_auditors_and_judge_stand_beside_each_other(key: AuditKey) -> None:
    sheets = [sheet(1, [YES, YES, NO, NO, NO, NO]), sheet(2, [YES, NO, NO, NO, NO, YES])]
    found = compute(key, sheets, 0.95)
    peers = {peer.name: peer for peer in found.ceiling}
    assert list(peers) == ["auditor 1", "auditor 2", "judge"]
    assert (peers["auditor 1"].agrees.rate, peers["auditor 1"].agrees.rows) == (pytest.approx(4 / 6), 6)
    assert peers["auditor 1"].judged.rate == pytest.approx(4 / 5)
    assert (peers["judge"].agrees.rate, peers["judge"].agrees.rows) == (0.75, 4)


def test_without_a_judge_nothing_is_said_of_one(key: AuditKey) -> None:
    rows = [row.model_copy(update={"judgement": None, "kept_by_judge": None}) for row in key.rows]
    found = compute(key.model_copy(update={"rows": rows, "judge": ""}), [sheet(1, [YES] * 6)], 0.95)
    assert (found.judge, found.calibration, found.ceiling) == (None, [], [])


def test_an_audit_without_negatives_says_nothing_of_them(key: AuditKey) -> None:
    rows = [row.model_copy(update={"negatives": [], "negatives_held": 0}) for row in key.rows]
    found = compute(key.model_copy(update={"rows": rows}), [sheet(1, [YES] * 6), sheet(2, [YES] * 6)], 0.95)
    assert (found.negatives.false.rows, found.negatives.by_method) == (0, {})
    assert "false negatives" not in render_markdown(found)
    assert list(found.agreement) == ["relevant", "clear"]


def calibration(found: Findings, axis: str) -> Calibration:
    return next(each for each in found.calibration if each.axis == axis)


def test_grades_are_held_against_what_they_are_about(found: Findings) -> None:
    """Relevance 5 is right, of 4 one of two (100 records each), 3 and 2 stand for 20 rejects each."""
    relevance = calibration(found, "relevance")
    assert relevance.against == "relevant"
    assert {level.value: level.right.rate for level in relevance.levels} == {5: 1.0, 4: 0.5, 3: 0.0, 2: 1.0}
    told = {bound.bound: (bound.right.rate, bound.kept) for bound in relevance.bounds}
    assert told[5] == (1.0, pytest.approx(100 / 340))
    assert told[4] == (pytest.approx(2 / 3), pytest.approx(300 / 340))
    assert told[1] == (pytest.approx(220 / 340), 1.0)
    assert relevance.chosen is not None
    assert (relevance.chosen.bound, relevance.sure) == (5, None)
    assert calibration(found, "clarity").against == "clear"
    assert {level.right.rate for level in calibration(found, "clarity").levels} == {1.0}


def test_a_lower_precision_is_reached_by_a_looser_bound(key: AuditKey) -> None:
    found = compute(key, [sheet(1, [YES, NO, YES, YES, NO, YES])], 0.66)
    chosen = calibration(found, "relevance").chosen
    assert chosen is not None
    assert chosen.bound == 4


def test_probabilities_have_bins_and_an_error(key: AuditKey) -> None:
    probabilities = [0.95, 0.85, 0.85, 0.2, 0.1, None]
    rows = []
    for row, value in zip(key.rows, probabilities, strict=True):
        judged = row.judgement and row.judgement.model_validate(
            {"method": "scored", "probability": value, "model": "acme/judge"}
        )
        rows.append(row.model_copy(update={"judgement": judged}))
    found = compute(key.model_copy(update={"rows": rows}), [sheet(1, [YES, YES, NO, NO, NO, NO])], 0.95)
    (only,) = found.calibration
    assert [(level.value, level.said, level.right.rate) for level in only.levels] == [
        (0.1, pytest.approx(0.1), 0.0),
        (0.2, pytest.approx(0.2), 0.0),
        (0.8, pytest.approx(0.85), 0.5),
        (0.9, pytest.approx(0.95), 1.0),
    ]
    assert only.error == pytest.approx((20 * 0.1 + 20 * 0.2 + 200 * 0.35 + 100 * 0.05) / 340)
    assert only.chosen is not None
    assert only.chosen.bound == 0.9


def test_the_report_has_every_table_and_cell_that_was_not_read(found: Findings, tmp_path: Path) -> None:
    page = render_markdown(found)
    assert page.startswith("# Audit of finance@3\n")
    for part in parts_of(found):
        assert f"## {part.title}\n" in page
    assert "| accepted: right (precision) | 66.7% |" in page
    assert "- limit/surplus: 7" in page
    assert "nan%" not in page
    write_report(tmp_path / "r.md", found)
    write_report(tmp_path / "r.md", found)
    assert (tmp_path / "r.md").read_text() == page
    (tmp_path / "mine.md").write_text("# Notes")
    with pytest.raises(InputError, match="exists and is no report of an audit"):
        write_report(tmp_path / "mine.md", found)


def test_a_folder_that_is_no_audit_is_one_sentence(tmp_path: Path, key: AuditKey) -> None:
    with pytest.raises(InputError, match=r"is no audit: it has no readable key.json"):
        import_audit(tmp_path)
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(InputError, match=r"key.json was changed"):
        read_key(tmp_path)
    write_model(tmp_path / "key.json", key)
    assert read_key(tmp_path) == key
