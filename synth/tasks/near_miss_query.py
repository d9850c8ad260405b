"""passage -> a query that it answers, and one that it only seems to answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from synth.tasks import PassageTask

__all__ = ["NearMissQuery"]


class NearMiss(Strict):
    """Both queries, and what the passage would have to say to answer the second."""

    query: Annotated[str, Field(min_length=1, max_length=400)]
    missing: Annotated[str, Field(min_length=1, max_length=240)]
    unanswerable_query: Annotated[str, Field(min_length=1, max_length=400)]


class NearMissQuery(PassageTask):
    """A query with its unanswerable twin: same words and subject, but the passage does not say it.

    The record's query is the answerable one; `unanswerable_query` and `missing` are attributes.
    """

    name: ClassVar[str] = "near-miss-query"
    prompt: ClassVar[str] = "near-miss-query"
    output: ClassVar[type[BaseModel]] = NearMiss
    paper: ClassVar[str] = "ours, after audits that found that a high retrieval rank does not mean answerable"
    example: ClassVar[Mapping[str, BaseModel]] = {
        "near-miss-query": NearMiss(
            query="What margin over SONIA does Harbour Lines pay on its revolving facility?",
            missing="which banks lent the money",
            unanswerable_query="Which banks provide Harbour Lines' revolving facility?",
        )
    }
