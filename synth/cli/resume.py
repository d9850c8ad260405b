"""`synth resume`: go on with a run that was interrupted."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, err


def resume(
    run_id: Annotated[
        str | None, typer.Argument(help="The run. Default: the newest unfinished one.", show_default=False)
    ] = None,
    store: StoreOption = None,
    prefect: Annotated[
        bool, typer.Option("--prefect", help="Run as a Prefect flow. Default: when PREFECT_API_URL is set.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Go on with an unfinished run; what its files hold is not made again."""
    from synth.cli.generate import finish
    from synth.run import find_run
    from synth.store import choose_store

    chosen = choose_store(store)
    run = find_run(chosen, run_id)
    err.print(f"Resuming {run.id}")
    finish(run, chosen, use_prefect=prefect or bool(os.environ.get("PREFECT_API_URL")), as_json=as_json)
