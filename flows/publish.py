"""A version to those who train with it: files on disk, or the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypedDict, cast

from prefect import State, flow
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.states import Failed
from pydantic import Field

from flows.artifacts import show_pushed
from flows.names import PUBLISH, PUSHED, dataset_resource
from flows.secrets import read_secret
from schemas.base import Strict
from synth.errors import InputError, SynthError
from synth.export import export_formats
from synth.exposure import count_sensitive, is_shipped
from synth.hub import PushResult, push
from synth.release import Release, check_release
from synth.store import VersionRef, choose_store

Format = Literal[
    "pair",
    "triplet",
    "n-tuple",
    "pair-score",
    "pair-class",
    "margin",
    "list",
    "full",
    "flagembedding",
    "tevatron",
    "beir",
]


class PublishParameters(Strict):
    """Parameters are stored by Prefect in clear, so none of them is a secret."""

    version: Annotated[
        str,
        Field(
            min_length=1,
            description="Dataset, or one version of it: NAME or NAME@N. Without N the newest.",
            json_schema_extra={"position": 0},
        ),
    ]
    repo: Annotated[
        str | None,
        Field(
            description="Repository on the Hugging Face Hub, ORG/NAME; created where there is none. None: nothing is pushed.",
            json_schema_extra={"position": 1},
        ),
    ] = None
    public: Annotated[bool, Field(description="Make a new repository public.", json_schema_extra={"position": 2})] = (
        False
    )
    confirmed: Annotated[
        bool,
        Field(
            description="With public: everybody may read what the version holds of your documents.",
            json_schema_extra={"position": 3},
        ),
    ] = False
    tag: Annotated[str, Field(description="Tag of the commit. Empty: vN.", json_schema_extra={"position": 4})] = ""
    pull_request: Annotated[
        bool,
        Field(
            description="Propose the commit to those who may write there; sets no tag.",
            json_schema_extra={"position": 5},
        ),
    ] = False
    licence: Annotated[
        str, Field(description="Licence of records whose documents state none.", json_schema_extra={"position": 6})
    ] = ""
    token_block: Annotated[
        str | None,
        Field(
            description="Name of the Secret block that holds the Hub token. None: HF_TOKEN of the worker, or its login.",
            json_schema_extra={"position": 7},
        ),
    ] = None
    formats: Annotated[
        list[Format],
        Field(
            default_factory=list,
            description="Formats for trainers to write under export_to (docs/formats.md).",
            json_schema_extra={"position": 8},
        ),
    ]
    export_to: Annotated[
        str | None,
        Field(
            description="Folder on the machine that runs the flow; it gets a folder NAME-N.",
            json_schema_extra={"position": 9},
        ),
    ] = None
    store: Annotated[
        str | None,
        Field(
            description="Store folder. Default: SYNTH_STORE, else ./synth-store.", json_schema_extra={"position": 10}
        ),
    ] = None

    @property
    def release(self) -> Release:
        """How the version is to stand on the Hub."""
        return Release(self.repo or "", self.public, self.tag, self.pull_request, self.licence)

    def check(self) -> None:
        """InputError where nothing would be done, or a part of it could not."""
        if not self.repo and not self.formats:
            raise InputError("there is nothing to do: give repo, a repository on the Hub, or formats and export_to")
        if bool(self.formats) != bool(self.export_to):
            raise InputError("formats are written to export_to: give both, or neither")
        if self.repo:
            check_release(self.release)


class Published(TypedDict):
    """What a flow run returns; empty strings for what was not asked."""

    dataset: str
    url: str
    commit: str
    tag: str
    folder: str


@flow(
    name=PUBLISH,
    flow_run_name="publish {parameters.version}",
    description="Export a version for trainers, push it to the Hugging Face Hub, or both.",
    persist_result=False,
)
def publish_flow(parameters: PublishParameters) -> Published | State[Published]:
    """Export and push; what is there already with the same content stays as it is."""
    try:
        parameters.check()
        version = choose_store(parameters.store).find(parameters.version)
        folder = export(version, parameters) if parameters.formats else ""
        pushed = send(version, parameters.release, parameters) if parameters.repo else None
    except SynthError as error:
        return cast(State[Published], Failed(message=str(error), data=error))
    return Published(
        dataset=str(version),
        url=pushed.url if pushed else "",
        commit=pushed.commit if pushed else "",
        tag=pushed.tag if pushed else "",
        folder=folder,
    )


def export(version: VersionRef, parameters: PublishParameters) -> str:
    """Write the formats to `export_to`/NAME-N, unless that is there: a version never changes."""
    folder = Path(cast(str, parameters.export_to)).expanduser().absolute() / f"{version.name}-{version.number}"
    if folder.exists():
        get_run_logger().info("%s is there already", folder)
        return str(folder)
    for result in export_formats(version, parameters.formats, folder):
        rows = ", ".join(f"{split} {count}" for split, count in result.rows.items())
        get_run_logger().info("%s: %s; records that gave no row: %s", result.format, rows, result.left_out)
    return str(folder)


class Pushing(Strict):
    """What a push needs besides how the version is to stand on the Hub."""

    confirmed: bool = False
    token_block: str | None = None


def send(version: VersionRef, release: Release, how: PublishParameters | Pushing) -> PushResult:
    """Push, show where it is, and emit `synth.dataset.pushed` where it was not there before."""
    token = read_secret(how.token_block) if how.token_block else None

    def ask() -> None:
        if not how.confirmed and not is_shipped(version.manifest.recipe):
            raise InputError(_exposed(version))

    pushed = push(version, release, ask=ask if release.public else None, token=token)
    get_run_logger().info("%s is at %s, commit %s", version, pushed.url, pushed.commit[:12])
    show_pushed(version, pushed)
    if pushed.created:
        emit_event(
            PUSHED,
            resource={"prefect.resource.id": dataset_resource(version.name), "prefect.resource.name": version.name},
            payload={"version": str(version), "url": pushed.url, "commit": pushed.commit, "tag": pushed.tag},
        )
    return pushed


def _exposed(version: VersionRef) -> str:
    manifest = version.manifest
    seen = count_sensitive(version)
    found = ", ".join(f"{kind} in {count}" for kind, count in sorted(seen.found.items())) or "none"
    return f"{version} would show {manifest.records} queries and all {manifest.passages} passages of your documents to everybody (sensitive data found by pattern: {found}, of {seen.texts} texts); tick confirmed to allow that, or leave public off"
