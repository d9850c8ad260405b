"""Text that was decoded wrongly, and characters that no text needs."""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = frozenset({"Cc", "Co", "Cs"})
_SPACES = frozenset("\t\n\r")
_FAULTS = re.compile(
    r"""[\ufffc\ufffd\ufeff\ufdd0-\ufdef\U00040000-\U000dffff]    # replacements, a byte-order mark, never characters
      | [\u200b-\u200d\u2060-\u2064\u00ad\u180e]{2,}                # zero width, again and again
      | (?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]  # tags, but for those of flags
      | [\u202d\u202e]                                              # letters turned round by force
      | [\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4,}
      | ([\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094d\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])\1{2,}
      | [ВГДΒΓĀ][£®°©™¤¦§¨«\xa0ЂЃѓ] | β€ | ВЈ(?=[a-zA-Z0-9])          # UTF-8 read as Windows-1251, 1253, 1257
      | [ÂĂĹ][ŁŤŽŠŚŹŻťž©ˇ˘¤§¨]                                       # ... as Windows-1250 and ISO 8859-2
      | [ΓÔ](?:Ç|é¼) | [┬├][^\s│┤─-╿]                               # ... as code pages 437 and 850
      | (?<=[^\W\d_])¡(?=\S) | ¡(?:[^\w¿\s"'“‘«(*_…-]|[àâ-äæ-èê-ìîïòôõöùûý-ÿÀÂ-ÄÆ-ÈÊ-ÌÎÏÒÔÕÖÙÛÝ-ß]|[ÁÉÍÓÚB-DF-HJ-NP-TV-XZ](?!\w))
      | ¢[A-Za-zÀ-ÿ]                                                # East Asian read as Latin-1
      | 鈥|鈧|(?<![⺀-鿿])[拢芦禄庐茅掳驴艂](?![⺀-鿿]) | 锟斤拷|烫烫烫|屯屯屯  # ... as GBK, and memory of a debugger
      | 窶|竄|(?<=[a-zA-Z\s])ﾂ[｡-ﾟ]|(?<=[a-zA-Z])ﾃ[｡-ﾟ]             # ... as Shift JIS
      | (?<=[^\W\d_])\\u(?:00[c-f]|20[12])[0-9a-f]                    # caf\u00e9, escaped twice""",
    re.VERBOSE,
)
_LATIN_1 = re.compile(r"[\u00a1-\u00ff]{5,}")
"""Cyrillic, Greek or Chinese of one or two bytes a letter, read as Latin-1. No word has so many accented letters in a row
that are different."""
_LIGATURES = "Œœ"
"""Which may stand alone, as in a question about them; nor are two of a sign (††) wrong letters."""
_OPEN, _CLOSE = "[\u202a\u202b\u2066-\u2068]", "[\u202c\u2069]"
_DIRECTIONS = re.compile(f"{_OPEN}|{_CLOSE}")


def mojibake(text: str) -> str:
    """What is garbled in a text: the characters, or their code points where they can't be seen; '' for nothing.

    >>> mojibake("donâ€™t")
    'â€'
    """
    if text.isascii() and text.isprintable():
        return next((found[0] for found in _FAULTS.finditer(text)), "") if "\\u" in text else ""
    return _odd_character(text) or _wrong_letters(text)


def _odd_character(text: str) -> str:
    if not text.isprintable():
        for char in text:
            if not char.isprintable() and char not in _SPACES and unicodedata.category(char) in _CONTROLS:
                return _shown(char)
        if _DIRECTIONS.search(text) and not _is_balanced(text):
            return "directions that are not closed"
    found = _FAULTS.search(text)
    return _shown(found[0]) if found else ""


def _shown(found: str) -> str:
    if found.isprintable() and found[0] < "\ufff0" and not unicodedata.category(found[0]).startswith("M"):
        return found
    return " ".join(f"U+{ord(char):04X}" for char in found[:4])


def _is_balanced(text: str) -> bool:
    depth = 0
    for found in _DIRECTIONS.finditer(text):
        depth += 1 if re.match(_OPEN, found[0]) else -1
        if depth < 0:
            return False
    return depth == 0


def _wrong_letters(text: str) -> str:
    if text.isascii():
        return ""
    from ftfy.badness import BADNESS_RE  # 0.1 s; text in ASCII needs no look

    for found in BADNESS_RE.finditer(text):
        if len(set(found[0])) > 1 and found[0][0] not in _LIGATURES:
            return str(found[0]).strip()
    return next((found[0] for found in _LATIN_1.finditer(text) if len(set(found[0])) > 3), "")
