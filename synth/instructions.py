"""Task instructions that a user pins: a list, looked up by task and topic.

An item whose task takes an instruction gets the one of its passage's topic; where a list has instructions without a
topic, those suit any passage and one of them is drawn. Without either the task has one invented for the passage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from schemas.base import sha256_of
from schemas.instruction import TaskInstruction
from synth import registry
from synth.errors import DomainError, InputError
from synth.plan import Item
from synth.text import draw


@dataclass(frozen=True)
class Instructions:
    """A list of task instructions."""

    listed: Sequence[TaskInstruction] = ()

    @cached_property
    def sha256(self) -> str:
        """Of what it says; '' for an empty list."""
        return sha256_of([[each.task, each.topic, each.text] for each in self.listed]) if self.listed else ""

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for each in self.listed:
            found.setdefault((each.task, each.topic), []).append(each.text)
        return found

    def pinned(self, item: Item, topic: str) -> str:
        """The instruction of an item about a passage of a topic; '' where the list has none for it."""
        suiting = (topic and self._by_place.get((item.task, topic))) or self._by_place.get((item.task, ""))
        return suiting[int(draw(item.id, "instruction") * len(suiting))] if suiting else ""

    def dump(self) -> bytes:
        """As JSON Lines, which `load_instructions` reads."""
        return b"".join(each.model_dump_json().encode() + b"\n" for each in self.listed)


NONE_PINNED = Instructions()


def load_instructions(path: Path) -> Instructions:
    """Instructions of a JSON Lines file, in file order; ids are unique. Raises DomainError naming file, line and field."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DomainError(
            f"can't read task instructions from {path}: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        ) from error
    found: dict[str, TaskInstruction] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        one = _parse(path, number, line)
        if one.id in found:
            raise DomainError(f"{path}, line {number}, field id: {one.id!r} stands twice; ids must be unique")
        found[one.id] = one
    if not found:
        raise DomainError(f"{path} holds no task instructions; give it one JSON object a line: `id`, `task`, `text`")
    return Instructions(tuple(found.values()))


def _parse(path: Path, number: int, line: str) -> TaskInstruction:
    try:
        one = TaskInstruction.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(whole line)"
        raise DomainError(f"{path}, line {number}, field {field}: {first['msg']}") from error
    if not takes_instruction(one.task):
        able = ", ".join(name for name in registry.names("tasks") if takes_instruction(name))
        raise DomainError(
            f"{path}, line {number}, field task: {one.task!r} takes no instruction; those that do: {able}"
        )
    return one


def takes_instruction(task: str) -> bool:
    """Whether records of a task have an instruction of their own, which a list may pin."""
    return task in registry.names("tasks") and hasattr(registry.find("tasks", task), "instructing")


def check_used(tasks: Iterable[str], listed: Iterable[str]) -> None:
    """InputError where no task of a plan takes an instruction of a list, given the tasks that the list is for."""
    suiting = sorted(set(listed))
    if not set(tasks) & set(suiting):
        raise InputError(
            f"--instructions: the plan has no task that takes one of these, which are for {', '.join(suiting)}; give one of them a weight with --config (plan: {{tasks: {{{suiting[0]}: 1}}}}), or leave --instructions out"
        )
