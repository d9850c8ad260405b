"""`synth sql`: ask the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table

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

    Of versions: versions, parents, funnel, files, and "NAME" (records), "NAME_rejects", "NAME_passages", "NAME_sources",
    "NAME_scores"; "NAME@N" and the others with @N for version N. Of runs: runs, items, scores, positives, answers.
    `DESCRIBE scores` lists the columns of one; docs/sql.md has queries to start from.
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
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for name in result.column_names:
        table.add_column(escape(name), overflow="fold")
    for row in _rows(result):
        table.add_row(*map(escape, row))
    show_table(table)


def show_table(table: Table) -> None:
    """Print a table as wide as the terminal, or as it needs where no terminal is."""
    from rich.console import Console

    (out if out.is_terminal else Console(width=WIDE, highlight=False, emoji=False)).print(table)


def _show_blocks(result: pa.Table) -> None:
    width = max(map(len, result.column_names))
    if not result.num_rows:
        out.print(f"no rows of {', '.join(result.column_names)}", markup=False)
    for number, row in enumerate(_rows(result), 1):
        out.print(f"row {number}", style="bold")
        for name, value in zip(result.column_names, row, strict=True):
            out.print(f"  {name:<{width}}  {value}", markup=False)


def _rows(result: pa.Table) -> list[tuple[str, ...]]:
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in result.columns]
    return list(zip(*columns, strict=True))
