"""`synth serve`: registers deployments, runs what is due, and goes on with runs whose worker died."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from prefect.runner import Runner

from flows.deployments import Dataset, Kind, Registered, Timetable, each_deployment, reference
from flows.recovery import recover_on


@dataclass(frozen=True)
class Served:
    """Registered deployments and the process-wide runner that works for them."""

    runner: Runner
    deployments: list[Registered]


def register(datasets: Sequence[Dataset], scheduled: Kind, timetable: Timetable) -> Served:
    """Create or update all deployments; nothing runs yet."""
    # Not `add_flow`: it pickles the flow by value, and its annotations no longer resolve.
    runner = Runner(name="synth", limit=len(datasets), pause_on_shutdown=True)
    registered = [
        Registered(cast(UUID, runner.add_deployment(deployment)), kind, reference(dataset, kind), dataset)
        for dataset, kind, deployment in each_deployment(datasets, scheduled, timetable)
    ]
    return Served(runner, registered)


def work(served: Served) -> None:
    """Start runs when they are due, until Ctrl-C or SIGTERM; the schedules are then paused."""
    asyncio.run(_work(served))


async def _work(served: Served) -> None:
    runner = served.runner
    working = asyncio.create_task(runner.start())
    recovering = asyncio.create_task(recover_on(served.deployments))
    await asyncio.sleep(0)  # let it install its own SIGTERM handler, which never ends (seen in Prefect 3.8.8)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await asyncio.wait({working, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    recovering.cancel()
    if runner.started:
        await runner.astop()
    else:
        working.cancel()
    with suppress(asyncio.CancelledError):
        await working
