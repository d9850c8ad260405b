"""Stops shards that other processes make: a file in the run's folder, looked for once a second.

runs/RUN_ID/stop
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flows.reporter import stop_shards
from synth.errors import RunStopped
from synth.run import Run, close_workshop

_NAME = "stop"
_LOOK_SECONDS = 1.0


def order_stop(run: Run) -> None:
    """Let all processes that make shards of the run end."""
    (run.folder / _NAME).touch()


def allow(run: Run) -> None:
    """An execution begins or ends."""
    (run.folder / _NAME).unlink(missing_ok=True)


@contextmanager
def stoppable(run: Run) -> Iterator[None]:
    """What is asked within it is given up soon after `order_stop`, and raises RunStopped."""
    if (run.folder / _NAME).exists():
        raise RunStopped(f"the run was stopped; `synth resume {run.id}` goes on")
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if (run.folder / _NAME).exists():
                stop_shards(run.id)
                close_workshop(run)
                return

    watcher = threading.Thread(target=watch, name="synth-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
