"""What a check found: a line for people, a row for machines."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Literal

from synth.errors import MissingExtra, SynthError

State = Literal["ok", "warning", "broken"]

_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|AUTH_STRING)$", re.IGNORECASE)
_ADVICE = re.compile(r"(.*): ((?:write|put|run|give|name|set|add|type) .*)", re.DOTALL)
_USER = re.compile(r"//[^/@\s]*@")
_SHORTEST_SECRET = 6


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `fix` is what to do or to type, for all that is not ok."""

    name: str
    state: State
    said: str
    fix: str = ""


def ok(name: str, said: str) -> Finding:
    """Works."""
    return Finding(name, "ok", said)


def warning(name: str, said: str, fix: str) -> Finding:
    """Works, with something to know."""
    return Finding(name, "warning", said, fix)


def broken(name: str, said: str, fix: str) -> Finding:
    """A run that needs it would fail."""
    return Finding(name, "broken", said, fix)


def from_error(name: str, error: SynthError) -> Finding:
    """An error of ours says what is wrong, and behind its last semicolon, or a colon, what to do."""
    from synth.doctor.packages import how_to_install

    if isinstance(error, MissingExtra):
        return broken(name, f"{error.feature} needs the extra {error.extra!r}", how_to_install(error.extra))
    said, _, fix = str(error).rpartition("; ")
    if not said and (found := _ADVICE.fullmatch(str(error))):
        said, fix = found.groups()
    return broken(name, said, fix) if said else broken(name, str(error), "")


def presentable(finding: Finding) -> Finding:
    """The same on one line and without secrets, which servers repeat: user and password of addresses, and the value of any
    environment variable that is called like one.
    """
    said, fix = (_USER.sub("//", " ".join(text.split())) for text in (finding.said, finding.fix))
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST_SECRET:
            said, fix = said.replace(value, f"[{name}]"), fix.replace(value, f"[{name}]")
    return replace(finding, said=said, fix=fix)
