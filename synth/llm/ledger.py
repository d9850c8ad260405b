"""A budget that several processes spend together, in the folder of their run.

    runs/RUN_ID/budget/credit-REQUESTS-TOKENS-ID   taken by whoever removes it
    runs/RUN_ID/budget/until-SECONDS               end of the time, since the epoch

A credit is an empty file, and its name is its worth. Removing a file succeeds for one process only, also on a
network file system, so nothing is spent twice. A process that dies takes along what it held: less is spent than
was allowed, never more.
"""

from __future__ import annotations

import random
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from synth.llm.budget import Budget

CREDITS = 1_024
"""Files that a budget is cut into at most: what a process that dies may take along is a few of them."""
_FOLDER = "budget"


class Credit(NamedTuple):
    """What may be spent; 0 where there is no bound of the kind."""

    requests: int
    tokens: int


class Ledger:
    """What is left of the budget of a run's execution."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def draw(self, unspent: int, askers: int) -> Credit | None:
        """A credit for a process that holds `unspent` others; None where none is left, or its share is held.

        Each of the askers may hold its part of what is left and no more, so that all end together. One that
        holds none gets one.
        """
        left = self._credits()
        random.shuffle(left)
        for name in left:
            if unspent and unspent * askers >= len(left) + unspent:
                return None
            with suppress(FileNotFoundError):
                (self._folder / name).unlink()
                return _worth(name)
        return None

    def give_back(self, requests: int, tokens: int) -> None:
        """What was drawn and not spent; nothing where the execution has ended."""
        if requests > 0 or tokens > 0:
            with suppress(FileNotFoundError):
                (self._folder / _name(max(0, requests), max(0, tokens))).touch()

    @property
    def left(self) -> Credit:
        """The sum of what nobody has drawn."""
        each = [_worth(name) for name in self._credits()]
        return Credit(sum(credit.requests for credit in each), sum(credit.tokens for credit in each))

    @property
    def seconds(self) -> float | None:
        """Until the time is over; None where there is no bound."""
        for path in self._folder.glob("until-*"):
            return float(path.name.partition("-")[2]) - time.time()
        return None

    def _credits(self) -> list[str]:
        try:
            return [path.name for path in self._folder.iterdir() if path.name.startswith("credit-")]
        except FileNotFoundError:
            return []


def open_ledger(run_folder: Path, budget: Budget) -> None:
    """Begin an execution: the whole budget is there again."""
    close_ledger(run_folder)
    if budget == Budget():
        return
    folder = run_folder / _FOLDER
    folder.mkdir(parents=True)
    if budget.hours is not None:
        (folder / f"until-{time.time() + 3600 * budget.hours:.6f}").touch()
    bounds = [bound for bound in (budget.requests, budget.tokens) if bound is not None]
    count = min(CREDITS, *bounds) if bounds else 0
    for number in range(count):
        (folder / _name(_part(budget.requests, number, count), _part(budget.tokens, number, count))).touch()


def close_ledger(run_folder: Path) -> None:
    """End an execution: whoever is still at work gets nothing more."""
    shutil.rmtree(run_folder / _FOLDER, ignore_errors=True)


def find_ledger(run_folder: Path) -> Ledger | None:
    """The ledger of a run that is being executed under a budget; None where there is none."""
    folder = run_folder / _FOLDER
    return Ledger(folder) if folder.is_dir() else None


def affordable(run_folder: Path, budget: Budget, items: int) -> int | None:
    """How many shards of so many items the requests that are left suffice for, at one an item; None without a bound."""
    ledger = find_ledger(run_folder)
    if ledger is None or budget.requests is None:
        return None
    return ledger.left.requests // max(1, items)


def _part(bound: int | None, number: int, count: int) -> int:
    """The parts add up to the bound."""
    return 0 if bound is None else bound * (number + 1) // count - bound * number // count


def _name(requests: int, tokens: int) -> str:
    return f"credit-{requests}-{tokens}-{uuid.uuid4().hex}"


def _worth(name: str) -> Credit:
    _, requests, tokens, _ = name.split("-")
    return Credit(int(requests), int(tokens))
