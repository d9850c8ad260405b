"""`synth deploy`: the same deployments for workers of a work pool, on other machines or in containers."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli.generate import ConfigOption, LicenceOption, LimitOption, LlmOption, NameOption, UpdateOption
from synth.cli.output import JsonOption, StoreOption, err, out, show_json
from synth.cli.serve import DocumentsOption
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


def deploy(  # noqa: PLR0913 - one parameter an option
    pool: Annotated[str, typer.Option("--pool", help="Work pool on the Prefect server, of the type process.")],
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
    as_json: JsonOption = False,
) -> None:
    """Register every flow of your datasets with a work pool and return; `prefect worker start --pool NAME` runs them.

    Workers need synth installed, and see store and documents under the paths they have here.
    """
    from flows.deployments import Timetable
    from flows.deployments import deploy as register
    from flows.server import require_server
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
    require_server("synth deploy")
    registered = register(datasets, flow.value, timetable, pool)
    if as_json:
        show_json([{"deployment": each.reference, "id": each.id, "flow": each.kind} for each in registered])
        return
    for each in registered:
        when = timetable if each.kind == flow else Timetable()
        out.print(f"{each.reference} in the pool {pool}, {when}", markup=False)
    err.print(f"Start a worker where it should run: prefect worker start --pool {pool}", markup=False)
