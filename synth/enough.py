"""How much of the plan a run makes: N accepted records, one full pass, or until nothing new comes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.recipe import StopSettings
from synth.assess import Assessment
from synth.errors import RunError
from synth.llm.budget import Budget
from synth.negatives import accept
from synth.novelty import End, Novelty
from synth.progress import Reporter
from synth.shard import Shard, Workshop

if TYPE_CHECKING:
    from synth.run import Run

BLOCK = 1_000
"""Plan positions are added in blocks, whatever the shard size."""
LOWEST_YIELD = 0.02
"""A run that was asked for more than the documents hold ends when a block yields less."""
STEP = 0.25
"""A run that may stop early makes at most this share of what it has at a time, then looks."""

MapShards = Callable[["Run", Sequence[Shard], Reporter], int | None]
"""Makes shards; returns the plan position where a spent budget ended that, else None."""


@dataclass(frozen=True)
class Enough:
    """What a run publishes."""

    assessment: Assessment
    partial: str = ""
    """Why it is less than was asked for; empty when it is not."""
    resumable: bool = False
    """Whether a budget ended it, so that a resumed run makes more."""


def make_enough(run: Run, workshop: Workshop, reporter: Reporter, map_shards: MapShards) -> Enough:
    """Make items in plan order until there are enough; nothing here depends on shards or interruptions."""
    recipe, round_size = workshop.recipe, workshop.plan.items_per_round
    limit = recipe.limit if round_size else None  # where no passage is new, no record is missing
    novelty = Novelty(workshop, recipe.stop) if recipe.stop else None
    stop = accepted = 0
    while True:
        before, accepted_before = stop, accepted
        stop = _next_stop(recipe.stop, limit, stop, accepted, round_size)
        assessment, cut = _make(run, workshop, reporter, map_shards, before, stop)
        accepted = assessment.accepted
        is_whole = stop >= round_size and cut is None if limit is None else accepted >= limit
        end = novelty.find_end(assessment) if novelty else None
        if end and not (is_whole and end.records == accepted):
            return _ended(assessment, end, limit, reporter)
        if is_whole:
            return Enough(assessment)
        if cut is not None:
            return Enough(assessment, _out_of_budget(run, limit, accepted), resumable=True)
        gained, made = accepted - accepted_before, stop - before
        if limit is not None and gained < LOWEST_YIELD * made:
            reporter.note(
                f"{accepted} of {limit} records were accepted and the last {made} items brought only {gained}: the documents hold no more"
            )
            return Enough(assessment, f"the documents hold no more: {accepted} of {limit}")


def _next_stop(novelty: StopSettings | None, limit: int | None, made: int, accepted: int, round_size: int) -> int:
    """How far the plan is made next, of which the items up to `made` brought `accepted` records."""
    if limit is None:
        stop = round_size
    elif not made:
        stop = _whole_blocks(limit * 1.25)
    else:
        rate = max(accepted / made, LOWEST_YIELD)
        stop = made + min(_whole_blocks((limit - accepted) / rate * 1.1), made)
    if novelty:
        stop = min(stop, made + _whole_blocks(made * STEP if made else novelty.after * 1.25))
    return stop


def _make(
    run: Run, workshop: Workshop, reporter: Reporter, map_shards: MapShards, before: int, stop: int
) -> tuple[Assessment, int | None]:
    """The plan up to `stop`, made and judged, and where a spent budget cut it."""
    shards = [*workshop.carried, *run.shards(stop)]
    missing = [shard for shard in shards if not shard.is_made(run.folder, run.recipe.mining)]
    reporter.stage("make items", stop - before)
    cut = map_shards(run, missing, reporter) if missing else None
    if cut == 0:
        raise RunError(
            f"the budget was spent before the first item of the plan was finished; raise it: synth resume {run.id} --max-requests …"
        )
    if cut is not None:
        shards = [*workshop.carried, *run.shards(cut)]
    reporter.stage("judge the whole set")
    return accept(workshop, shards, workshop.recipe.limit), cut


def _ended(assessment: Assessment, end: End, limit: int | None, reporter: Reporter) -> Enough:
    asked = f" ({limit:,} were asked for)" if limit is not None else ""
    reporter.note(f"nothing new: {end}; the run stops here{asked}, as its recipe says (stop)")
    return Enough(
        assessment.first(end.records, f"beyond the {end.records} records after which nothing new came"),
        f"nothing new: {end}{asked}",
    )


def _out_of_budget(run: Run, limit: int | None, accepted: int) -> str:
    budget = run.info.llm.budget if run.info.llm is not None else Budget()
    bounds = {"requests": budget.requests, "tokens": budget.tokens, "hours": budget.hours}
    spent = ", ".join(f"{bound:,} {unit}" for unit, bound in bounds.items() if bound is not None)
    return f"budget: {spent} with {accepted} records{f' of {limit}' if limit else ''}; `synth resume {run.id}` goes on"


def _whole_blocks(items: float) -> int:
    return math.ceil(items / BLOCK) * BLOCK
