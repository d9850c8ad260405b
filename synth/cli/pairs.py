"""What the verbs that work on anybody's pairs have in common: their options, and how they begin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.fusion import Fuse
from synth.cli.output import err

if TYPE_CHECKING:
    from synth.mining.table import ScoreTable
    from synth.pairs import Pairs
    from synth.store import Store
    from synth.teachers.scoring import Scoring

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="PAIRS",
        help="JSON Lines, CSV or Parquet with a query and its positive(s) a row, a folder of such files, a BEIR folder, hf://OWNER/NAME[:SPLIT], or a dataset of the store, NAME[@N][:SPLIT]. Without SPLIT it is train.",
        show_default=False,
    ),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the result goes; must be empty.")]
CorpusOption = Annotated[
    Path | None,
    typer.Option("--corpus", metavar="PATH", help="Further passages: rows with a text.", show_default=False),
]
PairsTeacherOption = Annotated[
    str,
    typer.Option(
        "--teacher",
        metavar="NAME|URL",
        help="Who scores: 'lexical' (BM25), a sentence-transformers model, or a server that embeds (docs/teachers.md).",
    ),
]
PairsTeachersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher",
        metavar="NAME|URL",
        help="Who scores: 'lexical' (BM25), a sentence-transformers model, or a server that embeds (docs/teachers.md). Repeat for several, which are fused: ,weight=0.3. Default: lexical.",
        show_default=False,
    ),
]
QueryFieldOption = Annotated[
    str | None, typer.Option("--query-field", help="Field of the query. Default: the usual names.", show_default=False)
]
PositiveFieldOption = Annotated[
    str | None,
    typer.Option("--positive-field", help="Field of the positive(s). Default: the usual names.", show_default=False),
]
SourceFieldOption = Annotated[
    str | None,
    typer.Option("--source-field", help="Field that says where a row is from. Default: 'source'.", show_default=False),
]
DepthOption = Annotated[int, typer.Option("--depth", min=1, help="Passages that the teacher ranks for a query.")]


def open_pairs(
    source: str, store: Store, corpus: Path | None, fields: tuple[str | None, str | None, str | None], folder: Path
) -> Pairs:
    """The pairs that a user named, and one line about them; an output folder in use is refused before."""
    from synth.export import check_empty

    check_empty(folder)
    return load_pairs(source, store, corpus, fields)


def load_pairs(
    source: str, store: Store, corpus: Path | None, fields: tuple[str | None, str | None, str | None]
) -> Pairs:
    """The pairs that a user named, and one line about them."""
    from synth.pairs.read import Fields, read_pairs

    pairs = read_pairs(source, store, corpus, Fields(*fields))
    skipped = "".join(f"; {count:,} rows skipped: {reason}" for reason, count in pairs.skipped.items())
    err.print(f"{pairs.count:,} pairs of {len(pairs.queries):,} queries, {len(pairs.passages):,} passages{skipped}")
    return pairs


def choose_teachers(
    teacher: list[str] | None, fuse: Fuse | None, rescore: str | None, rescore_depth: int | None
) -> Scoring:
    """Who scores, by the flags; servers are asked for their models."""
    from synth.teachers.scoring import choose_scoring, reach_scoring

    return reach_scoring(choose_scoring(teacher or (), fuse.value if fuse else None, rescore, rescore_depth))


def ask_teacher(pairs: Pairs, teacher: Scoring, store: Store, depth: int, evidence: bool = False) -> ScoreTable:
    """The score table, with progress on screen where it is not there yet."""
    from synth.cli.progress import choose_reporter
    from synth.mining.table import retrieve

    with choose_reporter() as reporter:
        return retrieve(pairs, teacher, store=store, depth=depth, evidence=evidence, reporter=reporter)
