"""Mistakes of optical character recognition: letters taken for others, accents and spaces lost, line ends, columns.

Letters are confused with those that look alike in print, in Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari and
the commonest Chinese and Japanese characters. A digit may become a letter, and a letter of a word a digit (0 and O,
1 and l); a number never becomes another number.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from synth.language import primary
from synth.noise import without_marks

_LATIN = (
    "rn m|m rn|l 1|l I|I l|i l|l i|O 0|o c|e c|c e|h b|b h|cl d|d cl|vv w|w vv|ii u|u n|n u|u ii|t f|f t|S 5|B 8|g q|a o"
    "|fi h|in m|nn m|ri n|li h|rr n|y v|0 O|1 l|5 S|8 B"
)
_GREEK = "ν υ|υ ν|ο σ|σ ο|α σ|η π|π η|ρ ο|κ χ|ι l|Ο 0|Η Π|Λ Α|Α Λ"
_CYRILLIC = "и н|н и|п н|н п|л п|ш щ|щ ш|ц п|ь ъ|ы м|е с|с е|о с|з 3|О 0|б 6|в н|т г|г т|м н|ж х|д л"
_HEBREW = "ה ח|ח ה|ד ר|ר ד|ב כ|כ ב|ו ז|ז ו|ו ן|ם ס|ס ם|ג נ|נ ג"
_ARABIC = "ب ت|ت ب|ت ث|ن ت|ج ح|ح خ|خ ج|د ذ|ذ د|ر ز|ز ر|س ش|ش س|ص ض|ض ص|ط ظ|ع غ|غ ع|ف ق|ق ف|ي ى|ة ه"
_DEVANAGARI = "भ म|म भ|घ ध|ध घ|ब व|व ब|थ य|य थ|प य|ष प|ड इ"
_EAST_ASIAN = "日 曰|己 已|已 巳|未 末|末 未|土 士|士 土|大 太|太 大|人 入|入 人|千 干|干 于|目 日|王 玉|木 本|本 木|シ ツ|ツ シ|ソ ン|ン ソ|ー 一|ロ 口|力 カ|ニ 二"
CONFUSED = tuple(
    (pair[0], pair[1])
    for script in (_LATIN, _GREEK, _CYRILLIC, _HEBREW, _ARABIC, _DEVANAGARI, _EAST_ASIAN)
    for pair in (each.split(" ") for each in script.split("|"))
)
_WEIGHTS = {"letter": 6.0, "accent": 3.0, "space": 1.5, "hyphen": 1.0}
_LONG_S = frozenset({"da", "de", "en", "es", "fr", "it", "la", "lb", "nl", "pt", "sv"})
"""Languages that were printed with ſ."""
_S_READ_AS_F = 0.5
_HYPHENATING = ("LATIN", "GREEK", "CYRILLIC")
_LEAST_HYPHENATED = 6
_COLUMN_WORDS = 5
_LEAST_COLUMNS = 16
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Misread:
    """A text as it was read, and with how many errors of which kinds."""

    text: str
    errors: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Edit:
    kind: str
    start: int
    end: int
    put: str


def misread(
    text: str, rate: float, language: str, source: random.Random, *, old_print: bool = False, columns: bool = False
) -> Misread:
    """The text with an error for this share of its characters, at least one where there is room for one.

    `old_print`: in languages that had ſ half of the letters s that were printed so are read as f, besides; `columns`:
    the text stood in two columns and is read across them, where it is long enough. A text that has ſ itself is always
    read like that.
    """
    wanted = max(1, round(rate * len(text)))
    edits = _chosen(text, wanted, source)
    if "ſ" in text or (old_print and primary(language) in _LONG_S):
        edits += [e for e in _long_s(text) if source.random() < _S_READ_AS_F and not _touches(e, edits)]
    done = _apply(text, edits)
    kinds = {edit.kind for edit in edits}
    if columns and (across := _across(done)) != done:
        done = across
        kinds.add("columns")
    return Misread(done, len(edits), tuple(sorted(kinds)))


def _chosen(text: str, wanted: int, source: random.Random) -> list[_Edit]:
    """Edits that don't touch each other; a kind is drawn by weight, then one of its places."""
    left: dict[str, list[_Edit]] = {}
    for edit in _possible(text):
        left.setdefault(edit.kind, []).append(edit)
    for edits in left.values():
        source.shuffle(edits)
    chosen: list[_Edit] = []
    taken: set[int] = set()
    to_digits: set[int] = set()
    while left and len(chosen) < wanted:
        kind = source.choices(list(left), weights=[_WEIGHTS[each] for each in left])[0]
        edit = left[kind].pop()
        if not left[kind]:
            del left[kind]
        places = set(range(edit.start - 1, edit.end + 1))
        if taken & places:
            continue
        if edit.put.isdigit():
            word = text.rfind(" ", 0, edit.start)
            if word in to_digits:
                continue
            to_digits.add(word)
        chosen.append(edit)
        taken |= places
    return chosen


def _possible(text: str) -> Iterator[_Edit]:
    for shape, like in CONFUSED:
        for found in re.finditer(re.escape(shape), text):
            if not like.isdigit() or _is_in_word(text, found.start()):
                yield _Edit("letter", *found.span(), like)
    for place, char in enumerate(text):
        if not char.isascii() and (bare := without_marks(char)) != char:
            yield _Edit("accent", place, place + 1, bare)
        elif char == " " and 0 < place < len(text) - 1 and not (text[place - 1].isdigit() or text[place + 1].isdigit()):
            yield _Edit("space", place, place + 1, "")
    for word in _WORD.finditer(text):
        if len(word[0]) >= _LEAST_HYPHENATED and unicodedata.name(word[0][0], "").startswith(_HYPHENATING):
            for place in range(word.start() + 3, word.end() - 2):
                yield _Edit("hyphen", place, place, "- ")


def _is_in_word(text: str, place: int) -> bool:
    """Whether two more letters and no digit stand in the same piece of text."""
    start = text.rfind(" ", 0, place) + 1
    end = text.find(" ", place)
    piece = text[start : len(text) if end < 0 else end]
    return sum(map(str.isalpha, piece)) >= 3 and not any(map(str.isdigit, piece))


def _long_s(text: str) -> Iterator[_Edit]:
    """Each ſ, or where the text has none each s that was printed so: all but those at the end of a word."""
    shape = r"ſ" if "ſ" in text else r"(?<!')s(?=[^\W\d_])"
    for found in re.finditer(shape, text):
        yield _Edit("long s", *found.span(), "f")


def _touches(edit: _Edit, others: list[_Edit]) -> bool:
    return any(edit.start <= other.end and other.start <= edit.end for other in others)


def _apply(text: str, edits: list[_Edit]) -> str:
    parts, place = [], 0
    for edit in sorted(edits, key=lambda each: each.start):
        parts += [text[place : edit.start], edit.put]
        place = edit.end
    return "".join([*parts, text[place:]])


def _across(text: str) -> str:
    """Two columns of a few words a line, read line by line across both."""
    words = text.split()
    if len(words) < _LEAST_COLUMNS:
        return text
    half = (len(words) + 1) // 2
    lines: list[str] = []
    for start in range(0, half, _COLUMN_WORDS):
        stop = min(start + _COLUMN_WORDS, half)
        lines += words[start:stop] + words[half + start : min(half + stop, len(words))]
    return " ".join(lines)
