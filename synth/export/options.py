"""What an export may be asked for beside its format, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from schemas.manifest import Manifest
from synth.errors import InputError, StoreError
from synth.export.extras import check_extras
from synth.export.formats import BEIR, FORMATS, FULL, TOOLS, Format, check_name
from synth.export.instruct import Instruction
from synth.export.shards import SHARD_BYTES, Files
from synth.store import VersionRef
from synth.teachers.scoring import scale_of

Order = Literal["stored", "curriculum"]

_WITHIN_A_QUERY = ("rrf", "weighted", "agreement")
"""Scales that rank the passages of one query and say nothing across queries."""


@dataclass(frozen=True)
class ExportOptions:
    """Flags of `synth datasets export`; without any, a format has exactly its own columns."""

    instruction: Instruction | None = None
    """None is `column` for FlagEmbedding, whose `prompt` it is, and `none` for every other format."""
    extras: tuple[str, ...] = ()
    order: Order = "stored"
    negatives: int | None = None
    """How many a row of `n-tuple` or `margin` has; None for as many as the version asked for."""
    commercial_only: bool = False
    files: Files = "parquet"
    shard_bytes: int = SHARD_BYTES


@dataclass(frozen=True)
class ExportResult:
    """What was written: files, their columns, rows by split, and records that gave no row."""

    format: str
    files: tuple[Path, ...]
    rows: Mapping[str, int]
    columns: tuple[str, ...]
    left_out: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Of `left_out`: records by reason."""
    passages_left_out: Mapping[str, int] = field(default_factory=dict)
    """Passages of records that did give rows, by reason."""

    def data_files(self) -> list[dict[str, str]]:
        """The files of each split as a card lists them, relative to the folder that holds the format's."""
        found = []
        for split in self.rows:
            own = [file for file in self.files if split in (file.parent.name, file.name.split("-")[0])]
            folder = own[0].parent if own[0].suffix == ".parquet" else own[0].parents[1]
            name = own[0].relative_to(folder.parent).as_posix()
            found.append({"split": split, "path": name if len(own) == 1 else name.replace("-00000-of-", "-*-of-")})
        return found


def has_negatives(manifest: Manifest) -> bool:
    """Whether any record of the version has a negative, mined or made."""
    return any(manifest.negatives.values())


def asked_for(manifest: Manifest) -> int:
    """How many negatives a whole n-tuple of the version has.

    Mined ones come first in a record, so that made ones fill the places that mining left empty; where
    none were to be mined, all places are theirs.
    """
    recipe = manifest.recipe
    return recipe.mining.negatives or recipe.writing.negatives + recipe.perturbation.negatives


def default_format(manifest: Manifest) -> str:
    """What most trainers want: `triplet`, or `pair` where there are no negatives."""
    return "triplet" if has_negatives(manifest) else "pair"


def check_possible(version: VersionRef, name: str, options: ExportOptions) -> None:
    """Refuse, before anything is read, what the version can't give or the format can't carry."""
    check_name(name)
    _check_options(name, options)
    if name != BEIR:
        chosen, manifest = FORMATS.get(name) or TOOLS[name], version.manifest
        _check_negatives(version, manifest, name, chosen)
        _check_teacher(version, manifest, name, chosen, options)
        _check_scores(version, manifest, name, chosen)


def _check_options(name: str, options: ExportOptions) -> None:
    chosen = FORMATS.get(name) or TOOLS.get(name)
    if chosen is None and (options.extras or options.order != "stored" or options.instruction == "column"):
        raise InputError(
            "`beir` is queries, a corpus and qrels: --with, --order and --instruction column do nothing to it"
        )
    if options.files == "arrow" and (chosen is None or chosen.is_jsonl):
        raise InputError(f"--files arrow: {name!r} is read as JSON Lines by its tool; leave it out")
    if options.instruction == "column" and chosen is FULL:
        raise InputError("--instruction column: `full` has it already; leave it out")
    if options.negatives is not None and name not in ("n-tuple", "margin"):
        raise InputError(f"--negatives is how many a row of n-tuple or margin has, and does nothing to {name!r}")
    check_extras(options.extras, name)


def _check_negatives(version: VersionRef, manifest: Manifest, name: str, chosen: Format) -> None:
    if chosen.negatives(asked_for(manifest) or 1) and not has_negatives(manifest):
        none = "its recipe asked for 0 negatives"
        why = "no record has a hard negative" if asked_for(manifest) or manifest.is_imported else none
        raise StoreError(f"{version} can't be exported as {name!r}: {why}; export `pair` instead")


def _check_teacher(version: VersionRef, manifest: Manifest, name: str, chosen: Format, options: ExportOptions) -> None:
    asked = [f"as {name!r}"] if chosen.is_scored else []
    asked += [f"--with {extra}" for extra in options.extras if extra in ("scores", "difficulty")]
    asked += ["--order curriculum"] if options.order == "curriculum" else []
    if asked and not manifest.is_scored:
        raise StoreError(
            f"{version} can't be exported {asked[0] if chosen.is_scored else f'with {asked[0]}'}: it was imported and no teacher has scored it; `synth mine {version} --teacher MODEL --out FOLDER` finds scored negatives for its pairs, or {f'export `{default_format(manifest)}`' if chosen.is_scored else 'leave that out'}"
        )


def _check_scores(version: VersionRef, manifest: Manifest, name: str, chosen: Format) -> None:
    if not chosen.is_scored:
        return
    if name == "margin" and not manifest.negatives.get("mined"):
        raise StoreError(
            f"{version} can't be exported as 'margin': all its negatives were made, and no teacher scored those; export `triplet` instead"
        )
    check_comparable(str(version), name, manifest.teacher.identity)


def check_comparable(what: str, name: str, teacher: Mapping[str, str]) -> None:
    """StoreError where a format compares scores of different queries that can't be compared; `teacher` is its identity."""
    scale = scale_of(teacher)
    if name == "pair-score" and scale in _WITHIN_A_QUERY:
        raise StoreError(
            f"{what} can't be exported as 'pair-score': its scores ({scale}) rank the passages of one query and can't be compared between queries; take `margin` or `triplet` instead"
        )


def losses_of(name: str, manifest: Manifest) -> tuple[str, ...]:
    """Losses that the format serves with the teacher's scale: a logit is no cosine."""
    chosen = FORMATS.get(name) or TOOLS.get(name)
    losses = chosen.losses if chosen else ()
    is_logit = scale_of(manifest.teacher.identity) == "logit"
    return tuple(loss for loss in losses if not (is_logit and loss == "CosineSimilarityLoss"))
