"""Typing mistakes: letters swapped, dropped, doubled, hit beside, and accents that are hard to type."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from synth.language import primary
from synth.noise import letters_of, without_marks

LEAST_LETTERS = 4
"""Shorter words are typed right."""
UNSPACED = frozenset({"ja", "km", "lo", "my", "th", "zh"})
"""Languages without spaces between words: their writers make other mistakes."""
_ROWS = {
    "de": ("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    "el": ("ςερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"),
    "es": ("qwertyuiop", "asdfghjklñ", "zxcvbnm"),
    "fr": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
    "ru": ("йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
    "uk": ("йцукенгшщзхї", "фівапролджє", "ячсмитьбю"),
}
_QWERTY = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}

Mistake = Callable[[list[str], str, random.Random], str]


def mistype(text: str, share: float, source: random.Random, language: str = "en") -> tuple[str, int]:
    """(the text with a mistake in this share of its words, how many words have one); no word with a digit is touched.

    White space becomes single spaces. Where any word can have a mistake one has.
    """
    tokens = text.split()
    may = [number for number, token in enumerate(tokens) if _may_be_wrong(token)]
    count = min(max(1, round(share * len(tokens))), len(may))
    for number in source.sample(may, count):
        letters = letters_of(tokens[number])
        marked = any(_bare(letter, language) != letter for letter in letters)
        tokens[number] = source.choice((*_MISTAKES, _unmark) if marked else _MISTAKES)(letters, language, source)
    return " ".join(tokens), count


def _may_be_wrong(token: str) -> bool:
    if token.isascii():
        return len(token) >= LEAST_LETTERS and token.isalpha()
    letters = letters_of(token)
    return len(letters) >= LEAST_LETTERS and all(letter[0].isalpha() for letter in letters)


def _swap(letters: list[str], _: str, source: random.Random) -> str:
    places = [n for n in range(1, len(letters) - 1) if letters[n] != letters[n + 1]] or [0]
    place = source.choice(places)
    return "".join([*letters[:place], letters[place + 1], letters[place], *letters[place + 2 :]])


def _drop(letters: list[str], _: str, source: random.Random) -> str:
    place = source.randrange(1, len(letters))
    return "".join([*letters[:place], *letters[place + 1 :]])


def _double(letters: list[str], _: str, source: random.Random) -> str:
    place = source.randrange(1, len(letters))
    return "".join([*letters[:place], letters[place], *letters[place:]])


def _hit_beside(letters: list[str], language: str, source: random.Random) -> str:
    rows = _ROWS.get(primary(language), _QWERTY)
    known = _places(rows)
    places = [n for n in range(1, len(letters)) if letters[n].lower() in known]
    if not places:
        return _swap(letters, language, source)
    place = source.choice(places)
    row, column = known[letters[place].lower()]
    beside = [rows[row][c] for c in (column - 1, column + 1) if 0 <= c < len(rows[row])]
    return "".join([*letters[:place], source.choice(beside), *letters[place + 1 :]])


def _unmark(letters: list[str], language: str, source: random.Random) -> str:
    place = source.choice([n for n, letter in enumerate(letters) if _bare(letter, language) != letter])
    return "".join([*letters[:place], _bare(letters[place], language), *letters[place + 1 :]])


def _bare(letter: str, language: str) -> str:
    return _UMLAUTS.get(letter, "") if primary(language) == "de" and letter in _UMLAUTS else without_marks(letter)


@cache
def _places(rows: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    return {letter: (row, column) for row, letters in enumerate(rows) for column, letter in enumerate(letters)}


_MISTAKES: tuple[Mistake, ...] = (_swap, _drop, _double, _hit_beside)
