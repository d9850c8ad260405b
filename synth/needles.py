"""Needles: sentences of one form that are put into real passages, and others of that form that are not asked for.

In the manner of LongEmbed's passkeys and needles (arXiv 2404.12096), made harder: the haystack is real text, the same for
the positive and its negatives, and what they differ in is one name, the order of digits, or what is said of the person.
Sentences come from `data/needles/LANGUAGE.yaml`; a language without that file has none.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from schemas.base import Strict
from synth.evidence import Evidence, sentence_bounds
from synth.language import primary
from synth.resources import find_shipped

DIGITS = 5
_Several = Annotated[list[str], Field(min_length=2)]


class Family(Strict):
    """Sentences that say one thing, and questions for it."""

    says: _Several
    asks: _Several


class NeedleWords(Strict):
    """A needle file."""

    person: str
    first: _Several
    last: _Several
    town: _Several
    families: Annotated[dict[str, Family], Field(min_length=2)]


@dataclass(frozen=True, slots=True)
class Needle:
    """One sentence of a family about a person who does not exist."""

    language: str
    family: str
    form: int
    """Which of the family's sentences."""
    first: str
    last: str
    town: str
    value: str

    @property
    def key(self) -> str:
        return needle_words(self.language).person.format(first=self.first, last=self.last, town=self.town)

    @property
    def text(self) -> str:
        says = needle_words(self.language).families[self.family].says
        return says[self.form].format(key=self.key, value=self.value)

    def question(self, source: random.Random) -> str:
        return source.choice(needle_words(self.language).families[self.family].asks).format(key=self.key)

    def near_misses(self, source: random.Random) -> list[Needle]:
        """Another person with its number, nearly its person with its digits in another order, its person in another family."""
        words = needle_words(self.language)
        other = replace(self, first=_other(words.first, self.first, source), last=_other(words.last, self.last, source))
        names = {"first": self.first, "last": self.last, "town": self.town}
        part = source.choice(sorted(names))
        names[part] = _other(getattr(words, part), names[part], source)
        nearly = replace(self, first=names["first"], last=names["last"], town=names["town"])
        family = _other(sorted(words.families), self.family, source)
        return [
            other,
            replace(nearly, value=_shuffled(self.value, source)),
            replace(self, family=family, value=_number(source)),
        ]


def has_needles(language: str) -> bool:
    """Whether there is a needle file for a language."""
    return _path(language).is_file()


def draw_needle(language: str, source: random.Random) -> Needle:
    """Any needle of a language that has some."""
    words = needle_words(language)
    family = source.choice(sorted(words.families))
    first, last, town = (source.choice(names) for names in (words.first, words.last, words.town))
    form = source.randrange(len(words.families[family].says))
    return Needle(language, family, form, first, last, town, _number(source))


def put(text: str, language: str, sentence: str, depth: float) -> tuple[str, Evidence] | None:
    """The text with a sentence before its first or after any of its own, whichever is nearest to a depth of 0 to 1.

    None where it has no sentence.
    """
    bounds = sentence_bounds(text, language)
    if not bounds:
        return None
    size = len(text) + len(sentence) + 1
    wanted = depth * size - len(sentence) / 2
    first = bounds[0][0]
    place = min([first, *(end for _, end in bounds)], key=lambda each: (abs(each - wanted), each))
    start = place if place == first else place + 1
    both = f"{sentence} " if place == first else f" {sentence}"
    return f"{text[:place]}{both}{text[place:]}", Evidence(start, start + len(sentence), sentence, size)


@cache
def needle_words(language: str) -> NeedleWords:
    """The needle file of a language."""
    with _path(language).open(encoding="utf-8") as file:
        return NeedleWords.model_validate(yaml.safe_load(file))


def _path(language: str) -> Path:
    return find_shipped("data", "needles", f"{primary(language)}.yaml")


def _number(source: random.Random) -> str:
    """Five digits, not all alike, the first of them no zero."""
    while True:
        value = str(source.randrange(10 ** (DIGITS - 1), 10**DIGITS))
        if len(set(value[1:])) > 1:
            return value


def _shuffled(value: str, source: random.Random) -> str:
    """The same digits in another order."""
    while True:
        rest = list(value[1:])
        source.shuffle(rest)
        if (shuffled := value[0] + "".join(rest)) != value:
            return shuffled


def _other(names: list[str], own: str, source: random.Random) -> str:
    return source.choice([name for name in names if name != own])
