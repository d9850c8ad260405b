"""The sheets of an audit: what an auditor sees, as rows of cells, and as CSV that spreadsheets open.

Pairs come first, in random order, accepted and rejected alike. The hard negatives of accepted records come after all
of them, in rows of their own: beside its pair a list of negatives would tell that a record was accepted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from synth.audit.guard import guarded, pieces

KEY = "key.json"
ROW, TASK = "row", "to do"
ANSWERS = ("relevant", "clear", "negatives_right", "note")
"""Columns for the auditor."""
NEGATIVES = "n"
"""Ends the name of a row that asks about negatives."""
ASK_PAIR = (
    "relevant: is the positive right for the query under the instruction? yes, no or unsure."
    " clear: can the query be understood by itself? yes or no."
)
ASK_NEGATIVES = (
    "negatives_right: which of the negatives are right for the query as well?"
    " Their numbers with spaces between, such as 1 3; 0 where none is."
)


@dataclass(frozen=True)
class Line:
    """A row of a sheet. `negatives` are empty where the pair is asked about."""

    number: int
    instruction: str
    query: str
    positives: Sequence[str]
    negatives: Sequence[str] = ()

    @property
    def positive(self) -> str:
        """What the query needs, numbered where that is several texts."""
        if len(self.positives) == 1:
            return self.positives[0]
        return "\n\n".join(f"[{n}] {text}" for n, text in enumerate(self.positives, 1))


def row_name(audit: str, auditor: int, number: int, *, about_negatives: bool) -> str:
    """How a row is called on the sheet of an auditor, from 1.

    >>> row_name("a3f9c1", 1, 17, about_negatives=False)
    'a3f9c1-1-017'
    """
    return f"{audit}-{auditor}-{number:03}{NEGATIVES if about_negatives else ''}"


def table_of(lines: Sequence[Line], audit: str, auditor: int) -> list[list[str]]:
    """Header and rows, unguarded; a text that is too long for a cell goes on in columns beside it."""
    most = max((len(line.negatives) for line in lines), default=0)
    names = ["instruction", "query", "positive", *(f"negative {n}" for n in range(1, most + 1))]
    texts = [_texts(line, most) for line in lines]
    width = [max((len(row[place]) for row in texts), default=1) for place in range(len(names))]
    header = [ROW, TASK]
    for column, parts in zip(names, width, strict=True):
        header += [column, *(f"{column} (continued {n})" for n in range(1, parts))]
    table = [[*header, *ANSWERS]]
    for line, row in zip(lines, texts, strict=True):
        cells = [text for own, n in zip(row, width, strict=True) for text in [*own, *[""] * (n - len(own))]]
        name = row_name(audit, auditor, line.number, about_negatives=bool(line.negatives))
        table.append([name, ASK_NEGATIVES if line.negatives else ASK_PAIR, *cells, *[""] * len(ANSWERS)])
    return table


def _texts(line: Line, most: int) -> list[list[str]]:
    shown = [*line.negatives, *[""] * (most - len(line.negatives))]
    return [pieces(text) for text in (line.instruction, line.query, line.positive, *shown)]


def as_csv(table: Sequence[Sequence[str]], separator: str) -> bytes:
    """UTF-8 with a byte order mark, which Excel needs to see; every cell quoted, none a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([guarded(cell) for cell in row] for row in table)
    return text.getvalue().encode("utf-8-sig")
