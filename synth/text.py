"""Words: how texts are normalised, tokenised and compared everywhere in synth."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, groupby, pairwise

import Stemmer

_UNSPACED = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"  # Thai, Lao
    "\u1000-\u102a\u103f\u1050-\u1055\u1780-\u17b3"  # Burmese, Khmer
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f"  # Hiragana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
"""Letters of scripts that put no spaces between words. Katakana is left out: what is written in it is a word."""


def _marks() -> str:
    """Vowel signs, accents and joiners, which belong to the letter before them; as ranges of a character class."""
    blocks = (
        range(0x0300, 0x1E00),
        range(0x20D0, 0x20F1),
        range(0x302A, 0x309B),
        range(0xA66F, 0xABEE),
        range(0xFE20, 0xFE30),
    )
    found = [chr(code) for block in blocks for code in block if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")]
    return "".join([*found, "\u200c\u200d"])


_MARKS = _marks()
_SIGNS = frozenset(_MARKS)
_LETTER = rf"[^\W{_UNSPACED}]"
_ASCII_TOKEN = re.compile(r"\w+(?:[.,]\d\w*)*%?")
TOKEN = re.compile(
    rf"{_LETTER}+(?:[{_MARKS}]+{_LETTER}*)*(?:[.,]\d{_LETTER}*)*%?|[{_UNSPACED}][{_MARKS}]*",
    re.UNICODE,
)
"""A word or number, or one letter with its signs where no spaces stand between words."""
UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
"""Text of a script that puts no spaces between words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""
_FIRST_UNSPACED = "\u0e01"
_SPACE = re.compile(r"\s+")

STOP_WORDS = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing down during each few for from further had has have having he her here hers him his how i
    if in into is it its itself just may me more most must my no nor not of off on once only or other our ours out over
    own per same shall she should so some such than that the their theirs them then there these they this those through
    to too under until up upon us very was we were what when where which while who whom why will with would you your""".split()
)
"""English function words; they carry no content for titles and keyword queries."""


def normalise(text: str) -> str:
    """NFKC, lower case, single spaces: texts that differ only in these are the same text."""
    return _normalise(text) if len(text) <= _KEPT_CHARS else _normalise.__wrapped__(text)


_KEPT_CHARS = 4_096


@lru_cache(maxsize=1024)
def _normalise(text: str) -> str:
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).lower()).strip()


def tokens(text: str) -> list[str]:
    """What `TOKEN` finds, in order."""
    return (_ASCII_TOKEN if text.isascii() else TOKEN).findall(text)


class _Pieces(dict[str, tuple[str, ...]]):
    """Words of what stands between two spaces: most pieces recur, and no word has a space in it."""

    most = 32_768
    longest = 32

    def __missing__(self, piece: str) -> tuple[str, ...]:
        found = tuple(tokens(piece))
        if len(piece) <= self.longest:
            if len(self) >= self.most:
                self.clear()
            self[piece] = found
        return found


_words_of_piece = _Pieces().__getitem__


@lru_cache(maxsize=256)
def words(text: str) -> tuple[str, ...]:
    """Lower-cased words and numbers; `1,234.5` and `4.25%` stay whole. Chinese, Japanese, Thai and other text without
    spaces gives its letters, each with its vowel signs.

    >>> words("Net debt rose 4.25% to $1,234.5m"), words("换iPhone电池")
    (('net', 'debt', 'rose', '4.25%', 'to', '1,234.5m'), ('换', 'iphone', '电', '池'))
    """
    return tuple(chain.from_iterable(map(_words_of_piece, text.lower().split())))


@lru_cache(maxsize=65_536)
def _is_unspaced(word: str) -> bool:
    return re.match(f"[{_UNSPACED}]", word) is not None


def unspaced_letters(found: Sequence[str]) -> int:
    """How many of some `words` are letters of text without spaces."""
    return sum(word >= _FIRST_UNSPACED and _is_unspaced(word) for word in found)


def word_count(text: str) -> int:
    """Words of a text; two letters of text without spaces count as one.

    >>> word_count("how to boil rice"), word_count("多肉叶子发软")
    (4, 3)
    """
    return count_of(words(text))


def count_of(found: Sequence[str]) -> int:
    """How many words `words` stand for."""
    return len(found) - (unspaced_letters(found) + 1) // 2


def runs(found: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Every stretch of `size` words; one of letters of text without spaces has twice as many."""
    if not unspaced_letters(found):
        return [tuple(found[place : place + size]) for place in range(len(found) - size + 1)]
    weights = [1 if word >= _FIRST_UNSPACED and _is_unspaced(word) else 2 for word in found]
    made, stop, weight = [], 0, 0
    for start in range(len(found)):
        while stop < len(found) and weight < 2 * size:
            weight += weights[stop]
            stop += 1
        if weight < 2 * size:
            break
        made.append(tuple(found[start:stop]))
        weight -= weights[start]
    return made


def paired(found: Sequence[str]) -> Sequence[str]:
    """Words, and of neighbouring letters of text without spaces each two: what indexes compare such text by.

    >>> paired(words("换iPhone电池壳"))
    ['换', 'iphone', '电池', '池壳']
    """
    if not unspaced_letters(found):
        return found
    made: list[str] = []
    for is_unspaced, group in groupby(found, lambda word: word >= _FIRST_UNSPACED and _is_unspaced(word)):
        stretch = list(group)
        made += map("".join, pairwise(stretch)) if is_unspaced and len(stretch) > 1 else stretch
    return made


_CLAUSE_END = re.compile(r"(?<=[、。！，．：；？…])(?=[^\s、。！，．：；？…”’」』）])")


def is_unspaced(text: str) -> bool:
    """Whether most of a text is written without spaces between words."""
    found = words(text)
    return 2 * unspaced_letters(found) > len(found)


def clauses(text: str) -> list[str]:
    """What stands between spaces or after a mark of Chinese or Japanese punctuation; joined by `join_clauses`."""
    return [clause for piece in text.split() for clause in _CLAUSE_END.split(piece)]


def join_clauses(pieces: Sequence[str]) -> str:
    """Pieces of `clauses` as they are written: without a space after such a mark or between such letters."""
    joined = ""
    for piece in pieces:
        joined += piece if not joined or unicodedata.east_asian_width(joined[-1]) in "WF" else f" {piece}"
    return joined


def is_lettered(word: str) -> bool:
    """Whether a word has letters and their signs only."""
    return word.isalpha() or all(letter.isalpha() or letter in _SIGNS for letter in word)


def content_words(text: str) -> list[str]:
    """Words that are neither function words nor single characters; of text without spaces, two letters each."""
    found = words(text)
    if text.isascii() or not unspaced_letters(found):
        return [word for word in found if len(word) > 1 and word not in STOP_WORDS]
    return [word for word in paired(found) if (len(word) > 1 or _is_unspaced(word)) and word not in STOP_WORDS]


_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_stemmers = threading.local()


def terms(text: str, language: str) -> list[str]:
    """Content words reduced to their stems (Snowball), as the lexical teacher compares them.

    A language Snowball does not know keeps its words whole.

    >>> terms("Covenants were reset in 2024", "en")
    ['coven', 'reset', '2024']
    """
    found = content_words(text)
    if language not in _SNOWBALL:
        return found
    stemmer = getattr(_stemmers, language, None)
    if stemmer is None:
        stemmer = Stemmer.Stemmer(_SNOWBALL[language])
        setattr(_stemmers, language, stemmer)
    stemmed: list[str] = stemmer.stemWords(found)
    return stemmed


def shingles(tokens: Sequence[str], size: int) -> set[str]:
    """Sets of `size` consecutive tokens; a text shorter than that is one shingle."""
    if size == 1:
        return set(tokens)
    if len(tokens) <= size:
        return {" ".join(tokens)} if tokens else set()
    return {" ".join(tokens[i : i + size]) for i in range(len(tokens) - size + 1)}


def jaccard(first: set[str], second: set[str]) -> float:
    """|A ∩ B| / |A ∪ B|; 0.0 for two empty sets."""
    union = len(first | second)
    return len(first & second) / union if union else 0.0


def hash64(text: str) -> int:
    """A stable unsigned 64-bit hash: the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def draw(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but `parts`."""
    return (hash64(join(*parts)) >> 11) / (1 << 53)


def join(*parts: object) -> str:
    """What `draw` hashes; parts joined before are one part: `draw(join(1, 2), 3) == draw(1, 2, 3)`."""
    return "\x1f".join(map(str, parts))
