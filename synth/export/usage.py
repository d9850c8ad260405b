"""What to type to read an export, and which trainer takes it."""

from __future__ import annotations

from pathlib import Path

from schemas.manifest import Manifest
from synth.export.formats import FORMATS, TOOLS
from synth.export.options import ExportResult, losses_of
from synth.export.shards import Files

_ST, _CE = "SentenceTransformerTrainer", "CrossEncoderTrainer"


def load_line(result: ExportResult, folder: Path, files: Files) -> str:
    """The line that reads an exported format out of `folder`: Python, or the flags of its tool."""
    split = "train" if "train" in result.rows else "test"
    evaluated = "test" if "test" in result.rows else split
    own = folder / result.format
    lines = {
        "flagembedding": f"--train_data {own / split}",
        "tevatron": f"--dataset_name {own} --dataset_split {split}",
        "beir": f"GenericDataLoader(data_folder={str(own)!r}).load(split={evaluated!r})",
    }
    if result.format in lines:
        return lines[result.format]
    if files == "arrow":
        return f"load_from_disk({str(own)!r})[{split!r}]"
    return f"load_dataset({str(folder)!r}, {result.format!r}, split={split!r})"


def trainers_of(name: str, manifest: Manifest) -> dict[str, list[str]]:
    """Trainer -> the losses with which it takes the format; none for `full` and for BEIR, which no trainer reads."""
    chosen = FORMATS.get(name) or TOOLS.get(name)
    if chosen is None or not chosen.trainer:
        return {}
    other = _CE if chosen.trainer == _ST else _ST
    more = {other: list(chosen.other_losses)} if chosen.other_losses else {}
    return {chosen.trainer: list(losses_of(name, manifest)), **more}
