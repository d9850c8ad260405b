"""Trainer-facing Parquet out of a version: one format, exact columns, in order.

Sentence-transformers reads every column that is not a label as an input, in column order;
so no format but `full` carries an id, a score or any other metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas.manifest import Manifest
from synth.errors import InputError, StoreError, suggest
from synth.files import ParquetSink, read_batches
from synth.store import VersionRef

_TRAINER_COLUMNS = ("query", "positive", "more_positives", "negatives")


@dataclass(frozen=True)
class Format:
    """How records become rows. `negatives` is how many each record must have, given how many were asked for."""

    convert: Callable[[pa.Table, int], pa.Table]
    negatives: Callable[[int], int] = lambda _: 0
    columns: tuple[str, ...] | None = _TRAINER_COLUMNS
    """Record columns that are read; None means all of them."""


@dataclass(frozen=True)
class ExportResult:
    """What was written: files, their columns, rows by split, and records that gave no row."""

    format: str
    files: tuple[Path, ...]
    rows: Mapping[str, int]
    columns: tuple[str, ...]
    left_out: int = 0


@dataclass
class _Written:
    files: list[Path] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    left_out: int = 0


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


def export_version(version: VersionRef, format: str, folder: Path) -> ExportResult:  # noqa: A002
    """Write `folder/FORMAT/SPLIT-00000-of-00001.parquet`, one file for each split that has rows.

    Raises InputError for an unknown format, and StoreError where the folder holds something
    already or the version can't give a single row.

    >>> export_version(store.find("finance@1"), "triplet", Path("out")).rows
    {'train': 199, 'test': 40}
    """
    check_format(format)
    check_empty(folder)
    return write_format(version, format, folder)


def write_format(version: VersionRef, name: str, folder: Path) -> ExportResult:
    """`export_version` beside formats that are already in `folder`."""
    chosen, manifest = FORMATS[name], version.manifest
    asked = asked_for(manifest)
    if chosen.negatives(asked or 1) and not has_negatives(manifest):
        why = "no record has a hard negative" if asked else "its recipe asked for 0 negatives"
        raise StoreError(f"{version} can't be exported as {name!r}: {why}; export `pair` instead")
    written = _Written()
    for split in ("train", "test"):
        _write_split(version, split, (name, asked), folder / name, written)
    if not written.rows:
        raise StoreError(_explain_nothing(version, name, asked, written.left_out))
    return ExportResult(name, tuple(written.files), written.rows, written.columns, written.left_out)


def check_format(name: str) -> None:
    """InputError where there is no such format."""
    if name not in FORMATS:
        raise InputError(f"there is no format {name!r}{suggest(name, FORMATS)}")


def check_empty(folder: Path) -> None:
    """StoreError where `folder` exists and holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} exists and is not empty; choose another --out")


def _write_split(version: VersionRef, split: str, how: tuple[str, int], folder: Path, written: _Written) -> None:
    source = version.path / "records" / f"{split}.parquet"
    tables = (table for table in _convert(source, version, how, written) if table.num_rows)
    first = next(tables, None)
    if first is None:
        return
    with ParquetSink(folder / f"{split}-00000-of-00001.parquet", first.schema) as sink:
        for table in chain([first], tables):
            sink.add_table(table)
    written.files.append(sink.path)
    written.rows[split] = sink.rows
    written.columns = tuple(first.schema.names)


def _convert(source: Path, version: VersionRef, how: tuple[str, int], written: _Written) -> Iterator[pa.Table]:
    (name, asked), chosen = how, FORMATS[how[0]]
    for table in _read(source, version, chosen.columns):
        written.left_out += count_short(table, name, asked)
        yield convert(table, name, asked)


def count_short(records: pa.Table, name: str, asked: int) -> int:
    """How many records have too few negatives for a format, so that `convert` gives nothing for them."""
    needed = FORMATS[name].negatives(asked)
    short = pc.less(pc.list_value_length(records["negatives"]), needed)
    return int(pc.sum(short, min_count=0).as_py())


def convert(records: pa.Table, name: str, asked: int) -> pa.Table:
    """The rows that records give in a format; those with too few of the `asked` negatives give none.

    records: at least the columns query, positive, more_positives, negatives.
    """
    chosen = FORMATS[name]
    kept = records.filter(pc.greater_equal(pc.list_value_length(records["negatives"]), chosen.negatives(asked)))
    return chosen.convert(kept if chosen.columns is None else _one_positive_a_row(kept), asked)


def _one_positive_a_row(table: pa.Table) -> pa.Table:
    """A query that needs several passages stands once beside each of them."""
    more = table["more_positives"].combine_chunks()
    owners = pc.list_parent_indices(more)
    if not len(owners):
        return table
    place = table.schema.get_field_index("positive")
    extra = table.take(owners).set_column(place, table.schema.field(place), pc.list_flatten(more))
    order = pc.sort_indices(pa.concat_arrays([pa.array(range(table.num_rows), pa.int64()), owners.cast(pa.int64())]))
    return pa.concat_tables([table, extra]).take(order)


def _read(source: Path, version: VersionRef, columns: tuple[str, ...] | None) -> Iterator[pa.Table]:
    try:
        for batch in read_batches(source, columns):
            yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"{version} is damaged: can't read {source}: {error}; publish it again with `synth resume`"
        ) from error


def _explain_nothing(version: VersionRef, name: str, asked: int, left_out: int) -> str:
    if not left_out:
        return f"{version} has no records, so there is nothing to export; loosen its gates and generate again"
    return f"{version} can't be exported as {name!r}: none of {left_out} records has all {asked} negatives; export `triplet` instead"


def _to_pairs(table: pa.Table, asked: int) -> pa.Table:  # noqa: ARG001
    return pa.table({"anchor": table["query"], "positive": _texts(table["positive"])})


def _to_triplets(table: pa.Table, asked: int) -> pa.Table:
    negatives = table["negatives"].combine_chunks()
    owners = pc.list_parent_indices(negatives)
    pairs = _to_pairs(table, asked).take(owners)
    return pairs.append_column("negative", _texts(pc.list_flatten(negatives)))


def _to_tuples(table: pa.Table, asked: int) -> pa.Table:
    pairs = _to_pairs(table, asked)
    for number in range(asked):
        pairs = pairs.append_column(f"negative_{number + 1}", _texts(pc.list_element(table["negatives"], number)))
    return pairs


def _as_published(table: pa.Table, asked: int) -> pa.Table:  # noqa: ARG001
    return table


def _texts(passages: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.struct_field(passages, "text")


FORMATS: dict[str, Format] = {
    "pair": Format(_to_pairs),
    "triplet": Format(_to_triplets, lambda _: 1),
    "n-tuple": Format(_to_tuples, lambda n: n),
    "full": Format(_as_published, columns=None),
}
