"""`synth gate`: which of anybody's pairs a teacher finds consistent."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.fusion import FuseOption, RescoreDepthOption, RescoreOption
from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.pairs import (
    CorpusOption,
    OutOption,
    PairsTeachersOption,
    PositiveFieldOption,
    QueryFieldOption,
    SourceArgument,
    SourceFieldOption,
    ask_teacher,
    choose_teachers,
    open_pairs,
)
from synth.errors import InputError

if TYPE_CHECKING:
    from synth.mining.consistency import Filtered


class Direction(StrEnum):
    query = "query"
    passage = "passage"
    mutual = "mutual"


def gate(  # noqa: PLR0913 - one parameter a flag
    source: SourceArgument,
    folder: OutOption,
    teacher: PairsTeachersOption = None,
    fuse: FuseOption = None,
    rescore: RescoreOption = None,
    rescore_depth: RescoreDepthOption = None,
    corpus: CorpusOption = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Lowest rank of a positive that is kept.")] = 10,
    source_k: Annotated[
        list[str] | None,
        typer.Option("--source-k", metavar="SOURCE=K", help="k of one source; repeatable.", show_default=False),
    ] = None,
    quantile: Annotated[
        float | None,
        typer.Option(
            "--quantile",
            min=0,
            max=1,
            help="Choose k for each source: the rank that this share reaches.",
            show_default=False,
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option("--min-score", help="Positives that score at or below it are dropped.", show_default=False),
    ] = None,
    direction: Annotated[
        Direction,
        typer.Option("--direction", help="Rank passages for the query, queries for the passage, or both."),
    ] = Direction.query,
    query_field: QueryFieldOption = None,
    positive_field: PositiveFieldOption = None,
    source_field: SourceFieldOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the pairs whose positive a teacher ranks high for its query, and say why the others went."""
    from synth.cli.progress import choose_reporter
    from synth.files import write_parquet
    from synth.mining.consistency import Bounds, check_direction, consistency_filter, retrieve_reverse
    from synth.scale import check_seen
    from synth.store import choose_store

    chosen = choose_store(store)
    bounds = Bounds(k, quantile, min_score, dict(_source_k(each) for each in source_k or ()))
    scoring = choose_teachers(teacher, fuse, rescore, rescore_depth)
    check_direction(direction.value, scoring)
    needed = 2 * max(1 if quantile else k, *bounds.per_source.values(), 1)
    check_seen("--k", needed, scoring.chosen)
    pairs = open_pairs(source, chosen, corpus, (query_field, positive_field, source_field), folder)
    table, reverse = ask_teacher(pairs, scoring, chosen, max(100, needed)), None
    if direction != Direction.query:
        with choose_reporter() as reporter:
            reverse = retrieve_reverse(pairs, scoring, store=chosen, depth=max(100, needed), reporter=reporter)
    filtered = consistency_filter(pairs, table, bounds, reverse=reverse, direction=direction.value)
    for name, part in zip(("kept", "dropped"), filtered.tables(), strict=True):
        write_parquet(folder / f"{name}.parquet", part)
    if as_json:
        by_source = {name: dict(counts) for name, counts in filtered.by_source.items()}
        show_json({"counts": dict(filtered.counts), "by_source": by_source, "k": filtered.k, "pool": len(table.corpus)})
        return
    show(filtered, len(table.corpus))
    out.print(f"\nWritten: {folder / 'kept.parquet'} and {folder / 'dropped.parquet'} (with rank, score and reason)")


def _source_k(given: str) -> tuple[str, int]:
    name, _, number = given.rpartition("=")
    if not name or not number.isdigit() or int(number) < 1:
        raise InputError(f"--source-k {given!r} is no SOURCE=K, such as forum=20")
    return name, int(number)


def show(filtered: Filtered, pool: int) -> None:
    """Kept and dropped by source, with the k that applied and how many passages it was a rank among."""
    for name, counts in filtered.by_source.items():
        total = sum(counts.values())
        told = ", ".join(f"{reason} {count:,}" for reason, count in counts.items() if reason != "kept")
        out.print(
            f"  {name or 'all'}: {counts['kept']:,} of {total:,} kept ({counts['kept'] / total:.1%}) by k {filtered.k[name]} of {pool:,}"
            + (f"; {told}" if told else "")
        )
