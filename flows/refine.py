"""A version refined: other gates, another miner or another teacher for its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

from prefect import State, flow
from prefect.states import Failed
from pydantic import Field

from flows.generate import THREADS, made_version
from flows.names import REFINE
from flows.outcome import Made, made_of
from flows.server import check_server
from flows.work import make_version
from schemas.base import Strict
from schemas.recipe import Strategy
from synth.errors import SynthError
from synth.refine import Changes, as_refinement
from synth.resuming import check_unchanged
from synth.run import Run, absolute_set, create_run, find_run
from synth.store import VersionRef, choose_store


class RefineParameters(Strict):
    """What changes; an empty field stays as the version has it. None of them is a secret."""

    version: Annotated[
        str,
        Field(
            min_length=1,
            description="Dataset, or one version of it: NAME or NAME@N. Without N the newest.",
            json_schema_extra={"position": 0},
        ),
    ]
    strategy: Annotated[
        Strategy | None,
        Field(
            description="The bound that every hard negative keeps (docs/mining.md).", json_schema_extra={"position": 1}
        ),
    ] = None
    negatives: Annotated[
        int | None, Field(ge=0, le=64, description="Hard negatives a record.", json_schema_extra={"position": 2})
    ] = None
    relative_margin: Annotated[
        float | None,
        Field(
            gt=-1,
            lt=1,
            description="A negative scores below its positive by more than this share (perc_pos: 0.05).",
            json_schema_extra={"position": 3},
        ),
    ] = None
    max_false_negative_rate: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            description="Of multi_signal: candidates more likely than this to be unlabelled positives are left out.",
            json_schema_extra={"position": 4},
        ),
    ] = None
    teacher: Annotated[
        list[str],
        Field(
            default_factory=list,
            description="lexical, name or folder of a sentence-transformers model, or a server such as http://HOST:8001/v1; several are fused.",
            json_schema_extra={"position": 5},
        ),
    ]
    rescore: Annotated[
        str | None,
        Field(
            description="A cross-encoder, or a server that scores pairs, for what ranks first.",
            json_schema_extra={"position": 6},
        ),
    ] = None
    config: Annotated[
        str | None,
        Field(
            description="YAML file on the machine that runs the flow, with gates, set_gates, mining or perturbation.",
            json_schema_extra={"position": 7},
        ),
    ] = None
    decontaminate: Annotated[
        list[str],
        Field(
            default_factory=list,
            description="Evaluation sets that the records must be kept out of: folders, files, or hf://ORG/NAME.",
            json_schema_extra={"position": 8},
        ),
    ]
    store: Annotated[
        str | None,
        Field(description="Store folder. Default: SYNTH_STORE, else ./synth-store.", json_schema_extra={"position": 9}),
    ] = None
    run_id: Annotated[
        str | None,
        Field(
            description="Continue this unfinished run of the store; every other field but the store is then ignored.",
            json_schema_extra={"position": 10},
        ),
    ] = None

    @property
    def changes(self) -> Changes:
        """The same, as the engine wants it."""
        mining: dict[str, Any] = self.model_dump(
            mode="json", include={"strategy", "negatives", "relative_margin", "max_false_negative_rate"}
        )
        return Changes(
            config=Path(self.config).expanduser() if self.config else None,
            teacher=tuple(self.teacher),
            rescore=self.rescore,
            decontaminate=tuple(map(absolute_set, self.decontaminate)),
            mining={name: value for name, value in mining.items() if value is not None},
        )


@flow(
    name=REFINE,
    flow_run_name="refine {parameters.version}",
    description="Judge and mine the records of a version anew, as its next version; nothing is generated.",
    task_runner=THREADS,
    persist_result=False,
)
def refine_flow(parameters: RefineParameters) -> Made | State[Made]:
    """Refine a version, or continue that; fails with one sentence that says what to do."""
    try:
        run = _open(parameters)
        return made_of(make_version(run), run.id)
    except SynthError as error:
        return cast(State[Made], Failed(message=str(error), data=error))


def refine_with_prefect(run: Run) -> VersionRef:
    """Execute a refinement through Prefect, as `flows.generate.run_with_prefect` does a run that generates."""
    check_server()
    parameters = {"version": run.info.parent, "store": run.store.where, "run_id": run.id}
    return made_version(run, refine_flow(RefineParameters.model_validate(parameters), return_state=True))


def _open(parameters: RefineParameters) -> Run:
    store = choose_store(parameters.store)
    if parameters.run_id is not None:
        run = find_run(store, parameters.run_id)
        check_unchanged(run)
        return run
    return create_run(as_refinement(store.find(parameters.version), parameters.changes), store)
