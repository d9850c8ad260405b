"""Goes on with runs whose worker died: their lease is stale, and nobody cancelled them.

A run that was cancelled, or whose budget ended it, gave its lease back; it waits for `synth resume`, or for a
flow run with its run id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Crashed

from flows.begun import Begun, read_begun
from flows.deployments import Registered
from flows.names import TAG
from synth.lease import Holder, is_alive, read_holder
from synth.run import Run, iterate_runs

PERIOD = 60.0
"""Seconds between two looks."""
MOST = 3
"""So often a run is gone on with; one that kills every worker must not do so for ever."""

_log = logging.getLogger("flows.recovery")


async def recover_on(deployments: Sequence[Registered]) -> None:
    """Look now and every minute, until cancelled; a server that is away is asked again the next time."""
    while True:
        try:
            for run in await asyncio.to_thread(recover, deployments):
                _log.warning("the worker of run %s died; a flow run that goes on with it is scheduled", run.id)
        except (httpx.HTTPError, PrefectHTTPStatusError, OSError) as error:
            _log.warning("could not look for runs whose worker died: %s", error)
        await asyncio.sleep(PERIOD)


def recover(deployments: Sequence[Registered]) -> list[Run]:
    """Order a flow run for every run of these deployments whose lease is stale; returns the runs."""
    found: list[Run] = []
    with get_client(sync_client=True) as client:
        for run, begun, deployment in _stale(deployments):
            if _order(client, run, begun, deployment):
                found.append(run)
    return found


def _stale(deployments: Sequence[Registered]) -> Iterator[tuple[Run, Begun, Registered]]:
    by_id = {deployment.id: deployment for deployment in deployments}
    stores = {deployment.dataset.store.where: deployment.dataset.store for deployment in deployments}
    for store in stores.values():
        for run in iterate_runs(store):
            begun = read_begun(run) if run.result is None else None
            deployment = by_id.get(begun.deployment_id) if begun and begun.deployment_id else None
            if begun and deployment and _has_died(run, begun):
                yield run, begun, deployment


def _has_died(run: Run, begun: Begun) -> bool:
    """Whether somebody took the run's lease and never gave it back, and whoever begun its last flow run is gone."""
    holder = read_holder(run.folder / "lease.json")
    if holder is None or is_alive(holder):
        return False
    return not begun.pid or not is_alive(Holder(host=begun.host, pid=begun.pid, heartbeat=holder.heartbeat))


def _order(client: SyncPrefectClient, run: Run, begun: Begun, deployment: Registered) -> bool:
    """Schedule a flow run that goes on with `run`, unless people cancelled it or one is on its way."""
    before = _read(client, begun)
    state = before.state if before else None
    if state and (state.is_cancelled() or state.is_cancelling()):
        return False
    if not begun.pid and state and not state.is_final():
        return False  # it was ordered, and has not begun
    if begun.resumed >= MOST:
        return False
    if before and state and not state.is_final():
        client.set_flow_run_state(before.id, Crashed(message=f"the worker died; {deployment.reference} goes on"))
    usual = deployment.dataset.parameters_of(deployment.kind).model_dump(mode="json")
    parameters = (before.parameters.get("parameters") if before else None) or usual
    ordered = client.create_flow_run_from_deployment(
        deployment.id,
        parameters={"parameters": {**parameters, "run_id": run.id}},
        tags=[TAG, "resumed"],
        name=f"go on with {run.id}",
    )
    Begun(flow_run_id=ordered.id, deployment_id=deployment.id, resumed=begun.resumed + 1).write(run)
    return True


def _read(client: SyncPrefectClient, begun: Begun) -> FlowRun | None:
    try:
        return client.read_flow_run(begun.flow_run_id)
    except ObjectNotFound:
        return None
