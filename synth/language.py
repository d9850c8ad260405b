"""Which language a text is in, by py3langid."""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from typing import NamedTuple, Protocol, cast

READ_CHARS = 300
"""What the identifier sees of a text: it is sure long before, and its cost grows with length."""


class Found(NamedTuple):
    """The likeliest language and how likely it is, 0 to 1."""

    language: str
    probability: float


class _Identifier(Protocol):
    @property
    def labels(self) -> list[str]: ...

    def classify(self, text: str) -> tuple[str, float]: ...


def identify(text: str, min_letters: int) -> Found | None:
    """None where there are too few letters to tell; numbers and names look like any language."""
    letters = sum(map(str.isalpha, text))
    return _classify(text[:READ_CHARS]) if letters >= min_letters else None


@cache
def known_languages() -> frozenset[str]:
    """Codes that the identifier can find."""
    return frozenset(_load().labels)


@cache
def primary(code: str) -> str:
    """`en-GB` counts as `en`."""
    return code.replace("_", "-").split("-")[0].lower()


@lru_cache(maxsize=4096)
def _classify(text: str) -> Found:
    return Found(*_load().classify(text))


_loading = threading.Lock()


def _load() -> _Identifier:
    """Loading takes half a second, hence not at import, and once however many threads ask. Classifying takes 0.1 ms."""
    with _loading:
        return _loaded()


@cache
def _loaded() -> _Identifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return cast(_Identifier, LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))
