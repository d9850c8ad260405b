"""Deployments: every flow for every dataset, with fixed parameters; one of the flows may have a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from flows.generate import generate_flow
from flows.names import TAG
from flows.nightly import NightlyParameters, nightly_flow
from flows.parameters import GenerateParameters
from flows.publish import PublishParameters, publish_flow
from flows.refine import RefineParameters, refine_flow
from schemas.base import Strict
from synth.errors import InputError
from synth.quality import Threshold
from synth.store import Store, choose_store

Kind = Literal["generate", "refine", "publish", "nightly"]
FLOWS: dict[Kind, Flow[..., Any]] = {
    "generate": generate_flow,
    "refine": refine_flow,
    "publish": publish_flow,
    "nightly": nightly_flow,
}


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
class Dataset:
    """A dataset that flows work on: its name, that of its deployments, and how it is made."""

    name: str
    deployment: str
    parameters: GenerateParameters
    push_to: str | None
    quality: Threshold

    @property
    def store(self) -> Store:
        return choose_store(self.parameters.store)

    def parameters_of(self, kind: Kind) -> Strict:
        """What a flow is started with where nothing else is said."""
        made = self.parameters
        if kind == "generate":
            return made
        if kind == "refine":
            return RefineParameters.model_validate({"version": self.name, "store": made.store})
        if kind == "publish":
            chosen = {"version": self.name, "repo": self.push_to, "licence": made.licence, "store": made.store}
            return PublishParameters.model_validate(chosen)
        fields = made.model_dump() | {"update": True, "push_to": self.push_to, "quality": self.quality}
        return NightlyParameters.model_validate(fields)


@dataclass(frozen=True)
class Registered:
    """A deployment on the server."""

    id: UUID
    kind: Kind
    reference: str
    dataset: Dataset


def build(dataset: Dataset, kind: Kind, timetable: Timetable) -> RunnerDeployment:
    """The deployment `synth-KIND/NAME`; nothing is registered yet."""
    deployment = FLOWS[kind].to_deployment(
        name=dataset.deployment,
        cron=timetable.cron,
        interval=timetable.interval,
        concurrency_limit=1,
        parameters={"parameters": dataset.parameters_of(kind).model_dump(mode="json")},
        tags=[TAG],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return cast(RunnerDeployment, deployment)


def each_deployment(
    datasets: Sequence[Dataset], scheduled: Kind, timetable: Timetable
) -> Iterator[tuple[Dataset, Kind, RunnerDeployment]]:
    """All flows of all datasets; only those of the kind `scheduled` follow the timetable."""
    for dataset in datasets:
        for kind in FLOWS:
            yield dataset, kind, build(dataset, kind, timetable if kind == scheduled else Timetable())


def deploy(datasets: Sequence[Dataset], scheduled: Kind, timetable: Timetable, pool: str) -> list[Registered]:
    """Register all deployments with a work pool, whose workers run them. Raises InputError where there is no such pool."""
    _check_pool(pool)
    return [
        Registered(cast(UUID, deployment.apply(work_pool_name=pool)), kind, reference(dataset, kind), dataset)
        for dataset, kind, deployment in each_deployment(datasets, scheduled, timetable)
    ]


def reference(dataset: Dataset, kind: Kind) -> str:
    """`synth-generate/finance`, as `prefect deployment run` takes it."""
    return f"{FLOWS[kind].name}/{dataset.deployment}"


def _check_pool(pool: str) -> None:
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound as error:
            raise InputError(
                f"there is no work pool {pool!r} on the Prefect server; make it: prefect work-pool create {pool} --type process"
            ) from error
