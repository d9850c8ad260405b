"""Tell a flow run what the engine does: one log line a stage, never one an item."""

from __future__ import annotations

import logging
import threading

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from flows.progress import ProgressBoard
from synth.errors import RunStopped

_boards: dict[str, ProgressBoard] = {}
"""By run, of the flow runs of this process: shards in its threads tell them how far they are."""
_stopped: set[str] = set()
"""Runs whose shards should end as soon as they can."""
_lock = threading.Lock()


class FlowReporter:
    """Of the flow run itself: stages go to its log, and to its progress artifacts."""

    def __init__(self, run_id: str, board: ProgressBoard) -> None:
        self._board = board
        with _lock:
            _boards[run_id] = board
            _stopped.discard(run_id)

    def stage(self, name: str, total: int | None = None) -> None:
        _logger().info("%s", name if total is None else f"{name} ({total})")
        self._board.begin(name, total)

    def advance(self, amount: int = 1) -> None:
        self._board.advance(amount)

    def status(self, text: str) -> None:
        """Too fleeting for a log."""

    def note(self, message: str) -> None:
        _logger().info("%s", message)


class ShardReporter:
    """Of a shard's task run. `told` counts the items that its flow run knows of already."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self.told = 0

    def stage(self, name: str, total: int | None = None) -> None:
        _logger().info("%s", name if total is None else f"{name} ({total})")

    def advance(self, amount: int = 1) -> None:
        check_wanted(self._run_id)
        board = _boards.get(self._run_id)
        if board is not None:
            board.advance(amount)
            self.told += amount

    def status(self, text: str) -> None:  # noqa: ARG002 - too fleeting for a log
        check_wanted(self._run_id)

    def note(self, message: str) -> None:
        _logger().info("%s", message)


def stop_shards(run_id: str) -> None:
    """Let the shards of a run that are made in this process end: they raise RunStopped at their next sign of life."""
    with _lock:
        _stopped.add(run_id)


def check_wanted(run_id: str) -> None:
    """Raises RunStopped where the run's shards should end."""
    if run_id in _stopped:
        raise RunStopped(f"the run was stopped; `synth resume {run_id}` goes on")


def _logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("flows")
