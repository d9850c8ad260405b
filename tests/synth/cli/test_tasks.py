from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synth.reference import tasks_page

Cli = Callable[..., Any]


def test_tasks_lists_every_task_and_says_which_need_an_llm(cli: Cli) -> None:
    rows = {row["name"]: row for row in cli("tasks", "--json").json}
    assert rows["query-from-passage"]["needs_llm"] is False
    assert rows["reasoning-query"]["needs_llm"] is True
    assert rows["instructed-query"]["steps"] == ["instruction", "instructed-query"]
    shown = cli("tasks").out
    assert "reasoning-query  needs --llm" in shown
    assert all(row["summary"][:30] in shown for row in rows.values())


def test_the_reference_page_can_be_printed(cli: Cli) -> None:
    assert cli("tasks", "--markdown").out == tasks_page()
