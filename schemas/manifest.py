"""What an immutable version says of itself: `manifest.json`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Strict
from schemas.recipe import Recipe

Count = Annotated[int, Field(ge=0)]


class FileEntry(Strict):
    """A file of the version, its path relative to the manifest."""

    path: str
    rows: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: str


class Funnel(Strict):
    """The conservation law: planned = accepted + rejected by reason + failed by reason."""

    planned: Count
    accepted: Count
    rejected: dict[str, Count] = {}
    failed: dict[str, Count] = {}

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        parts = self.accepted + sum(self.rejected.values()) + sum(self.failed.values())
        if parts != self.planned:
            raise ValueError(f"{self.planned} items were planned but {parts} are accounted for")
        return self


class SourceCount(Strict):
    """The same law for sources: read = kept + dropped by reason. Sources are documents,
    except files and rows that could not be read at all."""

    read: Count
    kept: Count
    dropped: dict[str, Count] = {}

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.kept + sum(self.dropped.values()) != self.read:
            raise ValueError(
                f"{self.read} sources were read but {self.kept + sum(self.dropped.values())} are accounted for"
            )
        return self


class TeacherCard(Strict):
    """Which embedder scored, on how many passages, to which depth."""

    name: str
    identity: dict[str, str]
    pool: Annotated[int, Field(ge=0)]
    depth: Annotated[int, Field(ge=0)]


class Manifest(Strict):
    """Everything a reader needs to trust a version without reading our code.

    `schema_version` rises with every change to a published Parquet schema or to this model.
    """

    schema_version: Literal[1] = 1
    name: str
    version: Annotated[int, Field(ge=1)]
    created: str
    run_id: str
    synth_version: str
    domain: str
    language: list[str]
    recipe: Recipe
    recipe_sha256: str
    content_sha256: str
    partial: str = ""
    """Why the version holds fewer records than were asked for; empty when it is whole."""
    sources: SourceCount
    passages: int
    funnel: Funnel
    candidates: dict[str, int]
    """What became of the miner's candidates, by reason; `selected` are the hard negatives."""
    written: dict[str, Count] = {}
    """What became of the texts that LLMs wrote as negatives, by reason; `kept` are negatives."""
    negatives: dict[str, Count] = {}
    """Negatives of all records, by how they were found or made: `mined`, `perturbed:period` ..."""
    splits: dict[str, int]
    methods: dict[str, int]
    teacher: TeacherCard
    licences: dict[str, int]
    files: list[FileEntry]
