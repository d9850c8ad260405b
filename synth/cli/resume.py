"""`synth resume`: go on with a run that was interrupted."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli.generate import (
    LlmOption,
    MaxHoursOption,
    MaxRequestsOption,
    MaxTokensOption,
    MetricsPortOption,
)
from synth.cli.output import JsonOption, StoreOption, err
from synth.cli.runner import RunnerOption
from synth.cli.runner import check as check_runner

SameTeacherOption = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher",
        metavar="NAME|URL",
        help="Another server of the same teacher, or other devices for it: http://HOST:8001/v1, or NAME,devices=4. Repeat for several. Default: as it was started.",
        show_default=False,
    ),
]
SameRescorerOption = Annotated[
    str | None,
    typer.Option(
        "--rescore",
        metavar="NAME|URL",
        help="The same for the rescorer: http://HOST:8002/v1, or NAME,devices=4.",
        show_default=False,
    ),
]

SameTimeoutOption = Annotated[
    float | None,
    typer.Option("--request-timeout", min=1.0, help="Seconds until a request is given up and sent again."),
]


def resume(  # noqa: PLR0913 - one parameter a flag
    run_id: Annotated[
        str | None, typer.Argument(help="The run. Default: the newest unfinished one.", show_default=False)
    ] = None,
    llm: LlmOption = None,
    teacher: SameTeacherOption = None,
    rescore: SameRescorerOption = None,
    max_requests: MaxRequestsOption = None,
    max_tokens_total: MaxTokensOption = None,
    max_hours: MaxHoursOption = None,
    request_timeout: SameTimeoutOption = None,
    metrics_port: MetricsPortOption = None,
    store: StoreOption = None,
    prefect: Annotated[
        bool, typer.Option("--prefect", help="Run as a Prefect flow. Default: when PREFECT_API_URL is set.")
    ] = False,
    runner: RunnerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with an unfinished run; what its files hold is not made again, and no answer is asked for twice.

    Servers and budget are those it was started with, unless you name others. The teacher stays the same.
    """
    from synth.cli.generate import finish, wants_prefect
    from synth.llm.budget import Budget
    from synth.llm.settings import reach
    from synth.resuming import change_llm, change_teachers, check_unchanged
    from synth.run import find_run
    from synth.store import choose_store

    check_runner(runner)
    chosen = choose_store(store)
    run = find_run(chosen, run_id)
    check_unchanged(run)
    budget = Budget(requests=max_requests, tokens=max_tokens_total, hours=max_hours)
    changes = {
        "budget": budget if budget != Budget() else None,
        "request_timeout": request_timeout,
        "metrics_port": metrics_port,
    }
    change_llm(run, reach(llm) if llm else None, {name: value for name, value in changes.items() if value is not None})
    if teacher or rescore:
        change_teachers(run, teacher or (), rescore)
    err.print(f"Resuming {run.id}")
    finish(run, chosen, use_prefect=wants_prefect(prefect), as_json=as_json, runner=runner or "")
