"""Numbers that a text states in digits, in any script and in the way of any language."""

from __future__ import annotations

import re
import unicodedata

_TIME = re.compile(
    r"(?<!\d)(\d{1,2})(?:\s?[:：h]\s?(\d{2})(?!\d)|\.(\d{2})\s?Uhr|\s?(?:Uhr|h|[ap]\.?m)\b|\s?[时時点點](?:(\d{1,2})分)?)"
)
_NUMBER = re.compile(r"\d+(?:[.,'’٫٬\u00a0\u202f]\d+)*")
_SPACED = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})+(?!\d)")


def numbers_of(text: str) -> set[str]:
    """The digits of each number, without what sets its thousands or decimals apart.

    >>> sorted(numbers_of("1,750 of 2024年6月 and ४२"))
    ['1750', '2024', '42', '6']
    """
    return set(_digits_of(_in_plain_digits(text)))


def times(text: str) -> set[int]:
    """Times of day that stand in digits, in minutes of a clock of twelve hours.

    >>> times("from 9:30 to 3 pm") == times("9h30 à 15h") == {570, 180}
    True
    """
    found = _TIME.finditer(_in_plain_digits(text))
    return {(int(each[1]) * 60 + int(each[2] or each[3] or each[4] or 0)) % 720 for each in found}


def figures(text: str) -> dict[str, int]:
    """Significant figures of each number in any script's digits -> all its digits; without times of day.

    >>> figures("1,250 of 4.20 million at 9:30"), figures("४२ लाख, 1 250")
    ({'125': 1250, '42': 420}, {'42': 42, '125': 1250})
    """
    digits = _digits_of(_TIME.sub(" ", _in_plain_digits(text)))
    return {each.strip("0") or "0": int(each) for each in digits}


def _digits_of(plain: str) -> list[str]:
    joined = _SPACED.sub(lambda found: found[0].replace(" ", ""), plain)
    return ["".join(filter(str.isdecimal, number)) for number in _NUMBER.findall(joined)]


def _in_plain_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in text)
