"""`synth datasets diff`: what changed between two versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.sql import show_table

if TYPE_CHECKING:
    from rich.table import Table

    from synth.diff import Counts, Diff, Numbers

MOST_VALUES = 4
"""Values of a type that are shown, those whose shares moved most."""


def diff(
    old: Annotated[str, typer.Argument(metavar="NAME[@N]", help="The old version; alone, the new one.")],
    new: Annotated[
        str | None,
        typer.Argument(metavar="[NAME[@N]]", help="The new version. Left out: the first, against its parent."),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rows added, removed and changed, stages side by side, drift of lengths, types and scores.

    `synth datasets diff finance` compares the newest version with its parent. A shift is told where the
    population stability index is at least 0.1 (moderate) or 0.25 (major) and more than chance gives.
    """
    from dataclasses import asdict

    from synth.diff import choose_pair, compare
    from synth.store import choose_store

    found = compare(*choose_pair(choose_store(store), old, new))
    if as_json:
        show_json(
            asdict(found) | {"stages": [dict(zip(("stage", "old", "new"), s, strict=True)) for s in found.stages]}
        )
    else:
        _show(found)


def _show(found: Diff) -> None:
    from rich.markup import escape

    rows = ", ".join(f"{count:,} {kind}" for kind, count in found.rows.items())
    out.print(f"[bold]{found.old} → {found.new}[/]: {rows}")
    if found.columns:
        out.print(f"changed: {', '.join(f'{name} {count:,}' for name, count in found.columns.items())}")
    for kind, ids in found.examples.items():
        if ids:
            out.print(escape(f"{kind}, such as: {', '.join(ids)}"))
    show_table(_stages(found))
    if any(each.old and each.new for each in found.numbers.values()):
        show_table(_numbers(found))
    for name, counts in found.types.items():
        if line := _shares(counts):
            out.print(escape(f"{name}: {line}"))


def _stages(found: Diff) -> Table:
    from rich.table import Table

    table = Table("stage", found.old, found.new, "change")
    for column in table.columns[1:]:
        column.justify = "right"
    for stage, old, new in found.stages:
        table.add_row(stage, f"{old:,}", f"{new:,}", f"{new - old:+,}" if new != old else "")
    return table


def _numbers(found: Diff) -> Table:
    from rich.table import Table

    table = Table("", "mean", "median", "p95", "PSI", "shift")
    table.columns[0].no_wrap = True
    for name, numbers in found.numbers.items():
        if numbers.old and numbers.new:
            values = (_pair(numbers, each) for each in ("mean", "median", "p95"))
            table.add_row(name, *values, f"{numbers.shift.psi:.3f}", numbers.shift.verdict)
    return table


def _pair(numbers: Numbers, name: str) -> str:
    assert numbers.old is not None
    assert numbers.new is not None
    old, new = numbers.old[name], numbers.new[name]
    return f"{old:,.4g}" if old == new else f"{old:,.4g} → {new:,.4g}"


def _shares(counts: Counts) -> str:
    """The values whose shares moved most, then the index; '' where every share is what it was."""
    old, new = ({k: n / max(sum(side.values()), 1) for k, n in side.items()} for side in (counts.old, counts.new))
    moved = {key: new.get(key, 0.0) - old.get(key, 0.0) for key in {*old, *new}}
    most = sorted((key for key in moved if moved[key]), key=lambda key: (-abs(moved[key]), key))[:MOST_VALUES]
    if not most:
        return ""
    told = [f"{key or '(none)'} {old.get(key, 0.0):.1%} → {new.get(key, 0.0):.1%}" for key in most]
    return f"{', '.join(told)}; PSI {counts.shift.psi:.3f}, shift: {counts.shift.verdict}"
