"""An old version as the newest again: the same files under the next number."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path

from synth.errors import StoreError
from synth.files import replace_atomically, sha256_of_file
from synth.store import Store, VersionRef


def restore(store: Store, version: VersionRef) -> VersionRef:
    """Publish the content of a version again; where the newest version holds it already, that is returned.

    Files are hard links of the old ones where the file system has them, else copies: versions never change. The
    version exists from the moment its folder has its number. Raises StoreError for a version that is damaged.
    """
    newest = store.find(version.name)
    manifest = version.manifest
    if newest.manifest.content_sha256 == manifest.content_sha256:
        _check_whole(newest)
        return newest
    hidden = store.versions / version.name / f".restored-{uuid.uuid4().hex}.tmp"
    try:
        _check_whole(version)
        for file in manifest.files:
            _link(version.file(file.path), hidden / file.path)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        told = {"parent": "", "restored_from": str(version), "created": created}
        return store.claim(hidden, manifest.model_copy(update=told))
    except OSError as error:
        raise StoreError(
            f"can't restore {version} in {store.where}: {error.strerror or error}; free some space and try again"
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _check_whole(version: VersionRef) -> None:
    for file in version.manifest.files:
        source = version.file(file.path)
        if not source.is_file() or sha256_of_file(source) != file.sha256:
            raise StoreError(
                f"{version} can't be restored: its {file.path} is damaged; see `synth datasets verify {version}`"
            )


def _link(source: Path, target: Path) -> None:
    with replace_atomically(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
