"""The topic tree of a domain: what its documents and task instructions may be about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from schemas.base import Strict

_Name = Annotated[str, Field(min_length=1, max_length=120)]
_Leaves = Annotated[list[_Name], Field(min_length=1)]
_Branch = Annotated[dict[_Name, _Leaves], Field(min_length=1)]


class Topic(NamedTuple):
    """A leaf and what it lies under."""

    branch: str
    section: str
    leaf: str

    @property
    def path(self) -> str:
        return " > ".join(self)


class Topics(Strict):
    """Three levels, branch -> section -> leaves; leaves are unique over the whole tree, whatever their case.

    SPEED (arXiv 2411.03928) draws one task from each topic of a tree that is cut at a fixed depth: more
    tasks a topic, or no cut, made worse data.
    """

    topics: Annotated[dict[_Name, _Branch], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        counts = Counter(" ".join(topic.leaf.casefold().split()) for topic in self)
        twice = next((leaf for leaf, count in counts.items() if count > 1), None)
        if twice is not None:
            raise ValueError(f"the topic {twice!r} stands {counts[twice]} times; every leaf must be another one")
        return self

    def __iter__(self) -> Iterator[Topic]:  # type: ignore[override]
        """The leaves in the order of the file."""
        for branch, sections in self.topics.items():
            for section, leaves in sections.items():
                yield from (Topic(branch, section, leaf) for leaf in leaves)
