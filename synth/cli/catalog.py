"""`synth catalog rebuild`."""

from __future__ import annotations

import typer

from synth.cli.output import StoreOption, out

app = typer.Typer(name="catalog", help="The DuckDB catalogue of a store.", no_args_is_help=True)


@app.callback()
def _catalog() -> None:
    """The DuckDB catalogue of a store."""


@app.command("rebuild")
def rebuild(store: StoreOption = None) -> None:
    """Make catalog.duckdb anew from the manifests."""
    from synth.catalog import rebuild_catalog
    from synth.store import choose_store

    chosen = choose_store(store)
    count = rebuild_catalog(chosen)
    out.print(f"{chosen.catalog}: {count} versions")
