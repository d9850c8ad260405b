"""What an export holds, read without synth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from synth.store import VersionRef


def read_records(version: VersionRef, split: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(version.file(f"records/{split}.parquet")).to_pylist()
    return rows


def all_records(version: VersionRef) -> list[dict[str, Any]]:
    return read_records(version, "train") + read_records(version, "test")


def read_export(folder: Path, name: str, split: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / name / f"{split}-00000-of-00001.parquet").to_pylist()
    return rows


def read_both(folder: Path, name: str) -> list[dict[str, Any]]:
    return read_export(folder, name, "train") + read_export(folder, name, "test")


def read_lines(folder: Path, name: str, split: str = "train") -> list[dict[str, Any]]:
    file = folder / name / split / f"{split}-00000-of-00001.jsonl"
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def is_cut(record: dict[str, Any]) -> bool:
    """Whether the positive lacks the query, which stood in it."""
    return bool(record["provenance"]["method"].endswith(":cloze"))
