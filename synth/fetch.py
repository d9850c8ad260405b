"""Documents of the Hugging Face Hub as a local file, so that a run and its resume read the same without a network.

STORE/sources/ORG--NAME/COMMIT/FILE.parquet    what documents can be made of: columns of texts and whole numbers
STORE/sources/ORG--NAME/COMMIT/FILE.json       where it is from
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.base import Strict
from synth.errors import DocumentError
from synth.hub_read import SCHEME, Address, HubDataset, choose_split, open_hub
from synth.progress import Reporter
from synth.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

_LICENCES = ("licence", "license")


class Fetched(Strict):
    """What lies in a file of `STORE/sources`."""

    address: str
    """With the commit and the split."""
    licence: str = ""
    """By the dataset's card."""
    rows: int


def is_hub(path: Path) -> bool:
    """Whether a path is an address of the Hub: a command line that reads paths makes `hf:/` of `hf://`."""
    return path.parts[:1] == ("hf:",)


def fetch_documents(
    paths: Sequence[Path], store: Store, reporter: Reporter, text_field: str | None = None
) -> tuple[Path, ...]:
    """The same paths, with a file of the store for each `hf://ORG/NAME[@REVISION][/CONFIG][:SPLIT]`.

    Without SPLIT it is `train` where there is one, else all. What a commit holds is fetched once. Raises
    InputError where the Hub refuses or can't be reached, DocumentError where no column holds text.
    """
    return tuple(_fetch(path, store, reporter, text_field) if is_hub(path) else path for path in paths)


def origin_of(path: Path) -> str:
    """The address with commit and split that a fetched file is from; '' for any other file."""
    try:
        return Fetched.model_validate_json(path.with_suffix(".json").read_bytes()).address
    except (OSError, ValidationError):
        return ""


def _fetch(path: Path, store: Store, reporter: Reporter, text_field: str | None) -> Path:
    address = Address.parse(SCHEME + "/".join(path.parts[1:]))
    kept = _place(store, address)
    if address.is_pinned and origin_of(kept):
        return kept
    reporter.stage("fetch documents")
    dataset = open_hub(address)
    kept = _place(store, dataset.address)
    if not origin_of(kept):  # written last
        _write(dataset, kept, reporter, text_field)
    reporter.note(f"{address} is read at commit {dataset.address.revision[:12]}")
    return kept


def _place(store: Store, address: Address) -> Path:
    name = address.repo.replace("/", "--")
    said = "".join(f".{part.replace('/', '-')}" for part in (address.config, address.split) if part)
    return store.root / "sources" / name / address.revision / f"{name}@{address.revision[:12]}{said}.parquet"


def _write(dataset: HubDataset, path: Path, reporter: Reporter, text_field: str | None) -> None:
    from synth.files import ParquetSink, write_model

    splits = dataset.splits(dataset.address.config)
    chosen = choose_split(dataset.address, list(splits))
    tables = chain.from_iterable(splits[name] for name in chosen)
    first = next(tables, None)
    if first is None:
        raise DocumentError(f"{dataset.address} holds no rows; name another split")
    _check_text(first, dataset.address, text_field)
    licence = dataset.licence()
    schema = _readable(first, licence).schema
    with ParquetSink(path, schema) as sink:
        for table in chain([first], tables):
            sink.add_table(_readable(table, licence).select(schema.names))
            reporter.advance(table.num_rows)
    address = replace(dataset.address, split=",".join(chosen))
    write_model(path.with_suffix(".json"), Fetched(address=str(address), licence=licence, rows=sink.rows))


def _check_text(table: pa.Table, address: Address, text_field: str | None) -> None:
    from synth.documents.fields import FieldNames, choose_text

    choose_text(table.schema.names, FieldNames(text=text_field), str(address))


def _readable(table: pa.Table, licence: str) -> pa.Table:
    """The columns that documents are made of, with the card's licence where rows have none."""
    import pyarrow as pa

    kept = [field.name for field in table.schema if _is_readable(field.type)]
    table = table.select(kept).replace_schema_metadata(None)
    if licence and not {name.lower() for name in kept} & set(_LICENCES):
        table = table.append_column("licence", pa.array([licence] * table.num_rows, pa.string()))
    return table


def _is_readable(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind))
