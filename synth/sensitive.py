"""Finds personal and secret data in text, and masks it.

Patterns only: names and addresses are not found. Each kind has a cheap check first,
and patterns are bounded, so that a text is read in time linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
    found = [*_secrets(text), *_emails(text)]
    if _DIGITS.search(text):
        found += [*_cards(text), *_accounts(text), *_phones(text)]
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
    by_mask = {kind.upper(): kind for kind in KINDS}
    return [by_mask[found[1]] for found in _MASK.finditer(text)]


_MASK = re.compile(r"\[(" + "|".join(kind.upper() for kind in KINDS) + r")\]")
_DIGITS = re.compile(r"\d(?:[\s().-]{0,3}\d){7}")
"""Cards, accounts and phone numbers have eight digits or more, close together. IBANs have more than that
but letters between them, hence `_IBAN_START`."""

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
