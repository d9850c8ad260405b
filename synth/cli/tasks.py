"""`synth tasks`: the ways of making records that a recipe can mix."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli.output import JsonOption, out, show_json

MarkdownOption = Annotated[
    bool, typer.Option("--markdown", help="The whole reference page: steps, inputs, answers, examples.")
]


def tasks(markdown: MarkdownOption = False, as_json: JsonOption = False) -> None:
    """List the tasks that a recipe can name under plan: tasks, shipped and from plug-ins."""
    from rich.markup import escape

    from synth import registry
    from synth.reference import summary_of, tasks_page
    from synth.tasks import extractive_rule, steps_of

    if markdown:
        typer.echo(tasks_page(), nl=False)
        return
    found = {name: registry.find("tasks", name) for name in registry.names("tasks")}
    rows = [
        {
            "name": name,
            "summary": summary_of(task),
            "steps": [step.name for step in steps_of(task)],
            "needs_llm": extractive_rule(task) is None,
        }
        for name, task in found.items()
    ]
    if as_json:
        show_json(rows)
        return
    for row in rows:
        needs = "  [dim]needs --llm[/]" if row["needs_llm"] else ""
        out.print(f"[bold]{escape(str(row['name']))}[/]{needs}\n  {escape(str(row['summary']))}")
