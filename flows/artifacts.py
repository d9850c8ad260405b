"""What a finished run shows in the Prefect UI: its funnel as a table, its version as a page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import httpx
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging import get_run_logger

from flows.names import artifact_key
from schemas.manifest import Funnel
from synth.files import read_batches
from synth.hub import PushResult
from synth.store import VersionRef

EXAMPLES = 3
APART = 100
"""Records between two examples where there are so many: neighbours are about the same passage."""
COLUMNS = 72
"""The UI folds no line of a code block: what is longer ends at the edge of the page."""


def show_version(version: VersionRef) -> None:
    """The table `synth-funnel-NAME`, the page `synth-version-NAME` and the link `synth-files-NAME`."""
    funnel = version.manifest.funnel
    with tolerated():
        create_table_artifact(
            table=funnel_table(funnel),
            key=artifact_key("funnel", version.name),
            description=f"{version}: planned items by outcome",
        )
        create_markdown_artifact(
            markdown=version_page(version),
            key=artifact_key("version", version.name),
            description=f"{version}: counts, files and examples",
        )
        create_link_artifact(
            link=version.where if "://" in version.where else Path(version.where).absolute().as_uri(),
            link_text=version.where,  # what browsers that follow no file: link leave to be copied
            key=artifact_key("files", version.name),
            description=f"{version}: its files",
        )


def show_pushed(version: VersionRef, pushed: PushResult) -> None:
    """The link `synth-hub-NAME`."""
    with tolerated():
        create_link_artifact(
            link=pushed.url,
            link_text=f"{version} on the Hub" + (f", tag {pushed.tag}" if pushed.tag else ", a pull request"),
            key=artifact_key("hub", version.name),
            description=f"{version}, {'pushed' if pushed.created else 'there already'}, commit {pushed.commit[:12]}",
        )


@contextmanager
def tolerated() -> Iterator[None]:
    """What people see decides nothing: a server that is away while a version is published fails no run."""
    try:
        yield
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        get_run_logger().warning("the Prefect server does not show this: %s", error)


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
