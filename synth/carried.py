"""Records of the parent that a run carries over: accepted items that come before position 0 of its plan.

runs/RUN_ID/parent/documents.parquet    what the parent's documents say (`synth.known`)
runs/RUN_ID/parent/records/             the records carried over, one file a shard, rows as in items/
runs/RUN_ID/parent/retired.parquet      those that are not, because of their documents
runs/RUN_ID/parent/planned.npy          ordinals of the passages that new items are about
runs/RUN_ID/parent/taken.json           counts: the last of these files

Carried records have positions -n … -1, in the order of the parent's files. Their shards' items
are written here and scored where other shards are made, so set gates and the miner see one sequence.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import arrow_schema
from schemas.base import Strict
from schemas.manifest import DocumentChanges, UpdateCount
from schemas.recipe import ParentSettings, Recipe
from schemas.record import TEXT_PAIR, NTuple, Retired
from synth.arrays import Mask
from synth.corpus import Corpus, Ordinals
from synth.errors import StoreError
from synth.files import ParquetSink, read_batches, replace_atomically, write_model, write_parquet
from synth.known import RENAMED, Contents, Keys, KnownDocuments, keys_of, places_of, read_contents, write_known
from synth.rows import ITEMS
from synth.shard import Shard
from synth.store import VersionRef
from synth.text import hash64, normalise

if TYPE_CHECKING:
    from synth.negatives import Mined

RECORDS = arrow_schema(NTuple)
RETIRED = arrow_schema(Retired)
UPDATE = "update"
"""The stage at which records are retired because of their documents."""
_FOLDER = "parent"

Row = dict[str, Any]


class Taken(Strict):
    """taken.json"""

    count: UpdateCount
    """Before set gates."""
    same_recipe: bool
    """Whether the parent was made by this recipe, but for the documents and how many records were asked for."""

    @property
    def changes_nothing(self) -> bool:
        """Whether the version would be the parent again."""
        documents = self.count.documents
        moved = documents.new + documents.changed + documents.deleted + len(self.count.retired)
        return self.same_recipe and not moved


def know_parent(parent: VersionRef, settings: ParentSettings, run_folder: Path) -> KnownDocuments:
    """The parent's documents, as the run keeps them."""
    path = run_folder / _FOLDER / "documents.parquet"
    if not path.exists():
        write_known(parent.file("passages.parquet"), path)
    return KnownDocuments.load(path, frozen=settings.freeze_test)


def read_taken(run_folder: Path) -> Taken:
    """The counts of a run that has read its documents."""
    return Taken.model_validate_json(_counts(run_folder).read_bytes())


def _counts(run_folder: Path) -> Path:
    return run_folder / _FOLDER / "taken.json"


def read_planned(run_folder: Path) -> Ordinals:
    """Ordinals of the passages that new items are about."""
    planned: Ordinals = np.load(run_folder / _FOLDER / "planned.npy")
    return planned


def carried_shards(run_folder: Path, size: int) -> tuple[Shard, ...]:
    """Shards of the carried records: in an update that has read its documents one at least, which may have no rows."""
    if not _counts(run_folder).exists():
        return ()
    first = -read_taken(run_folder).count.carried
    shards = [Shard(start, min(start + size, 0)) for start in range(first, 0, size)]
    return tuple(shards or [Shard(0, 0)])


def read_carried(shard: Shard, run_folder: Path) -> pa.Table:
    """The parent's records that a shard carries over."""
    return pq.read_table(_records_path(shard, run_folder))


def read_retired(run_folder: Path) -> Iterator[pa.RecordBatch]:
    """Records that were retired because of their documents."""
    return read_batches(run_folder / _FOLDER / "retired.parquet")


def _records_path(shard: Shard, run_folder: Path) -> Path:
    return run_folder / _FOLDER / "records" / shard.items_path(run_folder).name


def renewed(record: Row, mined: Mined, wanted: int) -> Row:
    """A carried record with what was mined for it now; what was written or made with it stays."""
    positives = [record["positive"], *record["more_positives"]]
    found = mined.positives[: len(positives)]
    placed = [old | {"score": new["score"], "rank": new["rank"]} for old, new in zip(positives, found, strict=True)]
    written = [negative for negative in record["negatives"] if negative["method"] in ("llm", "rule")]
    return record | {
        "positive": placed[0],
        "more_positives": placed[1:],
        "negatives": [*mined.negatives, *written],
        "short": not record["provenance"]["method"].endswith(TEXT_PAIR) and len(mined.negatives) < wanted,
        "in_batch_mask": mined.in_batch_mask,
        "in_batch_complete": mined.in_batch_complete,
    }


def retired_row(record: Row, reason: str, stage: str, score: float | None = None, detail: str = "") -> Row:
    """A row of `retired.parquet`."""
    positive, provenance = record["positive"], record["provenance"]
    return {
        "id": record["id"],
        "reason": reason,
        "stage": stage,
        "score": score,
        "detail": detail,
        "query": record["query"],
        "positive": positive["text"],
        "passage_id": positive["passage_id"],
        "document_id": positive["document_id"],
        "split": record["split"],
        "task": provenance["task"],
        "method": provenance["method"],
    }


def carry(
    parent: VersionRef, known: KnownDocuments, corpus: Corpus, run_folder: Path, recipe: Recipe, shard_size: int
) -> Taken:
    """Part the parent's records into those carried over and those retired; items and records of the former are written.

    Raises StoreError where the parent's files are not those of a version of this synth.
    """
    contents = read_contents(corpus.folder / "passages.parquet")
    unchanged = known.is_unchanged(contents.key, contents.content)
    standing = _Standing.of(corpus, contents.key[unchanged])
    folder = run_folder / _FOLDER
    shutil.rmtree(folder / "records", ignore_errors=True)
    with replace_atomically(folder / "planned.npy") as temporary, temporary.open("wb") as file:
        np.save(file, np.flatnonzero(~unchanged[corpus.document]))
    kept = sum(
        not judged.reason for _, rows in _records(parent, ["positive", "more_positives"], standing) for judged in rows
    )
    shards, retired = _Shards(run_folder, recipe, shard_size, -kept), Counter[str]()
    with ParquetSink(folder / "retired.parquet", RETIRED) as sink:
        for table, judgements in _records(parent, _kept_columns(parent), standing):
            shards.add(table, judgements)
            for row, judged in _those_retired(table, judgements):
                retired[judged.reason] += 1
                sink.add_rows([retired_row(row, judged.reason, UPDATE, detail=judged.detail)])
    shards.finish()
    if kept + retired.total() != parent.manifest.records:
        raise StoreError(
            f"{parent} holds {kept + retired.total()} records and its manifest says {parent.manifest.records}: `synth datasets verify {parent}` says what is wrong with it"
        )
    count = UpdateCount(
        parent_sha256=parent.manifest.content_sha256,
        records=kept + retired.total(),
        carried=kept,
        retired=dict(sorted(retired.items())),
        documents=count_changes(known, contents, corpus.folder),
        frozen_test=known.frozen,
    )
    taken = Taken(count=count, same_recipe=essence_of(parent.manifest.recipe) == essence_of(recipe))
    write_model(_counts(run_folder), taken)
    return taken


def essence_of(recipe: Recipe) -> Recipe:
    """A recipe without its documents and how many records it asks for."""
    return recipe.model_copy(update={"corpus_sha256": "", "limit": None, "stop": None, "parent": None})


def count_changes(known: KnownDocuments, contents: Contents, corpus_folder: Path) -> DocumentChanges:
    """How the documents of a corpus differ from those known."""
    unchanged, is_known = known.is_unchanged(contents.key, contents.content), known.is_known(contents.key)
    renamed = corpus_folder / RENAMED
    return DocumentChanges(
        unchanged=int(unchanged.sum()),
        renamed=pq.read_metadata(renamed).num_rows if renamed.exists() else 0,
        new=int((~is_known).sum()),
        changed=int((is_known & ~unchanged).sum()),
        deleted=len(known.ids) - int(is_known.sum()),
    )


@dataclass(frozen=True)
class _Judged:
    """What becomes of one of the parent's records: why it is retired, or the ordinals of its positives."""

    reason: str = ""
    detail: str = ""
    ordinals: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Standing:
    """Which documents and passages a record may still be about; keys are ascending."""

    corpus: Corpus
    unchanged: Keys
    present: Keys
    """Documents that were read, with passages or without."""
    passages: Keys
    ordinal: Ordinals
    """Of each of `passages`."""

    @staticmethod
    def of(corpus: Corpus, unchanged: Keys) -> _Standing:
        batches = read_batches(corpus.folder / "documents.parquet", ["id"])
        present = keys_of(each for batch in batches for each in batch["id"].to_pylist())
        order = np.argsort(corpus.passage_key, kind="stable")
        return _Standing(corpus, np.sort(unchanged), np.sort(present), corpus.passage_key[order], order)

    def judge(self, records: Sequence[Sequence[Row]]) -> Iterator[_Judged]:
        """What becomes of records, given by their positives."""
        flat = [each for positives in records for each in positives]
        documents = keys_of(each["document_id"] for each in flat)
        is_gone = places_of(self.present, documents) < 0
        is_changed = places_of(self.unchanged, documents) < 0
        place = places_of(self.passages, keys_of(each["passage_id"] for each in flat))
        ordinal = np.where(place < 0, -1, self.ordinal[place])
        start = 0
        for positives in records:
            own = slice(start, start + len(positives))
            yield self._judged(positives, is_gone[own], is_changed[own], ordinal[own])
            start = own.stop

    def _judged(self, positives: Sequence[Row], is_gone: Mask, is_changed: Mask, ordinal: Ordinals) -> _Judged:
        for reason, holds in (("document_deleted", is_gone), ("document_changed", is_changed)):
            if holds.any():
                return _Judged(reason, positives[int(holds.argmax())]["document_id"])
        ids = self.corpus.ids
        if any(n < 0 or ids[n] != each["passage_id"] for n, each in zip(ordinal.tolist(), positives, strict=True)):
            return _Judged("document_changed", "the passage is cut otherwise")
        if self.corpus.leaked[ordinal].any():
            return _Judged("split_leak", "nearly identical to a passage of the test split")
        return _Judged(ordinals=tuple(ordinal.tolist()))


def _records(
    parent: VersionRef, columns: Sequence[str], standing: _Standing
) -> Iterator[tuple[pa.Table, list[_Judged]]]:
    """Columns of the parent's records, a few thousand at a time, each with what becomes of it."""
    schema = pa.schema([RECORDS.field(name) for name in columns])
    for path in parent.record_files():
        for batch in read_batches(path, columns):
            try:
                table = pa.Table.from_batches([batch]).select(list(columns)).cast(schema)
            except (KeyError, pa.ArrowInvalid) as error:
                raise StoreError(
                    f"{parent} can't be updated: {path.name} does not have the columns of a record ({error}); make the dataset anew without --update"
                ) from error
            rows = zip(table["positive"].to_pylist(), table["more_positives"].to_pylist(), strict=True)
            yield table, list(standing.judge([[own, *more] for own, more in rows]))


def _kept_columns(parent: VersionRef) -> list[str]:
    """Columns of a record that are not made again: negatives only where some were written or made with the record."""
    stay = any(parent.manifest.negatives.get(method) for method in ("llm", "rule"))
    mined = {"in_batch_mask"} if stay else {"in_batch_mask", "negatives"}
    return [name for name in RECORDS.names if name not in mined]


def _whole(table: pa.Table) -> pa.Table:
    """Records with all their columns; lists that were not read are empty."""
    columns = {
        name: table[name] if name in table.column_names else pa.array([[]] * table.num_rows, RECORDS.field(name).type)
        for name in RECORDS.names
    }
    return pa.table(columns, schema=RECORDS)


def _those_retired(table: pa.Table, judgements: Sequence[_Judged]) -> Iterator[tuple[Row, _Judged]]:
    places = [place for place, judged in enumerate(judgements) if judged.reason]
    rows = table.take(pa.array(places, pa.int64())).to_pylist()
    yield from zip(rows, (judgements[place] for place in places), strict=True)


@dataclass
class _Shards:
    """Carried records, cut into shards as they come."""

    run_folder: Path
    recipe: Recipe
    size: int
    start: int
    _tables: list[pa.Table] = field(default_factory=list)
    _ordinals: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, table: pa.Table, judgements: Sequence[_Judged]) -> None:
        kept = table.filter(pa.array([not judged.reason for judged in judgements], pa.bool_()))
        self._tables.append(_whole(kept))
        self._ordinals += [judged.ordinals for judged in judgements if not judged.reason]
        while len(self._ordinals) >= self.size:
            self._write(self.size)

    def finish(self) -> None:
        """Write the last shard, which is there even where it has no rows and no other is."""
        if self._ordinals or not (self.run_folder / _FOLDER / "records").exists():
            self._write(len(self._ordinals))

    def _write(self, rows: int) -> None:
        records = pa.concat_tables([RECORDS.empty_table(), *self._tables])
        own, ordinals = records.slice(0, rows), self._ordinals[:rows]
        self._tables, self._ordinals = [records.slice(rows)], self._ordinals[rows:]
        shard = Shard(self.start, self.start + rows)
        items = [
            _item(record, self.start + place, own_ordinals, self.recipe)
            for place, (record, own_ordinals) in enumerate(zip(own.to_pylist(), ordinals, strict=True))
        ]
        write_parquet(_records_path(shard, self.run_folder), own)
        write_parquet(shard.items_path(self.run_folder), pa.Table.from_pylist(items, schema=ITEMS))
        self.start += rows


def _item(record: Row, position: int, ordinals: Sequence[int], recipe: Recipe) -> Row:
    """A carried record as the item of a shard."""
    provenance = record["provenance"]
    return {
        "position": position,
        "id": record["id"],
        "status": "accepted",
        "reason": "",
        "stage": "",
        "detail": "",
        "passage": ordinals[0],
        "split": record["split"],
        "task": provenance["task"],
        "method": provenance["method"],
        "model": provenance["generator_model"],
        "revision": provenance["generator_revision"],
        "language": record["language"],
        "query": record["query"],
        "positive": record["positive"]["text"],
        "persona": provenance["persona_id"],
        "query_type": provenance["query_type"],
        "difficulty": provenance["difficulty"],
        "length": provenance["length"],
        "seed": provenance["seed"],
        "instruction": record["instruction"] if record["instruction"] != recipe.instruction else "",
        "others": list(ordinals[1:]),
        "attributes": record["attributes"],
        "judgement": record["judgement"],
        "written": [],
        "verdicts": record["verdicts"],
        "query_key": hash64(normalise(record["query"])),
    }
