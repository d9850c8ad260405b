"""`synth serve`: keep a dataset up to date on a schedule, through a Prefect server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.generate import LlmOption, UpdateOption
from synth.cli.output import StoreOption, err


def serve(  # noqa: PLR0913 - one parameter an option
    domain: Annotated[str, typer.Option("--domain", "-d", help="Name of a domain, or path of a domain file.")],
    documents: Annotated[
        list[Path] | None,
        typer.Option(
            "--documents",
            help="Files and folders to make queries about, one or several. Default: the domain's sample corpus.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the dataset. Default: the domain.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Accepted records to publish.", show_default=False)
    ] = None,
    llm: LlmOption = None,
    update: UpdateOption = False,
    cron: Annotated[
        str | None, typer.Option("--cron", help="When to run, such as '0 3 * * *' (UTC).", show_default=False)
    ] = None,
    interval: Annotated[
        int | None,
        typer.Option("--interval", min=1, metavar="SECONDS", help="Run every so many seconds.", show_default=False),
    ] = None,
    store: StoreOption = None,
    deployment_name: Annotated[
        str | None,
        typer.Option(
            "--deployment-name", help="Name in Prefect. Default: the name of the dataset.", show_default=False
        ),
    ] = None,
) -> None:
    """Register the dataset with a Prefect server, and run it when it is due or asked for in the UI.

    Works until Ctrl-C. Without --cron and --interval it only runs when asked.
    """
    from flows.parameters import build_parameters
    from flows.serve import Timetable, register, work
    from flows.server import require_server, ui_url
    from synth.llm.settings import reach
    from synth.recipe import resolve
    from synth.store import choose_store
    from synth.update import as_update

    timetable = Timetable(cron, interval)
    timetable.check()
    parameters = build_parameters(
        domain=domain,
        documents=[str(path) for path in documents or ()],
        name=name,
        limit=limit,
        llm=llm or [],
        update=update,
        store=store,
    ).anchored()
    resolved = resolve(parameters.choices(tuple(reach(llm or ()).models)))
    as_update(resolved, choose_store(store), update=update)
    require_server()
    served = register(parameters, deployment_name or resolved.name, timetable)
    err.print(f"Serving [bold]{served.reference}[/] {timetable}; versions go to {parameters.store}")
    err.print(f"Runs and schedule: {ui_url()}/deployments/deployment/{served.deployment_id}")
    err.print(f"Run it now: prefect deployment run '{served.reference}'. Ctrl-C stops serving and pauses the schedule.")
    work(served)
    err.print("Stopped; the schedule is paused until the next `synth serve`.")
