"""Where tasks run: threads of this process, or Ray, started here or a cluster (docs/scale-out.md)."""

from __future__ import annotations

import platform
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prefect.context import FlowRunContext

from flows.server import HOW_TO_START, check_server, find_server
from synth.errors import InputError, MissingExtra, RunError
from synth.run import Run

RAY = "ray"
LOSSES = 10
"""So often a task whose node died is begun again."""
AHEAD_PER_CPU = 4
"""Tasks handed to Ray for each of its CPUs: so far others may get ahead of a slow one."""
_ADDRESS = re.compile(r"ray://[^/\s:@]+:\d+")
_SAME = ("synth", "prefect", "prefect-ray", "ray", "numpy", "pyarrow", "pydantic", "pystemmer", "faiss-cpu")
_PROBE_SECONDS = 120.0
_BUSY = "Initialization failure"
"""What a cluster says that answers, and was too slow to start a process for a new client (seen in Ray 2.60)."""


def check_runner(runner: str) -> None:
    """InputError for what is no runner, without the extra, or without a Prefect server that others can reach."""
    if runner != RAY and not _ADDRESS.fullmatch(runner):
        raise InputError(f"--runner {runner}: write ray for a Ray on this machine, or ray://HOST:10001 for a cluster")
    if find_spec("ray") is None or find_spec("prefect_ray") is None:
        raise MissingExtra(f"--runner {runner}", "ray")
    url = find_server()
    if url is None:
        raise InputError(f"--runner {runner} needs a Prefect server that Ray's workers can reach; {HOW_TO_START}")
    host = urlsplit(url).hostname or ""
    if runner != RAY and _is_loopback(host) and not _is_loopback(_host_of(runner)):
        raise InputError(
            f"workers on other machines can't reach the Prefect server at {url}: start it with `prefect server start --host 0.0.0.0` and set PREFECT_API_URL=http://{socket.gethostname()}:4200/api"
        )
    check_server()


def check_suited(run: Run, runner: str) -> None:
    """InputError for a run that asks for what is one process's alone."""
    llm = run.info.llm
    if llm is not None and llm.served:
        raise InputError(
            f"--runner {runner}: every worker would start a vLLM of its own; start one with `vllm serve {llm.served[0].model}` and name it: --llm http://HOST:8000/v1"
        )
    if llm is not None and llm.metrics_port is not None:
        raise InputError(
            f"--runner {runner}: --metrics-port shows the counters of one process, and here many ask; leave it out and look at the /metrics of the servers"
        )


@contextmanager
def tasks_on(runner: str, run: Run) -> Iterator[None]:
    """Within it tasks go to `runner`, '' being the task runner of the flow. Raises InputError before anything is made."""
    if not runner:
        yield
        return
    check_runner(runner)
    check_suited(run, runner)
    import ray
    from prefect_ray.context import remote_options

    flow_run = FlowRunContext.get()
    assert flow_run is not None
    owned = not ray.is_initialized()
    started = _connect(runner)
    try:
        check_nodes(run, runner)
        own = flow_run.model_copy(update={"task_runner": started})
        own._token = None  # it has not been entered, the one it is a copy of has
        with (
            own,
            remote_options(num_cpus=1, max_retries=LOSSES, scheduling_strategy="SPREAD"),
        ):
            yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise RunError(
            f"Ray lost a task or the connection ({_reason(error)}); what was made is kept: `synth resume {run.id} --runner {runner}` goes on"
        ) from error
    finally:
        started.__exit__(None, None, None)
        if owned and ray.is_initialized():
            ray.shutdown()


def _connect(runner: str) -> Any:
    """A task runner that has been entered. InputError where no Ray answers."""
    from prefect_ray import RayTaskRunner

    options = {"include_dashboard": False, "log_to_driver": False} if runner == RAY else {"log_to_driver": False}
    address = "local" if runner == RAY else runner
    for left in (2, 1, 0):
        started: Any = RayTaskRunner(address=address, init_kwargs=options)
        try:
            return started.__enter__()
        except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            if left and _BUSY in reason:
                continue
            raise InputError(
                f"--runner {runner}: no Ray answers ({reason}); start one with `ray start --head --ray-client-server-port 10001`"
            ) from error
    raise AssertionError("the last attempt returns or raises")


def on_ray() -> bool:
    """Whether tasks that are submitted now go to Ray."""
    context = FlowRunContext.get()
    return context is not None and type(context.task_runner).__name__ == "RayTaskRunner"


def ahead(threads: int) -> int:
    """How many tasks may be handed over and not yet waited for; `threads` where no other machine works."""
    if not on_ray():
        return threads
    import ray

    return max(threads, AHEAD_PER_CPU * int(ray.cluster_resources().get("CPU", 1)))


def check_nodes(run: Run, runner: str) -> None:
    """InputError where a node that may make shards does not see the run, lacks the server or has other packages."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    token = uuid.uuid4().hex
    mark = run.folder / f".seen-{token}"
    mark.write_text(token)
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if not nodes:
        raise InputError(f"--runner {runner}: no node of the cluster has a free CPU to give; add one with `ray start`")
    probe = ray.remote(num_cpus=0, max_retries=2)(look)
    try:
        asked = []
        for node in nodes:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked.append((node, probe.options(scheduling_strategy=place).remote(str(mark), find_server(), list(_SAME))))
        here = look(str(mark), find_server(), list(_SAME))
        for node, found in asked:
            _compare(run, runner, node["NodeManagerAddress"], _answer(found, runner, node), here)
    finally:
        mark.unlink(missing_ok=True)


def _answer(found: Any, runner: str, node: dict[str, Any]) -> dict[str, str]:
    import ray

    where = node["NodeManagerAddress"]
    try:
        answer: dict[str, str] = ray.get(found, timeout=_PROBE_SECONDS)
    except (ray.exceptions.RayError, ModuleNotFoundError) as error:
        raise InputError(
            f"--runner {runner}: the node {where} can't work ({_reason(error)}); install the same synth there: pip install 'synth[ray]'"
        ) from error
    return answer


def _compare(run: Run, runner: str, where: str, there: dict[str, str], here: dict[str, str]) -> None:
    if there["sees"] != here["sees"]:
        bucket = f" (the store {run.store.where} keeps runs there)" if "://" in run.store.where else ""
        raise InputError(
            f"--runner {runner}: the node {where} does not see {run.folder}{bucket}; put the store on a folder that all nodes share under the same path: --store PATH"
        )
    if there["writes"] != here["writes"]:
        raise InputError(f"--runner {runner}: the node {where} may not write to {run.folder} ({there['writes']})")
    if there["server"]:
        raise InputError(
            f"--runner {runner}: the node {where} can't reach the Prefect server at {find_server()} ({there['server']}); set PREFECT_API_URL to an address that it can reach"
        )
    for name in ("Python", *_SAME):
        if there[name] != here[name]:
            raise InputError(
                f"--runner {runner}: the node {where} has {name} {there[name]} and this machine {here[name]}; install the same everywhere, since other versions may make other records"
            )


def look(mark: str, api: str | None, packages: list[str]) -> dict[str, str]:
    """What a process sees of a run's folder and of the Prefect server, and what it runs; made for another machine."""
    path = Path(mark)
    found = {"sees": path.read_text() if path.is_file() else "", "writes": "", "server": "", "Python": ""}
    found["Python"] = platform.python_version()
    if found["sees"]:
        mine = path.with_name(f"{path.name}-{uuid.uuid4().hex}")
        try:
            mine.touch()
            mine.unlink()
        except OSError as error:
            found["writes"] = error.strerror or str(error)
    if api:
        import httpx

        try:
            httpx.get(f"{api}/health", timeout=20).raise_for_status()
        except httpx.HTTPError as error:
            found["server"] = _reason(error)
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "(none)"
    return found


def check_seen(run: Run) -> None:
    """In a worker: RunError where it does not see the run, such as a node that came later."""
    if not (run.folder / "run.json").is_file():
        raise RunError(
            f"{socket.gethostname()} does not see {run.folder}; the store must be on a folder that all nodes share under the same path: mend that, then `synth resume {run.id}`"
        )


def _reason(error: BaseException) -> str:
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__).strip()


def _host_of(runner: str) -> str:
    return runner.removeprefix("ray://").partition(":")[0]


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
