"""`synth plan`: what would be made, without making it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.generate import (
    ConfigOption,
    DocumentsOption,
    DomainOption,
    IdFieldOption,
    LimitOption,
    PersonasOption,
    SeedOption,
    TeacherOption,
    TextFieldOption,
    TitleFieldOption,
)
from synth.cli.output import JsonOption, out, show_json


def plan(  # noqa: PLR0913 - one parameter a flag
    domain: DomainOption,
    documents: DocumentsOption = None,
    text_field: TextFieldOption = None,
    title_field: TitleFieldOption = None,
    id_field: IdFieldOption = None,
    limit: LimitOption = None,
    seed: SeedOption = None,
    teacher: TeacherOption = None,
    personas: PersonasOption = None,
    config: ConfigOption = None,
    show: Annotated[int, typer.Option("--show", min=1, help="Items of the plan to show.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show the recipe and the first items of the plan; nothing is generated or kept."""
    from synth.cli.progress import choose_reporter
    from synth.documents import read_documents
    from synth.ingest import ingest
    from synth.plan import Plan
    from synth.recipe import Choices, resolve

    choices = Choices(
        domain=domain,
        documents=tuple(documents or ()),
        limit=limit,
        seed=seed,
        teacher=teacher,
        personas=personas,
        config=config,
    )
    resolved = resolve(choices)
    with tempfile.TemporaryDirectory(prefix="synth-plan-") as folder, choose_reporter() as reporter:
        sources = read_documents(resolved.documents, text_field=text_field, title_field=title_field, id_field=id_field)
        corpus, count, corpus_sha256 = ingest(sources, resolved.recipe, Path(folder), reporter)
        recipe = resolved.recipe.model_copy(update={"corpus_sha256": corpus_sha256})
        sequence = Plan(recipe, corpus.ids, [persona.id for persona in resolved.personas])
        items = list(sequence.items(0, show))
        texts = corpus.texts([item.passage for item in items])
        summary: dict[str, Any] = {
            "recipe_sha256": recipe.sha256,
            "recipe": recipe.model_dump(mode="json"),
            "sources": count.model_dump(),
            "passages": len(corpus),
            "test_passages": int(corpus.is_test.sum()),
            "leaked_passages": int(corpus.leaked.sum()),
            "items_in_one_pass": sequence.items_per_round,
            "items": [
                {
                    "position": item.position,
                    "passage": corpus.ids[item.passage],
                    "split": "test" if corpus.is_test[item.passage] else "train",
                    "task": item.task,
                    "persona": item.persona,
                    "query_type": item.query_type,
                    "difficulty": item.difficulty,
                    "length": item.length,
                    "language": item.language,
                    "text": text,
                }
                for item, text in zip(items, texts, strict=True)
            ],
        }
    if as_json:
        show_json(summary)
    else:
        _show(summary)


def _show(summary: dict[str, Any]) -> None:
    from rich.markup import escape

    recipe, sources = summary["recipe"], summary["sources"]
    wanted = recipe["limit"] or "one full pass"
    out.print(
        f"recipe   {summary['recipe_sha256'][:16]}  domain {recipe['domain']}, seed {recipe['seed']}, accepted records: {wanted}"
    )
    dropped = ", ".join(f"{reason} {items:,}" for reason, items in sources["dropped"].items()) or "none dropped"
    out.print(f"sources  {sources['read']:,} read, {sources['kept']:,} kept ({escape(dropped)})")
    out.print(
        f"passages {summary['passages']:,}, of them {summary['test_passages']:,} test and {summary['leaked_passages']:,} train ones too like a test passage"
    )
    out.print(f"plan     {summary['items_in_one_pass']:,} items in one pass; the first {len(summary['items'])}:")
    for item in summary["items"]:
        drawn = ", ".join(item[name] for name in ("query_type", "difficulty", "length", "language"))
        out.print(
            f"  [bold]{item['position']}[/] {item['split']}, {drawn}: {escape(item['persona'])} asks about {escape(item['passage'])}"
        )
