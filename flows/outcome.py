"""What flow runs return."""

from __future__ import annotations

from typing import TypedDict

from synth.store import VersionRef


class Made(TypedDict):
    """A version that a flow run made, or that was there already with the same content."""

    dataset: str
    records: int
    accepted: int
    planned: int
    path: str
    run_id: str
    content_sha256: str


def made_of(version: VersionRef, run_id: str) -> Made:
    """Of a version and the run that led to it."""
    manifest = version.manifest
    return Made(
        dataset=str(version),
        records=manifest.records,
        accepted=manifest.funnel.accepted,
        planned=manifest.funnel.planned,
        path=version.where,
        run_id=run_id,
        content_sha256=manifest.content_sha256,
    )
