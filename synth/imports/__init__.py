"""Somebody's pairs, from files or the Hub, as a version of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from schemas.manifest import Origin
from synth.errors import DocumentError, InputError, StoreError
from synth.hub_read import SCHEME, Address, open_hub
from synth.imports.conversations import ChatFields, add_conversations
from synth.imports.pairs import PairFields, add_beir, add_pairs
from synth.imports.pushed import add_pushed, pushed_manifest
from synth.imports.relations import SHAPES, ItemFields, add_relations
from synth.imports.sources import Opened, open_local, open_rows
from synth.imports.version import new_version, publish_import
from synth.imports.writer import VersionWriter
from synth.progress import Reporter
from synth.store import Store, VersionRef, check_name

__all__ = ["ChatFields", "Import", "ItemFields", "PairFields", "import_dataset"]

Shape = Literal["pairs", "conversations", "citations", "categories", "duplicates", "taxonomy"]


@dataclass(frozen=True)
class Import:
    """What is imported and how it is read; None tries the usual names of fields."""

    source: str
    """A file, a folder, a BEIR folder, or `hf://ORG/NAME[@REVISION][/CONFIG][:SPLIT]`."""
    name: str
    shape: Shape = "pairs"
    pairs: PairFields = field(default_factory=PairFields)
    items: ItemFields = field(default_factory=ItemFields)
    chats: ChatFields = field(default_factory=ChatFields)
    licence: str = ""
    """Of all records; '' takes the licence of the card, where there is one."""
    language: str = ""
    """'' is `en`, and of a version that synth pushed that of each record."""


def import_dataset(wanted: Import, store: Store, reporter: Reporter) -> VersionRef:
    """Publish what `wanted` names; the same content under the same name gives the version that is there.

    Raises InputError where the source can't be read or holds no pair, StoreError where nothing can be published.
    """
    check_name(wanted.name)
    store.check_writable()
    reporter.stage("import")
    if not wanted.source.startswith(SCHEME):
        return _publish(wanted, open_local(Path(wanted.source)), store, reporter)
    dataset = open_hub(Address.parse(wanted.source))
    pushed = pushed_manifest(dataset) if wanted.shape == "pairs" else None
    if pushed is None:
        return _publish(wanted, open_rows(dataset), store, reporter)
    if wanted.language or wanted.pairs != PairFields():
        raise InputError(
            f"{wanted.source} is a version that synth pushed and is read as it is: leave --language and the flags that name fields out, or import one of its configs, such as {dataset.address.repo}/pair"
        )
    licence = wanted.licence or dataset.licence()
    with _told(store), new_version(store, wanted.name) as folder:
        return add_pushed(dataset, pushed, wanted.name, licence, folder, store, reporter)


def _publish(wanted: Import, opened: Opened, store: Store, reporter: Reporter) -> VersionRef:
    licence = wanted.licence or opened.licence
    with _told(store), new_version(store, wanted.name) as folder:
        with VersionWriter(folder, wanted.shape, wanted.language or "en", licence, reporter) as writer:
            _read(wanted, opened, writer)
        if not writer.funnel.accepted:
            told = ", ".join(f"{reason} {count:,}" for reason, count in (writer.dropped + writer.rejected).items())
            raise DocumentError(f"{wanted.source} holds no pair that can be imported ({told or 'no row was read'})")
        origin = Origin(
            source=opened.source,
            shape=wanted.shape,
            revision=opened.revision,
            sha256=opened.sha256,
            settings=_settings(wanted),
        )
        return publish_import(writer, wanted.name, origin, folder, store, reporter)


def _read(wanted: Import, opened: Opened, writer: VersionWriter) -> None:
    if wanted.shape != "pairs":
        if opened.beir is not None:
            raise InputError(f"{wanted.source} holds a corpus and queries: leave --as {wanted.shape} out")
        if wanted.shape == "conversations":
            add_conversations(opened.rows, wanted.chats, writer)
        else:
            add_relations(opened.rows, SHAPES[wanted.shape], wanted.items, writer)
    elif opened.beir is not None:
        add_beir(opened.beir, writer)
    else:
        add_pairs(opened.rows, wanted.pairs, writer)


def _settings(wanted: Import) -> dict[str, str]:
    fields = {"pairs": wanted.pairs, "conversations": wanted.chats}.get(wanted.shape, wanted.items)
    return {name: str(value) for name, value in vars(fields).items() if value is not None}


@contextmanager
def _told(store: Store) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"can't publish to {store.where}: {error.strerror or error}; free some space or choose another --store, then import again"
        ) from error
