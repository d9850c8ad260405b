"""Shards: ranges of plan positions, each made into one file of items and one score table.

Pure: the same recipe, passages, range and answers give the same files, wherever it runs.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.persona import Persona
from schemas.recipe import MiningSettings, Recipe
from schemas.record import TEXT_PAIR
from synth import registry
from synth.corpus import Corpus
from synth.errors import ConservationError
from synth.files import write_parquet
from synth.gates import RecordGate, build_record_gates, build_set_gates
from synth.generators import Call, Generator, Outcome
from synth.instructions import NONE_PINNED, Instructions
from synth.live import Live
from synth.memory import few_collections
from synth.mining.candidates import BEYOND
from synth.mining.evidence import has_evidence, write_evidence
from synth.personas.scope import NOBODY, in_prompt, instruct
from synth.plan import Item, Plan
from synth.progress import Reporter
from synth.rows import ItemRow, judge_outcome, leaked_row, table_of
from synth.scores import Questions, write_scores
from synth.steps import makes_text_pairs, recipe_steps
from synth.tasks import Failure, TaskInput
from synth.teachers import Teacher, ranked
from synth.teachers.scoring import LEXICAL, Scoring

WINDOW = 256
"""Items whose passages are read from disk at a time."""


@dataclass(frozen=True)
class Shard:
    """Plan positions start … stop - 1."""

    start: int
    stop: int

    def items_path(self, run_folder: Path) -> Path:
        return run_folder / "items" / f"{self.start:012d}-{self.stop:012d}.parquet"

    def scores_folder(self, run_folder: Path) -> Path:
        return run_folder / "scores" / f"{self.start:012d}-{self.stop:012d}"

    def is_made(self, run_folder: Path, mining: MiningSettings | None = None) -> bool:
        """Whether all files are there that the stages after it read; `mining` may ask for more of them."""
        folder = self.scores_folder(run_folder)
        is_scored = self.items_path(run_folder).exists() and (folder / "queries.parquet").exists()
        return is_scored and (has_evidence(folder) or mining is None or not mining.needs_evidence)


@dataclass(frozen=True)
class Workshop:
    """What all shards of a run share."""

    folder: Path
    recipe: Recipe
    corpus: Corpus
    plan: Plan
    personas: Mapping[str, Persona]
    teacher: Teacher
    generator: Generator
    scoring: Scoring = LEXICAL
    """Who the teacher is made of, and how each is reached."""
    carried: tuple[Shard, ...] = ()
    """Shards of the parent's records, which lie before position 0."""
    updated: str = ""
    """The dataset whose newest version the run updates; '' for none."""
    instructions: Instructions = NONE_PINNED
    """Those that are pinned."""
    refines: bool = False
    """Whether the carried records are judged by the record gates again."""

    @cached_property
    def gates(self) -> list[RecordGate]:
        return build_record_gates(self.recipe.gates)

    @property
    def depth(self) -> int:
        """How many passages the teacher ranks for each query."""
        return ranked(self.teacher, self.asked)

    @cached_property
    def asked(self) -> int:
        """How many it is asked for: enough for the miner and for every set gate.

        Twice what a gate needs, because equivalents of the positive take places without counting.
        """
        needed = [2 * getattr(gate, "needs_depth", 0) for gate in build_set_gates(self.recipe.set_gates)]
        return min(max(self.recipe.mining.rank_max, *needed, 1), len(self.corpus), BEYOND - 1)


def make_shard(workshop: Workshop, shard: Shard, reporter: Reporter) -> Shard:
    """Make one shard; returns what the generator's budget allowed of it."""
    cut = make_shards(workshop, [shard], reporter)
    return shard if cut is None else Shard(shard.start, cut)


def make_shards(workshop: Workshop, shards: Sequence[Shard], reporter: Reporter, *, score: bool = True) -> int | None:
    """Generate, gate and score shards as one stream, without a pause between them.

    What their files already hold is not made again. Returns the first plan position that was
    not asked for because a budget is spent; the shard it lies in ends there. Without `score` the
    teacher is left for later.
    """
    asked = [shard for shard in shards if not shard.items_path(workshop.folder).exists()]
    for shard in shards:
        if score and shard not in asked:
            _score(workshop, shard)
    live = Live(workshop.generator, reporter)
    assembly = _Assembly(workshop, asked, live, score)
    with few_collections():
        _fill(workshop, asked, assembly, reporter)
    live.finish()
    return assembly.finish()


def _fill(workshop: Workshop, asked: Sequence[Shard], assembly: _Assembly, reporter: Reporter) -> None:
    for outcome in workshop.generator.generate(_askable(workshop, asked, assembly), reporter):
        position = outcome.call.input.item.position
        if outcome.result is None:
            assembly.cut_at(position)
            continue
        assembly.add(judge_outcome(outcome, workshop.recipe, workshop.gates))


@dataclass
class _Assembly:
    """Rows that arrive in any order, put together shard by shard."""

    workshop: Workshop
    shards: Sequence[Shard]
    live: Live
    score: bool
    cut: int | None = None
    _rows: dict[Shard, list[ItemRow]] = field(default_factory=dict)
    _written: set[Shard] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._by_position = sorted(self.shards, key=lambda shard: shard.start)
        self._starts = [shard.start for shard in self._by_position]

    def add(self, row: ItemRow) -> None:
        shard = self._by_position[bisect_right(self._starts, row.position) - 1]
        rows = self._rows.setdefault(shard, [])
        rows.append(row)
        self.live.count(row)
        if len(rows) == shard.stop - shard.start:
            self._write(shard, self._rows.pop(shard))

    def cut_at(self, position: int) -> None:
        self.cut = position if self.cut is None else min(self.cut, position)

    def finish(self) -> int | None:
        """Write the shard that was cut short; nothing else may be left over."""
        for shard in self._by_position:
            rows = self._rows.pop(shard, [])
            if self.cut is not None and self.cut < shard.stop:
                if self.cut > shard.start:
                    self._write(Shard(shard.start, self.cut), [row for row in rows if row.position < self.cut])
            elif rows or shard not in self._written:
                self._write(shard, rows)
        return self.cut

    def _write(self, shard: Shard, rows: list[ItemRow]) -> None:
        rows.sort(key=lambda row: row.position)
        if [row.position for row in rows] != list(range(shard.start, shard.stop)):
            raise ConservationError(
                f"shard {shard.start}-{shard.stop}: {len(rows)} items came back for {shard.stop - shard.start}"
            )
        self._written.add(shard)
        write_parquet(shard.items_path(self.workshop.folder), table_of(rows))
        if self.score:
            _score(self.workshop, shard)


def _score(workshop: Workshop, shard: Shard) -> None:
    folder = shard.scores_folder(workshop.folder)
    if not shard.is_made(workshop.folder):
        questions = _questions(shard.items_path(workshop.folder))
        write_scores(folder, questions.blocks(), workshop.corpus, workshop.teacher, workshop.asked)
    if workshop.recipe.mining.needs_evidence and not has_evidence(folder):
        write_evidence(folder, workshop.corpus, workshop.teacher)


def _questions(items: Path) -> Questions:
    """Of the records that passed the record gates and whose positive is a passage."""
    columns = ["position", "id", "query", "passage", "others"]
    searched = (pc.field("status") == "accepted") & ~pc.ends_with(pc.field("method"), TEXT_PAIR)
    accepted = pq.read_table(items, columns=columns, filters=searched).to_pydict()
    positives = [[own, *more] for own, more in zip(accepted["passage"], accepted["others"], strict=True)]
    number = np.asarray(accepted["position"], dtype=np.int64)
    return Questions.of(accepted["query"], positives, number=number, ids=accepted["id"])


def _askable(workshop: Workshop, shards: Iterable[Shard], assembly: _Assembly) -> Iterator[Call]:
    """Items that may not be asked for go straight to the assembly."""
    for call in plan_calls(workshop, shards):
        if workshop.corpus.leaked[call.input.item.passage]:
            assembly.add(leaked_row(call))
        elif refusal := refuse(call):
            assembly.add(judge_outcome(Outcome(call, refusal), workshop.recipe, workshop.gates))
        else:
            yield call


def refuse(call: Call) -> Failure | None:
    """Why a task can make nothing of an item, where it knows before anything is asked."""
    rule = getattr(call.task, "refuse", None)
    refusal: Failure | None = rule(call.input) if rule is not None else None
    return refusal


def plan_calls(workshop: Workshop, shards: Iterable[Shard]) -> Iterator[Call]:
    """Every planned item of some shards as a call, in plan order."""
    for shard in shards:
        yield from calls_between(
            workshop.recipe,
            workshop.corpus,
            workshop.plan,
            workshop.personas,
            shard.start,
            shard.stop,
            workshop.instructions,
        )


def calls_between(
    recipe: Recipe,
    corpus: Corpus,
    plan: Plan,
    personas: Mapping[str, Persona],
    start: int,
    stop: int,
    instructions: Instructions,
) -> Iterator[Call]:
    """Plan positions start … stop - 1 as calls."""
    more = {kind: recipe_steps(recipe, text_pairs=kind) for kind in (False, True)}
    for begin in range(start, stop, WINDOW):
        items = list(plan.items(begin, min(begin + WINDOW, stop)))
        tasks = [registry.find("tasks", item.task) for item in items]
        groups = [_passages_for(corpus, task, item) for task, item in zip(tasks, items, strict=True)]
        wanted = [ordinal for group in groups for ordinal in group]
        passages = dict(zip(wanted, corpus.passages(wanted), strict=True))
        for item, task, (own, *others) in zip(items, tasks, groups, strict=True):
            persona = personas.get(item.persona, NOBODY)
            task_input = TaskInput(
                item,
                passages[own],
                in_prompt(persona, recipe.persona),
                recipe.domain,
                instruct(recipe.instruction, persona, recipe.persona),
                tuple(passages[other] for other in others),
                tuple(others),
                _candidates_for(plan, personas, task, item),
                languages=tuple(sorted(recipe.plan.language)),
                pinned=instructions.pinned(item, passages[own].topic),
            )
            yield Call(task, task_input, more[makes_text_pairs(task)])


def _passages_for(corpus: Corpus, task: Any, item: Item) -> list[int]:
    """The item's passage, and others of its document where the task reads several: which ones is drawn."""
    most = getattr(task, "passages", 1)
    if most == 1:
        return [item.passage]
    others = [ordinal for ordinal in corpus.siblings(item.passage) if not corpus.leaked[ordinal]]
    source = random.Random(item.seed)
    return [item.passage, *source.sample(others, min(source.randint(1, most - 1), len(others)))]


def _candidates_for(plan: Plan, personas: Mapping[str, Persona], task: Any, item: Item) -> tuple[Persona, ...]:
    """The item's persona among others that may ask about its passage, where the task lets the LLM choose."""
    wanted = getattr(task, "candidates", 0)
    if not wanted:
        return ()
    source = random.Random(item.seed)
    possible = sorted({*plan.personas_for(item.passage)} - {item.persona})
    names = [item.persona, *source.sample(possible, min(wanted - 1, len(possible)))]
    source.shuffle(names)
    return tuple(personas[name] for name in names)
