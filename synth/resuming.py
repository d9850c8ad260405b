"""What may change of a run before it goes on, and what may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synth.errors import InputError
from synth.files import write_model
from synth.llm.settings import LlmSettings
from synth.recipe import LLM, task_prompts
from synth.run import Run
from synth.steps import step_prompts
from synth.teachers.scoring import change_scoring


def change_llm(run: Run, reached: LlmSettings | None, changes: Mapping[str, Any]) -> None:
    """Other servers, another budget: these are no part of the recipe, so a run may change them.

    Raises InputError when the servers do not have the models that the run asks.
    """
    before = run.info.llm
    if reached is None and not changes:
        return
    if before is None:
        raise InputError(f"the run {run.id} asks no LLM: `synth generate … --llm …` starts one that does")
    settings = before
    if reached is not None:
        settings = before.model_copy(update={"endpoints": reached.endpoints, "served": reached.served})
        missing = sorted({model.name for model in run.recipe.models} - {model.name for model in reached.models})
        if missing:
            have = ", ".join(sorted(model.name for model in reached.models))
            raise InputError(
                f"the run {run.id} asks the model {missing[0]!r} and the servers named have {have}; either (1) name one that serves it, or (2) start a run with the other model: synth generate --domain {run.recipe.domain} --llm …"
            )
    write_model(run.folder / "run.json", run.info.model_copy(update={"llm": settings.model_copy(update=dict(changes))}))
    del run.__dict__["info"]


def change_teachers(run: Run, flags: Sequence[str], rescore: str | None = None) -> None:
    """Other servers or devices for the same teachers and rescorer. Raises InputError where it is another one."""
    changed = change_scoring(run.scoring, flags, rescore)
    info = run.info.model_copy(update={"teacher": changed.reached[0], "scoring": changed.others})
    write_model(run.folder / "run.json", info)
    del run.__dict__["info"]


def check_unchanged(run: Run) -> None:
    """What a run's requests are made of is what it was; InputError says what differs and lists the ways out."""
    different = []
    recipe = run.recipe
    now = task_prompts(recipe.plan.tasks)
    if recipe.generator == LLM:
        now |= step_prompts(recipe.gates, recipe.writing, recipe.plan.tasks)
    then = recipe.prompts | recipe.steps
    for name in sorted(now):
        if then.get(name, "") != now[name]:
            different.append(f"the prompt {name!r} was {then.get(name, '')[:12]} and is {now[name][:12]}")
    if different:
        raise InputError(
            f"the run {run.id} was begun with another recipe: {'; '.join(different)}. Either (1) put it back as it was and resume, (2) start anew: synth generate --domain {run.recipe.domain} … (answers to what did not change are not asked for again), or (3) remove {run.folder} if you no longer want it"
        )
