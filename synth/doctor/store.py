"""The store: can it be written, does it hold its numbers, what was left unfinished, is what is newest whole?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from schemas.manifest import FileEntry
from synth.doctor.disk import nearest_folder
from synth.doctor.finding import Finding, broken, ok, warning
from synth.errors import StoreError
from synth.lease import Lease
from synth.remote import RemoteStore, data_key
from synth.run import Run
from synth.store import Store, VersionRef

_OTHER = "choose another with --store PATH or SYNTH_STORE"
_NAMED = 3


def examine_store(store: Store) -> Iterator[Finding]:
    """All that is asked of a store; what can't be written is not asked for more."""
    written = check_remote(store) if isinstance(store, RemoteStore) else check_folder(store)
    yield written
    if written.state != "broken":
        yield check_lease(store)
        yield check_runs(store)
        yield check_newest(store)


def check_folder(store: Store) -> Finding:
    """A folder that is written to, not one whose permissions say that it could be: root may do everything but that."""
    nearest = nearest_folder(store.root)
    if not nearest.is_dir():
        return broken("folder", f"{store.root} can't be made, since {nearest} is no folder", _OTHER)
    try:
        with tempfile.NamedTemporaryFile(dir=nearest, prefix=".synth-doctor-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return broken("folder", f"{nearest} can't be written ({error.strerror})", f"make it writable, or {_OTHER}")
    if nearest == store.root:
        return ok("folder", f"{store.root} can be written")
    return ok("folder", f"{store.root} is not there yet; the first run makes it")


def check_remote(store: RemoteStore) -> Finding:
    """Credentials, rights and a conditional put, which decides who gets a number; `store.json` marks the prefix afterwards."""
    store.check_writable()
    return ok("bucket", f"{store.url} can be written, and its server honours conditional puts")


def check_lease(store: Store) -> Finding:
    """A lease can be taken where runs are: it keeps two processes from working on one run."""
    nearest = nearest_folder(store.root)
    try:
        with tempfile.TemporaryDirectory(dir=nearest, prefix=".synth-doctor-") as folder, Lease(Path(folder)):
            return ok("lease", "hard links work, so that two processes can't take one run")
    except (OSError, StoreError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return broken("lease", f"no hard link can be made in {nearest} ({why}), and the lease of a run is one", _OTHER)


def check_runs(store: Store) -> Finding:
    """Runs that were begun and have published nothing."""
    unfinished, damaged = [], []
    for folder in sorted(store.runs.iterdir()) if store.runs.is_dir() else ():
        run = Run(store, folder.name)
        try:
            if (folder / "run.json").is_file() and run.info and run.result is None and not run.is_busy:
                unfinished.append(run.info.id)
        except (OSError, ValidationError):
            damaged.append(folder)
    if damaged:
        return broken(
            "runs",
            f"{_named([path.name for path in damaged])}: what it says of itself can't be read",
            f"rm -r {damaged[0]}",
        )
    if unfinished:
        return warning(
            "runs",
            f"{len(unfinished)} unfinished: {_named(unfinished[::-1])}",
            f"synth resume {unfinished[-1]}{_flag(store)}, or leave it: nothing else waits for it",
        )
    return ok("runs", "none is unfinished")


def check_newest(store: Store) -> Finding:
    """The newest version of every dataset has its manifest, and files of the right sizes; nothing is hashed."""
    names = store.names()
    problems = [problem for name in names for problem in _damage(store, store.find(name))]
    if problems:
        reference = problems[0].split(":")[0]
        return broken(
            "versions",
            f"{_named(problems)}",
            f"synth datasets verify {reference}{_flag(store)} says more; synth datasets restore brings an older version back",
        )
    if not names:
        return ok("versions", "no dataset yet")
    newest = ", ".join(str(store.find(name)) for name in names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    return ok("versions", f"all files of the newest are there: {newest}")


def _damage(store: Store, version: VersionRef) -> Iterator[str]:
    try:
        files = version.manifest.files
    except StoreError as error:
        yield f"{version}: {error}"
        return
    for entry in files:
        size = _size(store, version, entry)
        if size != entry.bytes:
            yield f"{version}: {entry.path} {'is missing' if size is None else f'has {size:,} bytes instead of {entry.bytes:,}'}"


def _size(store: Store, version: VersionRef, entry: FileEntry) -> int | None:
    if isinstance(store, RemoteStore):
        return store.objects.size(data_key(entry))
    path = version.file(entry.path)
    return path.stat().st_size if path.is_file() else None


def _flag(store: Store) -> str:
    from synth.store import choose_store

    try:
        return "" if choose_store(None) == store else f" --store {store.where}"
    except StoreError:
        return f" --store {store.where}"


def _named(things: list[str]) -> str:
    more = len(things) - _NAMED
    return ", ".join(things[:_NAMED]) + (f" and {more} more" if more > 0 else "")
