"""`synth datasets list | show | diff | lengths | verify | restore | export`."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli import diff, restore
from synth.cli.croissant import croissant
from synth.cli.export import export
from synth.cli.lengths import lengths
from synth.cli.output import JsonOption, StoreOption, out, show_json

app = typer.Typer(
    name="datasets", help="List, show, compare, verify, restore and export published versions.", no_args_is_help=True
)
app.command("diff")(diff.diff)
app.command("lengths")(lengths)
app.command("restore")(restore.restore)

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
        out.print(f"No dataset in {chosen.where} yet; make one with `synth generate --domain finance`.")
        return
    table = Table("dataset", "records", "created", "domain", "content")
    for version in versions:
        manifest = version.manifest
        records = f"{manifest.records:,}{' (partial)' if manifest.partial else ''}"
        table.add_row(str(version), records, manifest.created, manifest.domain, manifest.content_sha256[:12])
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
    out.print(f"\n{version.where}")


@app.command("verify")
def verify_dataset(
    reference: Annotated[
        str | None, typer.Argument(metavar="[NAME[@N]]", help="A dataset; the newest version unless @N is given.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every version of the store, or of the dataset.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hash every file again, count rows, follow references. Exit code 2 when something is wrong."""
    from synth.cli.verifying import choose_versions, verify_all
    from synth.store import choose_store

    chosen = choose_store(store)
    verify_all(chosen, choose_versions(chosen, reference, every), as_json, is_list=every)


app.command("export")(export)
app.command("croissant")(croissant)
