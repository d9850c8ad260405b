"""README.md of an exported folder: `load_dataset(FOLDER, FORMAT)` finds the files of each format by it."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from schemas.manifest import Manifest
from synth.export.formats import FORMATS, TOOLS
from synth.export.options import ExportResult, losses_of


def render_readme(manifest: Manifest, results: Sequence[ExportResult]) -> str:
    """Front matter with the configs of one kind of file, which is all that `datasets` reads of a folder; then what is what."""
    tables = [result for result in results if result.format in FORMATS]
    configs = [
        {"config_name": result.format, "data_files": result.data_files()}
        for result in tables or [result for result in results if result.format in TOOLS]
    ]
    front_matter = f"---\n{yaml.safe_dump({'configs': configs}, sort_keys=False)}---\n\n" if configs else ""
    rows = [
        f"| `{result.format}` | {', '.join(result.columns)} | {_counts(result)} | {', '.join(losses_of(result.format, manifest))} |\n"
        for result in results
    ]
    return (
        f"{front_matter}# {manifest.name}@{manifest.version}\n\n"
        f"Written by synth {manifest.synth_version}; content `{manifest.content_sha256}`. Column order matters to trainers; keep it.\n\n"
        f"| format | columns | rows | losses |\n|---|---|---|---|\n{''.join(rows)}"
    )


def _counts(result: ExportResult) -> str:
    left_out = f" ({result.left_out} records gave no row)" if result.left_out else ""
    return ", ".join(f"{split} {count}" for split, count in result.rows.items()) + left_out
