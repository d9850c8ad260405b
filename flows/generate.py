"""The main flow: a run of the engine whose shards are Prefect tasks."""

from __future__ import annotations

from typing import Any, cast

from prefect import State, flow
from prefect.futures import PrefectFuture
from prefect.states import Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.names import GENERATE
from flows.outcome import Made, made_of
from flows.parameters import GenerateParameters, open_run, parameters_of
from flows.secrets import use_llm_key
from flows.server import check_server
from flows.work import make_version
from synth.errors import SynthError
from synth.run import Run
from synth.store import VersionRef

WORKERS = 2
"""Shards made at a time; each keeps an LLM endpoint busy by itself."""

THREADS = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner[Any](max_workers=WORKERS))


@flow(
    name=GENERATE,
    flow_run_name="generate {parameters.domain}",
    description="Turn documents into training data for embedding models.",
    task_runner=THREADS,
    persist_result=False,
)
def generate_flow(parameters: GenerateParameters) -> Made | State[Made]:
    """Generate a dataset, or continue a run; fails with one sentence that says what to do."""
    try:
        use_llm_key(parameters.llm_key_block)
        run = open_run(parameters)
        return made_of(make_version(run, parameters.runner), run.id)
    except SynthError as error:
        return cast(State[Made], Failed(message=str(error), data=error))


def run_with_prefect(run: Run, task_runner: TaskRunner[Any] | None = None, runner: str = "") -> VersionRef:
    """Execute a run through Prefect: its server where one is configured, else a temporary one. `runner` may be Ray's.

    Raises what `synth.run.execute` raises, and InputError when the server can't be reached.
    """
    check_server()
    chosen = generate_flow if task_runner is None else generate_flow.with_options(task_runner=task_runner)
    state = chosen(parameters_of(run, runner), return_state=True)
    return made_version(run, state)


def made_version(run: Run, state: State[Any]) -> VersionRef:
    """The version that a flow run made of `run`; raises what it failed with."""
    return run.store.find(cast(Made, state.result())["dataset"])
