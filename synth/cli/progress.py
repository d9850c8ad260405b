"""Progress on stderr: bars with rate and ETA on a terminal, a line every 10 seconds otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from synth.cli.output import err

LINE_SECONDS = 10.0


class Bars:
    """A bar a stage, for people."""

    def __init__(self, console: Console = err) -> None:
        self._progress = _BarsAndStatus(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: int | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        self._progress.stop()

    def stage(self, name: str, total: int | None = None) -> None:
        self._finish()
        self._progress.status = ""
        self._task = self._progress.add_task(name, total=total)

    def advance(self, amount: int = 1) -> None:
        if self._task is not None:
            self._progress.advance(self._progress.task_ids[self._task], amount)

    def status(self, text: str) -> None:
        self._progress.status = text

    def note(self, message: str) -> None:
        self._progress.console.print(message, markup=False)

    def _finish(self) -> None:
        if self._task is not None:
            task = self._progress.tasks[self._task]
            done = task.completed or 1
            self._progress.update(task.id, total=done, completed=done)


class _BarsAndStatus(Progress):
    """The bars, and below them how the current stage is doing."""

    status = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.status:
            yield Text(f"  {self.status}", style="dim")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed and task.completed > 1 else "", style="dim")


class Lines:
    """One line a stage, and one every 10 seconds within it, for logs."""

    def __init__(self, console: Console = err) -> None:
        self._console = console
        self._name, self._total, self._done, self._status = "", 0, 0, ""
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def stage(self, name: str, total: int | None = None) -> None:
        self._name, self._total, self._done, self._status = name, total or 0, 0, ""
        self._started = self._said = time.monotonic()
        self._console.print(f"{name} ({total:,})" if total else name)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS:
            self._said = now
            rate = self._done / (now - self._started)
            left = f", {(self._total - self._done) / rate:,.0f} s left" if self._total and rate else ""
            self._console.print(f"{self._name}: {self._done:,} done, {rate:,.0f}/s{left}{self._status}")

    def status(self, text: str) -> None:
        self._status = f"; {text}"

    def note(self, message: str) -> None:
        self._console.print(message, markup=False)


def choose_reporter() -> Bars | Lines:
    """Bars where stderr is a terminal."""
    return Bars() if err.is_terminal else Lines()
