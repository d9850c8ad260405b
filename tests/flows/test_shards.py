from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from flows.shards import is_worth_retrying, make_shard_task
from synth.errors import ConservationError, DocumentError, InputError, RunError, RunStopped
from synth.progress import Reporter, Silent
from synth.run import Run, execute, prepare
from synth.shard import Shard
from synth.store import VersionRef


def test_tasks_make_the_shards_that_the_engine_makes(new_run: Callable[[], Run], in_process: VersionRef) -> None:
    run = new_run()
    prepare(run, Silent())
    for shard in run.shards(1_000):
        made = make_shard_task.fn(str(run.store.root), run.id, shard.start, shard.stop)
        path = str(shard.items_path(run.folder))
        assert made == {"start": shard.start, "stop": shard.stop, "items": path, "told": 0}
        assert shard.is_made(run.folder)
    assert execute(run).manifest.content_sha256 == in_process.manifest.content_sha256


@pytest.mark.slow
def test_threads_make_shards_side_by_side(new_run: Callable[[], Run], in_process: VersionRef) -> None:
    run = new_run()

    def make(shard: Shard) -> None:
        make_shard_task.fn(str(run.store.root), run.id, shard.start, shard.stop)

    def map_in_threads(run: Run, shards: Sequence[Shard], reporter: Reporter) -> None:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(make, shards))

    assert execute(run, map_shards=map_in_threads).manifest.content_sha256 == in_process.manifest.content_sha256


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (InputError("no"), False),
        (DocumentError("no"), False),
        (ConservationError("no"), False),
        (RunStopped("asked to"), False),
        (RunError("later"), True),
        (OSError("later"), True),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Exception, worth: bool) -> None:
    state = Failed(data=error)
    assert is_worth_retrying(make_shard_task, None, state) is worth  # type: ignore[arg-type]


def test_prefect_keeps_no_results_of_its_own() -> None:
    assert (make_shard_task.cache_policy, make_shard_task.persist_result, make_shard_task.retries) == (
        NO_CACHE,
        False,
        2,
    )
