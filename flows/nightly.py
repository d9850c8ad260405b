"""Every night: a folder of documents to the next version, and, if that is good enough, to the Hub."""

from __future__ import annotations

from typing import Annotated, TypedDict, cast

from prefect import State, flow
from prefect.logging import get_run_logger
from prefect.states import Failed
from pydantic import Field

from flows.generate import THREADS
from flows.names import NIGHTLY
from flows.parameters import GenerateParameters, open_run
from flows.publish import Pushing, send
from flows.secrets import use_llm_key
from flows.work import make_version
from synth.domains import load_domain
from synth.errors import InputError, RunError, SynthError
from synth.quality import Threshold
from synth.release import Release, check_release
from synth.restore import restore
from synth.resuming import check_unchanged
from synth.run import Run
from synth.store import VersionRef, choose_store

_FIRST = 100
"""Where in the form the fields of this flow begin, behind those of generate."""


class NightlyParameters(GenerateParameters):
    """What generate takes, and what becomes of the version. None of it is a secret."""

    update: Annotated[
        bool,
        Field(
            description="From the second night on make the next version out of the newest: only new and changed documents are planned.",
            json_schema_extra={"position": 12},
        ),
    ] = True
    quality: Annotated[
        Threshold,
        Field(
            default_factory=Threshold,
            description="A new version that misses one of these is not pushed, and the one before it becomes the newest again.",
            json_schema_extra={"position": _FIRST},
        ),
    ]
    push_to: Annotated[
        str | None,
        Field(
            description="Repository on the Hugging Face Hub, ORG/NAME; created private where there is none. None: nothing is pushed.",
            json_schema_extra={"position": _FIRST + 1},
        ),
    ] = None
    public: Annotated[
        bool, Field(description="Make a new repository public.", json_schema_extra={"position": _FIRST + 2})
    ] = False
    confirmed: Annotated[
        bool,
        Field(
            description="With public: everybody may read what the versions hold of your documents.",
            json_schema_extra={"position": _FIRST + 3},
        ),
    ] = False
    token_block: Annotated[
        str | None,
        Field(
            description="Name of the Secret block that holds the Hub token. None: HF_TOKEN of the worker, or its login.",
            json_schema_extra={"position": _FIRST + 4},
        ),
    ] = None

    @property
    def release(self) -> Release:
        """How versions are to stand on the Hub."""
        return Release(self.push_to or "", self.public)


class Night(TypedDict):
    """What a flow run returns; `url` is empty where nothing was pushed."""

    dataset: str
    is_new: bool
    records: int
    url: str
    run_id: str


@flow(
    name=NIGHTLY,
    flow_run_name="nightly {parameters.domain}",
    description="Documents to the next version; where that is good enough, to the Hugging Face Hub.",
    task_runner=THREADS,
    persist_result=False,
)
def nightly_flow(parameters: NightlyParameters) -> Night | State[Night]:
    """Update the dataset, hold the version against the threshold, push it; fails with one sentence that says what to do."""
    try:
        if parameters.push_to:
            check_release(parameters.release)
        use_llm_key(parameters.llm_key_block)
        run = open_run(tonight(parameters))
        version = make_version(run, parameters.runner)
        is_new = version.manifest.run_id == run.id
        if is_new:
            hold_against(parameters.quality, run, version)
        else:
            get_run_logger().info("nothing changed: %s stays the newest", version)
        pushing = Pushing(confirmed=parameters.confirmed, token_block=parameters.token_block)
        pushed = send(version, parameters.release, pushing) if parameters.push_to else None
    except SynthError as error:
        return cast(State[Night], Failed(message=str(error), data=error))
    return Night(
        dataset=str(version),
        is_new=is_new,
        records=version.manifest.records,
        url=pushed.url if pushed else "",
        run_id=run.id,
    )


def tonight(parameters: NightlyParameters) -> NightlyParameters:
    """What this night does: go on with the run of a newest version that a budget cut short, or update it, or begin.

    An update would never plan what its parent left out of documents that stay the same.
    """
    store = choose_store(parameters.store)
    versions = list(store.iterate(parameters.name or load_domain(parameters.domain).domain.name))
    if parameters.run_id or not versions:
        return parameters.model_copy(update={"update": False})
    run = Run(store, versions[-1].manifest.run_id)
    if not parameters.update or not versions[-1].manifest.partial or not _can_go_on(run):
        return parameters
    get_run_logger().info("%s is partial: going on with its run %s", versions[-1], run.id)
    return parameters.model_copy(update={"run_id": run.id})


def _can_go_on(run: Run) -> bool:
    if not (run.folder / "run.json").is_file() or run.result is not None:
        return False
    try:
        check_unchanged(run)
    except InputError as error:
        get_run_logger().warning("%s", error)
        return False
    return True


def hold_against(threshold: Threshold, run: Run, version: VersionRef) -> None:
    """Raises RunError where the version misses the threshold; the one before it is then the newest again."""
    missed = threshold.missed(version.manifest)
    if not missed:
        return
    before = [each for each in run.store.iterate(version.name) if each.number < version.number]
    kept = f"; {restore(run.store, before[-1])} holds {before[-1]} again" if before else ""
    raise RunError(f"{version} is not good enough and was not pushed: {'; '.join(missed)}{kept}")
