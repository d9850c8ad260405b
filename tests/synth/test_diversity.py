from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_llm import always, fake_llm

from schemas.manifest import Diversity
from synth import diversity as module
from synth.llm.budget import Budget
from synth.llm.settings import reach
from synth.progress import Silent
from synth.recipe import Choices, resolve
from synth.resuming import change_llm
from synth.run import create_run, execute, open_workshop
from synth.store import Store
from synth.vectors import HashedTerms

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def measured(finance: Any) -> Diversity:
    found = finance.manifest.diversity
    assert found is not None
    return found


def test_shares_are_those_of_the_records_beside_the_weights_of_the_recipe(finance: Any, measured: Diversity) -> None:
    assert list(measured.coverage) == ["persona", "query_type", "difficulty", "length", "language", "task"]
    said = Counter(row["provenance"]["query_type"] for row in finance.records)
    coverage = measured.coverage["query_type"]
    assert (coverage.records, coverage.values, coverage.possible) == (60, 5, 5)
    assert {each.value: each.share for each in coverage.shares} == {
        name: round(count / 60, 4) for name, count in said.items()
    }
    assert {each.value: each.target for each in coverage.shares} == {
        "fact": 0.4444, "reason": 0.2222, "comparison": 0.1111, "procedure": 0.1111, "definition": 0.1111,
    }  # fmt: skip
    gaps = [round(abs(each.share - each.target), 3) for each in coverage.shares]
    assert gaps == sorted(gaps, reverse=True)
    assert coverage.largest_gap == pytest.approx(gaps[0], abs=1e-3)


def test_of_many_personas_those_furthest_from_an_equal_share_are_listed(finance: Any, measured: Diversity) -> None:
    coverage = measured.coverage["persona"]
    assert coverage.values == len({row["provenance"]["persona_id"] for row in finance.records})
    assert coverage.possible == len(finance.run.personas) > 20
    assert len(coverage.shares) == 20
    assert {each.target for each in coverage.shares} == {round(1 / coverage.possible, 4)}


def test_cells_are_the_combinations_that_occur_of_those_the_records_could_fill(
    finance: Any, measured: Diversity
) -> None:
    names = ("persona_id", "query_type", "difficulty", "length")
    cells = {tuple(row["provenance"][name] for name in names) for row in finance.records}
    assert measured.cells.filled == len(cells) <= 60
    assert measured.cells.possible == 60


def test_few_combinations_bound_what_can_be_filled(make: Make, make_texts: Make, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"id": "only-one", "text": "A treasurer who asks about debt."}\n')
    narrow = {"plan": {"query_type": {"fact": 1}, "difficulty": {"easy": 1, "hard": 1}, "length": {"short": 1}}}
    made = make(make_texts(), settings=narrow, personas=tmp_path / "one.jsonl")
    assert made.manifest.diversity.cells.possible == 2
    assert made.manifest.diversity.cells.filled == 2


def test_what_no_task_asks_for_is_not_covered_and_not_in_the_cells(make: Make, make_texts: Make) -> None:
    found = make(make_texts(), settings={"plan": {"tasks": {"fragment-query": 1}}}).manifest.diversity
    assert "query_type" not in found.coverage
    assert found.cells.attributes == ["persona", "difficulty", "language"]


def test_dropped_duplicates_are_a_share_of_what_the_record_gates_kept(make: Make, make_texts: Make) -> None:
    made = make(make_texts(), settings={"set_gates": [{"name": "duplicates", "settings": {"near": 0.6}}]})
    rejected = Counter(made.manifest.funnel.rejected)
    dropped = rejected["duplicate"] + rejected["near_duplicate"]
    assert dropped
    assert made.manifest.diversity.repeats.dropped == round(dropped / (dropped + len(made.records)), 4)
    without = make(make_texts(), settings={"set_gates": []}).manifest.diversity
    assert without.repeats.dropped is None


@pytest.mark.slow
def test_queries_of_earlier_versions_of_the_same_name_are_counted(make: Make, make_texts: Make, tmp_path: Path) -> None:
    store, texts = Store(tmp_path / "store"), make_texts()
    first = make(texts, store=store, limit=10)
    assert (first.manifest.diversity.repeats.earlier, first.manifest.diversity.repeats.versions) == (0, 0)
    second = make(texts, store=store, limit=40).manifest.diversity.repeats
    assert (second.earlier, second.versions) == (10 / 40, 1)
    other = make(texts, store=store, limit=40, name="other").manifest.diversity.repeats
    assert (other.earlier, other.versions) == (0, 0)


def test_a_partial_version_of_the_same_run_is_not_an_earlier_one(
    make_texts: Make, write_rows: Make, tmp_path: Path
) -> None:
    documents = write_rows(tmp_path / "documents.jsonl", make_texts(12))
    with fake_llm(always) as fake:
        llm = reach([fake.url]).model_copy(update={"budget": Budget(requests=20)})
        chosen = Choices("finance", documents=(documents,), models=tuple(llm.models))
        run = create_run(resolve(chosen), Store(tmp_path / "store"), llm=llm)
        execute(run)
        change_llm(run, None, {"budget": Budget()})
        whole = execute(run)
    assert whole.number == 2
    assert whole.manifest.diversity is not None
    assert whole.manifest.diversity.repeats.versions == 0


def test_self_similarity_is_the_mean_cosine_of_pairs_of_a_cell(finance: Any, measured: Diversity) -> None:
    space = HashedTerms(open_workshop(finance.run, Silent()).corpus)
    facts = [row["query"] for row in finance.records if row["provenance"]["query_type"] == "fact"]
    vectors = space.queries(facts)
    expected = (vectors @ vectors.T)[np.triu_indices(len(facts), 1)].mean()
    found = {cell.query_type: cell for cell in measured.self_similarity.most}
    assert found["fact"].queries == len(facts)
    assert found["fact"].similarity == pytest.approx(float(expected), abs=1e-4)
    assert all(cell.queries >= 10 for cell in measured.self_similarity.most)


def test_regions_and_similarity_are_measured_on_a_bounded_sample(
    make: Make, make_texts: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAMPLE", 25)
    found = make(make_texts()).manifest.diversity
    assert found.regions.queries == 25
    assert 1 < found.regions.regions <= 25
    assert 0 < found.regions.evenness <= 1


@pytest.mark.slow
def test_nothing_depends_on_the_shards(make: Make, make_texts: Make) -> None:
    texts = make_texts(20)
    assert make(texts, shard_size=7).manifest.diversity == make(texts).manifest.diversity


def test_a_version_without_records_has_no_diversity(make: Make) -> None:
    assert make({"d": "Only four words here."}).manifest.diversity is None
