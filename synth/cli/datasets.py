"""`synth datasets list | show | verify | export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.errors import StoreError

app = typer.Typer(name="datasets", help="List, show, verify and export published versions.", no_args_is_help=True)

ReferenceArgument = Annotated[
    str, typer.Argument(metavar="NAME[@N]", help="A dataset; the newest version unless @N is given.")
]


@app.command("list")
def list_datasets(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Every dataset of the store with its versions."""
    from rich.table import Table

    from synth.cli.summary import describe
    from synth.store import choose_store

    chosen = choose_store(store)
    versions = [version for name in chosen.names() for version in chosen.iterate(name)]
    if as_json:
        show_json([describe(version) for version in versions])
        return
    if not versions:
        out.print(f"No dataset in {chosen.root} yet; make one with `synth generate --domain finance`.")
        return
    table = Table("dataset", "accepted", "created", "domain", "content")
    for version in versions:
        manifest = version.manifest
        accepted = f"{manifest.funnel.accepted:,}{' (partial)' if manifest.partial else ''}"
        table.add_row(str(version), accepted, manifest.created, manifest.domain, manifest.content_sha256[:12])
    out.print(table)


@app.command("show")
def show_dataset(reference: ReferenceArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Funnel, facts and example records of one version."""
    from synth.cli.summary import show_version
    from synth.store import choose_store

    version = choose_store(store).find(reference)
    manifest = version.manifest
    if as_json:
        show_json(manifest.model_dump(mode="json"))
        return
    show_version(version, manifest)
    out.print(f"\n{version.path}")


@app.command("verify")
def verify_dataset(reference: ReferenceArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Hash every file again, count rows, follow references. Exit code 2 when something is wrong."""
    from synth.store import choose_store
    from synth.verify import verify_version

    version = choose_store(store).find(reference)
    problems = verify_version(version)
    if as_json:
        show_json({"dataset": str(version), "problems": problems})
    if problems:
        raise StoreError(f"{version} is not what its manifest says: {'; '.join(problems)}")
    if not as_json:
        out.print(
            f"{version} is sound: {len(version.manifest.files)} files, {version.manifest.funnel.accepted:,} records."
        )


@app.command("export")
def export_dataset(
    reference: ReferenceArgument,
    out_folder: Annotated[Path, typer.Option("--out", help="A new or empty folder.")],
    format_name: Annotated[str, typer.Option("--format", help="pair, triplet, n-tuple or full.")] = "triplet",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write Parquet with the columns a trainer expects, in the order it expects."""
    from synth.export import export_version
    from synth.store import choose_store

    result = export_version(choose_store(store).find(reference), format_name, out_folder)
    if as_json:
        show_json(
            {
                "format": result.format,
                "files": [str(f) for f in result.files],
                "rows": result.rows,
                "left_out": result.left_out,
            }
        )
        return
    rows = ", ".join(f"{split} {count:,}" for split, count in result.rows.items())
    out.print(
        f"{result.format}: {rows} rows in {out_folder}"
        + (f"; {result.left_out:,} records left out (too few negatives)" if result.left_out else "")
    )
    out.print(f"  load_dataset({str(out_folder / result.format)!r}, split='train')")
