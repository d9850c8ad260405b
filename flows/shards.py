"""One task run a shard: a `MapShards` that goes through Prefect."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.tasks import Task

from flows.remote_stop import allow, order_stop, stoppable
from flows.reporter import ShardReporter, check_wanted, stop_shards
from flows.runners import ahead, check_seen
from flows.secrets import use_key_of_flow
from synth.errors import ConservationError, InputError, RunStopped
from synth.llm.budget import Budget
from synth.llm.ledger import affordable
from synth.progress import Reporter
from synth.run import Run, close_workshop, open_workshop
from synth.shard import Shard, make_shard
from synth.store import Store

AHEAD = 64
"""Shards handed to the task runner and not yet waited for; bounds its queue and memory."""


class ShardMade(TypedDict):
    """What a task returns: where its file is, never the rows."""

    start: int
    stop: int
    items: str
    told: int
    """Items that were told to the flow run's progress while they were made."""


def is_worth_retrying(_task: Task[Any, Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Wrong input, bugs of ours and a stop stay what they are; everything else may pass."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, InputError | ConservationError | RunStopped)


@task(
    name="make-shard",
    task_run_name="shard {start}-{stop}",
    retries=2,
    retry_delay_seconds=[5, 30],
    retry_condition_fn=is_worth_retrying,
    cache_policy=NO_CACHE,  # the shard's own files say whether it is made
    persist_result=False,
)
def make_shard_task(store_root: str, run_id: str, start: int, stop: int) -> ShardMade:
    """Make plan positions start … stop - 1 of a run."""
    check_wanted(run_id)
    run, shard = Run(Store(Path(store_root)), run_id), Shard(start, stop)
    check_seen(run)
    reporter = ShardReporter(run_id)
    with stoppable(run):
        use_key_of_flow()
        made = make_shard(open_workshop(run, reporter), shard, reporter)
    return {"start": made.start, "stop": made.stop, "items": str(made.items_path(run.folder)), "told": reporter.told}


def map_as_tasks(run: Run, shards: Sequence[Shard], reporter: Reporter) -> int | None:
    """Make the shards as task runs of the current flow run; raises what the first failed one raised.

    Returns where a spent budget ended the first shard that it cut short.
    """
    allow(run)
    waiting: deque[tuple[Shard, PrefectFuture[ShardMade]]] = deque()
    cuts: list[int] = []

    def take() -> None:
        shard, future = waiting[0]
        made = future.result()
        waiting.popleft()
        reporter.advance(made["stop"] - made["start"] - made["told"])
        if made["stop"] < shard.stop:
            cuts.append(made["stop"])

    try:
        for shard in shards:
            while len(waiting) >= room(run, shard):
                take()
            if cuts:
                break
            waiting.append((shard, _named(shard).submit(str(run.store.root), run.id, shard.start, shard.stop)))
        while waiting:
            take()
    except BaseException:
        stop_shards(run.id)
        order_stop(run)
        close_workshop(run)  # what is being asked is given up, within seconds
        raise
    finally:
        for _, future in waiting:
            future.wait()  # a shard that goes on after the run has ended would open its servers again
        allow(run)
    return min(cuts, default=None)


def room(run: Run, shard: Shard) -> int:
    """How many shards may be handed over: no more than the budget that is left pays for, and at least one."""
    budget = run.info.llm.budget if run.info.llm else Budget()
    paid_for = affordable(run.folder, budget, shard.stop - shard.start)
    most = ahead(AHEAD)
    return most if paid_for is None else min(most, max(1, paid_for))


def _named(shard: Shard) -> Task[[str, str, int, int], ShardMade]:
    """The task as the UI is to show it: records that are carried over stand before the plan, at negative positions."""
    if shard.start >= 0:
        return make_shard_task
    return make_shard_task.with_options(task_run_name=f"carried {-shard.stop}-{-shard.start}")
