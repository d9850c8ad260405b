"""`synth refine`: other gates, another miner or another teacher for a version's records."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli.fusion import RescoreOption
from synth.cli.generate import ConfigOption, DecontaminateOption, TeacherOption
from synth.cli.output import JsonOption, StoreOption

RefinedReference = Annotated[
    str, typer.Argument(metavar="NAME[@N]", help="The version; the latest where no N is given.", show_default=False)
]


def refine(  # noqa: PLR0913 - one parameter a flag
    reference: RefinedReference,
    config: ConfigOption = None,
    teacher: TeacherOption = None,
    rescore: RescoreOption = None,
    decontaminate: DecontaminateOption = None,
    store: StoreOption = None,
    prefect: Annotated[
        bool, typer.Option("--prefect", help="Run as a Prefect flow. Default: when PREFECT_API_URL is set.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge and mine a version's records anew, as its next version; nothing is generated and no LLM is asked.

    --config may change gates, set_gates, mining and perturbation. A record that a gate drops now is retired with the reason.
    """
    from synth.cli.generate import finish, wants_prefect
    from synth.refine import Changes, as_refinement
    from synth.run import create_run
    from synth.store import choose_store

    chosen = choose_store(store)
    changes = Changes(config, tuple(teacher or ()), rescore, tuple(decontaminate or ()))
    run = create_run(as_refinement(chosen.find(reference), changes), chosen)
    finish(run, chosen, use_prefect=wants_prefect(prefect), as_json=as_json)
