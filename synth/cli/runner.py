"""`--runner`: where the shards of a run are made."""

from __future__ import annotations

from typing import Annotated

import typer

RunnerOption = Annotated[
    str | None,
    typer.Option(
        "--runner",
        metavar="ray|ray://HOST:10001",
        help="Make shards with Ray: in processes of this machine, or on a cluster (docs/scale-out.md). Needs PREFECT_API_URL and the extra `ray`. Default: in this process.",
        show_default=False,
    ),
]


def check(runner: str | None) -> None:
    """Refuse early what can't be used: nothing has been read or written yet."""
    if runner is not None:
        from flows.runners import check_runner

        check_runner(runner)
