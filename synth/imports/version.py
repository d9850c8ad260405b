"""From written files to a version: its manifest, and the claim of its number."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version as package_version
from pathlib import Path

from schemas.base import sha256_of
from schemas.manifest import FileEntry, Manifest, Origin, TeacherCard
from schemas.recipe import ChunkSettings, MiningSettings, PersonaSettings, PlanSettings, Recipe, SplitSettings
from synth.imports.writer import TASK, VersionWriter
from synth.progress import Reporter
from synth.publish import entry_of
from synth.store import Store, VersionRef

_MOST_NEGATIVES = 64
"""That a recipe can say."""


@contextmanager
def new_version(store: Store, name: str) -> Iterator[Path]:
    """A hidden folder beside the versions of a dataset; what is not claimed of it is removed."""
    hidden = store.versions / name / f".{TASK}-{secrets.token_hex(4)}.tmp"
    try:
        hidden.mkdir(parents=True)
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        if hidden.parent.is_dir() and not any(hidden.parent.iterdir()):
            hidden.parent.rmdir()


def publish_import(
    writer: VersionWriter, name: str, origin: Origin, folder: Path, store: Store, reporter: Reporter
) -> VersionRef:
    """Publish what a writer wrote under `folder`."""
    recipe, funnel = import_recipe(writer.language, writer.most_negatives), writer.funnel
    manifest = Manifest(
        name=name,
        version=1,
        created=now(),
        run_id=f"{TASK}-{sha256_of(origin)[:12]}",
        synth_version=package_version("synth"),
        domain=recipe.domain,
        language=[writer.language],
        recipe=recipe,
        recipe_sha256=recipe.sha256,
        content_sha256=writer.content.hexdigest(),
        origin=origin,
        sources=writer.sources,
        passages=writer.passages,
        funnel=funnel,
        candidates=dict(sorted(writer.candidates.items())),
        negatives={"mined": selected} if (selected := writer.candidates["selected"]) else {},
        splits=dict(sorted(writer.splits.items())),
        methods={writer.method: funnel.accepted},
        teacher=TeacherCard(name="none", identity={}, pool=0, depth=0),
        licences={writer.licence or "unknown": funnel.accepted},
        files=list_files(folder),
    )
    return claim_unless_there(manifest, folder, store, reporter)


def claim_unless_there(manifest: Manifest, folder: Path, store: Store, reporter: Reporter) -> VersionRef:
    """The newest version where it holds the same records, passages and licences, else the next one."""
    newest = next(reversed(list(store.iterate(manifest.name))), None)
    if newest is not None and _identity(newest.manifest) == _identity(manifest):
        reporter.note(f"nothing changed since {newest}")
        return newest
    return store.claim(folder, manifest, reporter)


def import_recipe(language: str, negatives: int) -> Recipe:
    """The recipe of what nobody made: no gates, no prompts, no teacher."""
    return Recipe(
        teacher="none",
        domain="imported",
        personas_sha256="",
        prompts={},
        chunk=ChunkSettings(),
        plan=PlanSettings(items_per_passage=1, tasks={TASK: 1.0}, language={language: 1.0}),
        persona=PersonaSettings(scope="none"),
        gates=[],
        set_gates=[],
        mining=MiningSettings(negatives=min(negatives, _MOST_NEGATIVES), strategy="naive"),
        splits=SplitSettings(test=0),
        generator=TASK,
        seed=0,
    )


def list_files(folder: Path) -> list[FileEntry]:
    """Entries of all Parquet files under a folder."""
    return [entry_of(path, folder) for path in sorted(folder.rglob("*.parquet"))]


def now() -> str:
    """The time as manifests write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _identity(manifest: Manifest) -> tuple[str, list[tuple[str, int]], str]:
    passages = next((file.sha256 for file in manifest.files if file.path == "passages.parquet"), "")
    return manifest.content_sha256, sorted(manifest.licences.items()), passages
