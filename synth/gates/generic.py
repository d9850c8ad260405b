"""Drops queries that would fit any passage: "What are the key takeaways?" finds nothing."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.language import primary
from synth.text import terms, words

__all__ = ["Generic"]

_LANGUAGE = "en"
_TEXT = """abstract answer article author book chapter content context doc document essay excerpt extract file material
    page paper paragraph passage piece post report resource section sentence snippet source text writer writing"""
_PART = """aim argument aspect conclusion data description detail discussion element essence example explanation fact
    finding focus gist goal highlight idea insight issue item key lesson matter meaning message notion objective outline
    overview part point purpose recap subject substance summary takeaway theme thing thought topic"""
_TELL = """address ask come communicate concern contain convey cover define depict describe discuss elaborate elucidate
    explain express give happen illustrate imply include indicate inform know learn list mean mention offer portray
    present provide question reach read recount refer relate reveal say show speak state suggest sum summarise summarize take
    talk tell try understand write"""
_WEIGHT = """additional basic brief briefly broad central concise core crucial detailed different essential exact exactly
    following foremost fundamental general given good here important information interesting kind main major necessary notable
    overall particular primary principal quick really relevant several shortly short significant simple specific type
    useful various vital word"""
_COURTESY = "also could find get go help kindly let like look make need please regard respect term want way would"
_EMPTY = frozenset(stem for text in (_TEXT, _PART, _TELL, _WEIGHT, _COURTESY) for stem in terms(text, _LANGUAGE))
"""Stems of what can be asked of any text."""

_A_TEXT = "article|author|chapter|content|context|document|essay|excerpt|extract|material|page|paragraph|passage|piece|report|section|snippet|source|text|writer"
_ITSELF = re.compile(
    rf"""\baccording\ to\ (?:(?:the|this)\ (?:\w+\ )?(?:{_A_TEXT})|this|the\ above)\b | \b(?:the|this|that)\ (?:passage|excerpt|snippet)\b
      | \b(?:{_A_TEXT})\ (?:above|below)\b | \b(?:above|provided)\ (?:{_A_TEXT})\b
      | \bthe\ (?:author|writer)\b(?!\ of) | \bthe\ (?:author|writer)\ of\ (?:the|this|that)\ (?:{_A_TEXT})\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Names the passage itself, which nobody who searches has before them."""
_VAGUE = re.compile(
    rf"""\b(?:the|this|that|above|following|given|provided)\ (?:\w+\ ){{0,2}}?(?:{_A_TEXT})s?\b
      | \b(?:main|key|central|core|primary|principal|major|essential|important|significant|crucial|overall|general)\ (?:\w+\ )?
          (?:argument|aspect|conclusion|detail|element|fact|finding|highlight|idea|information|insight|message|point
            |takeaway|theme|topic)s?\b
      | \b(?:takeaways?|highlights|gist|essence|summary|overview|outline|summari[sz]e|sum\ up)\b
      | \b(?:information|details?|facts?|things?|important|interesting|know|learn|understand|mention(?:ed)?|discuss(?:ed)?
          |described|sa(?:id|ys?)|stated?|tell\ me|talk|explain)\b.*\b(?:about|on|of|regarding|understand|concerning|for)\b""",
    re.VERBOSE | re.IGNORECASE,
)


class Generic:
    """Counts the words that say what is asked about, beside those that can be asked of any text.

    A query without any is generic, and so is one that has few but is about the passage as such
    ("key points of", "information about"), or that names it ("according to the passage").
    English only.
    """

    name = "generic"

    class Settings(Strict):
        """`max_words`: so many telling words do not save a query about the passage as such."""

        max_words: Annotated[int, Field(ge=0)] = 1

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        if primary(record.language) != _LANGUAGE:
            return Verdict(gate=self.name, keep=True, detail="abstained")
        telling = {stem for stem in terms(record.query, _LANGUAGE) if stem not in _EMPTY}
        detail = self._fault(record.query, len(telling))
        return Verdict(
            gate=self.name,
            keep=not detail,
            reason="generic" if detail else "",
            score=float(len(telling)),
            detail=detail,
        )

    def _fault(self, query: str, telling: int) -> str:
        if not telling:
            return "would fit any passage" if words(query) else ""
        if named := _ITSELF.search(query):
            return f"names the passage: {named[0]!r}"
        if telling <= self.settings.max_words and (vague := _VAGUE.search(query)):
            return f"about the passage as such: {vague[0]!r}"
        return ""
