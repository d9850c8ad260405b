"""`synth sql`: ask the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json

if TYPE_CHECKING:
    import pyarrow as pa

MOST_COLUMNS = 6
"""A result of more columns is shown as one block of `column: value` lines a row."""
WIDE = 10_000
"""Nothing is cut where no terminal is: a pipe or a file takes lines of any length."""


def sql(
    statement: Annotated[
        str, typer.Argument(metavar="SELECT", help="One SELECT over the views of the catalogue.", show_default=False)
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run SQL over all versions.

    Views: versions, funnel, files, "NAME", "NAME_rejects", "NAME_passages", "NAME_sources".
    """
    from synth.catalog import run_query
    from synth.store import choose_store

    result = run_query(choose_store(store), statement)
    if as_json:
        show_json(result.to_pylist())
    elif result.num_columns > MOST_COLUMNS:
        _show_blocks(result)
    else:
        _show_table(result)


def _show_table(result: pa.Table) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for name in result.column_names:
        table.add_column(escape(name), overflow="fold")
    for row in _rows(result):
        table.add_row(*map(escape, row))
    (out if out.is_terminal else Console(width=WIDE, highlight=False)).print(table)


def _show_blocks(result: pa.Table) -> None:
    width = max(map(len, result.column_names))
    for number, row in enumerate(_rows(result), 1):
        out.print(f"row {number}", style="bold")
        for name, value in zip(result.column_names, row, strict=True):
            out.print(f"  {name:<{width}}  {value}", markup=False)


def _rows(result: pa.Table) -> list[tuple[str, ...]]:
    columns = [[str(value) for value in column.to_pylist()] for column in result.columns]
    return list(zip(*columns, strict=True))
