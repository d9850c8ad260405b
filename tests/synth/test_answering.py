from __future__ import annotations

from synth.answering import found_in, in_order


def test_a_text_that_both_orders_name_answers_and_one_that_one_names_is_disputed() -> None:
    assert found_in([1, 2], [3], 3) == ["answers", "disputed", ""]
    assert found_in([3], [1], 3) == ["", "", "answers"]


def test_numbers_that_stand_for_no_text_name_nothing() -> None:
    assert found_in([5], [8], 3) == ["", "", ""]


def test_the_second_order_is_the_first_reversed() -> None:
    assert in_order(["a", "b"], 0) == ["a", "b"]
    assert in_order(["a", "b"], 1) == ["b", "a"]
