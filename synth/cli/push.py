"""`synth push`: a version to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, err, out, show_json
from synth.errors import InputError
from synth.store import VersionRef, choose_store

if TYPE_CHECKING:
    from synth.export import ExportResult


def push(
    reference: Annotated[
        str, typer.Argument(metavar="NAME[@N]", help="Dataset and version; the latest where no N is given.")
    ],
    repo: Annotated[
        str | None, typer.Argument(metavar="[ORG/NAME]", help="Repository on the Hub; created where there is none.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public. Default: private.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write the folder that would be sent; talk to nobody.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PATH", help="Folder of --dry-run. Default: ./synth-push/NAME-N.", show_default=False
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a version to the Hugging Face Hub: one commit, one tag vN.

    The token is HF_TOKEN or the one saved by `hf auth login`. Pushing the same version again changes nothing.
    """
    version = choose_store(store).find(reference)
    if dry_run:
        _build(version, folder or Path("synth-push") / f"{version.name}-{version.number}", repo, as_json)
    elif folder is not None:
        raise InputError("--out is where --dry-run writes; add --dry-run or leave it out")
    elif repo is None:
        raise InputError(f"push needs a repository: `synth push {reference} ORG/NAME`, or --dry-run to look first")
    else:
        _send(version, repo, public, as_json)


def _build(version: VersionRef, folder: Path, repo: str | None, as_json: bool) -> None:
    from synth.hub import build_folder

    configs = build_folder(version, folder, repo)
    if as_json:
        show_json({"version": str(version), "folder": str(folder), "configs": _as_rows(configs)})
        return
    _show_configs(configs)
    err.print("Nothing was sent.")
    out.print(str(folder), markup=False)


def _send(version: VersionRef, repo: str, public: bool, as_json: bool) -> None:
    from synth.card import load_line
    from synth.hub import push as push_version

    result = push_version(version, repo, public=public, token=None)
    line = load_line(version.manifest, repo)
    if as_json:
        show_json(
            {
                "version": str(version),
                "url": result.url,
                "commit": result.commit,
                "tag": result.tag,
                "created": result.created,
                "configs": _as_rows(result.configs),
                "load": line,
            }
        )
        return
    if result.created:
        _show_configs(result.configs)
        err.print(f"Pushed {version} as {result.tag}, commit {result.commit[:12]}.")
    else:
        err.print(f"{version} is there already as {result.tag}, commit {result.commit[:12]}; nothing was sent.")
    out.print(result.url, markup=False)
    out.print(line, markup=False)


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
