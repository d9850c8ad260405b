"""An LLM as the judge of candidates: the positive and up to 7 of them in one request, in both orders of the texts.

These are requests, not items of a plan; the LLM generator asks, mends, journals and archives them as it does any
other. The archive goes by what is asked and of which model, so the same question costs once, whatever it is for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

from pydantic import BaseModel, Field, create_model

from schemas.base import Strict
from schemas.document import Passage
from schemas.recipe import (
    ChunkSettings,
    MiningSettings,
    ModelChoice,
    PlanSettings,
    Recipe,
    SamplingSettings,
    SplitSettings,
)
from synth.answering import CHECK, MOST_TEXTS, ORDERS, Found, found_in, in_order
from synth.errors import InputError, suggest
from synth.generators import Answer, Call, Equipment
from synth.generators.llm import Llm
from synth.lexicon import build_lexicon
from synth.llm.archive import BLOCK
from synth.llm.budget import Allowance
from synth.llm.settings import LlmSettings
from synth.mining.judging import Asked, Judged, Verdict
from synth.personas.scope import NOBODY
from synth.plan import Item
from synth.progress import Reporter
from synth.prompts import load_prompt
from synth.store import Store
from synth.tasks import Failure, Outputs, Step, Task, TaskInput
from synth.text import hash64, join

GROUP = MOST_TEXTS - 1
"""Candidates that share a request with the positive."""
MOST_CHARS = 3_000
"""Of a text that is shown; what is longer is cut."""
_BLOCKS = 256
"""Blocks of the archive that questions are spread over, by hash."""


def llm_judges(settings: LlmSettings, store: Store, models: Sequence[str] = ()) -> list[LlmJudge]:
    """One judge a model, in the order of a cascade; together they spend the budget of the settings once.

    Without `models` the only one that the servers have judges. Raises InputError for a model that no server has,
    and where there are several and none is named.
    """
    served = sorted({model.name for model in settings.models})
    if not served:
        raise InputError("an LLM judges, and there is none: add --llm http://HOST:8000/v1, or --llm vllm:MODEL")
    if not models and len(served) > 1:
        raise InputError(
            f"the servers have several models ({', '.join(served)}); say who judges, the cheapest first: --judge-with {served[0]}"
        )
    for name in models:
        if name not in served:
            raise InputError(f"no server given serves the model {name!r}{suggest(name, served)}")
    allowance = Allowance(settings.budget)
    return [LlmJudge(name, settings, store, allowance) for name in models or served]


@dataclass(frozen=True)
class LlmJudge:
    """One model. A query's own positive, the first, stands for what an answer is.

    A candidate that both orders find answering `answers`, one that one of them finds is `disputed`, and one that none
    finds is `clear`, unless none finds the positive either. What fails or is beyond the budget is unknown.
    """

    name: str
    settings: LlmSettings
    store: Store
    allowance: Allowance

    def judge(self, asked: Sequence[Asked], reporter: Reporter, /) -> list[Judged]:
        questions: dict[int, _Question] = {}
        places = [[_add(questions, each, start) for start in range(0, len(each.candidates), GROUP)] for each in asked]
        reporter.stage(f"ask {self.name} which candidates answer", len(questions))
        found = self._answers(questions, reporter) if questions else {}
        return [
            _judged([found.get(key, _UNASKED) for key in keys], len(each.candidates))
            for each, keys in zip(asked, places, strict=True)
        ]

    def _answers(self, questions: Mapping[int, _Question], reporter: Reporter) -> dict[int, list[Found] | Failure]:
        self.store.check_folder()
        found: dict[int, list[Found] | Failure] = {}
        with tempfile.TemporaryDirectory(prefix="synth-judge-") as folder:
            recipe, lexicon = _recipe(self.name), build_lexicon([], "en")
            generator = Llm(Equipment(recipe, lexicon, self.store.answers, Path(folder), self._own_settings()))
            calls = (self._call(key, questions[key]) for key in sorted(questions, key=_position))
            try:
                for outcome in generator.generate(calls, reporter):
                    texts = cast(_Input, outcome.call.input).texts
                    if outcome.result is not None:
                        key = int(outcome.call.input.item.id, 16)
                        found[key] = _read(outcome.result, len(texts))
                    reporter.advance()
                self.allowance.spend(*generator.paid)
            finally:
                generator.close()
        return found

    def _own_settings(self) -> LlmSettings:
        """Only the servers of this model, and what is left of the budget."""
        own = {
            "endpoints": [each for each in self.settings.endpoints if each.model == self.name],
            "served": [each for each in self.settings.served if each.name == self.name],
            "budget": self.allowance.left,
        }
        return self.settings.model_copy(update=own)

    def _call(self, key: int, question: _Question) -> Call:
        query, texts = question
        item = Item(
            position=_position(key),
            id=f"{key:016x}",
            passage=_position(key),
            occurrence=0,
            task=ORDERS[0],
            persona="",
            query_type="",
            difficulty="",
            length="",
            language="",
            seed=0,
            model=self.name,
        )
        request = _request(len(texts))
        task = cast("type[Task]", request)  # the LLM generator wants no more of a task than a request has
        second = Step(ORDERS[1], CHECK, request.output, request.second_inputs)
        return Call(task, _Input(item, _NOWHERE, NOBODY, "", "", query=query, texts=texts), (second,))


_Question = tuple[str, tuple[str, ...]]
"""A query and the texts that are shown with it, the positive first."""
_UNASKED = Failure("unasked")
_NOWHERE = Passage.model_construct(id="", document_id="", text="")


@dataclass(frozen=True, slots=True)
class _Input(TaskInput):
    query: str = ""
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Request:
    """Has the shape of a task; numbers that stand for no text are no answer."""

    output: type[BaseModel]
    name: ClassVar[str] = ORDERS[0]
    prompt: ClassVar[str] = CHECK
    prompt_folder: ClassVar[Path | None] = None

    def prompt_inputs(self, task_input: TaskInput, _: Outputs) -> Mapping[str, Any]:
        return _shown(task_input, 0)

    def second_inputs(self, task_input: TaskInput, _: Outputs) -> Mapping[str, Any]:
        return _shown(task_input, 1)


def _shown(task_input: TaskInput, order: int) -> Mapping[str, Any]:
    given = cast(_Input, task_input)
    return {"texts": in_order(given.texts, order), "query": given.query, "instruction": ""}


@cache
def _request(count: int) -> _Request:
    numbers = Annotated[list[Annotated[int, Field(ge=1, le=count)]], Field(max_length=count)]
    return _Request(create_model("Answering", __base__=Strict, answering=(numbers, ...)))


@cache
def _recipe(model: str) -> Recipe:
    """What determines the requests: the prompt, the model, and how it is sampled."""
    return Recipe(
        domain="",
        personas_sha256="",
        prompts={CHECK: load_prompt(CHECK).sha256},
        chunk=ChunkSettings(),
        plan=PlanSettings(),
        gates=[],
        set_gates=[],
        mining=MiningSettings(),
        splits=SplitSettings(),
        teacher="lexical",
        generator="llm",
        models=[ModelChoice(name=model)],
        sampling=SamplingSettings(temperature=0, top_p=1),
        seed=0,
    )


def _add(questions: dict[int, _Question], asked: Asked, start: int) -> int:
    """Put a group of candidates among the questions; the same question is asked once."""
    shown = (asked.positives[0], *asked.candidates[start : start + GROUP])
    texts = tuple(each.text[:MOST_CHARS] for each in shown)
    key = hash64(join(asked.query.text, *texts))
    questions[key] = (asked.query.text, texts)
    return key


def _position(key: int) -> int:
    return key % (_BLOCKS * BLOCK)


def _read(result: Answer | Failure, count: int) -> list[Found] | Failure:
    if isinstance(result, Failure):
        return result
    first, second = (cast(Any, result.outputs[name]).answering for name in ORDERS)
    return found_in(first, second, count)


def _judged(groups: Sequence[list[Found] | Failure], count: int) -> Judged:
    doubted = any(not isinstance(group, Failure) and not group[0] for group in groups)
    verdicts = tuple(verdict for number, group in enumerate(groups) for verdict in _verdicts(group, count, number))
    return Judged(verdicts, doubted)


def _verdicts(group: list[Found] | Failure, count: int, number: int) -> Iterator[Verdict]:
    if isinstance(group, Failure):
        yield from [Verdict("unknown", group.reason)] * (min(count, (number + 1) * GROUP) - number * GROUP)
        return
    silent = Verdict("clear") if group[0] else Verdict("unknown", "positive_doubted")
    for found in group[1:]:
        yield Verdict(found) if found else silent
