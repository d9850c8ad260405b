"""The findings as tables, for a terminal and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synth.audit.agreement import Estimate
from synth.audit.calibration import Bound, Calibration
from synth.audit.findings import Findings
from synth.audit.rates import Rate
from synth.errors import InputError
from synth.files import write_bytes

TITLE = "# Audit of "
_NOTHING = "-"


@dataclass(frozen=True)
class Part:
    """A table under a title, with sentences below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: list[str] = field(default_factory=list)


def parts_of(found: Findings) -> Iterator[Part]:
    """Every table of the findings that has a row."""
    for part in (_sheets(found), _rates(found), _tasks(found), _agreement(found), _ceiling(found)):
        if part.rows:
            yield part
    for each in found.calibration:
        yield _calibration(each, found.wanted_precision)


def render_markdown(found: Findings) -> str:
    """The report as a page."""
    lines = [f"{TITLE}{found.dataset}", "", f"Content hash {found.content_sha256}. {population_of(found)}", ""]
    for part in parts_of(found):
        lines += [f"## {part.title}", "", _line(part.columns), _line(["---"] * len(part.columns))]
        lines += [*map(_line, part.rows), "", *(line for note in part.notes for line in (note, ""))]
    if found.left_out:
        lines += [
            "## Rejects that were not audited",
            "",
            *(f"- {name}: {count:,}" for name, count in found.left_out.items()),
            "",
        ]
    problems = [problem for sheet in found.sheets for problem in sheet.problems]
    if problems:
        lines += ["## Cells that could not be read", "", *(f"- {problem}" for problem in problems), ""]
    return "\n".join(lines)


def write_report(path: Path, found: Findings) -> None:
    """Write the page; InputError where the file is there and is no report."""
    if path.exists() and not path.read_bytes().startswith(TITLE.encode()):
        raise InputError(f"{path} exists and is no report of an audit; name another file with -o")
    write_bytes(path, render_markdown(found).encode())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def population_of(found: Findings) -> str:
    """One sentence: what the rates are of."""
    parts = [
        f"{found.population[name]:,} {name}"
        + (f" ({found.covered[name]:.0%} stood for by answered rows)" if found.population[name] else "")
        for name in ("accepted", "rejected")
    ]
    left = sum(found.left_out.values())
    return f"Population: {' and '.join(parts)}" + (f"; {left:,} rejects were not audited." if left else ".")


def _sheets(found: Findings) -> Part:
    rows = [
        [
            sheet.file,
            str(sheet.auditor),
            *(f"{getattr(sheet, name):,}" for name in ("asked", "filled", "partly", "empty", "missing")),
            f"{len(sheet.problems):,}",
        ]
        for sheet in found.sheets
    ]
    notes = (
        [f"{found.undecided:,} pairs whose auditors are unsure are left out of all rates."] if found.undecided else []
    )
    return Part(
        "Sheets", ("sheet", "auditor", "asked", "filled", "partly", "empty", "missing", "cells not used"), rows, notes
    )


_RATES = ("share", "estimate", "95 % interval", "judged")


def _rates(found: Findings) -> Part:
    accepted, rejected, judge = found.accepted, found.rejected, found.judge
    rates = {
        "accepted: right (precision)": accepted.right,
        "accepted: relevant": accepted.relevant,
        "accepted: clear": accepted.clear,
        "rejected: right (false rejects)": rejected.right,
        **{f"rejected by {cause}: right": rate for cause, rate in rejected.by_cause.items()},
    }
    notes = [
        "Weighted back to the version. Right: relevant, and not unclear. Of auditors who differ equally, each counts half."
    ]
    if judge is not None:
        rates |= {
            "judge keeps: right (precision)": judge.precision,
            "right: judge keeps (recall)": judge.recall,
            "judge drops: right (false rejects)": judge.false_reject,
        }
        notes.append(f"Judge: {', '.join(judge.models) or 'unnamed'}, at {judge.bounds}.")
    rates |= {"negatives: right as well (false negatives)": found.negatives.false}
    if len(found.negatives.by_method) > 1:
        rates |= {f"negatives, {name}: right as well": rate for name, rate in found.negatives.by_method.items()}
    return Part("Rates", _RATES, _rows(rates), notes)


def _tasks(found: Findings) -> Part:
    rates = {f"accepted, {task}: right": rate for task, rate in found.accepted.by_task.items()}
    rates |= {f"rejected, {task}: right": rate for task, rate in found.rejected.by_task.items()}
    return Part("By task", _RATES, _rows(rates) if len(rates) > 2 else [])


def _rows(rates: Mapping[str, Rate]) -> Sequence[Sequence[str]]:
    return [(name, *_cells(rate)) for name, rate in rates.items() if rate.rows]


def _cells(rate: Rate) -> tuple[str, str, str]:
    return f"{rate.rate:.1%}", f"{rate.low:.1%} to {rate.high:.1%}", f"{rate.rows:,}"


def _agreement(found: Findings) -> Part:
    rows = [
        (name, _cells(each.percent)[0], _told(each.kappa), _told(each.alpha), f"{each.percent.rows:,}")
        for name, each in found.agreement.items()
    ]
    columns = ("answer", "equal", "Cohen's kappa", "Krippendorff's alpha", "rows")
    return Part(
        "Agreement between auditors",
        columns,
        rows,
        ["Of rows that two or more answered; not weighted."] if rows else [],
    )


def _told(estimate: Estimate | None) -> str:
    if estimate is None or math.isnan(estimate.value):
        return _NOTHING
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _ceiling(found: Findings) -> Part:
    rows = []
    for peer in found.ceiling:
        cells = [
            " ".join(_cells(rate)[:1]) + f" ({_cells(rate)[1]}, {rate.rows:,} rows)" if rate.rows else _NOTHING
            for rate in (peer.agrees, peer.judged)
        ]
        rows.append([peer.name, *cells])
    note = "An auditor beside the majority of the others, the judge beside that of all. No judge can be asked to agree more than people do."
    return Part(
        "Human ceiling", ("who", "says what most say", "of what the judge judged"), rows, [note] if rows else []
    )


def _calibration(found: Calibration, precision: float) -> Part:
    is_grade = found.axis != "probability"
    rows = [
        (
            _level(level.value, is_grade),
            _NOTHING if math.isnan(level.said) else f"{level.said:.2f}",
            *_cells(level.right),
        )
        for level in found.levels
    ]
    notes = [_wanted(found, precision)]
    if not is_grade:
        notes.append(f"Probabilities are {found.error:.2f} off on average (expected calibration error).")
    return Part(f"Judge's {found.axis}: {found.against}", (found.axis, "mean", *_RATES[1:]), rows, notes)


def _level(value: float, is_grade: bool) -> str:
    return f"{value:g}" if is_grade else f"{value:.1f} to {value + 0.1:.1f}"


def _wanted(found: Calibration, precision: float) -> str:
    if found.chosen is None:
        best = max(found.bounds, key=lambda bound: bound.right.rate)
        return f"No bound reaches {precision:.0%}; nearest is {_bound(found.axis, best)}."
    told = f"{precision:.0%} is reached from {_bound(found.axis, found.chosen)}"
    if found.sure is None:
        return f"{told}; no bound has its whole interval above {precision:.0%} with so few rows."
    if found.sure.bound == found.chosen.bound:
        return f"{told}, with its whole interval."
    return f"{told}; with its whole interval from {_bound(found.axis, found.sure)}."


def _bound(axis: str, bound: Bound) -> str:
    estimate, interval, rows = _cells(bound.right)
    return (
        f"{axis} {bound.bound:g}: {estimate} ({interval}, {rows} rows), which keeps {bound.kept:.0%} of what was judged"
    )
