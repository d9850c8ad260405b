"""Names: an organisation or person that query and passage both name becomes another of its type."""

from __future__ import annotations

import re
from collections.abc import Mapping

from synth.perturb.phrases import Exchange, Span, any_of, blank, put
from synth.perturb.surroundings import Name, NameFinder, Surroundings, distinctive
from synth.perturb.terms import Roll
from synth.text import STOP_WORDS

_CAPITALISED = re.compile(r"\b([A-Z][\w&’'-]*)[ \t]+$")


class Names:
    """Exchanges a name for another one from the corpus."""

    def __init__(self, finder: NameFinder, surroundings: Surroundings) -> None:
        self._finder = finder
        self._surroundings = surroundings
        self._by_word: dict[str, list[Name]] = {}
        for listed in surroundings.names.values():
            for name in listed:
                self._by_word.setdefault(name.core.split()[0], []).append(name)

    def __call__(self, query: str, text: str, roll: Roll) -> Exchange | None:
        """None where they share no name or several, or where something that may mean it would stay."""
        shared = [each for each in self._candidates(query, text) if each[1].search(query) and each[1].search(text)]
        if not shared:
            return None
        name, pattern = shared[0]
        if any(other.search(blank(query, _spans(pattern, query))) for _, other in shared[1:]):
            return None
        if not name.titled and any(_is_part(pattern, each) for each in (query, text)):
            return None
        if _traces(name, self._known_by(name)).search(blank(text, _spans(pattern, text))):
            return None
        return self._exchange(name, pattern, (query, text), roll)

    def _known_by(self, name: Name) -> list[str]:
        return distinctive(name.core, self._surroundings.common)

    def _candidates(self, query: str, text: str) -> list[tuple[Name, re.Pattern[str]]]:
        """Names found in either text, and names of the corpus of which the query holds the first word; longest first."""
        found = {*self._finder.find(text), *self._finder.find(query)}
        for word in re.findall(r"[\w&'’-]+", query):
            found.update(self._by_word.get(word, ()))
        ordered = sorted(found, key=lambda name: (-len(name.core), name.core, name.type))
        return [(name, _mentions(name, known_by)) for name in ordered if (known_by := self._known_by(name))]

    def _exchange(self, name: Name, pattern: re.Pattern[str], texts: tuple[str, str], roll: Roll) -> Exchange | None:
        other = self._other(name, texts, roll)
        if other is None:
            return None
        mentions = list(pattern.finditer(texts[1]))
        is_introduced = any(found.lastgroup == "whole" for found in mentions)
        short = self._known_by(other)[0] if is_introduced else other.core
        spans = [Span(*found.span(), other.core if found.lastgroup == "whole" else short) for found in mentions]
        return put(texts[1], spans)

    def _other(self, name: Name, texts: tuple[str, str], roll: Roll) -> Name | None:
        """Another name of the type, of the same ending where there is one, none of whose words stands in the texts."""
        known: Mapping[str, object] = dict.fromkeys(
            re.findall(r"[\w&-]+", f"{texts[0]} {texts[1]} {name.core}".lower())
        )
        same_type = self._surroundings.names.get(name.type, ())
        fitting = [other for other in same_type if not any(word.lower() in known for word in self._known_by(other))]
        alike = [other for other in fitting if other.ending == name.ending] or fitting
        return alike[int(roll("name") * len(alike))] if alike else None


def _is_part(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a mention ends a longer name, as `Bay` does in `Humboldt Bay`."""
    before = (_CAPITALISED.search(text[max(0, found.start() - 40) : found.start()]) for found in pattern.finditer(text))
    return any(word is not None and word[1].lower() not in STOP_WORDS for word in before)


def _spans(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [found.span() for found in pattern.finditer(text)]


def _mentions(name: Name, known_by: list[str]) -> re.Pattern[str]:
    """The whole name, or its first word where the name is known by that."""
    whole = re.sub(r"\\\s", r"\\s+", re.escape(name.core))
    parts = [rf"(?P<whole>\b{whole})(?![\w-])"]
    first = name.core.split()[0]
    if known_by and first == known_by[0] and len(first) > 2:
        parts.append(rf"(?P<first>\b{re.escape(first)})(?![\w-])")
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})")


def _traces(name: Name, known_by: list[str]) -> re.Pattern[str]:
    """What may still mean the name: one of its own words in any case, or its initials."""
    initials = "".join(word[0] for word in name.core.split())
    patterns = [rf"(?<!\w){re.escape(word)}" for word in known_by]
    if len(initials) > 1:
        patterns.append(rf"(?<!\w){re.escape(initials)}(?!\w)")
    return any_of(patterns)
