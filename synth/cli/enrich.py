"""`synth enrich documents | measure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.generate import (
    ConfigOption,
    DocumentsOption,
    IdFieldOption,
    LlmOption,
    TextFieldOption,
    TimeoutOption,
    TitleFieldOption,
)
from synth.cli.output import JsonOption, StoreOption, command, out, show_json
from synth.cli.pairs import PairsTeachersOption
from synth.cli.sources import local_documents
from synth.errors import InputError

if TYPE_CHECKING:
    from synth.corpora import Documents
    from synth.enrich.documents import Enriched
    from synth.store import Store

app = typer.Typer(
    name="enrich",
    help="Have noisy source texts rewritten before anything is made of them, and measure whether that helps.",
    no_args_is_help=True,
)


@app.command("documents")
def documents(  # noqa: PLR0913 - one parameter a flag
    documents: DocumentsOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="PATTERN",
            help="Rewrite documents of this source alone, such as 'tickets*' or 'notes/*.txt'; repeatable. The others stay as they are. Default: all.",
            show_default=False,
        ),
    ] = None,
    domain: Annotated[
        str | None,
        typer.Option("--domain", "-d", help="A domain whose settings count and whose name the model is told."),
    ] = None,
    text_field: TextFieldOption = None,
    title_field: TitleFieldOption = None,
    id_field: IdFieldOption = None,
    llm: LlmOption = None,
    config: ConfigOption = None,
    request_timeout: TimeoutOption = 600.0,
    file: Annotated[Path, typer.Option("--out", "-o", help="A new file.")] = Path("enriched.jsonl"),
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have an LLM spell out, correct and complete short noisy documents; each row keeps its original.

    For texts full of jargon and mistakes, of up to 4,000 characters. Measure it first: it harms texts whose wording counts.
    """
    from synth.corpora import Documents
    from synth.enrich.documents import save_enriched
    from synth.store import choose_store

    if file.exists():
        raise InputError(f"{file} exists; name another with -o, or remove it (nothing is asked twice)")
    chosen = choose_store(store)
    local = local_documents(documents, chosen, text_field)
    if not local:
        raise InputError("there is nothing to rewrite: give --documents PATH")
    wanted = Documents(local, text_field, title_field, id_field)
    enriched = _enrich(wanted, only or [], domain or "", config, llm or [], request_timeout, chosen)
    save_enriched(file, enriched)
    _show(file, enriched, as_json)


def _enrich(
    wanted: Documents, only: list[str], domain: str, config: Path | None, llm: list[str], timeout: float, store: Store
) -> Enriched:
    from synth.cli.progress import choose_reporter
    from synth.enrich.documents import enrich_documents
    from synth.enrich.setup import setup_of

    read = wanted.read()  # a wrong path should not wait for servers
    recipe, about, settings = setup_of(domain, wanted.paths, llm, config, timeout)
    with choose_reporter() as reporter:
        return enrich_documents(read, only, recipe, about, store, settings, reporter)


def _show(file: Path, enriched: Enriched, as_json: bool) -> None:
    from rich.markup import escape

    if as_json:
        show_json({"file": str(file), **enriched.count.model_dump()})
        return
    name = escape(str(file))
    out.print(f"[bold green]{len(enriched.documents):,} documents[/] in {name} ({enriched.count.describe()})")
    for each in [each for each in enriched.documents if each.original][:2]:
        out.print(f"  before: {each.original[:200]}\n  after:  {each.text[:200]}", markup=False)
    out.print(f"Read them and measure on labelled queries: {command('synth')} enrich measure FOLDER --rewritten FILE")
    out.print(f"Then: {command('synth')} generate … --documents {name}")


@app.command("measure")
def measure(
    labelled: Annotated[Path, typer.Argument(metavar="FOLDER", help="A BEIR folder: corpus, queries, qrels.")],
    rewritten: Annotated[
        Path, typer.Option("--rewritten", help="What `synth enrich documents` made of its corpus.", show_default=False)
    ],
    teacher: PairsTeachersOption = None,
    k: Annotated[int, typer.Option("--k", min=1, max=1_000, help="Recall among the first k.")] = 10,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recall of labelled queries on the original and on the rewritten texts: helps, harms or no difference."""
    from dataclasses import asdict

    from synth.cli.pairs import choose_teachers
    from synth.cli.progress import choose_reporter
    from synth.enrich.measure import compare, read_rewritten
    from synth.pairs.read import is_beir, read_pairs
    from synth.store import choose_store

    if not is_beir(labelled):
        raise InputError(f"{labelled} is no BEIR folder: give one with corpus.jsonl, queries.jsonl and qrels")
    chosen = choose_store(store)
    scoring = choose_teachers(teacher, None, None, None)
    pairs, texts = read_pairs(str(labelled), chosen), read_rewritten(rewritten)
    with choose_reporter() as reporter:
        found = compare(pairs, texts, scoring, k, chosen, reporter)
    if as_json:
        show_json(asdict(found) | {"difference": found.difference, "verdict": found.verdict})
        return
    out.print(f"recall@{k} of {found.queries:,} queries, {found.changed:,} of {found.passages:,} passages rewritten")
    out.print(f"  original   {found.original:.3f}\n  rewritten  {found.rewritten:.3f}")
    out.print(
        f"  difference {found.difference:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f} (paired bootstrap): [bold]{found.verdict}[/]"
    )
