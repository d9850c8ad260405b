"""`synth datasets lengths`: positives and negatives in bins of tokens, and where evidence lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.sql import show_table

if TYPE_CHECKING:
    from rich.table import Table

    from synth.length_bins import LengthBins


def lengths(
    reference: Annotated[
        str, typer.Argument(metavar="NAME[@N]", help="A dataset; the newest version unless @N is given.")
    ],
    tokenizer: Annotated[
        str | None,
        typer.Option(
            "--tokenizer",
            metavar="MODEL",
            help="Count tokens by this model's tokenizer. Default: an estimate.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """How long positives and negatives are, and how deep evidence lies: whether length gives the positive away."""
    from synth.export.lengths import load_counter
    from synth.length_bins import measure_bins
    from synth.store import choose_store

    version = choose_store(store).find(reference)
    found = measure_bins(version, load_counter(tokenizer))
    if as_json:
        show_json(found.as_dict())
        return
    show_table(_bins(found))
    if found.by_decile.any():
        show_table(_deciles(found))
    if found.longer is not None:
        out.print(
            f"The positive is longer than its negative in {found.longer:.0%} of {found.pairs:,} pairs (50%: length tells nothing)."
        )
    how = "estimated; count with --tokenizer MODEL" if found.counted_by == "estimate" else found.counted_by
    out.print(f"Tokens: {how}", markup=False)


def _bins(found: LengthBins) -> Table:
    from rich.table import Table

    from synth.length_bins import bin_names

    table = Table("tokens", "positives", "", "negatives", "")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, positives, negatives in zip(bin_names(), found.positives, found.negatives, strict=True):
        if positives or negatives:
            table.add_row(name, *_share(positives, found.positives.sum()), *_share(negatives, found.negatives.sum()))
    return table


def _deciles(found: LengthBins) -> Table:
    from rich.table import Table

    from synth.length_bins import bin_names

    held = [(name, bin_) for name, bin_ in zip(bin_names(), found.by_decile.T, strict=True) if bin_.any()]
    table = Table("evidence in decile", "records", "", *(name for name, _ in held))
    for column in table.columns[1:]:
        column.justify = "right"
    for decile, records in enumerate(found.by_decile.sum(axis=1)):
        total = found.by_decile.sum()
        table.add_row(str(decile), *_share(records, total), *(f"{bin_[decile]:,}" for _, bin_ in held))
    return table


def _share(count: int, total: int) -> tuple[str, str]:
    return f"{count:,}", f"{count / total:.1%}" if total else ""
