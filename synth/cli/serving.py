"""What `synth serve` and `synth deploy` have in common: which datasets, and when."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flows.deployments import Dataset
    from synth.quality import Threshold


class FlowName(StrEnum):
    generate = "generate"
    nightly = "nightly"


DomainsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--domain",
        "-d",
        help="A domain by name or the path of a domain file. Repeat for several. Default: all domains.",
        show_default=False,
    ),
]
FlowOption = Annotated[
    FlowName,
    typer.Option(
        "--flow",
        help="Which flow --cron or --interval starts: generate, or nightly, which updates, holds the version against a threshold and pushes it.",
    ),
]
CronOption = Annotated[
    str | None, typer.Option("--cron", help="When to run, such as '0 3 * * *' (UTC).", show_default=False)
]
IntervalOption = Annotated[
    int | None,
    typer.Option("--interval", min=1, metavar="SECONDS", help="Run every so many seconds.", show_default=False),
]
PushToOption = Annotated[
    str | None,
    typer.Option(
        "--push-to", metavar="ORG/NAME", help="Of nightly and publish: the repository on the Hub.", show_default=False
    ),
]
MinRecordsOption = Annotated[
    int,
    typer.Option("--min-records", min=0, help="Of nightly: a version with fewer is not pushed, and not kept newest."),
]
MinAcceptedOption = Annotated[
    float,
    typer.Option(
        "--min-accepted", min=0, max=1, help="Of nightly: the same, for the share of planned items that all gates keep."
    ),
]
MinCarriedOption = Annotated[
    float,
    typer.Option(
        "--min-carried", min=0, max=1, help="Of nightly: the same, for the share of the parent's records carried over."
    ),
]
DeploymentNameOption = Annotated[
    str | None,
    typer.Option("--deployment-name", help="Name in Prefect. Default: the name of the dataset.", show_default=False),
]


def datasets_of(
    domains: list[str] | None,
    deployment_name: str | None,
    push_to: str | None,
    quality: Threshold,
    **fields: Any,
) -> list[Dataset]:
    """A dataset for each domain, with absolute paths; what can't be run is refused here. Raises InputError."""
    from flows.deployments import Dataset
    from flows.parameters import build_parameters
    from synth import registry
    from synth.errors import InputError
    from synth.llm.settings import reach
    from synth.recipe import resolve
    from synth.store import choose_store
    from synth.update import as_update

    chosen = domains or registry.names("domains")
    if len(chosen) > 1 and (fields.get("name") or deployment_name):
        raise InputError("--name and --deployment-name are those of one dataset: name one --domain, or leave them out")
    models = tuple(reach(fields.get("llm") or ()).models)
    found: list[Dataset] = []
    for domain in chosen:
        parameters = build_parameters(domain=domain, **fields).anchored()
        resolved = resolve(parameters.choices(models))
        as_update(resolved, choose_store(parameters.store), update=parameters.update)
        name = deployment_name or resolved.name
        if any(name == each.deployment for each in found):
            raise InputError(
                f"two of the domains are called {name!r}; serve them one by one, each with --deployment-name"
            )
        found.append(Dataset(resolved.name, name, parameters, push_to, quality))
    return found
