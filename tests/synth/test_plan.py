from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.recipe import ChunkSettings, MiningSettings, PersonaSettings, PlanSettings, Recipe, SplitSettings
from synth.plan import Choice, Item, Plan, spread

PERSONAS = ["analyst", "clerk", "saver", "trader"]
IDS = st.lists(st.text("abcdef0123", min_size=1, max_size=6), min_size=1, max_size=12, unique=True)


def recipe(seed: int = 0, **plan: Any) -> Recipe:
    return Recipe(
        domain="finance",
        personas_sha256="0" * 64,
        prompts={},
        chunk=ChunkSettings(),
        plan=PlanSettings(**plan),
        gates=[],
        set_gates=[],
        mining=MiningSettings(),
        splits=SplitSettings(),
        teacher="lexical",
        generator="extractive",
        seed=seed,
    )


def passages(count: int) -> list[str]:
    return [f"passage-{number}" for number in range(count)]


def items(plan: Plan, count: int) -> list[Item]:
    return list(plan.items(0, count))


def by_content(ids: Sequence[str], found: list[Item]) -> list[dict[str, Any]]:
    """Items with their passage named rather than numbered."""
    names = (
        "id",
        "position",
        "occurrence",
        "task",
        "persona",
        "query_type",
        "difficulty",
        "length",
        "language",
        "seed",
    )
    return [{"passage": ids[item.passage]} | {name: getattr(item, name) for name in names} for item in found]


@given(IDS, st.integers(0, 3), st.integers(1, 5), st.integers(0, 100))
def test_an_item_depends_on_nothing_but_its_position(ids: list[str], seed: int, per_passage: int, start: int) -> None:
    chosen = recipe(seed, items_per_passage=per_passage)
    whole = items(Plan(chosen, ids, PERSONAS), start + 10)
    assert list(Plan(chosen, ids, PERSONAS).items(start, start + 10)) == whole[start:]
    assert [next(Plan(chosen, ids, PERSONAS).items(n, n + 1)) for n in (start + 3, start)] == [
        whole[start + 3],
        whole[start],
    ]


def test_a_longer_run_begins_with_the_same_items() -> None:
    plan = Plan(recipe(), passages(7), PERSONAS)
    assert items(plan, 200)[:31] == items(plan, 31)


@settings(max_examples=40)
@given(IDS, st.randoms(use_true_random=False))
def test_the_order_of_personas_and_passages_does_not_matter(ids: list[str], source: Any) -> None:
    shuffled, personas = list(ids), list(PERSONAS)
    source.shuffle(shuffled)
    source.shuffle(personas)
    count = 10 * len(ids)
    first = by_content(ids, items(Plan(recipe(), ids, PERSONAS), count))
    second = by_content(shuffled, items(Plan(recipe(), shuffled, personas), count))
    assert first == second


def test_the_items_of_a_passage_do_not_depend_on_the_other_passages() -> None:
    def of_the_third(count: int) -> list[dict[str, Any]]:
        ids = passages(count)
        found = by_content(ids, items(Plan(recipe(), ids, PERSONAS), count * 8))
        return sorted(
            ({**e, "position": 0} for e in found if e["passage"] == "passage-3"), key=lambda e: e["occurrence"]
        )

    assert of_the_third(5) == of_the_third(50)


@given(IDS, st.integers(1, 5), st.integers(0, 4))
def test_every_passage_comes_once_a_round_and_its_items_are_adjacent(
    ids: list[str], per_passage: int, turn: int
) -> None:
    plan = Plan(recipe(items_per_passage=per_passage), ids, PERSONAS)
    size = plan.items_per_round
    assert size == len(ids) * per_passage
    round_items = list(plan.items(turn * size, (turn + 1) * size))
    groups = [round_items[n : n + per_passage] for n in range(0, size, per_passage)]
    assert sorted(group[0].passage for group in groups) == list(range(len(ids)))
    for group in groups:
        assert {item.passage for item in group} == {group[0].passage}
        assert [item.occurrence for item in group] == list(range(turn * per_passage, (turn + 1) * per_passage))


def test_rounds_and_seeds_go_through_the_passages_in_different_orders() -> None:
    def order(seed: int, turn: int) -> list[int]:
        plan = Plan(recipe(seed, items_per_passage=1), passages(30), PERSONAS)
        return [item.passage for item in plan.items(30 * turn, 30 * (turn + 1))]

    orders = [order(0, 0), order(0, 1), order(1, 0)]
    assert all(sorted(each) == list(range(30)) for each in orders)
    assert len({tuple(each) for each in orders}) == 3


def test_ids_and_seeds_are_unique_and_fit_a_signed_column() -> None:
    found = items(Plan(recipe(), passages(300), PERSONAS), 3000)
    assert len({item.id for item in found}) == len({item.seed for item in found}) == 3000
    assert all(0 <= item.seed < 2**63 and len(item.id) == 16 for item in found)


def test_another_seed_is_another_plan() -> None:
    first, second = (items(Plan(recipe(seed), passages(10), PERSONAS), 40) for seed in (0, 1))
    assert not {item.id for item in first} & {item.id for item in second}


def test_choices_follow_their_weights() -> None:
    weights = {"fact": 4.0, "reason": 2.0, "comparison": 1.0, "procedure": 1.0}
    found = items(Plan(recipe(query_type=weights), passages(1000), PERSONAS), 4000)
    counts = Counter(item.query_type for item in found)
    assert {
        name: pytest.approx(4000 * weight / 8, abs=4 * (4000 * weight / 8) ** 0.5) for name, weight in weights.items()
    } == counts
    assert all(abs(count - 1000) < 120 for count in Counter(item.persona for item in found).values())


@pytest.mark.parametrize("seed", range(12))
def test_over_5000_items_every_share_is_within_a_point_and_a_half_of_its_target(seed: int) -> None:
    weights = {
        "query_type": {"fact": 4.0, "reason": 2.0, "comparison": 1.0, "procedure": 1.0, "definition": 1.0},
        "difficulty": {"easy": 1.0, "medium": 2.0, "hard": 1.0},
        "language": {"en": 0.6, "de": 0.3, "fr": 0.1},
    }
    found = items(Plan(recipe(seed, **weights), passages(2000), PERSONAS), 5000)
    for name, wanted in weights.items():
        counts, total = Counter(getattr(item, name) for item in found), sum(wanted.values())
        assert {value: counts[value] / 5000 for value in wanted} == {
            value: pytest.approx(weight / total, abs=0.015) for value, weight in wanted.items()
        }


def test_items_about_one_passage_share_what_is_drawn_as_the_weights_do() -> None:
    plan = Plan(recipe(difficulty={"easy": 1, "medium": 2, "hard": 1}, items_per_passage=4), passages(50), PERSONAS)
    by_passage: dict[int, list[str]] = {}
    for item in plan.items(0, 200):
        by_passage.setdefault(item.passage, []).append(item.difficulty)
    assert all(Counter(drawn) == {"easy": 1, "medium": 2, "hard": 1} for drawn in by_passage.values())


def test_a_sequence_is_spread_however_long_it_is() -> None:
    assert [spread(number) for number in range(8)] == [0, 0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]


def test_choices_are_drawn_apart_from_one_another() -> None:
    found = items(
        Plan(recipe(length={"short": 1, "long": 1}, difficulty={"easy": 1, "hard": 1}), passages(1000), PERSONAS), 4000
    )
    assert all(880 < count < 1120 for count in Counter((item.length, item.difficulty) for item in found).values())


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.floats(0.001, 1000), min_size=1, max_size=6), st.integers())
def test_a_choice_is_a_known_name_whatever_the_order_of_names(weights: dict[str, float], key: int) -> None:
    assert Choice(weights).draw(key) in weights
    assert Choice(weights).draw(key) == Choice({name: weights[name] for name in reversed(weights)}).draw(key)


def test_the_order_of_names_does_not_change_a_choice() -> None:
    weights = {"a": 1.0, "b": 2.0, "c": 3.0}
    turned = dict(reversed(weights.items()))
    assert [Choice(weights).draw(n) for n in range(500)] == [Choice(turned).draw(n) for n in range(500)]


def test_without_names_nothing_is_chosen() -> None:
    assert Choice({}).draw("key") == ""


def test_only_names_with_weight_are_chosen() -> None:
    assert {Choice({"only": 0.5}).draw(n) for n in range(50)} == {"only"}


def test_a_passage_draws_from_the_personas_near_to_it_in_equal_shares() -> None:
    nearest = np.asarray([[3, 1], [0, -1], [-1, -1]], dtype=np.int32)
    plan = Plan(recipe(items_per_passage=8), passages(3), PERSONAS, nearest)
    drawn: dict[int, Counter[str]] = {}
    for item in plan.items(0, 48):
        drawn.setdefault(item.passage, Counter())[item.persona] += 1
    assert drawn[0] == {"trader": 8, "clerk": 8}
    assert drawn[1] == {"analyst": 16}
    assert drawn[2] == dict.fromkeys(PERSONAS, 4)


def test_what_is_matched_changes_nothing_but_the_persona() -> None:
    near = np.zeros((20, 1), dtype=np.int32)
    plain, matched = (
        items(Plan(recipe(), passages(20), PERSONAS), 80),
        items(Plan(recipe(), passages(20), PERSONAS, near), 80),
    )
    assert {item.persona for item in matched} == {"analyst"}
    assert [replace(item, persona="") for item in plain] == [replace(item, persona="") for item in matched]


def test_without_personas_in_scope_none_is_drawn() -> None:
    nobody = recipe().model_copy(update={"persona": PersonaSettings(scope="none")})
    assert {item.persona for item in items(Plan(nobody, passages(5), PERSONAS), 40)} == {""}
