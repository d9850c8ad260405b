from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth.ragged import place_in_group, ragged, spread

sizes = st.lists(st.integers(0, 4), max_size=8)


@given(sizes)
def test_every_number_is_repeated_and_counted(counts: list[int]) -> None:
    owner, offset = ragged(np.array(counts, dtype=np.int64))
    expected = [(n, place) for n, count in enumerate(counts) for place in range(count)]
    assert list(zip(owner.tolist(), offset.tolist(), strict=True)) == expected


@given(sizes, st.data())
def test_the_members_of_some_groups_are_found(counts: list[int], data: st.DataObject) -> None:
    starts = np.cumsum([0, *counts])
    numbers = st.integers(0, len(counts) - 1) if counts else st.nothing()
    wanted = data.draw(st.lists(numbers, max_size=5)) if counts else []
    which, rows = spread(starts, np.array(wanted, dtype=np.int64))
    expected = [(n, row) for n, group in enumerate(wanted) for row in range(starts[group], starts[group + 1])]
    assert list(zip(which.tolist(), rows.tolist(), strict=True)) == expected


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=20))
def test_places_count_what_is_left_of_the_own_group(rows: list[tuple[int, bool]]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    group, left = np.array([g for g, _ in rows], dtype=np.int64), np.array([kept for _, kept in rows], dtype=bool)
    seen: dict[int, int] = {}
    expected = []
    for number, kept in rows:
        expected.append(seen.get(number, 0) if kept else -1)
        seen[number] = seen.get(number, 0) + kept
    assert place_in_group(group, left).tolist() == expected
    assert place_in_group(group).tolist() == place_in_group(group, np.ones(len(rows), dtype=bool)).tolist()
