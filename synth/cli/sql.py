"""`synth sql`: ask the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json

WIDE = 10_000
"""Nothing is cut where no terminal is: a pipe or a file takes lines of any length."""


def sql(
    statement: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT over the views of the catalogue.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run SQL over all versions: views versions, funnel, files, "NAME", "NAME_rejects", "NAME_passages", "NAME_sources"."""
    from rich.markup import escape
    from rich.table import Table

    from synth.catalog import run_query
    from synth.store import choose_store

    result = run_query(choose_store(store), statement)
    if as_json:
        show_json(result.to_pylist())
        return
    table = Table()
    for name in result.column_names:
        table.add_column(escape(name), overflow="fold")
    for row in zip(*(column.to_pylist() for column in result.columns), strict=True):
        table.add_row(*(escape(str(value)) for value in row))
    out.print(table, width=None if out.is_terminal else WIDE)
