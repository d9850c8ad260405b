"""`synth domains list | show | new | check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth.cli.generate import IdFieldOption, LlmOption, TextFieldOption, TitleFieldOption
from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.errors import InputError, SynthError

if TYPE_CHECKING:
    from synth.cli.domain_view import Tried
    from synth.domains import LoadedDomain
    from synth.dry_run import First
    from synth.llm.settings import LlmSettings
    from synth.scaffold import Place

Fields = tuple[str | None, str | None, str | None]
"""What --text-field, --title-field and --id-field say."""

app = typer.Typer(
    name="domains",
    help="List domains, show what one is, make one of your own, and try it.",
    invoke_without_command=True,
)

KnownArgument = Annotated[
    str, typer.Argument(metavar="NAME|PATH", help="A domain by name (see `synth domains`) or the path of its file.")
]


@app.callback()
def domains(context: typer.Context, as_json: JsonOption = False) -> None:
    """List domains, show what one is, make one of your own, and try it. Without a verb: list."""
    if context.invoked_subcommand is None:
        list_domains(as_json)


@app.command("list")
def list_domains(as_json: JsonOption = False) -> None:
    """List the domains that --domain knows by name, shipped and from plug-ins."""
    from rich.markup import escape

    from synth import registry
    from synth.domains import load_domain

    found = [load_domain(name) for name in registry.names("domains")]
    rows = [
        {
            "name": one.domain.name,
            "title": one.domain.title,
            "description": one.domain.description,
            "file": str(one.path),
        }
        for one in found
    ]
    if as_json:
        show_json(rows)
        return
    for row in rows:
        out.print(f"[bold]{escape(row['name'])}[/]  {escape(row['description'])}\n  [dim]{escape(row['file'])}[/]")


@app.command("show")
def show(domain: KnownArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show what a domain is: documents, personas, topics, what is drawn, what is kept. Its files are all read."""
    from synth.cli.domain_view import show_summary
    from synth.cli.progress import choose_reporter
    from synth.domain_summary import summarise_domain
    from synth.domains import load_domain
    from synth.store import choose_store

    loaded = load_domain(domain)
    with choose_reporter() as reporter:
        summary = summarise_domain(loaded, choose_store(store), reporter)
    if as_json:
        show_json(summary.model_dump(mode="json"))
    else:
        show_summary(summary)


@app.command("new")
def new(  # noqa: PLR0913 - one parameter a flag
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and '-'.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME|PATH",
            help="A domain whose settings, personas, topics and facts to start from. Default: settings and people that fit any field.",
            show_default=False,
        ),
    ] = None,
    documents: Annotated[
        list[Path] | None,
        typer.Option(
            "--documents", help="Your documents, a folder or a file. Default: a sample that is to be replaced."
        ),
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Where the folder NAME is made.")] = Path(),
    text_field: TextFieldOption = None,
    title_field: TitleFieldOption = None,
    id_field: IdFieldOption = None,
    llm: LlmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a domain of your own: a folder with a commented file that is valid at once, and five rows to look at.

    Nothing is written over. The rows are cut out of the documents, or written by --llm, and kept nowhere.
    """
    from synth.cli.domain_view import show_files, show_next, show_tried
    from synth.domains import load_domain
    from synth.scaffold import choose_place

    place = choose_place(name, folder, _only(documents or []))
    started = load_domain(base) if base else None
    fields = (text_field, title_field, id_field)
    files, tried = _make(place, started, fields, llm or [])
    if as_json:
        show_json({"files": list(map(str, files)), **_as_json(tried)})
        return
    show_files(place, files, started)
    show_tried(tried)
    show_next(tried.loaded, fields)


def _only(documents: list[Path]) -> Path | None:
    if len(documents) > 1:
        raise InputError(
            f"a domain has one folder or file of documents, got {len(documents)}: give the folder that holds them"
        )
    return documents[0] if documents else None


def _make(place: Place, base: LoadedDomain | None, fields: Fields, llm: list[str]) -> tuple[list[Path], Tried]:
    """The files of a new domain, and what was tried of it; where that fails nothing is left."""
    from synth import scaffold
    from synth.corpora import Documents
    from synth.dry_run import read_first
    from synth.llm.settings import reach

    begun = scaffold.begin_with(base)
    first = read_first(Documents((scaffold.sample_of(place),), *fields))
    designed = scaffold.design(place, begun, first)
    settings = reach(llm)
    files = scaffold.write(place, designed, base)
    try:
        return files, _try(str(place.file), settings, first)
    except (SynthError, KeyboardInterrupt):
        scaffold.discard(place)
        raise


@app.command("check")
def check(
    domain: KnownArgument,
    text_field: TextFieldOption = None,
    title_field: TitleFieldOption = None,
    id_field: IdFieldOption = None,
    llm: LlmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Validate a domain and all its files, and make five rows to look at. Nothing is kept."""
    from synth.cli.domain_view import show_next, show_tried
    from synth.corpora import Documents
    from synth.domain_summary import check_domain
    from synth.domains import load_domain
    from synth.dry_run import read_first
    from synth.llm.settings import reach

    loaded = load_domain(domain)
    check_domain(loaded)
    fields = (text_field, title_field, id_field)
    first = read_first(Documents((loaded.corpus,), *fields))
    tried = _try(domain, reach(llm or ()), first)
    if as_json:
        show_json(_as_json(tried))
        return
    show_tried(tried)
    show_next(tried.loaded, fields)


def _try(domain: str, settings: LlmSettings, first: First) -> Tried:
    from synth.cli.domain_view import Tried
    from synth.cli.progress import choose_reporter
    from synth.domain_notes import find_notes
    from synth.domains import load_domain
    from synth.dry_run import dry_run
    from synth.recipe import Choices, resolve

    loaded = load_domain(domain)
    resolved = resolve(Choices(domain=domain, models=tuple(settings.models)))
    with choose_reporter() as reporter:
        rows = dry_run(resolved, first, settings, reporter)
    return Tried(loaded, rows, find_notes(loaded, first, rows))


def _as_json(tried: Tried) -> dict[str, Any]:
    from synth.domain_summary import check_domain, summarise_personas, summarise_topics

    people, topics = check_domain(tried.loaded)
    size = summarise_topics(topics)
    return {
        "domain": tried.loaded.domain.name,
        "file": str(tried.loaded.path),
        "corpus": tried.run.corpus.model_dump(),
        "personas": summarise_personas(people).model_dump(),
        "topics": size.model_dump() if size else None,
        "notes": tried.notes,
        "rows": [
            {
                "passage": look.call.input.passage.id,
                "text": look.call.input.passage.text,
                "task": look.call.input.item.task,
                "model": model,
                "query": row.query,
                "positive": row.positive or look.call.input.passage.text,
                "status": row.status,
                "reason": row.reason,
                "detail": row.detail,
                "verdicts": [verdict.model_dump() for verdict in row.verdicts],
            }
            for look in tried.run.looks
            for model, row in sorted(look.rows.items())
        ],
    }
