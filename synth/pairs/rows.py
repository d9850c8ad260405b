"""Rows of somebody's dataset: JSON Lines, CSV and Parquet, as files or whole folders."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth.documents.lines import BadLine, read_lines
from synth.errors import DocumentError, suggest_file
from synth.files import read_batches

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".csv", ".tsv", ".parquet")


def list_files(path: Path) -> list[Path]:
    """The files of a path that hold rows, by name; DocumentError where there are none."""
    if path.is_file():
        if not path.name.lower().endswith(SUFFIXES):
            raise DocumentError(f"{path} is not a format synth reads pairs from: give {', '.join(SUFFIXES)}")
        return [path]
    if not path.is_dir():
        raise DocumentError(f"{path} does not exist{suggest_file(path)}")
    found = sorted(each for each in path.iterdir() if each.name.lower().endswith(SUFFIXES))
    if not found:
        raise DocumentError(f"the folder {path} holds no pairs: put in {', '.join(SUFFIXES)}")
    return found


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file and row, the row) of every row; DocumentError names the first that can't be read."""
    for file in list_files(path):
        name = file.name.lower()
        if name.endswith(".parquet"):
            yield from _parquet(file)
        elif name.endswith((".csv", ".tsv")):
            yield from _csv(file, "\t" if name.endswith(".tsv") else ",")
        else:
            yield from _json(file)


def _parquet(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    try:
        for batch in read_batches(file):
            for row in batch.to_pylist():
                number += 1
                yield f"{file.name}, row {number}", row
    except (OSError, pa.ArrowException) as error:
        raise DocumentError(f"{file} is no readable Parquet file: {error}; write it again") from error


def _csv(file: Path, delimiter: str) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = (f"{_usable(line, f'{file.name}, line {number}')}\n" for number, line in enumerate(read_lines(file), 1))
    try:
        for number, row in enumerate(csv.DictReader(lines, delimiter=delimiter, strict=True), 1):
            where = f"{file.name}, row {number}"
            if None in row:
                raise DocumentError(
                    f"{where} has more fields than the header names: put quotes around texts that hold a {delimiter!r}"
                )
            yield where, row
    except csv.Error as error:
        raise DocumentError(
            f"{file} is no readable CSV file: {error}; put quotes around texts that hold a {delimiter!r}"
        ) from error


def _json(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(read_lines(file), 1):
        where = f"{file.name}, line {number}"
        text = _usable(line, where)
        if not text.strip():
            continue
        try:
            row = orjson.loads(text)
        except ValueError as error:
            raise DocumentError(f"{where} is no JSON: {error}; give one object a line") from error
        if not isinstance(row, dict):
            raise DocumentError(f"{where} is a {type(row).__name__}; give one object a line")
        yield where, row


def _usable(line: str | BadLine, where: str) -> str:
    if isinstance(line, BadLine):
        raise DocumentError(f"{where} can't be read: {line.detail}; mend or remove it")
    return line
