"""What a push sends: one folder with Parquet by config, the card and the manifest.

The Parquet is written for the Hub: its pages end where the content says (content-defined chunking), so that a
later version uploads and stores only what changed; with a page index, in row groups that its viewer can read.
"""

from __future__ import annotations

import errno
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import arrow_schema
from schemas.document import Passage
from schemas.manifest import Manifest
from synth.card import Place, render_card
from synth.errors import InputError, StoreError
from synth.export import ExportResult, check_empty, has_negatives, write_format
from synth.files import read_batches, replace_atomically, write_bytes
from synth.licences import UNKNOWN, check_licence, identify
from synth.store import VersionRef
from synth.survey import survey_version

CORPUS = "corpus/corpus-00000-of-00001.parquet"
_FORMATS = ("triplet", "pair", "full")
FOLDERS = (*(f"{name}/" for name in _FORMATS), "corpus/")
"""What a push owns in the repository, next to README.md and manifest.json."""

ROW_GROUP_BYTES = 32 << 20
"""Of uncompressed rows; the Hub's viewer reads a row group whole, up to 286 MiB."""


@dataclass(frozen=True)
class Release:
    """How a version is to stand on the Hub. Without `repo_id` it is a folder of one's own."""

    repo_id: str = ""
    public: bool = False
    tag: str = ""
    """Empty for `vN`."""
    pull_request: bool = False
    """Proposed to those who may write to the repository, and not tagged."""
    licence: str = ""
    """Of records whose documents state none."""

    def tag_of(self, version: VersionRef) -> str:
        """The tag that the push sets; empty where it sets none."""
        return "" if self.pull_request else self.tag or f"v{version.number}"

    def licences_of(self, manifest: Manifest) -> dict[str, int]:
        """Records by licence, those without one under the licence that was given for them."""
        counts: dict[str, int] = {}
        for licence, count in manifest.licences.items():
            name = licence if identify(licence).name else self.licence or UNKNOWN
            counts[name] = counts.get(name, 0) + count
        return counts


def check_release(release: Release) -> None:
    """InputError where the tag or the licence can't be one."""
    if release.tag and release.pull_request:
        raise InputError(
            "a pull request can't be tagged before it is merged: leave out --tag, then push with it after the merge"
        )
    if release.tag:
        check_tag(release.tag)
    if release.licence:
        check_licence(release.licence)


def unlicensed(manifest: Manifest, release: Release) -> str:
    """Why the version may not be pushed, and what to type; empty where every record has a licence."""
    licences = release.licences_of(manifest)
    missing = licences.get(UNKNOWN, 0)
    if not missing:
        return ""
    return (
        f"the documents of {missing} of its {sum(licences.values())} records state no licence; say under which one they may be"
        " shared with --licence ID (such as cc-by-4.0, or the name of your own terms), or state `licence` in the documents and generate again"
    )


_NOT_IN_TAGS = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/.-]|/\.|[/.]$|\.lock(?:/|$)")
_TAKEN = re.compile(r"@|main|master|HEAD|refs/.*|[0-9a-f]{40}")


def check_tag(tag: str) -> str:
    """A tag that git takes and that names nothing else; InputError where it is none."""
    found = _NOT_IN_TAGS.search(tag)
    if not tag or found:
        why = f"git allows no {found[0]!r} there" if found else "it is empty"
        raise InputError(
            f"--tag {tag!r} can't name a tag ({why}): write letters, digits, '.', '-', '_', such as v1.0.0"
        )
    if _TAKEN.fullmatch(tag):
        raise InputError(
            f"--tag {tag!r} can't name a tag (the Hub would take it for a branch or a commit): write v1.0.0"
        )
    return tag


def build_folder(version: VersionRef, folder: Path, release: Release) -> list[ExportResult]:
    """Write what a push sends: Parquet by config, README.md and manifest.json.

    Raises StoreError where `folder` holds something already, or where the version is not
    what its manifest says.
    """
    from synth.verify import verify_version

    check_empty(folder)
    if problems := verify_version(version):
        raise StoreError(f"{version} is damaged and was not sent: {problems[0]}; publish it again with `synth resume`")
    try:
        return _write_folder(version, folder, release)
    except StoreError as error:
        if getattr(error.__cause__, "errno", None) not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreError(
            f"there is no room for what is to be sent in {folder}: free some, or set TMPDIR (of a dry run --out) to a folder with more"
        ) from error


def _write_folder(version: VersionRef, folder: Path, release: Release) -> list[ExportResult]:
    manifest = version.manifest
    formats = [name for name in _FORMATS if name != "triplet" or has_negatives(manifest)]
    configs = [write_format(version, name, folder) for name in formats]
    for file in (file for result in configs for file in result.files):
        repack(file, file)
    repack(version.file("passages.parquet"), folder / CORPUS)
    columns = tuple(arrow_schema(Passage).names)
    configs.append(ExportResult("passages", (folder / CORPUS,), {"corpus": manifest.passages}, columns))
    write_bytes(folder / "manifest.json", version.file("manifest.json").read_bytes())
    place = Place(release.repo_id, release.tag_of(version))
    card = render_card(manifest, place, configs, survey_version(version), release.licences_of(manifest))
    write_bytes(folder / "README.md", card.encode())
    return configs


def repack(source: Path, target: Path) -> None:
    """The same rows in the same order, written for the Hub; `target` may be `source`."""
    with replace_atomically(target) as temporary:
        schema = pq.read_schema(source)
        with pq.ParquetWriter(temporary, schema, **_FOR_THE_HUB) as writer:
            for table in _row_groups(source, schema):
                writer.write_table(table, row_group_size=max(1, table.num_rows))


def _row_groups(source: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    batches: list[pa.RecordBatch] = []
    size = 0
    for batch in read_batches(source):
        batches.append(batch)
        size += batch.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(batches, schema)
            batches, size = [], 0
    if batches:
        yield pa.Table.from_batches(batches, schema)


_FOR_THE_HUB: dict[str, Any] = {
    "compression": "zstd",
    "write_page_index": True,
    "use_dictionary": False,  # a page of its own that any new row changes, and that chunking does not cut
} | (
    {"use_content_defined_chunking": {"min_chunk_size": 64 << 10, "max_chunk_size": 256 << 10, "norm_level": 0}}
    if "use_content_defined_chunking" in inspect.signature(pq.ParquetWriter).parameters
    else {}
)
