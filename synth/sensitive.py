"""Finds personal and secret data in text, and masks it.

Patterns only: names and addresses are not found. Each kind has a cheap check first,
and patterns are bounded, so that a text is read in time linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, NamedTuple, get_args

Kind = Literal["secret", "card", "account", "email", "phone"]
"""Where two kinds overlap, the earlier one here wins."""

KINDS: tuple[Kind, ...] = get_args(Kind)


class Finding(NamedTuple):
    """`text[start:end]` is sensitive."""

    kind: Kind
    start: int
    end: int


def find_sensitive(text: str) -> list[Finding]:
    """Findings that do not overlap, in order.

    >>> find_sensitive("Write to ana@acme.io.")
    [Finding(kind='email', start=9, end=20)]
    """
    if text.isascii() and _SIGNS.isdisjoint(text) and not any(map(text.__contains__, _LETTERED_TOKENS)):
        return []
    found = [*_secrets(text), *_ibans(text), *_emails(text)]
    if _DIGITS.search(text):
        found += [*_cards(text), *_cued_accounts(text), *_phones(text)]
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda each: (each.start, KINDS.index(each.kind), -each.end)):
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
        elif KINDS.index(finding.kind) < KINDS.index(kept[-1].kind):
            kept[-1] = finding
    return kept


def mask(text: str, findings: Sequence[Finding]) -> str:
    """`text` with each finding replaced by its kind, such as `[EMAIL]`; findings as `find_sensitive` gives them."""
    parts: list[str] = []
    position = 0
    for kind, start, end in findings:
        parts += [text[position:start], f"[{kind.upper()}]"]
        position = end
    return "".join([*parts, text[position:]])


def masked_kinds(text: str) -> list[Kind]:
    """The kinds of the masks in a text, one for each mask."""
    if "[" not in text:
        return []
    by_mask = {kind.upper(): kind for kind in KINDS}
    return [by_mask[found[1]] for found in _MASK.finditer(text)]


_MASK = re.compile(r"\[(" + "|".join(kind.upper() for kind in KINDS) + r")\]")
_DIGITS = re.compile(r"\d(?:[\s().‐‑–-]{0,3}\d){7}")
"""Eight digits close together: cards, account numbers and phone numbers have no fewer."""

_SIGNS = frozenset("0123456789@=:_-")
_LETTERED_TOKENS = ("AKIA", "ASIA", "AIza", "eyJ")
"""Where neither these nor a sign stands there is nothing to be found."""

# --- secret ------------------------------------------------------------------------------------------------------

_TOKEN_STARTS = ("AKIA", "ASIA", "gh", "github_pat_", "glpat-", "hf_", "xox", "k_live_", "AIza", "eyJ", "sk-")
_TOKEN = re.compile(
    r"""(?<![\w-])(?:
        (?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)                  # AWS
      | gh[oprsu]_[A-Za-z0-9]{20,} | github_pat_\w{20,} | glpat-[\w-]{20,}
      | hf_[A-Za-z0-9]{20,}
      | xox[abeoprs]-[\w-]{10,}                          # Slack
      | [rs]k_live_\w{16,}                               # Stripe
      | AIza[\w-]{35}                                    # Google
      | eyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]+)?           # JSON Web Token
      | sk-(?=[\w-]*\d)[\w-]{20,} )                      # OpenAI, Anthropic; with a digit, unlike a CSS class""",
    re.VERBOSE,
)
_BEARER = re.compile(r"\bbearer\s{1,5}(?=[\w.~+/=-]{0,200}\d)(?P<value>[\w.~+/=-]{16,})", re.IGNORECASE)
_USER_INFO = re.compile(r"""://(?P<value>[^\s/:"'<>]{0,100}:(?![$<{])[^\s/@"'<>]{1,200})@""")
_ASSIGNED = re.compile(
    r"""(?: (?:api|access|secret|private|account)[_ -]?key | (?:auth|access|api|refresh)[_ -]?token
          | secret | password | passwd | passphrase )
        ["']? \s{0,5} (?: := | => | [:=] ) \s{0,5}
        (?: "(?P<double>[^\s"]{8,200})" | '(?P<single>[^\s']{8,200})' | (?P<bare>[^\s"'`,;<>(){}\[\]$]{8,200}) )
        (?!\()""",
    re.VERBOSE | re.IGNORECASE,
)
_ASSIGNED_NAMES = ("key", "token", "secret", "passw", "passphrase")
_PLACEHOLDER = re.compile(r"[<{\[$%*]|(.)\1+$")
_NOT_PROSE = re.compile(r"[\d!@#%^&*]")
_PEM_EDGE = re.compile(r"-----(?P<edge>BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(
    r"(?:\s*[\w-]+:[^\n]*\n)*\s*[A-Za-z0-9+/=\\]*(?:\s|[A-Za-z0-9+/=\\]{16,})*(?:[A-Za-z0-9+/=\\]+\Z)?"
)
"""Headers and base64. Lines may be short at either end; elsewhere what is shorter than 16 letters is prose."""


def _secrets(text: str) -> Iterator[Finding]:
    yield from _private_keys(text)
    if any(map(text.__contains__, _TOKEN_STARTS)):
        yield from (Finding("secret", *found.span()) for found in _TOKEN.finditer(text))
    if "://" in text and "@" in text:
        yield from (Finding("secret", *found.span("value")) for found in _USER_INFO.finditer(text))
    folded = text.casefold()
    if ("=" in text or ":" in text) and any(map(folded.__contains__, _ASSIGNED_NAMES)):
        yield from _assigned(text)
    if "bearer " in folded:
        yield from (Finding("secret", *found.span("value")) for found in _BEARER.finditer(text))


def _assigned(text: str) -> Iterator[Finding]:
    for found in _ASSIGNED.finditer(text):
        group = found.lastgroup or "bare"
        value = found[group]
        if not _PLACEHOLDER.match(value) and (group != "bare" or _NOT_PROSE.search(value)):
            yield Finding("secret", *found.span(group))


def _private_keys(text: str) -> Iterator[Finding]:
    """Whole blocks; where the text has only one edge of a block, as chunks do, the body next to it."""
    if "PRIVATE KEY" not in text:
        return
    start: int | None = None
    unclosed = last = 0
    for found in _PEM_EDGE.finditer(text):
        if found["edge"] == "BEGIN":
            start = found.start() if start is None else start
            unclosed = found.end()
            continue
        if start is None:
            start = found.start() - _body_length(text[last : found.start()][::-1])
        yield Finding("secret", start, found.end())
        start, last = None, found.end()
    if start is not None:
        yield Finding("secret", start, unclosed + _body_length(text[unclosed:]))


def _body_length(text: str) -> int:
    body = _PEM_BODY.match(text)
    return len(body[0].rstrip()) if body else 0


# --- card --------------------------------------------------------------------------------------------------------

_CARD = re.compile(
    r"""(?<!\w)(?<!\d[.-])
        (?: \d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})? | \d{4}([ -])\d{6}\2\d{4,5} | \d{13,19} )
        (?!\w)(?![.-]\d)""",
    re.VERBOSE,
)
_ISSUED = re.compile(
    r"""4(?:\d{12}|\d{15}|\d{18})                                              # Visa
      | (?:5[1-5]\d\d | 222[1-9] | 22[3-9]\d | 2[3-6]\d\d | 27[01]\d | 2720)\d{12}  # Mastercard
      | 3[47]\d{13}                                                            # American Express
      | 3(?:0[0-5]|[689]\d)\d{11}                                              # Diners Club
      | (?:6011|64[4-9]\d|65\d\d)\d{12,15}                                     # Discover
      | 35(?:2[89]|[3-8]\d)\d{12,15}                                           # JCB
      | 62\d{14,17}                                                            # UnionPay
      | (?:5018|5020|5038|5893|6304|6759|676[123])\d{8,15}                     # Maestro""",
    re.VERBOSE,
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _cards(text: str) -> Iterator[Finding]:
    for found in _CARD.finditer(text):
        digits = found[0].replace(" ", "").replace("-", "")
        if _ISSUED.fullmatch(digits) and _luhn_valid(digits):
            yield Finding("card", *found.span())


def _luhn_valid(digits: str) -> bool:
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_DOUBLED[number] for number in numbers[1::2])) % 10 == 0


# --- account -----------------------------------------------------------------------------------------------------

_IBAN_START = re.compile(r"\b([A-Z]{2})\d{2}(?= ?[A-Z0-9])")
_IBAN_LENGTHS = {
    entry[:2]: int(entry[2:])
    for entry in """AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29
    ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21
    LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18
    SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20""".split()
}
_CUED_ACCOUNT = re.compile(
    r"""\b(?:account|acct|a/c)
        (?: \.?\s{0,3}(?:number|num|no|nr|\#)s?[\s.:\#]{0,4}(?:is\s)?(?P<spaced>\d(?:[ -]?\d){7,16})
          | [\s.:\#]{1,4}(?P<solid>\d{8,17}) )
        (?!\w)(?!-\d)""",
    re.VERBOSE | re.IGNORECASE,
)


def _ibans(text: str) -> Iterator[Finding]:
    for found in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(found[1])
        whole = length and _iban_of_length(length).match(text, found.start())
        if whole and _mod_97_valid(whole[0].replace(" ", "")):
            yield Finding("account", *whole.span())


@cache
def _iban_of_length(length: int) -> re.Pattern[str]:
    return re.compile(rf"[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]){{{length - 4}}}(?![A-Za-z0-9])")


def _mod_97_valid(iban: str) -> bool:
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def _cued_accounts(text: str) -> Iterator[Finding]:
    for found in _CUED_ACCOUNT.finditer(text):
        yield Finding("account", *found.span(found.lastgroup or 0))


# --- email -------------------------------------------------------------------------------------------------------

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}(?:[^\W\d_]{2,24}|xn--\w{1,59})\b")
_NOT_TOP_LEVEL = frozenset("service socket timer target mount device slice conf png jpg svg js ts py".split())
"""`getty@tty1.service` is a systemd unit, `icon@2x.png` a file."""


def _emails(text: str) -> Iterator[Finding]:
    if "@" not in text:
        return
    for found in _EMAIL.finditer(text):
        if found[0].rpartition(".")[2].lower() not in _NOT_TOP_LEVEL:
            yield Finding("email", *found.span())


# --- phone -------------------------------------------------------------------------------------------------------

_PHONE = re.compile(
    r"""(?<![\w+])(?<!\d[.,‐‑–-])
        (?: \+1[ .-]?\(?[2-9]\d\d\)?[ .-]{0,2}[2-9]\d\d[ .-]?\d{4}               # +1 408 996 1010
          | (?:1[ .-])?(?:\([2-9]\d\d\)\s?|[2-9]\d\d[.‐‑–-])[2-9]\d\d[.‐‑–-]\d{4}  # (408) 996-1010, 408.996.1010
          | (?!\+\d{1,3}(?:\.\d{3})+(?!\d))                                      # +1.234.567 is an amount
            \+[2-9](?:[ .()‑-]{0,3}\d){8,14} )                                   # +44 (0)20 7946 0958
        (?!\w)(?!-\d)""",
    re.VERBOSE,
)


def _phones(text: str) -> Iterator[Finding]:
    yield from (Finding("phone", *found.span()) for found in _PHONE.finditer(text))
