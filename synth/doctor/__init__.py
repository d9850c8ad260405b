"""`synth doctor`: looks at everything a run leans on, and says of each thing what to do about it.

One module a subject, one function a check; a check returns a `Finding` and never prints. `examine` asks
them with a time limit each, so that one that hangs or fails hides none of the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from synth.doctor.finding import Finding, broken, from_error, presentable
from synth.errors import SynthError

TIMEOUT = 60.0
"""Seconds that a check may take, unless told otherwise."""


@dataclass(frozen=True)
class Check:
    """Something to look at: `ask` yields what it finds, as it finds it."""

    section: str
    """What it is part of, for people: a store, an address, this machine."""
    name: str
    ask: Callable[[], Iterable[Finding]]
    is_apart: bool = False
    """Whether it may be asked beside others, since it imports nothing (imports in several threads get in each other's way)."""


def examine(checks: Sequence[Check], timeout: float = TIMEOUT) -> Iterator[tuple[Check, Finding]]:
    """Each check with what it found, in the order given; a check that takes longer than `timeout` seconds is broken."""
    apart = {check: _begin(check) for check in checks if check.is_apart}
    for check in checks:
        asked = apart.get(check) or _begin(check)
        asked.join(max(0.0, asked.began + timeout - time.monotonic()))
        for finding in list(asked.findings):
            yield check, presentable(finding)
        if asked.is_alive():
            yield (
                check,
                broken(
                    check.name,
                    f"no answer in {timeout:g} s",
                    f"see what it is waiting for, or give it longer: synth doctor --timeout {timeout * 5:g}",
                ),
            )


class _Asked(threading.Thread):
    """A check under way; a daemon, so that one that hangs keeps nobody from leaving."""

    def __init__(self, check: Check) -> None:
        super().__init__(daemon=True, name=f"doctor: {check.name}")
        self.check = check
        self.findings: list[Finding] = []
        self.began = time.monotonic()

    def run(self) -> None:
        name = self.check.name
        try:
            for finding in self.check.ask():
                self.findings.append(finding)
        except SynthError as error:
            self.findings.append(from_error(name, error))
        except OSError as error:
            fix = "see whether what that line names can be reached and read from here"
            self.findings.append(broken(name, str(error) or type(error).__name__, fix))
        except Exception as error:  # noqa: BLE001 - whatever is wrong here must not hide what others find
            self.findings.append(
                broken(
                    name,
                    f"could not be looked at: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
                    "this is a fault of synth or of a package it uses: please report it with the line above",
                )
            )


def _begin(check: Check) -> _Asked:
    asked = _Asked(check)
    asked.start()
    return asked
