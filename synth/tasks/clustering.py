"""text -> another of the same cluster, and one of the cluster beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from schemas.base import Strict
from schemas.record import Pair
from synth.tasks import TaskInput
from synth.text import content_words, jaccard
from synth.text_pairs import TextPairTask, excerpt_of

__all__ = ["Clustering"]

MOST_SHARED = 0.6
"""Of the content words of text and positive, those that both may have: above it words tell the cluster, not the theme."""
_SENTENCES = 4
_Text = Annotated[str, Field(min_length=8, max_length=1_200)]


class Members(Strict):
    """What the cluster is about, a second member, and a member of another."""

    theme: Annotated[str, Field(min_length=1, max_length=120)]
    positive: _Text
    other_theme: Annotated[str, Field(min_length=1, max_length=120)]
    negative: _Text


class Clustering(TextPairTask):
    """Two texts of one theme in different words, and one of a neighbouring theme in similar words.

    `theme` and `other_theme` name the clusters.
    """

    name: ClassVar[str] = "clustering"
    prompt: ClassVar[str] = "clustering"
    output: ClassVar[type[BaseModel]] = Members
    tokens: ClassVar[int] = 1_000
    instruction: ClassVar[str] = "Identify the theme of the text"
    paper: ClassVar[str] = "SynEmbedNL's clustering types; NV-Embed (arXiv 2405.17428), texts of one cluster as pairs"
    example: ClassVar[Mapping[str, BaseModel]] = {
        "clustering": Members(
            theme="terms of bank loans",
            positive="Lenders to the depot agreed that borrowings stay below four years of operating cash, measured twice a year, until the line expires in 2026.",
            other_theme="bond issues",
            negative="The group placed 180 million pounds of notes with investors; they pay 5.2 % until June 2031 and carry no tests of net debt.",
        )
    }

    @classmethod
    def query(cls, task_input: TaskInput) -> str:
        return excerpt_of(task_input, _SENTENCES)

    @classmethod
    def fault(cls, record: Pair) -> tuple[str, str]:
        themes = {each.name: each.value.casefold().strip() for each in record.attributes}
        if themes.get("theme", "") == themes.get("other_theme", " "):
            return "negative_is_positive", f"both are about {themes['theme']!r}"
        own, text = set(content_words(record.positive.text)), set(content_words(record.query))
        share = jaccard(own, text)
        return ("copied", f"{share:.0%} of the words are shared") if share > MOST_SHARED else ("", "")
