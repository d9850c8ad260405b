"""Who asks on behalf of a run: a file for each process at work, touched while it is.

    runs/RUN_ID/asking/HOST-PID-ID

A server and a budget are shared by all of them, so each takes its part of what the server can bear and of what may
be spent.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from synth.llm.budget import Budget, Purse
from synth.llm.ledger import close_ledger, find_ledger, open_ledger
from synth.llm.limits import Limit
from synth.llm.settings import LlmSettings

COUNT_SECONDS = 2.0
"""Between two looks at who else is there."""
SILENT_SECONDS = 60.0
"""A process that has not touched its file for so long is gone. Times are those of the file system, not of clocks."""
_FOLDER = "asking"


class Company:
    """The processes that ask for the run in `run_folder`; this one is among them from `join` to `part`."""

    def __init__(self, run_folder: Path) -> None:
        self._own = run_folder / _FOLDER / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._is_present = False

    def join(self) -> None:
        """This process has something to ask."""
        self._is_present = True
        with suppress(FileNotFoundError):  # nobody executes the run
            self._own.touch()

    def part(self) -> None:
        """It has nothing to ask any more."""
        self._is_present = False
        self._own.unlink(missing_ok=True)

    def count(self) -> int:
        """How many are at work, at least 1; says that this one is."""
        if self._is_present:
            self.join()
        seen = []
        with suppress(FileNotFoundError):
            for path in self._own.parent.iterdir():
                seen.append(path.stat().st_mtime)
        newest = max(seen, default=0.0)
        return max(1, sum(newest - each < SILENT_SECONDS for each in seen))


class Sharing:
    """What a client takes of servers and budget; all of both without a run's folder.

    Only the thread of the client calls it.
    """

    def __init__(self, run_folder: Path | None, budget: Budget, limits: Sequence[Limit]) -> None:
        self._company = Company(run_folder) if run_folder else None
        self._limits = limits
        ledger = find_ledger(run_folder) if run_folder and budget != Budget() else None
        self.purse = Purse(budget, ledger)

    def join(self) -> None:
        """There is something to ask."""
        if self._company:
            self._company.join()
            self._divide(self._company.count())

    def part(self) -> None:
        """Nothing is asked any more: what is left is for others."""
        self.purse.release()
        if self._company:
            self._company.part()

    async def watch(self) -> None:
        """Learn who comes and goes."""
        while self._company:
            await asyncio.sleep(COUNT_SECONDS)
            self._divide(self._company.count())

    def _divide(self, askers: int) -> None:
        self.purse.askers = askers
        for limit in self._limits:
            limit.share(askers)


@contextmanager
def together(run_folder: Path, llm: LlmSettings | None) -> Iterator[None]:
    """An execution of a run, whose processes share servers and the whole budget; it ends with whoever began it."""
    _forget(run_folder)
    (run_folder / _FOLDER).mkdir(parents=True)
    open_ledger(run_folder, llm.budget if llm else Budget())
    try:
        yield
    finally:
        _forget(run_folder)


def _forget(run_folder: Path) -> None:
    close_ledger(run_folder)
    shutil.rmtree(run_folder / _FOLDER, ignore_errors=True)
