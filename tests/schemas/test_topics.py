"""Topic trees: three levels, every leaf once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.topics import Topic, Topics

TREE = {"Loans": {"Terms": ["covenants", "margins"], "Default": ["cure rights"]}, "Funds": {"Fees": ["swing pricing"]}}


def test_leaves_come_in_the_order_of_the_file_with_what_they_lie_under() -> None:
    topics = list(Topics.model_validate({"topics": TREE}))
    assert [topic.leaf for topic in topics] == ["covenants", "margins", "cure rights", "swing pricing"]
    assert topics[2] == Topic("Loans", "Default", "cure rights")
    assert topics[2].path == "Loans > Default > cure rights"


def test_a_leaf_that_stands_twice_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="'covenants' stands 2 times"):
        Topics.model_validate({"topics": {"A": {"B": ["Covenants"]}, "C": {"D": [" covenants"]}}})


@pytest.mark.parametrize("tree", [{}, {"A": {}}, {"A": {"B": []}}, {"A": ["leaf"]}, {"A": {"B": {"C": ["leaf"]}}}])
def test_a_tree_has_three_levels_and_none_is_empty(tree: object) -> None:
    with pytest.raises(ValidationError):
        Topics.model_validate({"topics": tree})
