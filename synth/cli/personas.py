"""`synth personas derive | check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.generate import (
    ConfigOption,
    DocumentsOption,
    IdFieldOption,
    LlmOption,
    SeedOption,
    TeacherOption,
    TextFieldOption,
    TimeoutOption,
    TitleFieldOption,
)
from synth.cli.output import JsonOption, StoreOption, command, out, show_json
from synth.cli.sources import local_documents
from synth.errors import InputError

if TYPE_CHECKING:
    from schemas.persona import Persona
    from synth.corpora import Documents
    from synth.personas.dedup import Thresholds
    from synth.personas.derive import Derivation, Wanted
    from synth.recipe import Choices
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
        help="What compares meanings: a sentence-transformers model by name or folder, or the address of a server that embeds; 'lexical' compares counts of words.",
    ),
]


@app.command("derive")
def derive(  # noqa: PLR0913 - one parameter a flag
    documents: DocumentsOption = None,
    domain: Annotated[
        str | None,
        typer.Option("--domain", "-d", help="A domain whose settings count, and whose corpus without --documents."),
    ] = None,
    text_field: TextFieldOption = None,
    title_field: TitleFieldOption = None,
    id_field: IdFieldOption = None,
    llm: LlmOption = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Personas to keep.")] = 100,
    expand: Annotated[
        int, typer.Option("--expand", min=0, max=100, help="Rounds of asking who is close to each persona.")
    ] = 0,
    minhash: MinhashOption = 0.9,
    cosine: CosineOption = 0.9,
    teacher: TeacherOption = None,
    seed: SeedOption = None,
    config: ConfigOption = None,
    request_timeout: TimeoutOption = 600.0,
    file: Annotated[Path, typer.Option("--out", "-o", help="A new file.")] = Path("personas.jsonl"),
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask an LLM who would look for your documents, and keep those who differ; for `generate --personas FILE`.

    What models answer is kept in the store: asking again, for more personas or after an interruption, pays once.
    """
    from synth.corpora import Documents
    from synth.personas.dedup import Thresholds
    from synth.personas.derive import Wanted
    from synth.recipe import Choices
    from synth.store import choose_store

    if file.exists():
        raise InputError(f"{file} exists; name another with -o, or remove it (nothing is asked twice)")
    local = local_documents(documents, choose_store(store), text_field)
    choices = Choices(domain or "", documents=local, seed=seed, teacher=teacher, config=config)
    thresholds = Thresholds(minhash=minhash, embedding=cosine)
    wanted = Wanted(count=count, rounds=expand, thresholds=thresholds)
    fields = Documents((), text_field, title_field, id_field)
    found = _derive(choices, fields, wanted, llm or [], request_timeout, store)
    _write(file, found, as_json)


def _derive(
    choices: Choices, fields: Documents, wanted: Wanted, llm: list[str], timeout: float, store: str | None
) -> Derivation:
    from dataclasses import replace

    from synth.cli.progress import choose_reporter
    from synth.documents import read_documents
    from synth.llm.settings import reach
    from synth.personas.documents import derive_personas, settings_of, source_of
    from synth.store import choose_store

    settings_of(choices)
    if choices.documents:
        read_documents(choices.documents)  # a wrong domain or path should not wait for servers
    settings = reach(llm).model_copy(update={"request_timeout": timeout})
    source = source_of(replace(choices, models=tuple(settings.models)), fields)
    with choose_reporter() as reporter:
        return derive_personas(source, wanted, choose_store(store), settings, reporter)


def _write(file: Path, found: Derivation, as_json: bool) -> None:
    from rich.markup import escape

    from synth.personas.documents import write_personas

    write_personas(file, found)
    if as_json:
        show_json({"file": str(file), **found.count.model_dump(), **_facts(found)})
        return
    out.print(f"[bold green]{len(found.personas):,} personas[/] in {escape(str(file))} ({found.count.describe()})")
    out.print(f"[dim]Compared: sets of words (minhash), {escape(found.compared)} (embedding)[/]")
    if found.exhausted:
        out.print(f"Fewer than were wanted: {found.exhausted}.")
    for persona in found.personas[:3]:
        out.print(f"  [cyan]{persona.id}[/]  {escape(persona.text)}")
    out.print(f"Read and edit them, then: {command('synth')} generate … --personas {escape(str(file))}")


def _facts(found: Derivation) -> dict[str, str]:
    return {"compared": found.compared, "exhausted": found.exhausted}


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
    from synth.teachers import build_teacher, close_teacher, comparing
    from synth.teachers.settings import reach_teacher

    name, settings = reach_teacher(teacher)
    with tempfile.TemporaryDirectory(prefix="synth-personas-") as folder:
        chosen = build_teacher(name, Path(folder), store.embeddings, settings)
        comparer = comparing(chosen, name)
        try:
            found = find_duplicates([persona.text for persona in personas], comparer, thresholds)
        finally:
            close_teacher(chosen)
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
