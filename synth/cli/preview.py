"""`synth preview`: one task's prompt, schema and some results, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.record import TEXT_PAIR
from synth.cli.generate import (
    ConfigOption,
    DocumentsOption,
    DomainOption,
    IdFieldOption,
    InstructionsOption,
    LanguageOption,
    LlmOption,
    PersonasOption,
    SeedOption,
    TextFieldOption,
    TitleFieldOption,
    derived,
)
from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.plan import drawn, planned
from synth.cli.sources import local_documents

if TYPE_CHECKING:
    from synth.corpora import Documents
    from synth.llm.settings import LlmSettings
    from synth.preview import Look
    from synth.prompts import Message
    from synth.recipe import Resolved
    from synth.rows import ItemRow
    from synth.store import Store


def preview(  # noqa: PLR0913 - one parameter a flag
    domain: DomainOption,
    task: Annotated[str, typer.Option("--task", help="Task to look at.")] = "query-from-passage",
    items: Annotated[int, typer.Option("--items", min=1, max=100, help="Results to show.")] = 3,
    documents: DocumentsOption = None,
    text_field: TextFieldOption = None,
    title_field: TitleFieldOption = None,
    id_field: IdFieldOption = None,
    seed: SeedOption = None,
    language: LanguageOption = None,
    personas: PersonasOption = None,
    instructions: InstructionsOption = None,
    config: ConfigOption = None,
    llm: LlmOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a task's prompt as it is sent, the schema of its answers, and some results of each --llm side by side.

    Nothing is published; what models answer is kept in the store, for a run that asks the same.
    """
    from synth.corpora import Documents
    from synth.llm.settings import reach
    from synth.recipe import Choices, resolve
    from synth.store import choose_store

    settings = reach(llm or ())
    chosen_store = choose_store(store)
    choices = Choices(
        domain=domain,
        documents=local_documents(documents, chosen_store, text_field),
        seed=seed,
        languages=tuple(language or ()),
        personas=personas,
        instructions=instructions,
        config=config,
        models=tuple(settings.models),
    )
    resolved = resolve(derived(choices, (text_field, title_field, id_field), chosen_store, settings), [task])
    wanted = Documents(tuple(resolved.documents), text_field, title_field, id_field)
    looks = _look(resolved, wanted, task, items, settings, chosen_store)
    if as_json:
        show_json([_as_json(look) for look in looks])
    else:
        _show(looks)


def _look(
    resolved: Resolved, documents: Documents, task: str, items: int, settings: LlmSettings, store: Store
) -> list[Look]:
    from synth.cli.progress import choose_reporter
    from synth.preflight import equipment_for
    from synth.preview import choose_calls, only_task, preview
    from synth.shard import calls_between, refuse

    recipe = only_task(resolved.recipe, task)
    people = {persona.id: persona for persona in resolved.personas}
    with choose_reporter() as reporter, planned(resolved, recipe, documents, store, reporter) as made:
        recipe, corpus, _, plan = made
        everything = calls_between(recipe, corpus, plan, people, 0, plan.items_per_round, resolved.instructions)
        possible = (call for call in everything if not corpus.leaked[call.input.item.passage] and not refuse(call))
        calls = choose_calls(possible, task, items)
        reporter.stage("make items", len(calls) * max(1, len(recipe.models)))
        return preview(calls, equipment_for(recipe, corpus, store.answers, settings), reporter)


def _plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _as_json(look: Look) -> dict[str, Any]:
    from synth.generators.llm import steps_to_ask

    item = look.call.input.item
    return {
        "position": item.position,
        "passage": look.call.input.passage.id,
        **drawn(item),
        "messages": _plain(look.messages),
        "schema": steps_to_ask(look.call)[0].output.model_json_schema(),
        "later": [
            {"step": step.name, "messages": _plain(messages), "schema": step.output.model_json_schema()}
            for step, messages in look.later
        ],
        "results": {
            model: {
                "query": row.query,
                **_texts(row),
                "status": row.status,
                "reason": row.reason,
                "detail": row.detail,
            }
            for model, row in sorted(look.rows.items())
        },
    }


def _texts(row: ItemRow) -> dict[str, Any]:
    """What was written for a text pair beside its instruction; nothing for a query about a passage."""
    if not row.method.endswith(TEXT_PAIR):
        return {}
    negatives = [each.text for each in row.written]
    return {"instruction": row.instruction, "positive": row.positive, "negatives": negatives}


def _show(looks: list[Look]) -> None:
    import json

    from rich.markup import escape
    from rich.table import Table

    from synth.generators.llm import steps_to_ask

    first = looks[0]
    out.print(f"[bold]prompt[/] of item {first.call.input.item.position}, as it is sent")
    for step, messages in [(steps_to_ask(first.call)[0], first.messages), *first.later]:
        if messages is not first.messages:
            out.print(f"[bold]then, step {escape(step.name)}[/]")
        for message in messages:
            out.print(f"[dim]── {message.role}[/]\n{escape(message.content)}")
        out.print(f"\n[bold]schema[/] {escape(json.dumps(step.output.model_json_schema()))}\n")
    models = sorted({model for look in looks for model in look.rows})
    table = Table(show_lines=True)
    for name in ("item", *models):
        table.add_column(escape(name), overflow="fold")
    for look in looks:
        item = look.call.input.item
        drawn = f"{item.query_type}, {item.difficulty}, {item.length}, {item.language}"
        about = (
            f"{item.position}: {item.persona or 'somebody'} asks about {look.call.input.passage.id}\n[dim]{drawn}[/]"
        )
        table.add_row(about, *(_cell(look, model) for model in models))
    out.print(table)


def _cell(look: Look, model: str) -> str:
    from rich.markup import escape

    row = look.rows.get(model)
    if row is None:
        return ""
    word = row.status if row.status == "accepted" else f"{row.status}: {row.reason}"
    colour = {"accepted": "green", "rejected": "yellow", "failed": "red"}[row.status]
    told = _texts(row)
    lines = [escape(row.query or row.detail)]
    if told:
        lines.insert(0, f"[dim]{escape(told['instruction'])}[/]")
        lines += [f"[bold]positive[/] {escape(told['positive'])}"]
        lines += [f"[bold]negative[/] {escape(text)}" for text in told["negatives"]]
    return "\n".join([*lines, f"[{colour}]{escape(word)}[/]"])
