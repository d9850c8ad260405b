"""Finds the files under the paths a user gave."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.document import RejectedSource
from synth.errors import DocumentError, suggest_file


class SourceFile(NamedTuple):
    """A file to read."""

    path: Path
    name: str
    """Relative to the folder it was found in, or the file name: what `Document.source` shows."""
    suffix: str
    given: bool
    """The user named this very file, so a problem with it is an error and not a rejection."""


def find_sources(paths: Sequence[Path], suffixes: tuple[str, ...]) -> list[SourceFile | RejectedSource]:
    """All files to read, and what was found but can't be; a path reached twice counts once."""
    if not paths:
        raise DocumentError("no documents were given: name at least one file or folder")
    found: dict[str, SourceFile | RejectedSource] = {}
    for path in paths:
        for where, item in _below(path, suffixes):
            found.setdefault(os.path.abspath(where), item)
    return list(found.values())


def _below(path: Path, suffixes: tuple[str, ...]) -> list[tuple[Path, SourceFile | RejectedSource]]:
    if not os.path.exists(path):
        raise DocumentError(f"{_printable(path)} does not exist{suggest_file(path)}")
    if not path.is_dir():
        suffix = _suffix(path.name, suffixes)
        if suffix is None:
            raise DocumentError(f"{_printable(path)} is not a format synth reads: give {', '.join(suffixes)}")
        return [(path, SourceFile(path, _printable(path.name), suffix, given=True))]
    items = list(_walk(path, path, suffixes))
    if not any(isinstance(item, SourceFile) for _, item in items):
        raise DocumentError(f"the folder {_printable(path)} holds no file synth reads: put in {', '.join(suffixes)}")
    return items


def _walk(folder: Path, top: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[Path, SourceFile | RejectedSource]]:
    try:
        entries = sorted(os.listdir(folder))
    except OSError as error:
        why = error.strerror or str(error)
        if folder == top:
            raise DocumentError(f"the folder {_printable(top)} can't be read ({why}): check its permissions") from error
        yield folder, _rejected(folder, top, "unreadable", why)
        return
    for path in (folder / entry for entry in entries if not entry.startswith(".")):
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, top, suffixes)
        else:
            yield path, _in_folder(path, top, suffixes)


def _in_folder(path: Path, top: Path, suffixes: tuple[str, ...]) -> SourceFile | RejectedSource:
    if path.is_dir():
        return _rejected(path, top, "unsupported", "a link to a folder is not followed; give the folder itself")
    suffix = _suffix(path.name, suffixes)
    if suffix is None:
        return _rejected(path, top, "unsupported", f"synth reads {', '.join(suffixes)}")
    if not path.exists():
        return _rejected(path, top, "unreadable", "a link to a file that does not exist")
    if not path.is_file():
        return _rejected(path, top, "unsupported", "not a regular file")
    return SourceFile(path, _printable(path.relative_to(top)), suffix, given=False)


def _rejected(path: Path, top: Path, reason: str, detail: str) -> RejectedSource:
    return RejectedSource(source=_printable(path.relative_to(top)), reason=reason, detail=detail)


def _suffix(name: str, suffixes: tuple[str, ...]) -> str | None:
    return next((suffix for suffix in suffixes if name.lower().endswith(suffix)), None)


def _printable(path: Path | str) -> str:
    """Names with bytes that are not UTF-8 can't be stored as text."""
    text = path if isinstance(path, str) else path.as_posix()
    return os.fsencode(text).decode("utf-8", "replace")
