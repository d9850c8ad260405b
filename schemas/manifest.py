"""What an immutable version says of itself: `manifest.json`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Strict
from schemas.recipe import Recipe

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]


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


class DocumentChanges(Strict):
    """Documents with passages, beside those of the parent."""

    unchanged: Count
    renamed: Count = 0
    """Of the unchanged, those that lie under another name now and keep the id they had."""
    new: Count
    changed: Count
    deleted: Count


class UpdateCount(Strict):
    """What became of the parent's records: records = carried + retired by reason.

    The version's records are those carried and those that its funnel accepted.
    """

    parent_sha256: str
    """The parent's content hash."""
    records: Count
    """Of the parent."""
    carried: Count
    retired: dict[str, Count] = {}
    """They are in `retired.parquet`."""
    documents: DocumentChanges
    frozen_test: bool
    """Whether new and changed documents all went to train."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        parts = self.carried + sum(self.retired.values())
        if parts != self.records:
            raise ValueError(f"the parent has {self.records} records but {parts} are accounted for")
        return self


class RecallCard(Strict):
    """Share of the exact best that an approximate index found, with its 95 % interval."""

    mean: Share
    low: Share
    high: Share
    queries: Count
    """So many were measured."""


class TeacherCard(Strict):
    """Which embedder scored, on how many passages, to which depth."""

    name: str
    identity: dict[str, str]
    pool: Annotated[int, Field(ge=0)]
    depth: Annotated[int, Field(ge=0)]
    recall: RecallCard | None = None
    """None where every passage was looked at."""


class SuspicionCard(Strict):
    """The model by which candidates were left out as likely unlabelled positives."""

    family: str
    signals: list[str]
    fitted_with: str
    fitted_on: list[str]
    bound: float
    """Candidates above this probability were left out."""
    note: str = ""


class ValueShare(Strict):
    """A value of an attribute: its share in the recipe and among the records that carry the attribute."""

    value: str
    target: Share
    share: Share


class Coverage(Strict):
    """One attribute, over the records that carry it; a record carries what its task asks for."""

    records: Count
    values: Count
    """How many values occur."""
    possible: Count
    """How many values the recipe draws, and any others that occur."""
    largest_gap: Share
    """The largest |share - target| of a value."""
    shares: list[ValueShare]
    """At most 20 values, the largest gaps first."""


class Cells(Strict):
    """Combinations of attributes. `possible` is their number or that of the records, whichever is smaller."""

    attributes: list[str]
    filled: Count
    possible: Count


class Repeats(Strict):
    """Queries that are there more than once."""

    dropped: Share | None
    """Of the records that passed all record gates, those the gate `duplicates` dropped; None without that gate."""
    earlier: Share
    """Of the accepted queries, those that stand in versions of other runs under the same name."""
    versions: Count
    """How many such versions there are."""


class RegionCount(Strict):
    """How many groups of like queries there are, by leader clustering in plan order."""

    vectors: str
    queries: Count
    """Queries looked at: all, or the 20,000 with the lowest ids."""
    similarity: Cosine
    """A query opens a region when its cosine to every leader is below this: half way from any two passages to 1."""
    regions: Count
    evenness: Share
    """Entropy of the regions' sizes, divided by its maximum ln(regions); 0 for one region."""
    opened_by_last_tenth: Count
    """Regions opened by the last tenth of the queries: 0 when more records bring nothing new."""


class CellSimilarity(Strict):
    """Mean cosine over pairs of queries of one task and type."""

    task: str
    query_type: str
    queries: Count
    similarity: Cosine


class SelfSimilarity(Strict):
    """How alike queries of one task and type are, beside any two queries; the same queries as for regions."""

    any_two: Cosine
    within_cells: Cosine
    """Mean of the cells' means, by queries."""
    most: list[CellSimilarity]
    """At most 10 cells of at least 10 queries, the most alike first."""


class Diversity(Strict):
    """How varied the accepted records are, rounded to 4 decimals; see `synth.diversity`."""

    coverage: dict[str, Coverage]
    cells: Cells
    repeats: Repeats
    regions: RegionCount
    self_similarity: SelfSimilarity


class Decontamination(Strict):
    """An evaluation set that the records were compared with, and those that were dropped for it."""

    name: str
    sha256: str
    """Of its ids and texts."""
    queries: Count
    passages: Count
    hits: dict[str, Count] = {}
    """Records dropped, by reason: queries and positives apart. One that several sets hold counts for the first."""
    ids: dict[str, list[str]] = {}
    """Their ids, by reason; their texts are in `rejects.parquet`."""


class Origin(Strict):
    """Where an imported version is from. Its recipe has no gates, no prompts and no teacher, because nothing was
    made: it tells the language and the most negatives a record has. A version that synth made, and that came
    back from the Hub, keeps the recipe, the teacher and the measurements it was published with."""

    kind: Literal["import"] = "import"
    source: str
    """Name of the file or folder, or `hf://ORG/NAME@COMMIT`."""
    shape: Literal["pairs", "conversations", "citations", "categories", "duplicates", "taxonomy", "version"]
    """What was read; `version` is one that synth pushed."""
    revision: str = ""
    """Commit on the Hub."""
    sha256: str = ""
    """Of the local files by name, or the content hash of the version that was pushed."""
    settings: dict[str, str] = {}
    """Flags that changed what was read."""


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
    parent: str = ""
    """`NAME@N`: the version that an update was made from, else the newest of the name when this one was published; ''
    for the first. No part of the content hash."""
    restored_from: str = ""
    """`NAME@N`, the version whose files this one is a copy of, with a new number; '' where it was made by a run."""
    update: UpdateCount | None = None
    """What became of the parent's records; None where none were carried over."""
    origin: Origin | None = None
    """None for what a run made."""
    partial: str = ""
    """Why the version holds fewer records than were asked for; empty when it is whole."""
    sources: SourceCount
    passages: int
    funnel: Funnel
    candidates: dict[str, int]
    """What became of the miner's candidates, by reason; `selected` are the hard negatives."""
    suspicion: SuspicionCard | None = None
    written: dict[str, Count] = {}
    """What became of the texts that LLMs wrote as negatives, by reason; `kept` are negatives."""
    negatives: dict[str, Count] = {}
    """Negatives of all records, by how they were found or made: `mined`, `perturbed:period` ..."""
    splits: dict[str, int]
    methods: dict[str, int]
    teacher: TeacherCard
    licences: dict[str, int]
    diversity: Diversity | None = None
    """None for a version without records, or from before it was measured."""
    decontamination: list[Decontamination] = []
    files: list[FileEntry]

    @property
    def records(self) -> int:
        """Records of the version: those accepted of its plan, and those carried over."""
        return sum(self.splits.values())

    @property
    def is_imported(self) -> bool:
        """Whether its texts are somebody else's pairs; not so where synth made them, though they came back from the Hub."""
        return self.origin is not None and any(method.startswith("imported") for method in self.methods)

    @property
    def is_scored(self) -> bool:
        """Whether a teacher scored its passages; else every score and rank is 0 and means nothing."""
        return self.teacher.pool > 0
