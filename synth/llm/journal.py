"""Answers on the worker's disk before anything reads them.

An SQLite file in WAL mode: what is committed survives the death of the process (kill -9).
Rows stay until `synth.llm.archive` has sealed them as Parquet in the store.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from synth.errors import StoreError

ENVIRONMENT = "SYNTH_JOURNAL"
_SHARED_KINDS = ("nfs", "cifs", "smb", "lustre", "ceph", "gpfs", "fuse", "9p", "glusterfs", "beegfs", "afs")
"""File systems on which SQLite's shared memory does not work, by the beginning of their name."""
_WAIT = 30.0
"""Seconds to wait for another process that is writing."""


class Said(NamedTuple):
    """What a server said to one request: a row of the journal and of the archive."""

    key: bytes
    """Of everything that determines the answer: model, messages, schema, sampling, draw, attempt."""
    position: int
    """Plan position of the item it serves."""
    kind: str
    """`write`, `repair`, or the name of a later step."""
    model: str
    content: str
    finish_reason: str
    """The server's own word, or `refused:REASON` for a request that it will never take."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    """From sending to the last byte, on the attempt that was answered."""


_COLUMNS = ", ".join(Said._fields)
_CREATE = f"CREATE TABLE IF NOT EXISTS answers ({_COLUMNS})"
_INDEX = "CREATE INDEX IF NOT EXISTS by_position ON answers (position)"
_INSERT = f"INSERT INTO answers VALUES ({', '.join('?' * len(Said._fields))})"
_DELETE = "DELETE FROM answers WHERE position = ? AND key = ?"


class Journal:
    """The open file. Every call must come from the thread that made it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(path)
            with self._connection:
                self._connection.execute(_CREATE)
                self._connection.execute(_INDEX)
        except (sqlite3.Error, OSError) as error:
            raise _unusable(path, error) from error

    def commit(self, rows: Sequence[Said]) -> None:
        """Durable when it returns. Raises StoreError, such as for a full disk."""
        try:
            with self._connection:
                self._connection.executemany(_INSERT, rows)
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error

    def forget(self, rows: Iterable[Said]) -> None:
        """Remove rows that the archive holds now."""
        try:
            with self._connection:
                self._connection.executemany(_DELETE, ((row.position, row.key) for row in rows))
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error

    def close(self) -> None:
        self._connection.close()


def read_journal(path: Path, start: int, stop: int) -> list[Said]:
    """Unsealed answers to items at positions start … stop - 1; any thread may ask."""
    if not path.exists():
        return []
    connection = _connect(path)
    try:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM answers WHERE position >= ? AND position < ?", (start, stop)
        ).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise _unusable(path, error) from error
    finally:
        connection.close()
    return [Said._make(row) for row in rows]


def journal_path(answers: Path) -> Path:
    """Where the journal of an archive lies: SYNTH_JOURNAL, else beside the archive, else in the user's cache.

    Beside the archive unless the store is on a network file system, where SQLite's WAL can't work.
    """
    named = os.environ.get(ENVIRONMENT)
    if not named and not _is_shared(answers):
        return answers / "journal.sqlite"
    cache = Path(named or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser()
    digest = hashlib.sha256(str(answers.resolve()).encode()).hexdigest()[:16]
    return (cache if named else cache / "synth" / "journal") / f"{digest}.sqlite"


def _is_shared(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether `path` lies on a file system that several machines may share."""
    if not mounts.exists():
        return False
    where, kind = "", ""
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, point, found, *_ = line.split(" ")
        inside = path.resolve().is_relative_to(point.replace("\\040", " "))
        if inside and len(point) >= len(where):
            where, kind = point, found
    return kind.startswith(_SHARED_KINDS)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT, isolation_level="DEFERRED")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _unusable(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"can't keep answers in {path}: {error}; free some space or name another folder on a local disk with {ENVIRONMENT}, then `synth resume`"
    )
