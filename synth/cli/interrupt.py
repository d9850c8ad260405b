"""Ctrl-C that can't get lost.

Python raises KeyboardInterrupt wherever it happens to be, and where that is a finaliser or
a callback of a C library the exception is swallowed and the run would go on. So the signal
is remembered as well, and raised again at the next sign of progress.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from synth.progress import Reporter


class Attentive:
    """A reporter that passes everything on, and stops the run once Ctrl-C was seen."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._interrupted = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def stage(self, name: str, total: int | None = None) -> None:
        self._check()
        self._reporter.stage(name, total)

    def advance(self, amount: int = 1) -> None:
        self._check()
        self._reporter.advance(amount)

    def status(self, text: str) -> None:
        self._reporter.status(text)

    def note(self, message: str) -> None:
        self._reporter.note(message)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def _check(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
