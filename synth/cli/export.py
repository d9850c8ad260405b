"""`synth datasets export`, `synth export`: files for trainers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json

if TYPE_CHECKING:
    from schemas.manifest import Manifest
    from synth.export import ExportOptions, ExportResult
    from synth.export.lengths import Lengths
    from synth.export.shards import Files
    from synth.store import VersionRef


class Form(StrEnum):
    column = "column"
    prefix = "prefix"
    none = "none"


class Kind(StrEnum):
    parquet = "parquet"
    arrow = "arrow"


class Order(StrEnum):
    stored = "stored"
    curriculum = "curriculum"


def export(  # noqa: PLR0913
    reference: Annotated[str, typer.Argument(metavar="NAME[@N]", help="A dataset; the newest version unless @N.")],
    out_folder: Annotated[Path, typer.Option("--out", help="A new or empty folder.")],
    format_names: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="One of those above; may be given several times. Default: triplet, or pair without negatives.",
            show_default=False,
        ),
    ] = None,
    instruction: Annotated[
        Form | None,
        typer.Option(
            help="The instruction of each record as a column, in front of the query (Instruct: … Query: …), or nowhere. Default: none; for flagembedding its field `prompt`.",
            show_default=False,
        ),
    ] = None,
    extras: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="A further column: group, difficulty, scores, spans or mask; may be given several times."
        ),
    ] = None,
    order: Annotated[Order, typer.Option(help="curriculum: easy rows first, by the teacher's scores.")] = Order.stored,
    negatives: Annotated[
        int | None, typer.Option(min=1, help="How many a row of n-tuple or margin has; fewer leave out fewer records.")
    ] = None,
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="Leave out what no licence is known to allow commercial use of.")
    ] = False,
    files: Annotated[
        Kind, typer.Option(help="arrow: folders that load_from_disk maps into memory without a copy.")
    ] = Kind.parquet,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Count tokens by this model's tokenizer. Default: an estimate.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write files with the columns a trainer expects, in the order it expects.

    [bold]Format[/]: columns: losses it serves (docs/formats.md)

    - [bold]pair[/]: anchor, positive: MultipleNegativesRanking, GISTEmbed, and their Cached…
    - [bold]triplet[/]: anchor, positive, negative: the same, Triplet
    - [bold]n-tuple[/]: anchor, positive, negative_1 …: the same as pair, but for GISTEmbed
    - [bold]pair-score[/]: sentence1, sentence2, score: CoSENT, AnglE, CosineSimilarity
    - [bold]pair-class[/]: anchor, text, label: Contrastive, OnlineContrastive; a cross-encoder's BinaryCrossEntropy
    - [bold]margin[/]: query, positive, negative_1 …, label (scores): MarginMSE, DistillKLDiv
    - [bold]list[/]: query, docs, labels: a cross-encoder's Lambda, ListNet, ListMLE, PListMLE, RankNet, ADRMSE
    - [bold]full[/]: everything: ids, scores, provenance
    - [bold]flagembedding[/], [bold]tevatron[/]: JSON Lines for these trainers; [bold]beir[/]: a folder for evaluation
    """
    from synth.export import ExportOptions
    from synth.store import choose_store

    options = ExportOptions(
        instruction.value if instruction else None,
        tuple(dict.fromkeys(extras or ())),
        order.value,
        negatives,
        commercial_only,
        files.value,
    )
    _export(choose_store(store).find(reference), format_names or [], out_folder, options, tokenizer, as_json)


def _export(
    version: VersionRef, names: list[str], folder: Path, options: ExportOptions, tokenizer: str | None, as_json: bool
) -> None:
    from synth.export import default_format, export_formats
    from synth.export.lengths import load_counter, measure_lengths

    counter, manifest = load_counter(tokenizer), version.manifest
    results = export_formats(version, names or [default_format(manifest)], folder, options)
    lengths = measure_lengths(version, counter, options.instruction or "none")
    told = [_describe(result, folder, options.files, manifest) for result in results]
    if as_json:
        show_json({"dataset": str(version), "folder": str(folder), "formats": told, "lengths": lengths.as_dict()})
        return
    for result, facts in zip(results, told, strict=True):
        _show(result, facts, folder)
    _show_lengths(lengths)


def _describe(result: ExportResult, folder: Path, files: Files, manifest: Manifest) -> dict[str, Any]:
    from synth.export.usage import load_line, trainers_of

    return {
        "format": result.format,
        "files": [str(file) for file in result.files],
        "columns": list(result.columns),
        "rows": dict(result.rows),
        "left_out": result.left_out,
        "reasons": dict(result.reasons),
        "passages_left_out": dict(result.passages_left_out),
        "load": load_line(result, folder, files),
        "trainers": trainers_of(result.format, manifest),
    }


def _show(result: ExportResult, facts: dict[str, Any], folder: Path) -> None:
    rows = ", ".join(f"{split} {count:,}" for split, count in result.rows.items())
    out.print(f"{result.format}: {rows} rows in {folder}", markup=False)
    for reason, count in result.reasons.items():
        out.print(f"  records left out: {count:,} ({reason})", markup=False)
    for reason, count in result.passages_left_out.items():
        out.print(f"  passages left out: {count:,} ({reason})", markup=False)
    tool = "".join(f"{trainer}: " for trainer, losses in facts["trainers"].items() if not losses)
    out.print(f"  {tool}{facts['load']}", markup=False)
    for trainer, losses in facts["trainers"].items():
        if losses:
            out.print(f"  {trainer}: {', '.join(losses)}", markup=False)


def _show_lengths(lengths: Lengths) -> None:
    how = "estimated; count with --tokenizer MODEL" if lengths.counted_by == "estimate" else lengths.counted_by
    sides = (
        f"{name} half up to {found.p50}, 95 % up to {found.p95}, 99 % up to {found.p99}, longest {found.longest}"
        for name, found in (("queries", lengths.queries), ("passages", lengths.passages))
    )
    out.print(f"tokens ({how}): {'; '.join(sides)}", markup=False)
    out.print(f"  model.max_seq_length = {lengths.max_seq_length} cuts at most one text in a hundred", markup=False)
