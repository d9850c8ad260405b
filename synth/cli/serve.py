"""`synth serve`: keep datasets up to date on a schedule, through a Prefect server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.generate import ConfigOption, LicenceOption, LimitOption, LlmOption, NameOption, UpdateOption
from synth.cli.output import StoreOption, err
from synth.cli.serving import (
    CronOption,
    DeploymentNameOption,
    DomainsOption,
    FlowName,
    FlowOption,
    IntervalOption,
    MinAcceptedOption,
    MinCarriedOption,
    MinRecordsOption,
    PushToOption,
)

DocumentsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--documents",
        help="Files and folders to make queries about, one or several. Default: the domain's sample corpus.",
        show_default=False,
    ),
]


def serve(  # noqa: PLR0913 - one parameter an option
    domain: DomainsOption = None,
    flow: FlowOption = FlowName.generate,
    documents: DocumentsOption = None,
    name: NameOption = None,
    limit: LimitOption = None,
    config: ConfigOption = None,
    licence: LicenceOption = None,
    llm: LlmOption = None,
    update: UpdateOption = False,
    push_to: PushToOption = None,
    min_records: MinRecordsOption = 1,
    min_accepted: MinAcceptedOption = 0.3,
    min_carried: MinCarriedOption = 0.5,
    cron: CronOption = None,
    interval: IntervalOption = None,
    store: StoreOption = None,
    deployment_name: DeploymentNameOption = None,
) -> None:
    """Register every flow of your datasets with a Prefect server, and run them when they are due or asked for in the UI.

    Works until Ctrl-C. Without --cron and --interval flows only run when asked. A run whose worker died is gone on with.
    """
    from flows.deployments import Timetable
    from flows.serve import register, work
    from flows.server import require_server, ui_url
    from synth.cli.serving import datasets_of
    from synth.quality import Threshold

    timetable = Timetable(cron, interval)
    timetable.check()
    datasets = datasets_of(
        domain,
        deployment_name,
        push_to,
        Threshold(min_records=min_records, min_accepted=min_accepted, min_carried=min_carried),
        documents=[str(path) for path in documents or ()],
        name=name,
        limit=limit,
        config=config and str(config),
        licence=licence or "",
        llm=llm or [],
        update=update,
        store=store,
    )
    require_server()
    served = register(datasets, flow.value, timetable)
    for each in served.deployments:
        when = timetable if each.kind == flow else Timetable()
        err.print(f"Serving [bold]{each.reference}[/] {when}: {ui_url()}/deployments/deployment/{each.id}")
    first = next(each for each in served.deployments if each.kind == flow)
    err.print(f"Versions go to {datasets[0].parameters.store}", markup=False)
    err.print(
        f"Run one now: prefect deployment run '{first.reference}'. Ctrl-C stops serving and pauses the schedules."
    )
    work(served)
    err.print("Stopped; the schedules are paused until the next `synth serve`.")
