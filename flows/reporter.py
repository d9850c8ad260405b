"""Tells a flow run what the engine does: one log line a stage, never one an item."""

from __future__ import annotations

import logging

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger


class FlowReporter:
    """Writes to the log of the flow or task run that it is called in."""

    def stage(self, name: str, total: int | None = None) -> None:
        _logger().info("%s", name if total is None else f"{name} ({total})")

    def advance(self, amount: int = 1) -> None:
        """Progress within a stage shows as finished task runs."""

    def status(self, text: str) -> None:
        """Too fleeting for a log."""

    def note(self, message: str) -> None:
        _logger().info("%s", message)


def _logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("flows")
