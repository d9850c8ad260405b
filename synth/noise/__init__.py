"""Mistakes in letters, made by rule: those of fingers (`keyboard`) and those of reading machines (`ocr`).

No number ever becomes another number: that would be another text, and no mistake in this one.
"""

from __future__ import annotations

import unicodedata

UNMARKED = {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i", "æ": "ae", "Æ": "Ae", "œ": "oe"}
"""Letters whose mark is no accent to Unicode."""


def letters_of(word: str) -> list[str]:
    """A word as letters with the marks that belong to them.

    >>> letters_of("fu\u0308r")
    ['f', 'u\u0308', 'r']
    """
    letters: list[str] = []
    for char in word:
        if letters and unicodedata.category(char).startswith("M"):
            letters[-1] += char
        else:
            letters.append(char)
    return letters


def without_marks(letter: str) -> str:
    """The letter without its accents: é as e, ß as ss, й as и.

    Vowel signs of Indic scripts are no accents and stay.
    """
    if letter in UNMARKED:
        return UNMARKED[letter]
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    bare = "".join(char for char in parts if not unicodedata.combining(char) or unicodedata.combining(char) in _VIRAMAS)
    return unicodedata.normalize("NFC", bare)


_VIRAMAS = frozenset({7, 9})
"""Combining classes of nukta and virama: without them it is another letter in scripts that have no accents."""
