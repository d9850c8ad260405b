"""Task instructions that an LLM invents for the topics of a domain: `synth topics instructions`, `--instructions topics`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from schemas.base import sha256_of
from schemas.instruction import TaskInstruction
from synth.asked import AskedCount, Tally, ask, asking
from synth.errors import InputError
from synth.files import write_bytes
from synth.generators import Answer, Call, Outcome
from synth.instructions import Instructions, check_used
from synth.llm.settings import LlmSettings
from synth.near import find_originals
from synth.progress import Reporter
from synth.recipe import Choices
from synth.shingle_sets import read_shingles
from synth.store import Store
from synth.tasks import Task
from synth.topics.documents import FROM_TOPICS, Subject, draw_of, slug, subject_of
from synth.topics.requests import InstructionFromTopic, request_input

NEAR = 0.9
"""Jaccard similarity of the sets of words from which two instructions of one task are one."""
_FEW_WORDS = 1


@dataclass(frozen=True)
class Derived:
    """The instructions kept, in the order of asking, and the count of all requests."""

    instructions: list[TaskInstruction]
    count: AskedCount


def every_place(subject: Subject) -> int:
    """How many requests give every topic an instruction for every type of task."""
    return len(list(subject.topics)) * len(subject.loaded.domain.invention.tasks)


def derive_instructions(
    subject: Subject, wanted: int, store: Store, settings: LlmSettings, reporter: Reporter
) -> Derived:
    """Ask for `wanted` instructions, one a topic before a second of any; duplicates are dropped and not asked anew."""
    language = max(sorted(subject.recipe.plan.language), key=lambda code: subject.recipe.plan.language[code])
    sequence = draw_of(subject, {"": 1.0}, {"": 1.0}, {language: 1.0})
    tasks = sorted(subject.loaded.domain.invention.tasks)

    def call(number: int) -> Call:
        given = request_input(
            InstructionFromTopic,
            sequence.topic(number),
            number,
            seed=subject.recipe.seed,
            domain=subject.domain,
            person=sequence.person(number),
            drawn=sequence.drawn(number) | {"kind": tasks[sum(divmod(number, len(sequence.leaves))) % len(tasks)]},
        )
        return Call(cast("type[Task]", InstructionFromTopic), given)

    with asking(subject.recipe, store, settings) as generator:
        reporter.stage("invent task instructions", wanted)
        outcomes = ask(generator, [call(number) for number in range(wanted)], reporter)
    return _Reading(sequence.topic).read(outcomes)


@dataclass
class _Reading:
    """Outcomes turned to a list, duplicates dropped task by task."""

    topic: Any
    tally: Tally = field(default_factory=Tally)

    def read(self, outcomes: Sequence[Outcome]) -> Derived:
        self.tally.asked = len(outcomes)
        found = list(self._said(outcomes))
        kept: list[TaskInstruction] = []
        for task in sorted({each.task for each in found}):
            own = [each for each in found if each.task == task]
            originals = find_originals(read_shingles([each.text for each in own], _FEW_WORDS), NEAR)
            kept += [each for each, original in zip(own, originals.tolist(), strict=True) if original < 0]
        self.tally.duplicate.update(["words"] * (len(found) - len(kept)))
        order = {id(each): number for number, each in enumerate(found)}
        kept.sort(key=lambda each: order[id(each)])
        return Derived(kept, self.tally.count(len(kept)))

    def _said(self, outcomes: Sequence[Outcome]) -> Iterator[TaskInstruction]:
        for outcome in outcomes:
            item, result = outcome.call.input.item, outcome.result
            if not isinstance(result, Answer):
                self.tally.failed[result.reason if result else "unasked"] += 1
                continue
            said: Any = result.outputs[InstructionFromTopic.name]
            topic = self.topic(item.position)
            yield TaskInstruction(
                id="-".join([item.query_type, *slug(topic.leaf), item.id[:6]]),
                task=item.query_type,
                text=" ".join(said.instruction.split()),
                topic=topic.path,
                model=result.model,
            )


def _for_plan(subject: Subject) -> Subject:
    """The same, asked for the tasks that the plan has."""
    domain = subject.loaded.domain
    tasks = [task for task in domain.invention.tasks if task in domain.plan.tasks]
    invention = domain.invention.model_copy(update={"tasks": tasks})
    loaded = replace(subject.loaded, domain=domain.model_copy(update={"invention": invention}))
    return replace(subject, loaded=loaded)


def save_instructions(file: Path, derived: Derived) -> None:
    """JSON Lines, atomically; InputError where none was kept."""
    if not derived.instructions:
        raise InputError(f"no instruction was kept ({derived.count.describe()}); nothing is written")
    write_bytes(file, Instructions(tuple(derived.instructions)).dump())


def with_instructions(choices: Choices, store: Store, settings: LlmSettings, reporter: Reporter) -> Choices:
    """The same choices with a file of the store where `--instructions topics` was chosen."""
    if choices.instructions != FROM_TOPICS:
        return choices
    subject = subject_of(choices, InstructionFromTopic.prompt, "task instructions are invented by an LLM")
    check_used(subject.loaded.domain.plan.tasks, subject.loaded.domain.invention.tasks)
    subject = _for_plan(subject)
    wanted = every_place(subject)
    kept = store.invented / f"{sha256_of([subject.sha256, 'instructions'])}.jsonl"
    if not kept.exists():
        derived = derive_instructions(subject, wanted, store, settings, reporter)
        reporter.note(f"task instructions: {derived.count.describe()}")
        derived.count.check_whole("task instructions")
        save_instructions(kept, derived)
    return replace(choices, instructions=kept)
