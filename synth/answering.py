"""Which of several texts answer a query: an LLM is asked in two orders of the texts, since models favour places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Strict

CHECK = "negative-check"
ORDERS = (f"{CHECK}-1", f"{CHECK}-2")
"""One step for each order of the texts; `--llm …,task=negative-check-1` keeps a server for the first."""
MOST_TEXTS = 8

Found = Literal["answers", "disputed", ""]
"""By both orders, by one of them, or by none."""


class Answering(Strict):
    """Numbers of the texts that answer the query."""

    answering: Annotated[list[Annotated[int, Field(ge=1, le=MOST_TEXTS)]], Field(max_length=MOST_TEXTS)]


def in_order(texts: Sequence[str], order: int) -> list[str]:
    """As the first or the second order (0 or 1) shows them."""
    return list(texts[::-1] if order else texts)


def found_in(forward: Iterable[int], backward: Iterable[int], count: int) -> list[Found]:
    """What both orders say of each of `count` texts; numbers are those that each order showed.

    >>> found_in([1, 2], [3], 3)
    ['answers', 'disputed', '']
    """
    first, second = set(forward), {count + 1 - number for number in backward}
    both, either = first & second, first | second
    return ["answers" if n in both else "disputed" if n in either else "" for n in range(1, count + 1)]
