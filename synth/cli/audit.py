"""`synth audit export | import`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.output import JsonOption, StoreOption, command, err, out, show_json

if TYPE_CHECKING:
    from schemas.audit import AuditKey
    from synth.audit.findings import Findings

app = typer.Typer(
    name="audit",
    help="Let people judge a sample of a version; compute what gates, judge and miner get right.",
    no_args_is_help=True,
)

MOST_PROBLEMS = 20


class Separator(StrEnum):
    comma = ","
    semicolon = ";"


@app.command("export")
def export_sheets(  # noqa: PLR0913 - one parameter a flag
    reference: Annotated[str, typer.Argument(metavar="NAME[@N]", help="A dataset; the newest version unless @N.")],
    sample: Annotated[
        int, typer.Option("--sample", "-n", min=2, max=10_000, help="Pairs to judge, half of them rejects.")
    ] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed draws another sample.")] = 0,
    auditors: Annotated[int, typer.Option("--auditors", min=1, max=20, help="People who judge the same rows.")] = 1,
    negatives: Annotated[
        int,
        typer.Option(
            "--negatives", min=0, max=9, help="Hard negatives shown of each accepted record; 0 asks about none."
        ),
    ] = 4,
    separator: Annotated[
        Separator,
        typer.Option("--separator", help="';' where Excel shows a CSV file in one column, as in much of Europe."),
    ] = Separator.comma,
    folder: Annotated[Path, typer.Option("--out", "-o", help="A new or empty folder.")] = Path("audit"),
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw accepted records and rejects, and write a sheet for each auditor: a page for the browser, and CSV.

    Sheets are blind: they say neither what was accepted nor what a judge said. That is in key.json, which stays with you.
    """
    from synth.audit.export import AuditOptions, export_audit
    from synth.store import choose_store

    options = AuditOptions(sample, seed, auditors, negatives, separator.value)
    chosen = choose_store(store)
    key = export_audit(chosen, chosen.find(reference), folder, options)
    if as_json:
        show_json({"folder": str(folder), **key.model_dump(exclude={"rows"}), "rows": len(key.rows)})
    else:
        _show_export(key, folder)


def _show_export(key: AuditKey, folder: Path) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("drawn from", "tasks", "in the version", "rows")
    for column in table.columns[2:]:
        column.justify = "right"
    for stratum in key.strata:
        causes = f"rejected: {', '.join(stratum.causes)}" if stratum.causes else stratum.status
        table.add_row(escape(causes), escape(", ".join(stratum.tasks)), f"{stratum.size:,}", f"{stratum.drawn:,}")
    out.print(table)
    if key.left_out:
        told = ", ".join(f"{name} {count:,}" for name, count in key.left_out.items())
        out.print(f"Rejects that can't be judged by their pair, left out: {told}", markup=False)
    asked = sum(bool(row.negatives) for row in key.rows)
    also = f", and the negatives of {asked:,}" if asked else ""
    out.print(
        f"{len(key.rows):,} pairs of {key.dataset}{also}, for {key.auditors} {'auditor' if key.auditors == 1 else 'auditors'}, in {folder}",
        markup=False,
    )
    out.print(
        "Give each auditor how-to.md and one sheet (.html or .csv), never key.json. Put the filled CSV files back, then:"
    )
    out.print(f"{command('synth')} audit import {folder}", markup=False)


@app.command("import")
def import_sheets(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="key.json and the filled sheets beside it.")],
    precision: Annotated[
        float,
        typer.Option(
            "--precision",
            min=0.01,
            max=1.0,
            help="Find the bounds of the judge that reach this share of right records.",
        ),
    ] = 0.95,
    report: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.md", help="Write the report as Markdown too.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the filled sheets and compute agreement, precision, false rejects, false negatives and the judge's calibration.

    Changes no version. Sheets may be filled in part: empty cells are counted, and rates come from what is there.
    """
    from synth.audit.findings import import_audit
    from synth.audit.report import write_report

    found = import_audit(folder, precision)
    if report is not None:
        write_report(report, found)
    if as_json:
        show_json(_as_dict(found))
        return
    _show(found)
    if report is not None:
        out.print(f"Written to {report}.", markup=False)


def _as_dict(found: Findings) -> dict[str, Any]:
    from dataclasses import asdict

    told = asdict(found)
    for sheet in told["sheets"]:
        sheet["notes"] = {number: said["note"] for number, said in sheet.pop("answers").items() if said["note"]}
    return told


def _show(found: Findings) -> None:
    from rich.markup import escape
    from rich.table import Table

    from synth.audit.report import parts_of, population_of
    from synth.cli.sql import show_table

    problems = [problem for sheet in found.sheets for problem in sheet.problems]
    for problem in problems[:MOST_PROBLEMS]:
        err.print(str(problem), markup=False)
    if len(problems) > MOST_PROBLEMS:
        err.print(f"and {len(problems) - MOST_PROBLEMS:,} cells more: all are in --json and -o FILE.md")
    out.print(f"{found.dataset}. {population_of(found)}", markup=False)
    for part in parts_of(found):
        out.print(f"\n[bold]{escape(part.title)}[/]")
        table = Table(*part.columns)
        for row in part.rows:
            table.add_row(*map(escape, row))
        show_table(table)
        for note in part.notes:
            out.print(note, markup=False)
