"""What an auditor reads first."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.audit import AuditKey
from synth.audit.sheets import Line

_GUIDE = """# How to fill a sheet

You judge {pairs} pairs of a query and a positive{negatives}, for `{dataset}`. There is one sheet for each of {auditors}: a page
(`sheet-1.html`, for a browser) and a table (`sheet-1.csv`, for Excel, LibreOffice or Google Sheets) with the same rows. Use one of the two.
Don't talk about rows with the other auditors before all are done, and don't look into `key.json`.

| column | what to write |
|---|---|
| `relevant` | Is the positive right for the query under the instruction? `yes`, `no` or `unsure`. Right means: somebody who asks this, told what the instruction says, is served by the positive alone. Where the query is a statement, a title or a text, the positive must be what the instruction asks for: the same in other words, its label, its translation. |
| `clear` | Can the query be understood by somebody who has not seen the positive? `yes` or `no`. |
| `negatives_right` | In the rows at the end: which of the negatives are right for the query as well? Their numbers with spaces between, such as `1 3`; `0` where none is. |
| `note` | Anything. |

An empty cell counts as not answered, so stop where you like: what is done counts. Leave the column `row` as it is. An apostrophe in front of
a text is there so that a spreadsheet does not take the text for a formula.

The page saves what you do in your browser as you go; its button *Save* downloads the CSV file. In a spreadsheet, save as CSV. Then give the
CSV file back. Where a spreadsheet shows everything in one column, import the file with `{separator}` as the separator and UTF-8 as the encoding.
"""


def render_guide(key: AuditKey, lines: Sequence[Line], separator: str) -> str:
    """Markdown, the same for all auditors."""
    asked = sum(bool(line.negatives) for line in lines)
    return _GUIDE.format(
        pairs=len(lines) - asked,
        negatives=f", then the hard negatives of {asked} of them" if asked else "",
        dataset=key.dataset,
        auditors=f"{key.auditors} auditors" if key.auditors > 1 else "one auditor",
        separator=separator,
    )
