"""Files for trainers out of a version: exact columns, in order; what is left out is counted.

Written beside its place under a hidden name and renamed when it is whole, so that a killed export leaves no folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synth.errors import StoreError
from synth.export.beir import write_beir
from synth.export.formats import BEIR, FORMATS, NAMES, check_format, convert, count_short
from synth.export.options import (
    ExportOptions,
    ExportResult,
    asked_for,
    check_comparable,
    check_possible,
    default_format,
    has_negatives,
    losses_of,
)
from synth.export.readme import render_readme
from synth.export.select import FEW, Selection
from synth.export.shards import finish_arrow, write_shards
from synth.files import new_folder
from synth.store import VersionRef

__all__ = [
    "FORMATS",
    "NAMES",
    "ExportOptions",
    "ExportResult",
    "asked_for",
    "check_comparable",
    "check_empty",
    "check_format",
    "convert",
    "count_short",
    "default_format",
    "export_formats",
    "export_version",
    "has_negatives",
    "losses_of",
    "write_format",
]

_DEFAULT = ExportOptions()


def export_version(
    version: VersionRef,
    format: str,  # noqa: A002
    folder: Path,
    options: ExportOptions = _DEFAULT,
) -> ExportResult:
    """`export_formats` of one format.

    >>> export_version(store.find("finance@1"), "triplet", Path("out")).rows
    {'train': 199, 'test': 40}
    """
    return export_formats(version, [format], folder, options)[0]


def export_formats(
    version: VersionRef, names: Sequence[str], folder: Path, options: ExportOptions = _DEFAULT
) -> list[ExportResult]:
    """Write `folder/FORMAT/SPLIT-00000-of-0000N.parquet` for each format and each split that has rows, and a README.md.

    With `load_dataset(folder, FORMAT)` all of them are read. Raises InputError for what is asked wrongly, StoreError where
    the folder holds something already or the version can't give a single row; then nothing is written.
    """
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        check_possible(version, name, options)
    check_empty(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as hidden:
            written = [write_format(version, name, hidden, options) for name in chosen]
            readme = render_readme(version.manifest, written)
            (hidden / "README.md").write_text(readme, encoding="utf-8")
        return [_moved(result, hidden, folder) for result in written]
    except OSError as error:
        raise StoreError(
            f"can't write {folder}: {error.strerror or error}; free some space, or choose another --out"
        ) from error


def write_format(version: VersionRef, name: str, folder: Path, options: ExportOptions = _DEFAULT) -> ExportResult:
    """One format into `folder`, beside others that are already there."""
    check_possible(version, name, options)
    if name == BEIR:
        return _checked(version, write_beir(version, folder / name, options), 0)
    selection = Selection(version, name, options)
    kind = "jsonl" if selection.format.is_jsonl else options.files
    files: dict[str, list[Path]] = {}
    rows: dict[str, int] = {}
    columns: list[str] = []
    for split in ("train", "test"):
        tables = selection.tables(split, columns)
        written, count = write_shards(tables, folder / name, split, kind, options.shard_bytes)
        if written:
            files[split], rows[split] = written, count
    if kind == "arrow" and files:
        finish_arrow(folder / name, files)
    left_out, every = +selection.tally.records, tuple(file for split in files for file in files[split])
    result = ExportResult(
        name, every, rows, tuple(columns), left_out.total(), dict(left_out), dict(+selection.tally.passages)
    )
    return _checked(version, result, selection.asked)


def check_empty(folder: Path) -> None:
    """StoreError where `folder` exists and holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} exists and is not empty; choose another --out")


def _moved(result: ExportResult, before: Path, after: Path) -> ExportResult:
    return replace(result, files=tuple(after / file.relative_to(before) for file in result.files))


def _checked(version: VersionRef, result: ExportResult, asked: int) -> ExportResult:
    if result.rows:
        return result
    if not result.left_out:
        raise StoreError(
            f"{version} has no records, so there is nothing to export; loosen its gates and generate again"
        )
    why = "; ".join(f"{count} {reason}" for reason, count in result.reasons.items())
    what = f"{version} can't be exported as {result.format!r}: none of {result.left_out} records"
    if set(result.reasons) == {FEW}:
        raise StoreError(f"{what} has all {asked} negatives; export `triplet` instead")
    raise StoreError(f"{what} gives a row ({why})")
