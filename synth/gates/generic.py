"""Drops queries that would fit any passage: "What are the key takeaways?" finds nothing."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import verdict
from synth.language import primary
from synth.text import STOP_WORDS, words

__all__ = ["Generic"]

_LANGUAGE = "en"
_TEXTS = (
    "abstract article author blog booklet brochure bulletin chapter chunk clipping commentary content context doc document"
    " editorial entry essay excerpt extract fragment guide handout introduction leaflet literature manuscript material"
    " memo memorandum narrative narrator newsletter page pamphlet paper paragraph part passage pdf piece portion post"
    " publication quotation reader reading report review section segment selection sentence snippet source speaker story"
    " text textbook transcript writer writeup write-up writing"
).split()
_PARTS = (
    "aim approach aspect assertion attitude audience background concept conclusion consideration description detail discussion essence"
    " example explanation fact finding focus gist highlight idea implication importance impression inference info"
    " information insight intent intention issue knowledge lesson limitation matter meaning message methodology moral notion objective"
    " observation opinion outline overview perspective point premise purpose recap recommendation relevance remark"
    " significance substance subject suggestion summary synopsis takeaway theme thesis thing thought tone topic viewpoint"
).split()
_TELLING = (
    "address argue ask assert believe communicate concern conclude contain convey cover deal define depict describe discuss"
    " elaborate elucidate emphasise emphasize explain explore express give happen highlight identify illustrate imply"
    " include indicate infer inform know learn mean mention outline paraphrase portray present propose provide reach"
    " recount refer relate reveal say show speak state stress suggest sum summarise summarize talk teach tell think touch"
    " try understand write analyse analyze glean come go get find need want help look read remember let make"
).split()
_IRREGULAR = "came done drawn found given gives gave going gone got known made meant read said seen shown spoken taught thought told understood went written wrote".split()
_WEIGHTS = (
    "additional basic big brief briefly broad central chief clear clearly concise core critical crucial detailed different"
    " entire essential essentially exact exactly first following foremost fundamental general generally good great here"
    " important interesting intended main mainly major many meaningful mostly much necessary notable noteworthy overall"
    " particular presented primary primarily quick quickly real really relevant remarkable salient several short shortly"
    " significant simple simply specific specifically surprising useful various vital whole word words worth kind sort"
    " also anything something everything nothing one please kindly like regard regarding respect way would could hello hi"
    " thanks thank someone anyone using aforementioned based"
).split()


def _inflected(word: str) -> set[str]:
    stem = word.removesuffix("e")
    return {word, f"{word}s", f"{word}es", f"{stem}ed", f"{stem}ing", f"{stem}ies", f"{word.removesuffix('y')}ies"}


_EMPTY = (
    STOP_WORDS
    | {form for word in (*_TEXTS, *_PARTS, *_TELLING) for form in _inflected(word)}
    | set(_IRREGULAR)
    | set(_WEIGHTS)
)
"""What can be asked of any text. Words that a field uses in its own sense (principal, key, list) are not here."""

_A_TEXT = "|".join(_TEXTS)
_POINT = "|".join([*_PARTS, "argument", "challenge", "element", "concern", "event", "feature", "problem", "question"])
_WEIGHTY = (
    "basic|big|central|chief|core|critical|crucial|essential|fundamental|general|important|interesting|key|main|major"
    "|most|notable|noteworthy|overall|primary|principal|relevant|salient|significant"
)
_COMMAND = re.compile(
    r"\s*(?:please\s+|(?:can|could|would)\s+you\s+(?:please\s+)?)?(?:create|extract|highlight|identify|list|name|note|state|sum\s+up)\b",
    re.IGNORECASE,
)
_ITSELF = re.compile(
    rf"""\baccording\ to\ (?:(?:the|this)\ (?:\w+\ )?(?:{_A_TEXT})|this|the\ above)\b
      | \b(?:the|this|that)\ (?:\w+\ )?(?:passage|excerpt|snippet)\b
      | \b(?:{_A_TEXT}|information)\ (?:above|below)\b | \b(?:above|provided|aforementioned|attached)\ (?:{_A_TEXT})\b
      | \bthe\ (?:author|writer|narrator)\b(?!\ of) | \bthe\ (?:author|writer)\ of\ (?:this|that|the\ (?:passage|text|article))\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Names the passage itself, which nobody who searches has before them."""
_MARKS = frozenset(
    "according passage excerpt snippet above below provided aforementioned attached author writer narrator".split()
)
"""Every such name holds one of these."""
_VAGUE = re.compile(
    rf"""\b(?:this|that|above|following|given|provided)\ (?:(?!the\b)\w+\ )?(?:{_A_TEXT})s?\b
      | \bthe\ (?:\w+\ )?(?:document|text|passage|paragraph|article|excerpt|extract|content|pdf|section|material|source)s?\b
      | \b(?:{_WEIGHTY})\ (?:\w+\ )?(?:{_POINT})s?\b | \bwhat\ (?:{_POINT})s?\b | \b(?:any|some)\ (?:\w+\ )?(?:{_POINT})s?\b
      | \b(?:takeaways?|highlights|gist|essence|summary|overview|recap|synopsis|summari[sz]e|sum\ up)\b
      | ^(?:what|which)\b.*\b(?:addressed|covered|described|discussed|highlighted|identified|mentioned|outlined|presented|proposed
          |provided|raised|stated|suggested)\W*$
      | \b(?:about|by|from|in|of|on|with|regarding|mentioned)\ (?:this|here|that)\b(?!\ \w)
      | \b(?:information|info|details?|facts?|things?|important|interesting|know|learn|understand|mention(?:ed)?
          |discuss(?:ed)?|described|said|says?|stated?|tell|talk|explain|anything|something|everything)\b
        (?=.*\b(?:about|on|of|regarding|understand|concerning|for)\b)""",
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
            return verdict(self.name, detail="abstained")
        telling, detail = self._fault(record.query)
        return verdict(self.name, "generic" if detail else "", float(telling), detail)

    def _fault(self, query: str) -> tuple[int, str]:
        """How many telling words there are, and why they are too few."""
        telling = _telling(query)
        if not _MARKS.isdisjoint(words(query)) and (named := _ITSELF.search(query)):
            return telling, f"names the passage: {named[0]!r}"
        if telling > self.settings.max_words + 3:
            return telling, ""
        vague = _VAGUE.search(query)
        if vague:
            telling = _telling(_VAGUE.sub(" ", _COMMAND.sub(" ", query)))
        if not telling and words(query):
            return telling, "would fit any passage"
        if vague and telling <= self.settings.max_words:
            return telling, f"about the passage as such: {vague[0]!r}"
        return telling, ""


def _telling(query: str) -> int:
    return sum(len(word) > 1 for word in set(words(query)) - _EMPTY)
