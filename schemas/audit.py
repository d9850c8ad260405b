"""What only the owner of an audit knows: which record each row of a sheet shows, and how many it stands for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Strict
from schemas.manifest import Count
from schemas.record import Judgement

AuditStatus = Literal["accepted", "rejected"]


class Stratum(Strict):
    """A part of the population from which rows were drawn at random, without replacement."""

    status: AuditStatus
    causes: list[str]
    """What rejected them, as `gate/reason`; empty for accepted records."""
    tasks: list[str]
    size: Annotated[int, Field(ge=1)]
    """Records or rejects of the version in it."""
    drawn: Annotated[int, Field(ge=1)]
    """Rows of the sheet; each stands for size / drawn of the version, as long as all are answered."""


class ShownNegative(Strict):
    """A hard negative, in the order of its number on the sheet."""

    passage_id: str
    method: str


class AuditRow(Strict):
    """A record or a reject that is shown; `number` stands in the row's name on every sheet."""

    number: Annotated[int, Field(ge=1)]
    id: str
    stratum: Count
    """Place in the key's strata."""
    status: AuditStatus
    gate: str = ""
    reason: str = ""
    task: str
    method: str
    judgement: Judgement | None = None
    kept_by_judge: bool | None = None
    """What the gate `judge` of the recipe says of the judgement; None where nobody judged."""
    negatives: list[ShownNegative] = []
    negatives_held: Count = 0
    """How many the record has; those shown were drawn of them."""


class AuditKey(Strict):
    """`key.json` of an audit: everything that `synth audit import` needs besides the sheets."""

    schema_version: Literal[1] = 1
    audit: str
    """Begins the name of every row, so that a sheet of another audit is known."""
    dataset: str
    content_sha256: str
    """The version's content hash."""
    seed: int
    auditors: Annotated[int, Field(ge=1)]
    strata: list[Stratum]
    left_out: dict[str, Count]
    """Rejects that are no part of the population, by `gate/reason`."""
    rows: list[AuditRow]
    judge: str = ""
    """Bounds of the gate `judge`, for people."""
