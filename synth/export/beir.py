"""BEIR's folder: the corpus, the queries and, for each split, which passages answer which query.

The files and fields are those that BEIR's `GenericDataLoader` reads: `corpus.jsonl` (_id, title, text), `queries.jsonl`
(_id, text) and `qrels/SPLIT.tsv` (query-id, corpus-id, score). Negatives are no judgements and stay out of the qrels.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from schemas.record import TEXT_PAIR
from synth.export.instruct import query_prompt
from synth.export.licences import CommercialDocuments
from synth.export.options import ExportOptions, ExportResult
from synth.export.select import LICENCE, Tally, damaged
from synth.files import read_batches
from synth.store import VersionRef

COLUMNS = ("query-id", "corpus-id", "score")
OWN_WORDS = "the query is a sentence of its passage"
NO_PASSAGE = "the positive is a written text and no passage"
_LEFT_OUT = {":cloze": OWN_WORDS, TEXT_PAIR: NO_PASSAGE}
_RECORD = ["id", "instruction", "provenance", "query", "positive", "more_positives"]


def write_beir(version: VersionRef, folder: Path, options: ExportOptions) -> ExportResult:
    """Write the folder; rows by split are those of its qrels."""
    documents = CommercialDocuments(version) if options.commercial_only else None
    tally, files = Tally(), [folder / "corpus.jsonl", folder / "queries.jsonl"]
    rows: dict[str, int] = {}
    (folder / "qrels").mkdir(parents=True)
    with files[0].open("wb") as corpus:
        for passage in _passages(version, documents, tally):
            corpus.write(orjson.dumps(passage) + b"\n")
    with files[1].open("wb") as queries:
        for split in ("train", "test"):
            path = folder / "qrels" / f"{split}.tsv"
            with ExitStack() as opened:
                lines = None
                for record in _records(version, split, documents, tally):
                    if lines is None:
                        file = opened.enter_context(path.open("w", encoding="utf-8", newline=""))
                        lines = csv.writer(file, delimiter="\t", lineterminator="\n")
                        lines.writerow(COLUMNS)
                        files.append(path)
                    prompt = query_prompt(record["instruction"]) if options.instruction == "prefix" else ""
                    queries.write(orjson.dumps({"_id": record["id"], "text": prompt + record["query"]}) + b"\n")
                    answers = [record["positive"], *record["more_positives"]]
                    lines.writerows((record["id"], each["passage_id"], 1) for each in answers)
                    rows[split] = rows.get(split, 0) + len(answers)
    left_out = +tally.records
    return ExportResult("beir", tuple(files), rows, COLUMNS, left_out.total(), dict(left_out), dict(+tally.passages))


def _passages(version: VersionRef, documents: CommercialDocuments | None, tally: Tally) -> Iterator[Mapping[str, str]]:
    for table in _read(version, "passages.parquet", ["id", "title", "text", "document_id"]):
        kept = table
        if documents is not None:
            kept = table.filter(pa.array(documents.has(table["document_id"])))
            tally.passages[LICENCE] += table.num_rows - kept.num_rows
        for row in kept.to_pylist():
            yield {"_id": row["id"], "title": row["title"], "text": row["text"]}


def _records(
    version: VersionRef, split: str, documents: CommercialDocuments | None, tally: Tally
) -> Iterator[dict[str, Any]]:
    for table in _read(version, f"records/{split}.parquet", _RECORD):
        kept = table
        if documents is not None:
            kept = table.filter(pa.array(documents.records(table)))
            tally.records[LICENCE] += table.num_rows - kept.num_rows
        for record in kept.to_pylist():
            method = record["provenance"]["method"]
            why = next((why for ending, why in _LEFT_OUT.items() if method.endswith(ending)), None)
            if why is None:
                yield record
            else:
                tally.records[why] += 1


def _read(version: VersionRef, name: str, columns: list[str]) -> Iterator[pa.Table]:
    path = version.file(name)
    try:
        for batch in read_batches(path, columns):
            yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise damaged(version, path, error) from error
