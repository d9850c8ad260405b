"""What a store holds and nobody needs: found first, removed when asked.

A folder that goes is renamed to a hidden name first, so that readers see all of it or nothing, and
a removal that was killed is finished by the next. Of a version that goes a line stays in
`versions/NAME/collected.json`; newer versions may name it as their parent.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from schemas.base import Strict
from schemas.recipe import Recipe
from synth.errors import InputError, StoreError
from synth.files import write_bytes
from synth.lease import STALE_SECONDS
from synth.llm.archive import generation_hash
from synth.run import Run, iterate_runs
from synth.store import Store, VersionRef

QUIET_SECONDS = 3_600.0
"""A hidden file that belongs to no run is a leftover once nobody has written to it for so long."""
_TRASH = ".collected-"
_HIDDEN = re.compile(r"\..*\.tmp|\.(fresh|lease|stale)-.*")
"""What writers call their files and folders until they are whole."""

Kind = Literal["leftover", "version", "run", "answers", "embeddings"]


class Collected(Strict):
    """A version that was removed: what is known of it for ever."""

    version: int
    content_sha256: str
    created: str
    records: int
    collected: str


_LOG = TypeAdapter(list[Collected])


@dataclass(frozen=True)
class Wish:
    """What may go, besides what killed writers left.

    keep: how many of the newest versions of a dataset stay; None for all
    names: the datasets whose versions and runs may go; empty for all
    """

    keep: int | None = None
    names: tuple[str, ...] = ()
    runs: bool = False
    answers: bool = False
    embeddings: bool = False


@dataclass(frozen=True)
class Removal:
    """Something that goes. `bytes` are those that are free afterwards: a file that something else is a link to counts 0."""

    kind: Kind
    name: str
    path: Path
    why: str
    bytes: int = 0


@dataclass(frozen=True)
class Collection:
    """What would go, and what was looked at and stays because somebody may be at work on it."""

    removals: list[Removal]
    spared: list[str]


def find_removals(store: Store, wish: Wish) -> Collection:
    """What a wish comes to; nothing is changed. InputError for a wish that can't be meant."""
    if wish.keep is not None and wish.keep < 1:
        raise InputError(
            f"--keep {wish.keep} would remove the newest version too; keep at least 1, or remove the folder of a dataset by hand"
        )
    for name in wish.names:
        store.find(name)
    spared: list[str] = []
    runs = list(iterate_runs(store))
    going = [run for run in runs if wish.runs and _may_go(run, wish, spared)]
    removals = list(_leftovers(store, going, spared))
    versions = list(_old_versions(store, wish, runs, spared))
    removals += [Removal("version", str(v), v.path, f"not among the newest {wish.keep}") for v in versions]
    removals += [Removal("run", run.id, run.folder, _published(run)) for run in going]
    recipes = [run.recipe for run in runs if run not in going] + _recipes(store, versions)
    if wish.answers:
        removals += _unasked_answers(store, recipes, spared)
    if wish.embeddings:
        removals += _unused_embeddings(store, recipes)
    return Collection(_weighed(removals), spared)


def remove(store: Store, removals: Sequence[Removal]) -> list[str]:
    """Remove what was found; returns what could not be removed, one sentence each."""
    failures: list[str] = []
    for each in removals:
        try:
            if each.kind == "run" and Run(store, each.name).is_busy:
                failures.append(f"the run {each.name} has been taken up again and stays")
                continue
            if each.kind == "version":
                _write_down(each)
            _remove(each.path)
        except OSError as error:
            failures.append(f"{each.path} can't be removed: {error.strerror or error}")
    return failures


def collected_numbers(store: Store, name: str) -> set[int]:
    """Numbers of versions that were removed on purpose."""
    return {each.version for each in _read_log(store.versions / name / "collected.json")}


def _read_log(path: Path) -> list[Collected]:
    return _LOG.validate_json(path.read_bytes()) if path.exists() else []


def _write_down(removal: Removal) -> None:
    """Before it goes, so that no version is ever gone without a trace."""
    version = VersionRef(removal.path.parent.name, int(removal.path.name), removal.path)
    path, manifest = removal.path.parent / "collected.json", version.manifest
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = Collected(
        version=version.number,
        content_sha256=manifest.content_sha256,
        created=manifest.created,
        records=manifest.records,
        collected=now,
    )
    known = [each for each in _read_log(path) if each.version != version.number]
    write_bytes(path, _LOG.dump_json(sorted([*known, line], key=lambda each: each.version), indent=2) + b"\n")


def _remove(path: Path) -> None:
    if path.name.startswith("."):
        hidden = path
    else:
        hidden = path.with_name(f"{_TRASH}{uuid.uuid4().hex}.tmp")
        os.rename(path, hidden)
    if hidden.is_dir():
        shutil.rmtree(hidden)
    else:
        hidden.unlink(missing_ok=True)


def _may_go(run: Run, wish: Wish, spared: list[str]) -> bool:
    if wish.names and run.info.name not in wish.names:
        return False
    if run.result is None:
        spared.append(f"the run {run.id} is unfinished: `synth resume {run.id}`, or remove {run.folder}")
        return False
    if run.is_busy:
        spared.append(f"the run {run.id} is being worked on")
        return False
    return True


def _published(run: Run) -> str:
    assert run.result is not None
    return f"published {run.result.name}@{run.result.version}"


def _old_versions(store: Store, wish: Wish, runs: Sequence[Run], spared: list[str]) -> Iterator[VersionRef]:
    updated = {run.info.parent: run.id for run in runs if run.result is None}
    for name in (wish.names or store.names()) if wish.keep is not None else ():
        for version in list(store.iterate(name))[: -wish.keep if wish.keep else None]:
            if not version.path.is_dir():
                raise StoreError(
                    f"{version} is in a bucket, and versions can be removed from a folder only; leave out --keep"
                )
            if run := updated.get(str(version)):
                spared.append(f"{version} is what the unfinished run {run} updates: `synth resume {run}` first")
                continue
            version.manifest  # noqa: B018 - one that can't be read can't be written down
            yield version


def _recipes(store: Store, going: Sequence[VersionRef]) -> list[Recipe]:
    stay = (version for name in store.names() for version in store.iterate(name) if version not in going)
    return [version.manifest.recipe for version in stay if not version.manifest.is_imported]


def _unasked_answers(store: Store, recipes: Sequence[Recipe], spared: list[str]) -> Iterator[Removal]:
    """Answers to what no run and no version would ask again."""
    if not all(recipe.corpus_sha256 for recipe in recipes):
        spared.append("all answers: a run has not read its documents yet, so nobody knows which it will need")
        return
    needed = {generation_hash(recipe) for recipe in recipes}
    for folder in _folders(store.answers):
        if folder.name not in needed:
            yield Removal("answers", folder.name[:12], folder, "no run and no version would ask this again")


def _unused_embeddings(store: Store, recipes: Sequence[Recipe]) -> Iterator[Removal]:
    """Vectors of models that no run and no version names."""
    named = " ".join(name for recipe in recipes for name in (recipe.teacher, *recipe.fusion.teachers, recipe.rescorer))
    for folder in _folders(store.embeddings):
        model = folder.name.rpartition("-")[0]
        if model and model not in named:
            yield Removal("embeddings", folder.name, folder, "no run and no version has this teacher")


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".") if folder.is_dir() else []


def _leftovers(store: Store, going: Sequence[Run], spared: list[str]) -> Iterator[Removal]:
    """Hidden files and folders of writers that were killed; those of runs that go anyway go with them."""
    skipped = {run.folder for run in going}
    for place, folders, files in os.walk(store.root):
        here = Path(place)
        hidden = [name for name in (*folders, *files) if _HIDDEN.fullmatch(name)]
        folders[:] = sorted(name for name in folders if name not in hidden and here / name not in skipped)
        for name in sorted(hidden):
            path = here / name
            if _is_at_work(store, path):
                spared.append(f"{path.relative_to(store.root)}: somebody may be writing it")
            else:
                yield Removal("leftover", str(path.relative_to(store.root)), path, "its writer is gone")


def _is_at_work(store: Store, path: Path) -> bool:
    if path.name.startswith(_TRASH):
        return False
    owner = _owner(store, path)
    if owner is not None and owner.is_busy:
        return True
    silent = time.time() - _touched(path)
    return silent < (QUIET_SECONDS if owner is None else STALE_SECONDS)


def _owner(store: Store, path: Path) -> Run | None:
    """The run that writes a hidden file: whose folder it is in, or whose id it is called by."""
    parts = path.relative_to(store.root).parts
    name = parts[1] if parts[0] == store.runs.name and len(parts) > 2 else path.name[1:].removesuffix(".tmp")
    run = Run(store, name)
    return run if (run.folder / "run.json").is_file() else None


def _touched(path: Path) -> float:
    """When something was last written there."""
    times = [0.0]
    for each in (path, *path.rglob("*")):
        with suppress(OSError):
            times.append(each.lstat().st_mtime)
    return max(times)


def _weighed(removals: Sequence[Removal]) -> list[Removal]:
    """With the bytes that each frees: of a file with several names once, and only where all of them go."""
    files: list[list[tuple[int, int]]] = []
    links: dict[tuple[int, int], list[int]] = {}
    for each in removals:
        keys = []
        for path in (each.path, *each.path.rglob("*")):
            with suppress(OSError):
                found = path.lstat()
                key = (found.st_dev, found.st_ino)
                if not path.is_dir() or path.is_symlink():
                    links.setdefault(key, [found.st_size, found.st_nlink])[1] -= 1
                    keys.append(key)
        files.append(keys)
    freed = {key: size for key, (size, elsewhere) in links.items() if elsewhere <= 0}
    return [
        replace(each, bytes=sum(freed.pop(key, 0) for key in keys)) for each, keys in zip(removals, files, strict=True)
    ]
