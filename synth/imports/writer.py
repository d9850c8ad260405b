"""Writes the files of an imported version as rows are read: texts once, nothing lost without a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from schemas.arrow import arrow_schema
from schemas.document import Passage, RejectedSource, Split
from schemas.manifest import Funnel, SourceCount
from schemas.record import Attribute, Negative, PassageText, Provenance
from synth.carried import RECORDS
from synth.files import ROW_GROUP, ParquetSink, read_batches
from synth.fingerprint import VersionHash
from synth.progress import Reporter
from synth.publish import REJECTS, add_records
from synth.text import hash64, normalise

TASK = "import"
_PASSAGES = arrow_schema(Passage)
_SPOOLED = pa.schema([*_PASSAGES, ("key", pa.uint64())])


@dataclass(frozen=True, slots=True)
class Text:
    """A passage as it stands in a source. Passages of one group are never each other's negatives."""

    text: str
    id: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A query and what the source says of it: one record for each positive."""

    where: str
    split: Split
    query: str
    positives: Sequence[Text]
    negatives: Sequence[Text] = ()
    masked: Sequence[Text] = ()
    """Further passages that must not count as in-batch negatives."""
    attributes: dict[str, str] = field(default_factory=dict)
    instruction: str = ""


class VersionWriter:
    """Rows are kept or dropped, pairs accepted or rejected; both are counted, and what is left out is stored.

    A passage belongs to `train` where any record of train holds it, so that no train record holds a test passage.
    """

    def __init__(self, folder: Path, shape: str, language: str, licence: str, reporter: Reporter) -> None:
        self.shape, self.language, self.licence = shape, language, licence
        self.kept, self.dropped, self.rejected = 0, Counter[str](), Counter[str]()
        self.splits, self.candidates, self.most_negatives = Counter[str](), Counter[str](), 0
        self.content = VersionHash()
        self._folder, self._reporter = folder, reporter
        self._known: dict[int, tuple[str, str] | None] = {}
        self._ids: set[str] = set()
        self._held: dict[Split, set[int]] = {"train": set(), "test": set()}
        self._records: set[int] = set()
        self._position = 0
        self._pending: list[dict[str, Any]] = []
        self._refused: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        with ExitStack() as files:

            def sink(path: str, schema: pa.Schema) -> ParquetSink:
                return files.enter_context(ParquetSink(self._folder / path, schema))

            self._sinks = {split: sink(f"records/{split}.parquet", RECORDS) for split in ("train", "test")}
            self._rejects = sink("rejects.parquet", REJECTS)
            self._sources = sink("rejected_sources.parquet", arrow_schema(RejectedSource))
            self._spool = sink("spool.parquet", _SPOOLED)
            self._files = files.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._files:
            if kind is None:
                self._flush()
                self._flush_rejects()
            else:
                self._files.__exit__(kind, error, trace)
        if kind is None:
            self._write_passages()

    @property
    def funnel(self) -> Funnel:
        """Pairs of a query and a positive."""
        accepted, rejected = sum(self.splits.values()), dict(sorted(self.rejected.items()))
        return Funnel(planned=accepted + sum(rejected.values()), accepted=accepted, rejected=rejected)

    @property
    def sources(self) -> SourceCount:
        """Rows of the source."""
        dropped = dict(sorted(self.dropped.items()))
        return SourceCount(read=self.kept + sum(dropped.values()), kept=self.kept, dropped=dropped)

    @property
    def passages(self) -> int:
        return len(self._known)

    def keep(self) -> None:
        """A row gave something."""
        self.kept += 1
        self._reporter.advance()

    def drop(self, where: str, reason: str, detail: str = "") -> None:
        """A row gave nothing."""
        self.dropped[reason] += 1
        self._sources.add_rows([{"source": where, "reason": reason, "detail": detail}])
        self._reporter.advance()

    def add_passage(self, text: Text) -> tuple[int, str, str]:
        """Key, id and group of a passage; an equal text (NFKC, case, white space) keeps the id it was first given."""
        key = hash64(normalise(text.text))
        if key not in self._known:
            own = f"{text.id}~{key:016x}" if text.id in self._ids else text.id or _id_of(key)
            if text.id:
                self._ids.add(own)
            self._known[key] = (own, text.group or own) if text.id or text.group else None
            passage = Passage(
                id=own, document_id=text.group or own, text=text.text, start=0, end=len(text.text), split="train"
            )
            self._spool.add_rows([passage.model_dump() | {"key": key}])
        return key, *(self._known[key] or (_id_of(key), _id_of(key)))

    def reject(self, draft: Draft, reason: str, passage_id: str = "", detail: str = "") -> None:
        """A pair that is no record, and why."""
        self.rejected[reason] += 1
        said = f"{draft.where}: {detail}" if detail else draft.where
        own = f"r-{hash64(f'{self._position}|{draft.where}'):016x}"
        row: dict[str, Any] = {"id": own, "status": "rejected", "reason": reason, "judgement": None}
        row |= {"stage": TASK, "score": None, "detail": said, "query": draft.query, "passage_id": passage_id}
        row |= {"split": draft.split, "position": self._position, "task": TASK, "method": self.method}
        self._refused.append(row)
        self._position += 1
        if len(self._refused) == ROW_GROUP:
            self._flush_rejects()

    def add(self, draft: Draft) -> None:
        """A record for each positive, with all negatives that are none of them."""
        own = [self.add_passage(text) for text in draft.positives]
        own_ids = {known[1] for known in own}
        negatives = self._negatives(draft, own_ids)
        mask = [*dict.fromkeys([*(known[1] for known in own), *(self.add_passage(each)[1] for each in draft.masked)])]
        for text, known in zip(draft.positives, own, strict=True):
            named = [draft.query, known[1], *(negative["passage_id"] for negative in negatives)]
            key = hash64("\x1f".join(map(normalise, named)))
            if key in self._records:
                self.reject(draft, "duplicate", known[1], "the same query, positive and negatives stood there before")
                continue
            self._records.add(key)
            self._held[draft.split].add(known[0])
            self._pending.append(self._record(draft, f"i-{key:016x}", _passage(text, known), negatives, mask))
            self.splits[draft.split] += 1
            self.candidates["selected"] += len(negatives)
            self.most_negatives = max(self.most_negatives, len(negatives))
            self._position += 1
        if len(self._pending) >= ROW_GROUP:
            self._flush()

    def _negatives(self, draft: Draft, own: set[str]) -> list[dict[str, Any]]:
        kept: dict[str, dict[str, Any]] = {}
        for text in draft.negatives:
            key, id_, group = self.add_passage(text)
            if id_ in own or id_ in kept:
                self.candidates["known_positive" if id_ in own else "repeated"] += 1
                continue
            self._held[draft.split].add(key)
            kept[id_] = Negative(passage_id=id_, document_id=group, text=text.text).model_dump()
        return list(kept.values())

    def _record(
        self, draft: Draft, id_: str, positive: PassageText, negatives: list[dict[str, Any]], mask: list[str]
    ) -> dict[str, Any]:
        provenance = Provenance(
            task=TASK, method=self.method, generator=TASK, prompt="", prompt_sha256="", position=self._position, seed=0
        )
        attributes = [Attribute(name=name, value=value).model_dump() for name, value in draft.attributes.items()]
        return {
            "id": id_,
            "instruction": draft.instruction,
            "language": self.language,
            "split": draft.split,
            "provenance": provenance.model_dump() | {"licence": self.licence},
            "verdicts": [],
            "attributes": attributes,
            "judgement": None,
            "kind": "n-tuple",
            "query": draft.query,
            "positive": positive.model_dump(),
            "more_positives": [],
            "negatives": negatives,
            "short": False,
            "in_batch_mask": mask,
            "in_batch_complete": False,
        }

    @property
    def method(self) -> str:
        """What records say of how they were made."""
        return "imported" if self.shape == "pairs" else f"imported:{self.shape}"

    def _flush(self) -> None:
        if self._pending:
            add_records(pa.Table.from_pylist(self._pending, schema=RECORDS), self._sinks, self.content)
            self._pending = []

    def _flush_rejects(self) -> None:
        if self._refused:
            table = pa.Table.from_pylist(self._refused, schema=REJECTS)
            self._rejects.add_table(table)
            self.content.add_rejects(table)
            self._refused = []

    def _write_passages(self) -> None:
        only_test = self._held["test"] - self._held["train"]
        spool = self._folder / "spool.parquet"
        with ParquetSink(self._folder / "passages.parquet", _PASSAGES) as sink:
            for batch in read_batches(spool):
                splits = ["test" if key in only_test else "train" for key in batch["key"].to_pylist()]
                table = pa.Table.from_batches([batch]).drop_columns(["key"])
                sink.add_table(table.set_column(_PASSAGES.get_field_index("split"), "split", pa.array(splits)))
        spool.unlink()


def _id_of(key: int) -> str:
    """Id of a passage that the source gives none."""
    return f"p-{key:016x}"


def _passage(text: Text, known: tuple[int, str, str]) -> PassageText:
    return PassageText(passage_id=known[1], document_id=known[2], text=text.text)


def texts(found: Iterable[tuple[str, str, str]]) -> list[Text]:
    """(text, id, group) as passages."""
    return [Text(*each) for each in found]
