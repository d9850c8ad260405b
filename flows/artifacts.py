"""What a finished run shows in the Prefect UI: its funnel as a table, its version as a page."""

from __future__ import annotations

import re
import textwrap
from itertools import chain, islice
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from schemas.manifest import Funnel
from synth.files import read_batches
from synth.store import VersionRef

EXAMPLES = 3
APART = 100
"""Records between two examples where there are so many: neighbours are about the same passage."""
COLUMNS = 72
"""The UI folds no line of a code block: what is longer ends at the edge of the page."""


def publish_artifacts(version: VersionRef) -> None:
    """The table `synth-funnel-NAME` and the page `synth-version-NAME`."""
    name = artifact_name(version.name)
    create_table_artifact(
        table=funnel_table(version.manifest.funnel),
        key=f"synth-funnel-{name}",
        description=f"{version}: outcomes of the planned items",
    )
    create_markdown_artifact(
        markdown=version_page(version),
        key=f"synth-version-{name}",
        description=f"{version}: counts, files and examples",
    )


def artifact_name(dataset: str) -> str:
    """Artifact keys hold lower-case letters, digits and dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", dataset.lower()).strip("-")


def funnel_table(funnel: Funnel) -> list[dict[str, Any]]:
    """One row a fate; the rows below the first add up to it."""
    rows: list[dict[str, Any]] = [
        {"status": "planned", "reason": "", "items": funnel.planned},
        {"status": "accepted", "reason": "", "items": funnel.accepted},
    ]
    for status, reasons in (("rejected", funnel.rejected), ("failed", funnel.failed)):
        rows += [{"status": status, "reason": reason, "items": count} for reason, count in sorted(reasons.items())]
    return rows


def version_page(version: VersionRef) -> str:
    """Counts, a few records and the path, as Markdown."""
    manifest = version.manifest
    counts = [
        ("records", manifest.records),
        *((f"records in {split}", count) for split, count in manifest.splits.items()),
        ("planned items", manifest.funnel.planned),
        ("hard negatives", manifest.candidates.get("selected", 0)),
        *((f"negatives {method}", count) for method, count in manifest.negatives.items() if method != "mined"),
        ("passages", manifest.passages),
    ]
    lines = [
        f"# {version}",
        "",
        "| what | count |",
        "|---|---|",
        *(f"| {what} | {count} |" for what, count in counts),
        "",
    ]
    if manifest.partial:
        lines += [f"Partial: {manifest.partial}", ""]
    lines += [
        "Files:",
        "",
        quote(version.where),
        "",
        f"Content hash: `{manifest.content_sha256}`",
        "",
        "## Examples",
        "",
    ]
    return "\n".join(lines + _examples(version))


def _examples(version: VersionRef) -> list[str]:
    apart = max(1, min(APART, version.manifest.splits.get("train", 0) // EXAMPLES))
    columns = ["query", "positive", "negatives"]
    batches = read_batches(version.file("records/train.parquet"), columns, size=EXAMPLES * apart)
    rows = chain.from_iterable(batch.to_pylist() for batch in batches)
    lines: list[str] = []
    for row in islice(rows, 0, EXAMPLES * apart, apart):
        passages = [
            f"positive: {row['positive']['text']}",
            *(f"negative: {negative['text']}" for negative in row["negatives"][:1]),
        ]
        lines += [quote(_folded("\n\n".join([f"query: {row['query']}", *passages]))), "", "---", ""]
    return lines


def _folded(text: str) -> str:
    return "\n".join("\n".join(textwrap.wrap(line, COLUMNS)) for line in text.splitlines())


def quote(text: str) -> str:
    """A Markdown code block by indentation: no text can end it early."""
    return "\n".join(f"    {line}" for line in text.splitlines())
