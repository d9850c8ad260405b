"""What a passage's corpus tells of names, words and years: read once, from train passages only."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.facts import NameType
from synth.corpus import Corpus
from synth.text import STOP_WORDS, hash64, normalise

_PLACE = re.compile(r"\b[Ii]n (?:the )?([A-Z][a-z]+)\b|\b([A-Z][a-z]+), [A-Z]{2}\b")
_LOWER = re.compile(r"(?<![A-Za-z'’])[a-z]{2,}")
_YEAR = re.compile(r"(?<![\d.,$€£])(?:19|20)\d\d(?![\d%]|[.,]\d)")
_WORD = r"[A-Z](?:[A-Za-zÀ-ÿ&'’-]*[A-Za-zÀ-ÿ])?"
_POSSESSIVE = re.compile(r"['’]s$")


@dataclass(frozen=True)
class Name:
    """A name without its legal form, and what makes two names of one type alike: how they end."""

    core: str
    type: str
    ending: str
    titled: bool = False
    """Whether it was found by a title, so that a first name may stand before it."""


@dataclass(frozen=True)
class Surroundings:
    """names: of each type, sorted; common: words, in lower case, that name nobody: they stand in lower
    case somewhere, or are places (`in California`, `Wilmington, DE`); latest: the latest year that counts
    as present; texts: sorted hashes of all passages, shape (passages,)."""

    names: Mapping[str, Sequence[Name]]
    common: frozenset[str]
    latest: int
    texts: npt.NDArray[np.uint64]

    def holds(self, text: str) -> bool:
        """Whether a passage of the corpus is the same text but for case and white space."""
        key = np.uint64(hash64(normalise(text)))
        place = int(np.searchsorted(self.texts, key))
        return place < len(self.texts) and bool(self.texts[place] == key)


class NameFinder:
    """Finds names in a text by their endings and titles."""

    def __init__(self, types: Mapping[str, NameType]) -> None:
        self._types = list(types.values())
        self._patterns = [(name, list(_patterns(kind)), frozenset(kind.legal_forms)) for name, kind in types.items()]

    @property
    def endings(self) -> set[str]:
        """Words that names of a type end with, in lower case; they tell no two of them apart."""
        return {word.lower() for kind in self._types for ending in kind.endings for word in ending.split()}

    def find(self, text: str) -> Iterator[Name]:
        """Every name once for each place; words that are no part of a name are stripped."""
        for type_name, patterns, legal in self._patterns:
            for pattern in patterns:
                for found in pattern.finditer(text):
                    name = _name(found["words"], found.groupdict().get("ending"), type_name, legal)
                    if name is not None:
                        yield name


def _patterns(kind: NameType) -> Iterator[re.Pattern[str]]:
    endings = sorted({*kind.endings, *kind.legal_forms}, key=lambda word: (-len(word), word))
    if endings:
        listed = "|".join(map(re.escape, endings))
        yield re.compile(rf"\b(?P<words>{_WORD}(?:[ \t]+{_WORD}){{0,3}}?),?[ \t]+(?P<ending>{listed})(?!\w)")
    if kind.titles:
        listed = "|".join(map(re.escape, kind.titles))
        yield re.compile(rf"\b(?:{listed})[ \t]+(?P<words>[A-Z][a-z]+(?:-[A-Z][a-z]+)?)\b")


def _name(words: str, ending: str | None, type_name: str, legal: frozenset[str]) -> Name | None:
    parts = [_POSSESSIVE.sub("", part) for part in words.replace(",", " ").split()]
    parts = parts[max((n + 1 for n, part in enumerate(parts) if part.lower() in STOP_WORDS), default=0) :]
    if ending and ending not in legal:
        parts.append(ending)
    whole = " ".join(parts)
    if not parts or (len(parts) == 1 and ending and ending not in legal) or len(whole) < 4:
        return None
    return Name(whole, type_name, parts[-1] if len(parts) > 1 else "", titled=ending is None)


def survey(corpus: Corpus, finder: NameFinder) -> Surroundings:
    """Read the corpus once. Names and years come from train passages that are like no test passage."""
    common = finder.endings
    names: dict[str, Counter[Name]] = defaultdict(Counter)
    hashes = np.empty(len(corpus), dtype=np.uint64)
    years: Counter[int] = Counter()
    visible = ~(corpus.is_test | corpus.leaked)
    for number, (title, _, text) in enumerate(corpus.labelled_texts()):
        hashes[number] = hash64(normalise(text))
        common.update(_LOWER.findall(text))
        common.update("".join(found).lower() for found in _PLACE.findall(text))
        if visible[number]:
            years.update(map(int, _YEAR.findall(text)))
            for name in finder.find(f"{title}\n{text}"):
                names[name.type][name] += 1
    kept = {kind: sorted(_distinct(found, common), key=lambda name: name.core) for kind, found in names.items()}
    return Surroundings(kept, frozenset(common), _latest(years), np.sort(hashes))


def distinctive(core: str, common: Set[str]) -> list[str]:
    """Words of a name that are not common: what the name is known by."""
    return [word for word in re.findall(r"[\w&-]+", core) if word[0].isupper() and word.lower() not in common]


def _distinct(found: Iterable[Name], common: Set[str]) -> Iterator[Name]:
    return (name for name in found if distinctive(name.core, common))


def _latest(years: Counter[int]) -> int:
    """The latest year that is spoken of as the present is: a quarter as often as the most frequent one."""
    often = max(years.values(), default=0) * 0.25
    return max((year for year, count in years.items() if count >= often), default=0)
