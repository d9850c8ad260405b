"""`synth dedup`: duplicates and contamination among anybody's pairs."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.pairs import (
    OutOption,
    PairsTeacherOption,
    PositiveFieldOption,
    QueryFieldOption,
    SourceArgument,
    SourceFieldOption,
    open_pairs,
)


def dedup(  # noqa: PLR0913 - one parameter a flag
    source: SourceArgument,
    folder: OutOption,
    near: Annotated[
        float, typer.Option("--near", help="Jaccard similarity of words from which queries are the same.")
    ] = 0.85,
    cosine: Annotated[
        float | None, typer.Option("--cosine", help="Also by the teacher's vectors, such as 0.95.", show_default=False)
    ] = None,
    teacher: PairsTeacherOption = "lexical",
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="NAME[@N]",
            help="Datasets of the store that count as earlier; repeatable.",
            show_default=False,
        ),
    ] = None,
    decontaminate: Annotated[
        list[str] | None,
        typer.Option(
            "--decontaminate",
            metavar="PATH|hf://…",
            help="Evaluation sets that no pair may hold; repeatable.",
            show_default=False,
        ),
    ] = None,
    query_field: QueryFieldOption = None,
    positive_field: PositiveFieldOption = None,
    source_field: SourceFieldOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep one of equal and nearly equal queries, and none that an evaluation set holds."""
    from synth.evaluation import read_evaluations
    from synth.files import write_parquet
    from synth.pairs.dedup import dedup_pairs
    from synth.store import choose_store
    from synth.teachers import build_teacher, close_teacher
    from synth.teachers.settings import reach_teacher

    chosen = choose_store(store)
    evaluations = read_evaluations(decontaminate or ())
    pairs = open_pairs(source, chosen, None, (query_field, positive_field, source_field), folder)
    name, settings = reach_teacher(teacher)
    built = build_teacher(name, chosen.pools / "dedup", chosen.embeddings, settings) if cosine else None
    try:
        found = dedup_pairs(
            pairs,
            chosen,
            near=near,
            cosine=cosine,
            teacher=(name, built),
            against=against or (),
            evaluations=evaluations,
        )
    finally:
        close_teacher(built)
    for part, table in zip(("kept", "dropped"), found.tables(), strict=True):
        write_parquet(folder / f"{part}.parquet", table)
    reasons = Counter(verdict.reason for verdict in found.verdicts.values())
    kept = len(pairs.queries) - sum(reasons.values())
    if as_json:
        show_json({"queries": len(pairs.queries), "kept": kept, "dropped": dict(reasons)})
        return
    told = "".join(f"; {reason} {count:,}" for reason, count in reasons.items())
    out.print(f"{kept:,} of {len(pairs.queries):,} queries kept{told}")
    out.print(
        f"Written: {folder / 'kept.parquet'} and {folder / 'dropped.parquet'} (with reason, and what is kept instead)"
    )
