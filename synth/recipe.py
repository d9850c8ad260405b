"""Resolves the recipe: defaults < domain file < `--config` file < flags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.base import sha256_of
from schemas.facts import Facts
from schemas.persona import Persona
from schemas.recipe import Domain, FusionMethod, GateSettings, ModelChoice, Recipe, ScoringSettings
from synth import registry
from synth.domains import LoadedDomain, check_parts, hash_personas, load_domain, load_facts, load_personas
from synth.errors import DomainError, InputError, suggest
from synth.evaluation import EvaluationSet, read_evaluations
from synth.gates import build_record_gates, build_set_gates
from synth.instructions import NONE_PINNED, Instructions, check_used, load_instructions
from synth.language import primary, weigh_languages
from synth.licences import check_licence
from synth.prompts import load_prompt
from synth.scale import on_scale
from synth.steps import added_steps, step_prompts
from synth.tasks import extractive_rule, steps_of
from synth.teachers.scoring import Scoring, choose_scoring, reach_scoring
from synth.yaml_model import load_yaml_model, read_yaml

LLM = "llm"
"""Name of the generator that asks LLMs."""
EXTRACTIVE = "extractive"
CONTAMINATION = "contamination"
"""Name of the gate that `--decontaminate` adds."""


@dataclass(frozen=True)
class Choices:
    """What the user asked for on the command line or in a flow; None means not said."""

    domain: str
    documents: tuple[Path, ...] = ()
    text_field: str | None = None
    title_field: str | None = None
    id_field: str | None = None
    licence: str = ""
    """Of documents that state none."""
    name: str | None = None
    limit: int | None = None
    seed: int | None = None
    teacher: str | Sequence[str] | None = None
    """One or several."""
    fuse: FusionMethod | None = None
    rescore: str | None = None
    rescore_depth: int | None = None
    personas: Path | None = None
    instructions: Path | None = None
    """JSON Lines of task instructions."""
    config: Path | None = None
    decontaminate: tuple[str, ...] = ()
    """Paths or hf:// references of evaluation sets."""
    languages: tuple[str, ...] = ()
    """Codes, each with `=WEIGHT` behind it where they are not to weigh alike; none: as the domain says."""
    models: tuple[ModelChoice, ...] = ()
    """Models that `--llm` reaches; with any, the generator is the one that asks them."""


@dataclass(frozen=True)
class Resolved:
    """A recipe and the things it refers to, before any document is read."""

    name: str
    recipe: Recipe
    personas: list[Persona]
    documents: tuple[Path, ...]
    licence: str
    """Of documents that state none."""
    scoring: Scoring
    """Who scores, and how each is reached."""
    decontaminate: tuple[str, ...] = ()
    evaluations: tuple[EvaluationSet, ...] = ()
    """What lies there."""
    instructions: Instructions = NONE_PINNED
    """Those that are pinned."""
    facts: Facts | None = None
    """What made negatives may change; None where none are asked for."""
    parent: str = ""
    """NAME@N of the version that is updated; '' for a dataset that is made anew."""
    refines: bool = False
    """Whether the parent's own passages are the documents (`synth.refine`)."""


def resolve(choices: Choices, looked_at: Iterable[str] = ()) -> Resolved:
    """The recipe that `choices` mean, for the plan's tasks and those `looked_at`; a teacher's server is asked for its model.

    Raises DomainError and InputError before anything is written.
    """
    loaded = _load(choices)
    evaluations = tuple(read_evaluations(choices.decontaminate))
    domain = kept_out_of(loaded.domain, evaluations)
    _check_parts(domain)
    _check_models(domain, choices.models)
    if domain.writing.negatives and domain.generator != LLM:
        raise DomainError(
            "writing.negatives asks an LLM for hard negatives, and there is none: add --llm http://HOST:8000/v1, or leave it out"
        )
    persona_file = choices.personas or loaded.personas
    personas = load_personas(persona_file)
    facts = load_facts(loaded)
    instructions = _pinned(loaded, choices, looked_at)
    shipped = not choices.documents
    scoring = reach_scoring(domain)
    domain = on_scale(domain, scoring)
    recipe = Recipe(
        domain=domain.name,
        instruction=domain.instruction,
        personas_sha256=hash_personas(personas),
        prompts=task_prompts(domain.plan.tasks),
        steps=step_prompts(domain.gates, domain.writing, domain.plan.tasks) if domain.generator == LLM else {},
        limit=_limit(domain, choices),
        instructions_sha256=instructions.sha256,
        facts_sha256=sha256_of(facts) if facts is not None else "",
        models=list(choices.models),
        **shared_settings(domain) | scoring.settings,
    )
    return Resolved(
        name=choices.name or domain.name,
        recipe=recipe,
        personas=personas,
        documents=(loaded.corpus,) if shipped else choices.documents,
        licence=_default_licence(domain, choices),
        scoring=scoring,
        instructions=instructions,
        facts=facts,
        decontaminate=choices.decontaminate,
        evaluations=evaluations,
    )


def _load(choices: Choices) -> LoadedDomain:
    loaded = load_domain(choices.domain)
    if choices.config is None:
        check_parts(loaded)  # names the line of the file
    return override(loaded, choices)


def _limit(domain: Domain, choices: Choices) -> int | None:
    limit = domain.limit if choices.limit is None and not choices.documents else choices.limit
    if limit is not None and limit < 1:
        raise DomainError(f"--limit is the number of accepted records to publish and must be at least 1, got {limit}")
    return limit


def _pinned(loaded: LoadedDomain, choices: Choices, looked_at: Iterable[str]) -> Instructions:
    """The list that a flag names, else the domain's; tasks that take from it all ask an LLM."""
    if loaded.domain.generator == LLM:
        path = choices.instructions or (loaded.instructions if loaded.domain.instructions else None)
        found = load_instructions(path) if path else NONE_PINNED
        if choices.instructions:
            check_used([*loaded.domain.plan.tasks, *looked_at], (each.task for each in found.listed))
        return found
    if choices.instructions:
        raise InputError(
            "--instructions is for tasks that ask an LLM, and there is none: add --llm URL, or leave it out"
        )
    return NONE_PINNED


def _default_licence(domain: Domain, choices: Choices) -> str:
    if choices.licence and not choices.documents:
        raise InputError("--licence is that of your documents: name them with --documents, or leave it out")
    if choices.licence:
        check_licence(choices.licence)
    return choices.licence if choices.documents else domain.corpus_licence


def kept_out_of(domain: Domain, evaluations: Sequence[EvaluationSet]) -> Domain:
    """The domain with the gate that keeps records out of evaluation sets, its first unless it has a place already."""
    gates = domain.set_gates
    named = [gate for gate in gates if gate.name == CONTAMINATION]
    if not evaluations:
        return domain
    sets = [{"name": each.name, "sha256": each.sha256} for each in evaluations]
    gates = gates if named else [GateSettings(name=CONTAMINATION), *gates]
    filled = [
        gate.model_copy(update={"settings": gate.settings | {"sets": sets}}) if gate.name == CONTAMINATION else gate
        for gate in gates
    ]
    return domain.model_copy(update={"set_gates": filled})


def task_prompts(tasks: Iterable[str]) -> dict[str, str]:
    """Prompt -> sha256 of its file, of all that some tasks ask."""
    steps = [step for name in sorted(tasks) for step in steps_of(registry.find("tasks", name))]
    return {step.prompt: load_prompt(step.prompt, step.prompt_folder).sha256 for step in steps}


def shared_settings(domain: Domain) -> dict[str, Any]:
    """What a recipe takes from its domain as it is."""
    return {field: getattr(domain, field) for field in _SHARED}


_SHARED = (
    *ScoringSettings.model_fields,
    "stop",
    "chunk",
    "plan",
    "persona",
    "gates",
    "set_gates",
    "mining",
    "writing",
    "perturbation",
    "splits",
    "generator",
    "sampling",
    "seed",
)


def override(loaded: LoadedDomain, choices: Choices) -> LoadedDomain:
    """The domain with what a `--config` file and flags change; DomainError names what is wrong there."""
    domain = loaded.domain
    if choices.config is not None:
        changes = read_yaml(choices.config)
        for field in ("corpus", "personas", "facts", "topics", "instructions"):
            if isinstance(changes.get(field), str):
                changes[field] = str((choices.config.parent / changes[field]).absolute())
        merged = _merge(domain.model_dump(mode="json"), changes)
        domain = load_yaml_model(choices.config, Domain, merged)
    generator = LLM if choices.models else None
    if choices.languages:
        plan = domain.plan.model_copy(update={"language": weigh_languages(choices.languages)})
        domain = domain.model_copy(update={"plan": plan})
    named = [choices.teacher] if isinstance(choices.teacher, str) else choices.teacher or ()
    scoring = choose_scoring(named, choices.fuse, choices.rescore, choices.rescore_depth, domain)
    chosen = (("seed", choices.seed), ("generator", generator))
    flags = scoring.model_dump(mode="json") | {k: v for k, v in chosen if v is not None}
    try:
        return LoadedDomain(Domain.model_validate(domain.model_dump(mode="json") | flags), loaded.path)
    except ValidationError as error:
        first = error.errors()[0]
        raise DomainError(f"--{first['loc'][0]}: {first['msg']}") from error


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested settings are merged field by field; lists and weights are replaced whole."""
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict) and key in Domain.model_fields
        merged[key] = base[key] | value if nested else value
    return merged


def _tasks(domain: Domain) -> list[Any]:
    return [registry.find("tasks", name) for name in sorted(domain.plan.tasks)]


def _check_models(domain: Domain, models: Sequence[ModelChoice]) -> None:
    """Every task has a model that writes for it, and no model is kept for a task that is not there."""
    if domain.generator != LLM:
        return
    if not models:
        raise DomainError(f"the generator {LLM!r} needs a server: add --llm http://HOST:8000/v1, or --llm vllm:MODEL")
    steps = {step.name for task in _tasks(domain) for step in steps_of(task)} | added_steps(
        domain.gates, domain.writing
    )
    for model in models:
        for name in model.tasks:
            if name not in domain.plan.tasks and name not in steps:
                raise DomainError(
                    f"--llm …,task={name}: this domain has no such task{suggest(name, [*domain.plan.tasks, *steps])}"
                )
    for name in domain.plan.tasks:
        if not any(not model.tasks or name in model.tasks for model in models):
            raise DomainError(f"no --llm server is left for the task {name!r}; add one without ,task=…")


def _check_parts(domain: Domain) -> None:
    """Everything a recipe names must exist before a document is read."""
    for name in domain.plan.tasks:
        task = registry.find("tasks", name)
        if domain.generator == EXTRACTIVE and extractive_rule(task) is None:
            raise DomainError(
                f"the task {name!r} has no honest rule without an LLM: add --llm http://HOST:8000/v1, or take it out of plan: tasks"
            )
        _check_share(domain, task)
        _check_languages(domain, task)
        if getattr(task, "candidates", 0) and domain.persona.scope != "query":
            raise DomainError(
                f"the task {name!r} has the LLM choose whom the query is for, which persona.scope {domain.persona.scope!r} decides before; take one of them out"
            )
    registry.find("generators", domain.generator)
    build_record_gates(domain.gates)
    build_set_gates(domain.set_gates)


def _check_languages(domain: Domain, task: Any) -> None:
    known = sorted(domain.plan.language)
    if len({primary(code) for code in known}) < getattr(task, "languages", 1):
        raise DomainError(
            f"the task {task.name!r} needs two languages at least, and the plan has {', '.join(known)}: add one with --language {known[0]} --language {'en' if primary(known[0]) == 'de' else 'de'}, or take it out of plan: tasks"
        )


def _check_share(domain: Domain, task: Any) -> None:
    most = getattr(task, "most_share", 1.0)
    share = domain.plan.tasks[task.name] / sum(domain.plan.tasks.values())
    if share > most:
        raise DomainError(
            f"plan: tasks: {task.name!r} has {share:.0%} of the plan, and more than {most:.0%} does harm; give it less weight"
        )
