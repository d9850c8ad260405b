"""`synth gc`: remove what a store holds and nobody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, err, out, show_json
from synth.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synth.collect import Removal

MOST_LINES = 40


def gc(  # noqa: PLR0913 - one parameter a flag
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", help="Versions beyond the N newest of a dataset go.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Versions and runs of this dataset only. Repeatable.")
    ] = None,
    runs: Annotated[
        bool, typer.Option("--runs", help="Folders of runs that published their version go: items, score tables.")
    ] = False,
    answers: Annotated[
        bool, typer.Option("--answers", help="LLM answers that no run and no version left would ask for again go.")
    ] = False,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Vectors of teachers that no run and no version left names go.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it. Without this, only say what would go.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what nobody needs and how many bytes it holds; remove it with --yes.

    Without options: what killed writers left. The newest version of a dataset and unfinished runs always stay.
    """
    from synth.catalog import rebuild_catalog
    from synth.collect import Wish, find_removals, remove
    from synth.store import choose_store

    chosen = choose_store(store)
    found = find_removals(chosen, Wish(keep, tuple(name or ()), runs, answers, embeddings))
    failures = remove(chosen, found.removals) if yes else []
    if yes and any(each.kind == "version" for each in found.removals):
        rebuild_catalog(chosen)
    if as_json:
        _as_json(found.removals, found.spared, failures, yes)
    else:
        _show(found.removals, found.spared, yes)
    if failures:
        raise StoreError(f"{len(failures)} of {len(found.removals)} could not be removed: {'; '.join(failures)}")


def _as_json(removals: Sequence[Removal], spared: list[str], failures: list[str], yes: bool) -> None:
    rows = [{"kind": r.kind, "name": r.name, "path": str(r.path), "why": r.why, "bytes": r.bytes} for r in removals]
    told = {"removals": rows, "bytes": sum(r.bytes for r in removals), "removed": yes, "failures": failures}
    show_json(told | {"spared": spared})


def _show(removals: Sequence[Removal], spared: list[str], yes: bool) -> None:
    from collections import Counter

    from rich.markup import escape

    for each in removals[:MOST_LINES]:
        out.print(escape(f"{each.kind:<10} {_size(each.bytes):>9}  {each.name}  ({each.why})"))
    if len(removals) > MOST_LINES:
        out.print(f"… and {len(removals) - MOST_LINES:,} more; --json lists all")
    for line in spared:
        err.print(escape(f"stays: {line}"))
    if not removals:
        out.print("Nothing to remove.")
        return
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in Counter(each.kind for each in removals).items())
    total = _size(sum(each.bytes for each in removals))
    if yes:
        out.print(f"Removed {kinds}: {total} free.")
    else:
        out.print(f"{kinds}: {total} would be free. Nothing was removed; add --yes to do it.")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1_000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1_000
    return f"{count:,.1f} TB"
