"""A deployment: the flow with fixed parameters, started by a schedule or from the UI."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from flows.generate import generate_flow
from flows.parameters import GenerateParameters
from synth.errors import InputError


@dataclass(frozen=True)
class Timetable:
    """When a deployment starts by itself: by cron (UTC), every so many seconds, or never."""

    cron: str | None = None
    interval: int | None = None

    def __str__(self) -> str:
        if self.cron is not None:
            return f"on the schedule {self.cron!r} (UTC)"
        return "when asked" if self.interval is None else f"every {self.interval} seconds"

    def check(self) -> None:
        """InputError for both at once, or an expression that cron does not know."""
        if self.cron is not None and self.interval is not None:
            raise InputError("--cron and --interval can't be used together; choose one")
        if self.cron is None:
            return
        try:
            CronSchedule(cron=self.cron)
        except ValidationError as error:
            raise InputError(
                f"--cron {self.cron!r} is not a cron expression; give minute, hour, day, month and weekday, such as '0 3 * * *' for 3:00 UTC every day"
            ) from error


@dataclass(frozen=True)
class Served:
    """A registered deployment and the process-wide runner that works for it."""

    runner: Runner
    deployment_id: UUID
    reference: str


def register(parameters: GenerateParameters, name: str, timetable: Timetable) -> Served:
    """Create or update the deployment `name`; nothing runs yet."""
    deployment = generate_flow.to_deployment(
        name=name,
        cron=timetable.cron,
        interval=timetable.interval,
        concurrency_limit=1,
        parameters={"parameters": parameters.model_dump(mode="json")},
        tags=["synth"],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    # Not `add_flow`: it pickles the flow by value, and its annotations no longer resolve.
    runner = Runner(name=name, limit=1, pause_on_shutdown=True)
    deployment_id = runner.add_deployment(cast(RunnerDeployment, deployment))
    return Served(runner, cast(UUID, deployment_id), f"{generate_flow.name}/{name}")


def work(served: Served) -> None:
    """Start runs when they are due, until Ctrl-C or SIGTERM; the schedule is then paused."""
    asyncio.run(_work(served.runner))


async def _work(runner: Runner) -> None:
    working = asyncio.create_task(runner.start())
    await asyncio.sleep(0)  # let it install its own SIGTERM handler, which never ends (seen in Prefect 3.8.8)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await asyncio.wait({working, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if runner.started:
        await runner.astop()
    else:
        working.cancel()
    with suppress(asyncio.CancelledError):
        await working
