from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.manifest import Funnel
from synth.catalog import outcomes
from synth.cli.summary import _texts, describe, examples, show_next_steps, show_version

Make = Callable[..., Any]
counts = st.dictionaries(
    st.sampled_from(["duplicate", "inconsistent", "too_short", "surplus", "empty"]), st.integers(1, 10_000)
)


@pytest.fixture
def shown(finance: Any, capsys: pytest.CaptureFixture[str]) -> str:
    show_version(finance.version, finance.manifest)
    return capsys.readouterr().out


def test_the_rows_of_the_funnel_add_up_to_its_sum(shown: str, finance: Any) -> None:
    rows = re.findall(r"│ (accepted|rejected|failed) .*│ +([\d,]+) │", shown)
    numbers = [int(number.replace(",", "")) for _, number in rows]
    (total,) = re.findall(r"│ sum .*│ +([\d,]+) │", shown)
    assert sum(numbers) == int(total.replace(",", "")) == finance.manifest.funnel.planned
    assert len(rows) == 1 + len(finance.manifest.funnel.rejected)


@given(accepted=st.integers(0, 10_000), rejected=counts, failed=counts)
def test_outcomes_are_the_whole_funnel(
    finance: Any, accepted: int, rejected: dict[str, int], failed: dict[str, int]
) -> None:
    planned = accepted + sum(rejected.values()) + sum(failed.values())
    funnel = Funnel(planned=planned, accepted=accepted, rejected=rejected, failed=failed)
    rows = list(outcomes(finance.manifest.model_copy(update={"funnel": funnel})))
    assert sum(items for _, _, items in rows) == planned
    assert rows[0] == ("accepted", "", accepted)


def test_facts_are_those_of_the_manifest(shown: str, finance: Any) -> None:
    manifest = finance.manifest
    negatives = manifest.candidates["selected"]
    assert f"{manifest.sources.read} documents read, {manifest.passages} passages; " in shown
    assert f"{negatives} hard negatives by multi_signal with lexical over {manifest.passages} passages" in shown


def test_diversity_is_told_in_two_lines(shown: str, finance: Any) -> None:
    diversity = finance.manifest.diversity
    said = " ".join(shown.split())
    assert (
        f"diversity: {diversity.cells.filled} of 60 combinations of what is drawn; furthest from its weight: " in said
    )
    assert f"{diversity.regions.regions} regions in 60 queries, of which the last tenth opened " in said
    assert "earlier version" not in said


def test_a_version_from_before_diversity_was_measured_is_shown(finance: Any, capsys: Any) -> None:
    older = finance.manifest.model_copy(update={"diversity": None})
    show_version(finance.version, older)
    assert "diversity" not in capsys.readouterr().out


def test_examples_are_about_different_passages_and_made_in_different_ways(finance: Any) -> None:
    found = examples(finance.version)
    assert len(found) == 3
    assert len({row["positive"]["passage_id"] for row in found}) == 3
    assert len({row["provenance"]["method"] for row in found}) == 3
    assert all(row["negatives"] for row in found)


def test_a_version_without_records_has_no_examples(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    made = make({"a": "Too short to ask about."})
    assert examples(made.version) == []
    show_version(made.version, made.manifest)
    assert "passage_too_short" in capsys.readouterr().out


def test_records_without_negatives_are_still_examples(make: Make, make_texts: Make) -> None:
    made = make(make_texts(5), settings={"mining": {"negatives": 0}})
    assert examples(made.version)


def test_a_made_negative_is_shown_with_what_was_changed(
    make: Make, dated_texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(dated_texts, settings={"perturbation": {"negatives": 1}})
    show_version(made.version, made.manifest)
    out = " ".join(capsys.readouterr().out.split())
    assert "made from positives: perturbed:" in out
    assert _texts(
        {
            "query": "q",
            "positive": {"text": "in 2024"},
            "negatives": [
                {"method": "perturbed:period", "text": "in 2020", "changes": [{"before": "2024", "after": "2020"}]}
            ],
        }
    ) == [("query", "q"), ("positive", "in 2024"), ("made", "(perturbed:period, 2024 → 2020) in 2020")]


def test_texts_with_square_brackets_are_shown_as_they_are(
    make: Make, make_texts: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {name: text.replace("which came", "[bold] which [/] came") for name, text in make_texts(8).items()}
    made = make(texts)
    show_version(made.version, made.manifest)
    assert "[bold]" in capsys.readouterr().out


def test_long_texts_are_cut_to_one_line(shown: str) -> None:
    lines = [line for line in shown.splitlines() if line.startswith("  positive ")]
    assert len(lines) == 3
    assert max(map(len, lines)) <= 235


def test_next_steps_repeat_the_store(finance: Any, capsys: pytest.CaptureFixture[str]) -> None:
    show_next_steps(finance.version, finance.manifest, " --store /my/store")
    out = capsys.readouterr().out
    commands = re.findall(r"^  \S*synth .*$", out, re.MULTILINE)
    assert len(commands) >= 4
    assert all(" --store /my/store" in line for line in commands)
    assert "Partial" not in out


def test_a_partial_version_says_so(finance: Any, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = finance.manifest.model_copy(update={"partial": "the documents hold no more: 60 of 100"})
    show_next_steps(finance.version, manifest, "")
    assert "Partial: the documents hold no more: 60 of 100" in capsys.readouterr().out


def test_a_description_is_what_machines_need(finance: Any) -> None:
    described = describe(finance.version)
    assert described["dataset"] == "finance@1"
    assert described["planned"] == described["accepted"] + sum(described["rejected"].values()) + sum(
        described["failed"].values()
    )
    assert described["run_id"] == finance.run.id
