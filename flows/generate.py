"""The flow: a run of the engine whose shards are Prefect tasks."""

from __future__ import annotations

from typing import Any, TypedDict, cast

from prefect import State, flow
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.artifacts import publish_artifacts
from flows.parameters import GenerateParameters, open_run, parameters_of
from flows.reporter import FlowReporter
from flows.server import check_server
from flows.shards import map_as_tasks
from synth.errors import SynthError
from synth.run import Run, execute
from synth.store import VersionRef

WORKERS = 2
"""Shards made at a time; each keeps an LLM endpoint busy by itself."""

_THREADS = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner[Any](max_workers=WORKERS))


class Generated(TypedDict):
    """What a flow run returns."""

    dataset: str
    accepted: int
    planned: int
    path: str
    run_id: str
    content_sha256: str


@flow(
    name="synth-generate",
    flow_run_name="generate {parameters.domain}",
    description="Turn documents into training data for embedding models.",
    task_runner=_THREADS,
    persist_result=False,
)
def generate_flow(parameters: GenerateParameters) -> Generated | State[Generated]:
    """Generate a dataset, or continue a run; fails with one sentence that says what to do."""
    try:
        run = open_run(parameters)
        get_run_logger().info("run %s in %s", run.id, run.store.where)
        version = execute(run, FlowReporter(), map_as_tasks)
        publish_artifacts(version)
    except SynthError as error:
        return cast(State[Generated], Failed(message=str(error), data=error))
    manifest = version.manifest
    return Generated(
        dataset=str(version),
        accepted=manifest.funnel.accepted,
        planned=manifest.funnel.planned,
        path=version.where,
        run_id=run.id,
        content_sha256=manifest.content_sha256,
    )


def run_with_prefect(run: Run, task_runner: TaskRunner[Any] | None = None) -> VersionRef:
    """Execute a run through Prefect: its server where one is configured, else a temporary one.

    Raises what `synth.run.execute` raises, and InputError when the server can't be reached.
    """
    check_server()
    chosen = generate_flow if task_runner is None else generate_flow.with_options(task_runner=task_runner)
    state = chosen(parameters_of(run), return_state=True)
    return run.store.find(cast(Generated, state.result())["dataset"])
