"""Evaluation sets: the queries and passages that a dataset must not hold.

Read from a folder in BEIR's layout (corpus, queries and qrels as JSON Lines, gzipped or not; qrels/*.tsv
too), from one JSON Lines, CSV or Parquet file with a column of queries, or from the Hugging Face Hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.base import sha256_of
from synth.errors import DocumentError, suggest_file
from synth.files import write_parquet
from synth.pairs.rows import SUFFIXES, read_rows

HUB = "hf://"
_QUERY = ("query", "question", "anchor")
_PASSAGE = ("positive", "passage", "positives", "context", "document", "answer", "answers")
_EITHER = "text"
"""Of a row without another query the query, else the passage."""
_ID = ("_id", "id", "query_id", "qid")
_SCHEMA = pa.schema([("kind", pa.string()), ("id", pa.string()), ("text", pa.string())])

_UNSAFE = re.compile(r"[^\w./:~-]+")
"""What is no part of a name."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class EvaluationSet:
    """What a model will be evaluated on, by id; `passages` are those that answer a query."""

    name: str
    queries: Mapping[str, str]
    passages: Mapping[str, str]

    @cached_property
    def sha256(self) -> str:
        """Of ids and texts; the name and the order do not count."""
        return sha256_of([sorted(self.queries.items()), sorted(self.passages.items())])

    def save(self, folder: Path) -> None:
        """Write it under its hash."""
        rows = [("query", *each) for each in self.queries.items()]
        rows += [("passage", *each) for each in self.passages.items()]
        columns = dict(zip(_SCHEMA.names, zip(*rows, strict=True), strict=True))
        write_parquet(folder / f"{self.sha256}.parquet", pa.Table.from_pydict(columns, schema=_SCHEMA))


def load_evaluation(folder: Path, sha256: str, name: str) -> EvaluationSet:
    """An evaluation set that was saved."""
    rows = pq.read_table(folder / f"{sha256}.parquet").to_pylist()
    texts = {kind: {row["id"]: row["text"] for row in rows if row["kind"] == kind} for kind in ("query", "passage")}
    return EvaluationSet(name, texts["query"], texts["passage"])


def is_saved(folder: Path, sha256: str) -> bool:
    """Whether `load_evaluation` finds it."""
    return (folder / f"{sha256}.parquet").is_file()


def read_evaluations(places: Iterable[str]) -> list[EvaluationSet]:
    """The evaluation sets at paths or `hf://ORG/NAME[/CONFIG][:SPLIT]`; each has a name of its own.

    Raises DocumentError for what is not there or holds no queries, InputError where the Hub refuses.
    """
    sets: dict[str, EvaluationSet] = {}
    for place in places:
        found = _read(place)
        if found.sha256 in {each.sha256 for each in sets.values()}:
            continue
        found = EvaluationSet(_UNSAFE.sub("-", found.name), found.queries, found.passages)
        number = sum(name.partition("~")[0] == found.name for name in sets)
        name = f"{found.name}~{number + 1}" if number else found.name
        sets[name] = EvaluationSet(name, found.queries, found.passages)
    return list(sets.values())


def _read(place: str) -> EvaluationSet:
    if place.startswith(HUB):
        from synth.hub import read_tables

        tables = read_tables(place.removeprefix(HUB), "--decontaminate: ")
        name = place.removeprefix(HUB)
        return _beir(name, place, **tables) if "queries" in tables else _table(name, place, tables["rows"])
    path = Path(place).expanduser()
    if not path.exists():
        raise DocumentError(f"--decontaminate: {path} does not exist{suggest_file(path)}")
    return _read_folder(path) if path.is_dir() else _table(_stem(path), str(path), _read_rows(path))


def _read_folder(folder: Path) -> EvaluationSet:
    tables: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.endswith(SUFFIXES):
            tables.setdefault(_stem(path), []).append(path)
    tables.setdefault("qrels", []).extend(sorted(folder.glob("qrels/*.tsv")))
    if "queries" not in tables:
        raise DocumentError(
            f"--decontaminate: the folder {folder} has no queries.jsonl: give a folder with queries, corpus and qrels as JSON Lines, or one file with a column of queries"
        )
    rows = {name: [row for path in tables.get(name, ()) for row in _read_rows(path)] for name in _BEIR}
    return _beir(folder.resolve().name, str(folder), **rows)


_BEIR = ("queries", "corpus", "qrels")


def _beir(name: str, place: str, queries: Iterable[Row], corpus: Iterable[Row], qrels: Iterable[Row]) -> EvaluationSet:
    """The queries that are judged, and the passages judged relevant; all of both where nothing is judged."""
    judged = [(_of(row, "query-id", "query_id"), _of(row, "corpus-id", "doc_id", "corpus_id"), row) for row in qrels]
    asked = {query for query, _, _ in judged}
    relevant = {passage for _, passage, row in judged if float(row.get("score", 1)) > 0}
    texts = {_of(row, *_ID): str(row.get("text") or "") for row in queries}
    passages = {_of(row, *_ID, "doc_id"): str(row.get("text") or row.get("title") or "") for row in corpus}
    return _checked(
        EvaluationSet(
            name,
            {key: text for key, text in texts.items() if text and (not judged or key in asked)},
            {key: text for key, text in passages.items() if text and (not judged or key in relevant)},
        ),
        place,
    )


def _table(name: str, place: str, rows: Iterable[Row]) -> EvaluationSet:
    """A query a row, with the passages that answer it."""
    queries: dict[str, str] = {}
    passages: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        own = next((column for column in (*_QUERY, _EITHER) if row.get(column)), None)
        if own is None:
            continue
        key = _of(row, *_ID) or str(number)
        key = key if queries.get(key, row[own]) == row[own] else f"{key}~{number}"
        queries[key] = str(row[own])
        found = [text for column in (*_PASSAGE, _EITHER) if column != own for text in _texts(row.get(column))]
        passages |= {f"{key}:{number}.{place}": text for place, text in enumerate(found)}
    return _checked(EvaluationSet(name, queries, passages), place)


def _checked(found: EvaluationSet, place: str) -> EvaluationSet:
    if not found.queries:
        raise DocumentError(
            f"--decontaminate: {place} holds no queries: one of the columns {', '.join((*_QUERY, _EITHER))} must hold them"
        )
    return found


def _of(row: Row, *names: str) -> str:
    return next((str(row[name]) for name in names if row.get(name) is not None), "")


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    return [text for each in value for text in _texts(each)] if isinstance(value, list | tuple) else []


def _stem(path: Path) -> str:
    suffix = max((each for each in SUFFIXES if path.name.endswith(each)), key=len, default=path.suffix)
    return path.name.removesuffix(suffix)


def _read_rows(path: Path) -> Iterator[Row]:
    try:
        yield from (row for _, row in read_rows(path))
    except DocumentError as error:
        raise DocumentError(f"--decontaminate: {error}") from error
