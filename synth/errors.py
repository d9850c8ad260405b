"""Everything that can go wrong, as a tree.

SynthError
├── InputError        the user can fix it: exit code 2
│   ├── DocumentError     a path, file, row or field of the documents
│   ├── DomainError       a domain file, a configuration file or a persona file
│   ├── StoreError        the store can't be read or written
│   └── MissingExtra      a feature needs an extra that is not installed
├── RunError          a run can't go on, and can be resumed: exit code 1
│   ├── RunBusy           another process holds the run
│   └── RunStopped        somebody asked it to stop
└── ConservationError a bug of ours: items are unaccounted for

A message is one sentence: what, where (file, row, field), why, and what to type next.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path


class SynthError(Exception):
    """Base of all errors that synth raises on purpose."""


class InputError(SynthError):
    """The user can fix it; shown without a traceback, exit code 2."""


class DocumentError(InputError):
    """A documents path, file, row or field can't be used."""


class DomainError(InputError):
    """A domain, configuration or persona file is wrong."""


class StoreError(InputError):
    """The store, a dataset or a version can't be read or written."""


class MissingExtra(InputError):
    """A feature needs an optional dependency."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature, self.extra = feature, extra
        super().__init__(f"{feature} needs the extra {extra!r}: pip install 'synth[{extra}]'")
        self._told = (feature, extra)

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return MissingExtra, self._told  # from a worker to its flow run


class RunError(SynthError):
    """A run can't go on; what it did is kept and can be resumed."""


class RunBusy(RunError):
    """Another live process holds the run."""


class RunStopped(RunError):
    """Somebody asked the run to stop, and it did."""


class ConservationError(SynthError):
    """Planned items are unaccounted for: a bug of ours, never the user's fault."""


def suggest_file(path: Path) -> str:
    """A clause naming what is nearly called like the first part of `path` that does not exist; '' where nothing is."""
    missing = next(part for part in (*reversed(path.parents), path) if not os.path.exists(part))
    try:
        beside = os.listdir(missing.parent)
    except OSError:
        return ""
    near = difflib.get_close_matches(missing.name, beside, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """A clause naming the nearest known word, or all of them: `; did you mean 'finance'?`."""
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(choices)}" if choices else ""
