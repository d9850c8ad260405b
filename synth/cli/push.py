"""`synth push`: a version to the Hugging Face Hub."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, err, out, show_json
from synth.errors import InputError
from synth.store import VersionRef, choose_store

if TYPE_CHECKING:
    from synth.export import ExportResult
    from synth.release import Release


Reference = Annotated[
    str, typer.Argument(metavar="NAME[@N]", help="Dataset and version; the latest where no N is given.")
]
Repo = Annotated[
    str | None, typer.Argument(metavar="[ORG/NAME]", help="Repository on the Hub; created where there is none.")
]
Public = Annotated[bool, typer.Option("--public", help="Make a new repository public. Default: private.")]
Tag = Annotated[str, typer.Option("--tag", metavar="NAME", help="Tag of the commit. Default: vN.", show_default=False)]
PullRequest = Annotated[
    bool, typer.Option("--pull-request", help="Propose the commit to those who may write there; sets no tag.")
]
Licence = Annotated[
    str,
    typer.Option("--licence", metavar="ID", help="Licence of records whose documents state none.", show_default=False),
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask before documents of yours become public.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write the folder that would be sent; talk to nobody.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="PATH", help="Folder of --dry-run. Default: ./synth-push/NAME-N.", show_default=False
    ),
]


def push(  # noqa: PLR0913 - one parameter a flag
    reference: Reference,
    repo: Repo = None,
    public: Public = False,
    tag: Tag = "",
    pull_request: PullRequest = False,
    licence: Licence = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    folder: Out = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a version to the Hugging Face Hub: one commit, one tag.

    The token is HF_TOKEN or the one saved by `hf auth login`. Pushing the same version again changes nothing.
    """
    from synth.release import Release, check_release

    version = choose_store(store).find(reference)
    release = Release(repo or "", public, tag, pull_request, licence)
    check_release(release)
    if dry_run:
        _build(version, folder or Path("synth-push") / f"{version.name}-{version.number}", release, as_json)
    elif folder is not None:
        raise InputError("--out is where --dry-run writes; add --dry-run or leave it out")
    elif repo is None:
        raise InputError(f"push needs a repository: `synth push {reference} ORG/NAME`, or --dry-run to look first")
    else:
        _send(version, release, yes, as_json)


def _build(version: VersionRef, folder: Path, release: Release, as_json: bool) -> None:
    from synth.hub import check_repo_id
    from synth.release import build_folder, unlicensed

    if release.repo_id:
        check_repo_id(release.repo_id)
    configs = build_folder(version, folder, release)
    problem = unlicensed(version.manifest, release)
    if problem:
        err.print(f"A push will be refused: {problem}.", markup=False)
    if as_json:
        show_json(
            {"version": str(version), "folder": str(folder), "configs": _as_rows(configs), "refused": problem or None}
        )
        return
    _show_configs(configs)
    err.print("Nothing was sent.")
    out.print(str(folder), markup=False)


def _send(version: VersionRef, release: Release, yes: bool, as_json: bool) -> None:
    from synth.card import Place, load_line
    from synth.hub import push as push_version

    ask = partial(_ask, version, release, yes) if release.public else None
    result = push_version(version, release, ask=ask)
    line = load_line(version.manifest, Place(release.repo_id, result.tag))
    if as_json:
        show_json(
            {
                "version": str(version),
                "url": result.url,
                "commit": result.commit,
                "tag": result.tag or None,
                "created": result.created,
                "configs": _as_rows(result.configs),
                "load": line,
            }
        )
        return
    name = f"tag {result.tag}" if result.tag else "a pull request"
    if result.created:
        _show_configs(result.configs)
        err.print(f"Pushed {version} as {name}, commit {result.commit[:12]}.")
    else:
        err.print(f"{version} is there already as {name}, commit {result.commit[:12]}; nothing was sent.")
    out.print(result.url, markup=False)
    if result.tag:
        out.print(line, markup=False)
    else:
        err.print(f"Once it is merged, `synth push {version} {release.repo_id}` tags it.", markup=False)


def _ask(version: VersionRef, release: Release, yes: bool) -> None:
    """Say what becomes public where the documents are the user's own, and go on only with their consent."""
    from synth.exposure import count_sensitive, is_shipped
    from synth.licences import settle

    manifest = version.manifest
    if is_shipped(manifest.recipe):
        return
    seen = count_sensitive(version)
    counts = release.licences_of(manifest)
    licences = ", ".join(f"{name} {count}" for name, count in counts.items())
    kinds = sorted(seen.found.keys() | seen.masked.keys())
    told = ", ".join(f"{kind} in {seen.found[kind]} (masked in {seen.masked[kind]})" for kind in kinds)
    records = sum(manifest.splits.values())
    err.print(f"Everybody will be able to read and copy what {version} holds of your documents:", markup=False)
    err.print(f"  texts      {records} queries and all {manifest.passages} passages", markup=False)
    err.print(f"  licences   {licences} (records); the card says {settle(counts).identifier}", markup=False)
    err.print(f"  sensitive  {told or 'none found by pattern'}, of {seen.texts} texts", markup=False)
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(
            "--public asks before documents of yours are shown to everybody, and there is no terminal to ask at: add --yes"
        )
    if not typer.confirm(f"Push to {release.repo_id} for everybody?", err=True):
        err.print("Nothing was sent.")
        raise typer.Exit(1)


def _show_configs(configs: tuple[ExportResult, ...] | list[ExportResult]) -> None:
    for result in configs:
        rows = ", ".join(f"{split} {count}" for split, count in result.rows.items())
        left_out = f" ({result.left_out} records gave no row)" if result.left_out else ""
        err.print(f"  {result.format:<9} {rows}{left_out}", markup=False)


def _as_rows(configs: tuple[ExportResult, ...] | list[ExportResult]) -> list[dict[str, object]]:
    return [
        {
            "config": result.format,
            "columns": list(result.columns),
            "rows": dict(result.rows),
            "left_out": result.left_out,
            "files": [f"{file.parent.name}/{file.name}" for file in result.files],
        }
        for result in configs
    ]
