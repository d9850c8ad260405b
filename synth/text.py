"""Words: how texts are normalised, tokenised and compared everywhere in synth."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

import Stemmer

TOKEN = re.compile(r"\w+(?:[.,]\d\w*)*%?", re.UNICODE)
_SPACE = re.compile(r"\s+")

UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""A character of a script that puts no spaces between words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""

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


class _Pieces(dict[str, tuple[str, ...]]):
    """Words of what stands between two spaces: most pieces recur, and no word has a space in it."""

    most = 32_768
    longest = 32

    def __missing__(self, piece: str) -> tuple[str, ...]:
        found = tuple(TOKEN.findall(piece))
        if len(piece) <= self.longest:
            if len(self) >= self.most:
                self.clear()
            self[piece] = found
        return found


_words_of_piece = _Pieces().__getitem__


@lru_cache(maxsize=256)
def words(text: str) -> tuple[str, ...]:
    """Lower-cased words and numbers; `1,234.5` and `4.25%` stay whole.

    >>> words("Net debt rose 4.25% to $1,234.5m")
    ('net', 'debt', 'rose', '4.25%', 'to', '1,234.5m')
    """
    return tuple(chain.from_iterable(map(_words_of_piece, text.lower().split())))


def word_count(text: str) -> int:
    """Words between spaces; of scripts without spaces two characters count as one."""
    spaced, unspaced = UNSPACED.subn(" ", text)
    return sum(any(map(str.isalnum, word)) for word in spaced.split()) + unspaced // 2


def pieces(text: str) -> tuple[str, ...]:
    """Lower-cased words, and characters of scripts without spaces."""
    return words(UNSPACED.sub(r" \g<0> ", text))


def content_words(text: str) -> list[str]:
    """Words that are neither function words nor single characters."""
    return [word for word in words(text) if len(word) > 1 and word not in STOP_WORDS]


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
