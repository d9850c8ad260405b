"""Strings without sense: one sign again and again, keyboard mash, hashes and encoded bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise

from synth.language import primary
from synth.resources import find_shipped
from synth.vocabulary import is_known, known_threes

_LANGUAGE = "en"
_SIGN = "[^\\w\\s\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]"
"""Which people repeat less than emoji."""
_RUN = re.compile(rf"({_SIGN})\1{{7,}}|([0-9x])\2{{15,}}|({_SIGN})(?!\3)({_SIGN})(?:\3\4){{4,}}")
_RULE = re.compile(r"[\s|+:=*~#_.-]+")
"""What a line holds that is a rule, or that of a table."""
_BLOB = re.compile(r"(?<![\w+/=-])(?=[A-Za-z0-9+/_-]*[0-9A-Z])[A-Za-z0-9+/_-]{24,}={0,2}(?![\w+/=-])")
_HEX = re.compile(r"(?=\d*[a-fA-F])(?=[a-fA-F]*\d)[0-9a-fA-F]{32,}")
_CLASS = re.compile(r"[a-z]+|[A-Z]+|[0-9]+|[+/_-]+")
_CHANGES, _MORE_CHANGES = 0.42, 0.5
"""Share of the places in a string at which small letters, capitals, digits and signs change, with digits in several
places and without; words glued together have fewer."""
_WORD = re.compile(r"(?<![\w.\-/\\@$#&=%:+'’])[^\W\d_]{6,40}(?![\w\-/\\@(=%:+]|\.\w)")
_ROWS = (
    "qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm azertyuiop qsdfghjklm wxcvbn йцукенгшщзхъ фывапролджэ ячсмитьбю"
).split()
_WALKS = frozenset(
    walk[start : start + 5]
    for row in _ROWS
    for walk in (row, row[::-1])
    for start in range(len(row) - 4)
)  # fmt: skip
_LAYOUTS = frozenset("qwerty qwertys qwertz azerty jcuken йцукен".split())
_SHORTEST, _SHORTEST_MASH = 6, 8
_SHORTEST_PART, _LONGER_THAN_WORDS = 5, 16
_UNUSUAL, _UNSEEN = 33, 0.5
"""Mean of data/words/letter-pairs.txt over a word, and share of its threes of letters that stand in no word of
data/words/en.txt, from which it is no word."""


def junk(text: str, language: str) -> Iterator[str]:
    """Junk in a text, in order; mash other than along a row of keys in English only, and where it is not said again.

    >>> list(junk("asdfghjkl or sdkfjhskdjfh", "en"))
    ['asdfghjkl', 'sdkfjhskdjfh']
    """
    english = primary(language) == _LANGUAGE
    for piece in text.split():
        if len(piece) >= _SHORTEST:
            for found in _in_piece(piece, english):
                if not (_is_rule(text, found) or (_is_odd_word(found) and text.count(found) > 1)):
                    yield found


def _is_rule(text: str, found: str) -> bool:
    rule = _RULE.fullmatch(found)
    return rule is not None and any(found in line and _RULE.fullmatch(line) for line in text.splitlines())


def _is_odd_word(found: str) -> bool:
    """Whether it is no word by its letters alone, as names are that are said again."""
    return found.islower() and found.isalpha() and not _walks(found)


@lru_cache(maxsize=65_536)
def _in_piece(piece: str, english: bool) -> tuple[str, ...]:
    if piece.isalpha() and len(piece) < _LONGER_THAN_WORDS:
        return (piece,) if _is_mash(piece, english) else ()
    runs = [found[0] for found in _RUN.finditer(piece)]
    blobs = [found for found in _BLOB.findall(piece) if _HEX.fullmatch(found) or _is_encoded(found)]
    mash = [word for word in _WORD.findall(piece) if _is_mash(word, english)]
    return tuple(dict.fromkeys([*runs, *blobs, *mash]))


def _is_encoded(text: str) -> bool:
    """Whether it looks like base64: small letters, capitals and digits change places as if drawn, as in no path."""
    parts = _CLASS.findall(text)
    if not (any(map(str.islower, parts)) and any(map(str.isupper, parts))):
        return False
    digits, signs = sum(map(str.isdigit, parts)), sum(not part.isalnum() for part in parts)
    return len(parts) >= (_CHANGES if digits > 1 else _MORE_CHANGES + signs) * len(text)


def _is_mash(word: str, english: bool) -> bool:
    lower = word.lower()
    if _walks(lower):
        return lower not in _LAYOUTS
    if not english or len(word) < _SHORTEST_MASH or not word.islower() or not word.isascii() or _holds_known(word):
        return False
    pairs, path = _pairs(), f".{lower}."
    if sum(pairs[pair] for pair in pairwise(path)) < _UNUSUAL * (len(path) - 1):
        return False
    threes = [lower[start : start + 3] for start in range(len(lower) - 2)]
    return sum(three not in known_threes() for three in threes) >= _UNSEEN * len(threes)


def _holds_known(word: str) -> bool:
    """Whether it begins or ends with a word: webhooks, graphviz."""
    places = range(_SHORTEST_PART, len(word) + 1)
    return any(is_known(word[:place]) or is_known(word[-place:]) for place in places)


def _walks(word: str) -> bool:
    return any(word[start : start + 5] in _WALKS for start in range(len(word) - 4))


@cache
def _pairs() -> dict[tuple[str, str], int]:
    """(letter, next) -> -10 ln P; `.` stands for what is before and after a word."""
    lines = find_shipped("data", "words", "letter-pairs.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    letters = [row[0] for row in rows]
    return {(row[0], after): int(cost) for row in rows for after, cost in zip(letters, row[1:], strict=True)}
