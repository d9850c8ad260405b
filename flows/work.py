"""What every flow that makes a version does around the engine: wait its turn, execute, show, announce."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.events import emit_event
from prefect.logging import get_run_logger

from flows.artifacts import show_version
from flows.begun import mark_begun
from flows.embed import embed_as_tasks
from flows.names import PUBLISHED, dataset_resource, dataset_slot
from flows.progress import ProgressBoard
from flows.reporter import FlowReporter
from flows.runners import on_ray, tasks_on
from flows.shards import map_as_tasks
from synth.run import Run, execute
from synth.store import VersionRef

SLOT_SECONDS = 60.0
"""For so long the slot of a worker that died stays taken; Prefect takes no less."""


def make_version(run: Run, runner: str = "") -> VersionRef:
    """Take a run to its version, shards being made by `runner`; raises what `synth.run.execute` raises."""
    logger = get_run_logger()
    logger.info("run %s in %s", run.id, run.store.where)
    with turn(run), tasks_on(runner, run), ProgressBoard(mark_begun(run), run.info.name) as board:
        reporter = FlowReporter(run.id, board)
        if on_ray():
            embed_as_tasks(run, reporter)
        version = execute(run, reporter, map_as_tasks)
    show_version(version)
    if version.manifest.run_id == run.id:
        announce(version)
    return version


@contextmanager
def turn(run: Run) -> Iterator[None]:
    """One run at a time for a dataset, whichever deployment it is of; others wait here."""
    slot = dataset_slot(run.store.where, run.info.name)
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(slot, limit=1)
    get_run_logger().info("takes its turn: runs of %s go one after the other", run.info.name)
    with concurrency(slot, lease_duration=SLOT_SECONDS, raise_on_lease_renewal_failure=False):
        yield


def announce(version: VersionRef) -> None:
    """The event `synth.dataset.published`."""
    manifest = version.manifest
    emit_event(
        PUBLISHED,
        resource={"prefect.resource.id": dataset_resource(version.name), "prefect.resource.name": version.name},
        payload={
            "version": str(version),
            "path": version.where,
            "records": manifest.records,
            "new_records": manifest.funnel.accepted,
            "content_sha256": manifest.content_sha256,
            "parent": manifest.parent,
            "partial": manifest.partial,
        },
    )
