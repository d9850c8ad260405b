"""`synth personas check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json

if TYPE_CHECKING:
    from schemas.persona import Persona
    from synth.personas.dedup import Thresholds
    from synth.store import Store

app = typer.Typer(
    name="personas", help="Check persona files, and derive personas from documents.", no_args_is_help=True
)

MinhashOption = Annotated[
    float, typer.Option("--minhash", min=0.01, max=1.0, help="Share of words in common from which two are one.")
]
CosineOption = Annotated[
    float, typer.Option("--cosine", min=0.01, max=1.0, help="Cosine by the teacher above which two are one.")
]
ComparerOption = Annotated[
    str,
    typer.Option(
        "--teacher",
        help="What compares meanings: a sentence-transformers model by name or folder; 'lexical' compares counts of words.",
    ),
]


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines of personas.")],
    teacher: ComparerOption = "lexical",
    minhash: MinhashOption = 0.9,
    cosine: CosineOption = 0.9,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Validate a persona file; count who is in it, and who stands in it twice."""
    from synth.domains import load_personas
    from synth.personas.dedup import Thresholds
    from synth.store import choose_store

    personas = load_personas(file)
    report = _report(personas, teacher, Thresholds(minhash=minhash, embedding=cosine), choose_store(store))
    if as_json:
        show_json(report)
    else:
        _show(report)


def _report(personas: list[Persona], teacher: str, thresholds: Thresholds, store: Store) -> dict[str, Any]:
    import tempfile
    from collections import Counter

    from synth.personas.dedup import find_duplicates
    from synth.teachers import build_teacher, comparing

    with tempfile.TemporaryDirectory(prefix="synth-personas-") as folder:
        comparer = comparing(build_teacher(teacher, Path(folder), store.embeddings), teacher)
        found = find_duplicates([persona.text for persona in personas], comparer, thresholds)
    counts = {
        field: dict(sorted(Counter(getattr(persona, field) or "unknown" for persona in personas).items()))
        for field in ("origin", "style", "expertise", "licence")
    }
    duplicates = [
        {"id": personas[n].id, "of": personas[d.of].id, "measure": d.measure, "similarity": d.similarity}
        for n, d in sorted(found.items())
    ]
    compared = {"minhash": "sets of words", "embedding": comparer.compares}
    return {"personas": len(personas), **counts, "compared": compared, "duplicates": duplicates}


def _show(report: dict[str, Any]) -> None:
    from rich.markup import escape

    out.print(f"[bold]{report['personas']:,} personas[/], all valid")
    for field in ("origin", "style", "expertise", "licence"):
        out.print(f"  {field:<10}{escape(', '.join(f'{name} {n:,}' for name, n in report[field].items()))}")
    compared = "; ".join(f"{measure}: {what}" for measure, what in report["compared"].items())
    out.print(f"{len(report['duplicates']):,} near-duplicates [dim]({escape(compared)})[/]")
    for one in report["duplicates"]:
        out.print(f"  {escape(one['id'])} is {escape(one['of'])} ({one['measure']} {one['similarity']:.2f})")
