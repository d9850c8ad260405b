"""Rows with their split, from local files or the Hub; those of train come first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.base import sha256_of
from schemas.document import Split
from synth.errors import DocumentError
from synth.files import sha256_of_file
from synth.hub_read import HubDataset
from synth.pairs.read import beir_file, is_beir
from synth.pairs.rows import list_files, read_rows

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Iterable[tuple[str, Split, dict[str, Any]]]
"""Where each row stands, its split, and the row."""

_TEST = {"test", "testing", "validation", "valid", "val", "dev", "development", "eval", "evaluation"}


@dataclass(frozen=True)
class Beir:
    """The three tables of a retrieval dataset."""

    corpus: Rows
    queries: Rows
    qrels: Rows


@dataclass(frozen=True)
class Opened:
    """A source, before a row of it is read."""

    source: str
    rows: Rows = ()
    beir: Beir | None = None
    revision: str = ""
    sha256: str = ""
    licence: str = ""


def split_named(name: str) -> Split:
    """`test` for every name of data that is held out, `validation` and `dev` among them; else `train`."""
    return "test" if re.split(r"[-_.]", name.lower())[0] in _TEST else "train"


def open_local(path: Path) -> Opened:
    """A file or folder of rows, or a BEIR folder. Raises DocumentError."""
    name = path.resolve().name
    if not is_beir(path):
        files = _train_first(list_files(path))
        return Opened(name, _local(files), sha256=_sha256(files))
    parts = {stem: beir_file(path, stem) for stem in ("corpus", "queries", "qrels")}
    missing = [stem for stem, found in parts.items() if found is None]
    if missing:
        raise DocumentError(f"{path} has a corpus and queries but no qrels: put in qrels.jsonl or qrels/train.tsv")
    listed = {stem: _train_first(list_files(found)) for stem, found in parts.items() if found is not None}
    beir = Beir(*(_local(files) for files in listed.values()))
    return Opened(name, beir=beir, sha256=_sha256([file for files in listed.values() for file in files]))


def open_rows(dataset: HubDataset) -> Opened:
    """A dataset of the Hub; its configs `corpus` and `queries`, with `qrels` or `default`, make a BEIR dataset."""
    address, names = dataset.address, [] if dataset.address.config else dataset.configs()
    known = Opened(str(address), revision=address.revision, licence=dataset.licence())
    if not {"corpus", "queries"} <= set(names):
        return replace(known, rows=_streamed(dataset, address.config, address.split))
    qrels = next((name for name in ("qrels", "default", f"{address.repo}-qrels") if name in names), None)
    if qrels is None:
        raise DocumentError(f"{address} has a corpus and queries but no config `qrels` or `default` with judgements")
    corpus, queries = (_streamed(dataset, name, "") for name in ("corpus", "queries"))
    return replace(known, beir=Beir(corpus, queries, _streamed(dataset, qrels, address.split)))


def _train_first(files: list[Path]) -> list[Path]:
    return sorted(files, key=lambda file: (split_named(file.name) == "test", file.name))


def _sha256(files: list[Path]) -> str:
    return sha256_of([[file.name, sha256_of_file(file)] for file in files])


def _local(files: list[Path]) -> Rows:
    for file in files:
        for where, row in read_rows(file):
            said = row.get("split")
            yield where, split_named(said if isinstance(said, str) and said else file.name), row


def _streamed(dataset: HubDataset, config: str, split: str) -> Rows:
    found = dataset.splits(config)
    if split and split not in found:
        raise DocumentError(f"{dataset.address} has no split {split!r}; it has {', '.join(found)}")
    for name in sorted(found, key=lambda name: (split_named(name) == "test", name)):
        if split in ("", name):
            yield from _rows_of(found[name], name, config)


def _rows_of(tables: Iterator[pa.Table], name: str, config: str) -> Rows:
    number = 0
    for table in tables:
        for row in table.to_pylist():
            number += 1
            yield f"{config + ' ' if config else ''}{name}, row {number}", split_named(name), row
