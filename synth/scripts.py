"""Scripts: which letters a text is written in, and which languages are written with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import cache, lru_cache

LATIN, HAN, KANA = "Latin", "Han", "Kana"

_RANGES = {
    "Arabic": "0600-06ff 0750-077f 0870-08ff fb50-fdff fe70-feff",
    "Armenian": "0530-058f",
    "Bengali": "0980-09ff",
    "Cyrillic": "0400-052f 1c80-1c8f 2de0-2dff a640-a69f",
    "Devanagari": "0900-097f a8e0-a8ff",
    "Ethiopic": "1200-139f 2d80-2ddf ab00-ab2f",
    "Georgian": "10a0-10ff 1c90-1cbf 2d00-2d2f",
    "Greek": "0370-03ff 1f00-1fff",
    "Gujarati": "0a80-0aff",
    "Gurmukhi": "0a00-0a7f",
    "Hangul": "1100-11ff 3130-318f a960-a97f ac00-d7ff",
    HAN: "3400-4dbf 4e00-9fff f900-faff 20000-323af",
    "Hebrew": "0590-05ff fb10-fb4f",
    KANA: "3040-30ff 31f0-31ff",
    "Kannada": "0c80-0cff",
    "Khmer": "1780-17ff",
    "Lao": "0e80-0eff",
    LATIN: "0000-02af 1e00-1eff 2c60-2c7f a720-a7ff fb00-fb0f ff20-ff5f",
    "Malayalam": "0d00-0d7f",
    "Myanmar": "1000-109f a9e0-a9ff aa60-aa7f",
    "Oriya": "0b00-0b7f",
    "Sinhala": "0d80-0dff",
    "Tamil": "0b80-0bff",
    "Telugu": "0c00-0c7f",
    "Thaana": "0780-07bf",
    "Thai": "0e00-0e7f",
    "Tibetan": "0f00-0fff",
}
"""Unicode blocks, in steps of sixteen characters."""

_WRITTEN = {
    "Arabic": "ar arz azb ckb fa ks lrc mzn pnb ps sd ug ur",
    "Armenian": "hy",
    "Bengali": "as bn bpy",
    "Cyrillic": "av ba be bg bxr ce cv kk krc kv ky lez mhr mk mn mrj myv os ru rue sah tg tt tyv uk xal",
    "Devanagari": "bh dty gom hi mai mr ne new sa",
    "Ethiopic": "am ti",
    "Georgian": "ka xmf",
    "Greek": "el",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Hangul": "ko",
    HAN: "wuu yue zh",
    "Hebrew": "he yi",
    KANA: "ja",
    "Kannada": "kn",
    "Khmer": "km",
    "Lao": "lo",
    "Malayalam": "ml",
    "Myanmar": "my",
    "Oriya": "or",
    "Sinhala": "si",
    "Tamil": "ta",
    "Telugu": "te",
    "Thaana": "dv",
    "Thai": "th",
    "Tibetan": "bo",
}
"""Languages that are not written with Latin letters."""
_ALSO = {
    "az": "Latin Cyrillic Arabic",
    "bs": "Latin Cyrillic",
    "gom": "Devanagari Latin",
    "ja": "Kana Han",
    "kk": "Cyrillic Latin Arabic",
    "ko": "Hangul Han",
    "ku": "Latin Arabic",
    "mn": "Cyrillic Latin",
    "pa": "Gurmukhi Arabic",
    "sd": "Arabic Devanagari",
    "sh": "Latin Cyrillic",
    "sr": "Cyrillic Latin",
    "tg": "Cyrillic Latin",
    "tk": "Latin Cyrillic",
    "tt": "Cyrillic Latin",
    "ug": "Arabic Cyrillic Latin",
    "uz": "Latin Cyrillic",
}
"""Languages that are written with several."""
READS_AS = 3
"""A letter of another script says as much as three Latin ones, which stand in names and loan words of any language."""


@cache
def scripts_of(language: str) -> frozenset[str]:
    """What a language is written with; Latin where nothing else is known."""
    if language in _ALSO:
        return frozenset(_ALSO[language].split())
    return frozenset(script for script, written in _WRITTEN.items() if language in written.split()) or frozenset(
        {LATIN}
    )


@lru_cache(maxsize=4096)
def count_letters(text: str) -> Mapping[str, int]:
    """Letters of each script in a text.

    >>> dict(count_letters("租房 iPhone"))
    {'Han': 2, 'Latin': 6}
    """
    if text.isascii():
        return {LATIN: sum(map(str.isalpha, text))}
    blocks = _blocks()
    found = Counter(blocks.get(ord(letter) >> 4, "") for letter in text if letter.isalpha())
    return {script: found[script] for script in sorted(found) if script}


def is_foreign(counts: Mapping[str, int], allowed: Collection[str]) -> bool:
    """Whether letters of scripts that are not `allowed` are a third as many as those that are; Latin ones stand in any text.

    >>> is_foreign({"Cyrillic": 9, "Latin": 12}, {"Latin"}), is_foreign({"Han": 4, "Latin": 12}, {"Han"})
    (True, False)
    """
    foreign = sum(count for script, count in counts.items() if script not in allowed and script != LATIN)
    home = sum(count for script, count in counts.items() if script in allowed)
    return foreign > 1 and READS_AS * foreign >= home


def sole_language(text: str) -> tuple[str, float] | None:
    """The language that the script of a text leaves no choice about, and how sure that is; None where it leaves one.

    >>> sole_language("多肉叶子发软"), sole_language("ξενοδοχείο"), sole_language("где найти")
    (('zh', 1.0), ('el', 1.0), None)
    """
    if text.isascii():
        return None
    counts = count_letters(text)
    others = {script: count for script, count in counts.items() if script != LATIN}
    if sum(others.values()) * READS_AS < counts.get(LATIN, 0) or not others:
        return None
    if set(others) <= {HAN, KANA}:
        return _of_han(text, others)
    script = max(others, key=lambda name: others[name])
    written = _WRITTEN[script].split()
    return (written[0], 1.0) if len(written) == 1 and 2 * others[script] > sum(others.values()) else None


_WITHOUT_KANA = 10
"""Japanese has no stretch of so many letters without kana."""


def _of_han(text: str, counts: Mapping[str, int]) -> tuple[str, float]:
    """Kana are Japanese; Han alone are so where no Chinese character set has one, and in doubt where they are few and in the Japanese one."""
    if counts.get(KANA, 0) > 1 or (counts.get(KANA) and counts.get(HAN, 0) < _WITHOUT_KANA):
        return "ja", 1.0
    han = [letter for letter in text if ord(letter) > 0x2FFF and letter.isalpha()]
    if any(
        not _is_in(letter, "gb2312") and not _is_in(letter, "big5") and _is_in(letter, "shift_jis") for letter in han
    ):
        return "ja", 1.0
    sure = len(han) >= _WITHOUT_KANA or not all(_is_in(letter, "shift_jis") for letter in han)
    return "zh", 1.0 if sure else 0.5


@lru_cache(maxsize=16_384)
def _is_in(letter: str, charset: str) -> bool:
    try:
        letter.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


@cache
def _blocks() -> Mapping[int, str]:
    return {block: script for script, ranges in _RANGES.items() for block in _blocks_of(ranges)}


def _blocks_of(ranges: str) -> Iterator[int]:
    for each in ranges.split():
        first, last = each.split("-")
        yield from range(int(first, 16) >> 4, (int(last, 16) >> 4) + 1)
