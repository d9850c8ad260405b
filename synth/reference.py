"""`docs/tasks.md`: what every task asks, answers and makes, out of the code itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from schemas.document import Passage
from schemas.persona import Persona
from synth import registry
from synth.plan import Item
from synth.prompts import load_prompt
from synth.tasks import Draft, Step, TaskInput, extractive_rule, steps_of

_LOAN = (
    "At 31 December 2024 the group had drawn 180 million of its 250 million pound revolving credit facility. It matures"
    " in June 2027, carries interest at SONIA plus 1.75 % and requires net debt to stay below 3.5 times EBITDA, tested"
    " every June and December."
)
_RESULTS = (
    "EBITDA rose to 96 million pounds from 84 million, as two new ferries entered service in April. Net debt was 288"
    " million at the end of the year."
)
_PEOPLE = (
    Persona(id="loan-analyst", text="A loan analyst at a bank who checks covenants."),
    Persona(id="treasurer", text="A treasurer of another shipping firm who compares terms."),
)

_HEAD = """# Tasks

A task is one way of making records out of documents; a recipe mixes them by weight:

```yaml
plan:
  tasks: {{query-from-passage: 6, keyword-query: 2, multi-hop-query: 1, negation-query: 1}}
```

`synth preview --task NAME` shows what a task asks and what models make of it. This page is made from the code by
`make docs`; a test fails where they differ. The examples are about this passage, *Borrowings* in the annual report of
Harbour Lines plc (which does not exist), and, for tasks that read several, one about its *Results*:

> {loan}

> {results}

Every task also takes the domain, title and section of the passage, and the language of the query. The recipe's gate
`judge` adds a step to all of them: see [domains](domains.md).
"""


def tasks_page() -> str:
    """The whole page, in Markdown."""
    sections = ["\n".join(_section(registry.find("tasks", name))) for name in registry.names("tasks")]
    return "\n".join([_HEAD.format(loan=_LOAN, results=_RESULTS), *sections])


def summary_of(task: Any) -> str:
    """The first sentence of what a task says about itself."""
    return (inspect.getdoc(task) or "").partition("\n\n")[0].replace("\n", " ")


def example_of(task: Any) -> Draft:
    """The record that the task makes of its example."""
    draft: Draft = task.draft(example_input(task), task.example, "llm")
    return draft


def example_input(task: Any) -> TaskInput:
    """What a task is given about the example passage."""
    loan, results = (
        Passage(id=f"harbour-lines-{n}", document_id="harbour-lines", text=text, start=0, end=len(text), split="train")
        for n, text in enumerate((_LOAN, _RESULTS), 1)
    )
    item = Item(0, "example", 0, 0, task.name, _PEOPLE[0].id, "fact", "medium", "medium", "en", 5)
    others = (results,) if getattr(task, "passages", 1) > 1 else ()
    return TaskInput(
        item, loan, _PEOPLE[0], "finance", "", others, tuple(range(1, len(others) + 1)), _PEOPLE, ("de", "en")
    )


def _section(task: Any) -> Iterator[str]:
    yield f"## {task.name}\n"
    yield f"{inspect.getdoc(task)}\n"
    yield f"- **Method**: {task.paper}"
    rule = "yes" if extractive_rule(task) else "no, there is no honest rule"
    yield f"- **Without an LLM** (`extractive`): {rule}"
    yield from _limits(task)
    for step in steps_of(task):
        yield from _step(step)
    yield from _example(task)


def _limits(task: Any) -> Iterator[str]:
    if (most := getattr(task, "passages", 1)) > 1:
        yield f"- **Reads** 2 to {most} passages of one document; the record holds the ids of all"
    if (most := getattr(task, "candidates", 0)) > 1:
        yield f"- **Chooses** among {most} personas"
    if words := getattr(task, "most_words", 0):
        yield f"- **Queries** of up to {words} words pass the gate `length`"
    if exempt := getattr(task, "exempt", ()):
        yield f"- **Gates that do not suit it** and are not applied: {', '.join(f'`{name}`' for name in sorted(exempt))}"
    if (least := getattr(task, "languages", 1)) > 1:
        yield f"- **Needs** {least} languages in the plan"
    if (share := getattr(task, "most_share", 1.0)) < 1:
        yield f"- **At most** {share:.0%} of a plan"


def _step(step: Step) -> Iterator[str]:
    own = {"domain", "title", "heading", "passage", "language"}
    taken = sorted(load_prompt(step.prompt, step.prompt_folder).inputs - own)
    yield f"- **Step `{step.name}`** takes {', '.join(f'`{name}`' for name in taken) or 'nothing else'} and answers:"
    schema = step.output.model_json_schema()
    for name, field in schema["properties"].items():
        yield f"    - `{name}`: {describe(field, schema.get('$defs', {}))}"


def _example(task: Any) -> Iterator[str]:
    given: Mapping[str, BaseModel] = task.example
    if not given:
        return
    for step in steps_of(task):
        yield f"\nExample, step `{step.name}`:\n\n```json\n{given[step.name].model_dump_json()}\n```"
    draft = example_of(task)
    made = {"query": draft.query, "instruction": draft.instruction, **draft.attributes}
    if len(given) > 1 or draft.query != getattr(given[task.name], "query", None) or draft.instruction:
        yield "\nThe record then holds:\n"
        yield from (f"- `{name}`: {value.replace(chr(10), ' ⏎ ')}" for name, value in made.items() if value)
    yield ""


def describe(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words.

    >>> describe({"type": "string", "minLength": 1, "maxLength": 9}, {})
    'text of 1 to 9 characters'
    """
    if "$ref" in field:
        return describe(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if "enum" in field:
        return f"one of {', '.join(f'`{value}`' for value in field['enum'])}"
    if field["type"] == "object":
        inside = "; ".join(f"`{name}`, {describe(each, definitions)}" for name, each in field["properties"].items())
        return f"({inside})"
    if field["type"] == "array":
        return f"list of {field['minItems']} to {field['maxItems']}: {describe(field['items'], definitions)}"
    if field["type"] == "integer":
        return f"whole number, {field['minimum']} to {field['maximum']}"
    return f"text of {field.get('minLength', 0)} to {field['maxLength']} characters"
