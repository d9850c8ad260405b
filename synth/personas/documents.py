"""Personas of somebody's documents: passages, servers and teacher opened, then `synth.personas.derive`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from schemas.recipe import Domain, ModelChoice, PlanSettings, Recipe
from synth.corpora import Documents, make_corpus
from synth.domains import LoadedDomain, load_domain
from synth.errors import InputError
from synth.generators import Equipment, build_generator
from synth.llm.settings import LlmSettings
from synth.personas.derive import Derivation, Wanted, derive
from synth.personas.requests import PersonaFromPersona, PersonaFromText
from synth.progress import Reporter
from synth.prompts import load_prompt
from synth.recipe import Choices, override, shared_settings
from synth.store import Store
from synth.teachers import build_teacher, comparing


def settings_of(choices: Choices) -> LoadedDomain:
    """The domain with `--config` and flags applied; without one, settings of no domain in particular.

    Raises DomainError, and InputError where there is neither a domain nor documents.
    """
    if choices.domain:
        return override(load_domain(choices.domain), choices)
    if not choices.documents:
        raise InputError("there is nothing to derive personas from: give --documents PATH, or --domain NAME")
    return override(LoadedDomain(_NO_DOMAIN, Path()), choices)


_NO_DOMAIN = Domain(name="none", title="", description="", corpus=".", personas=".")


def request_recipe(domain: Domain, models: Sequence[ModelChoice]) -> Recipe:
    """What determines the requests for personas: documents, models, sampling, seed, and our two prompts.

    How queries are asked for later changes nothing in it. Raises InputError where there is no model to ask.
    """
    if not models:
        raise InputError("personas are derived by an LLM: add --llm http://HOST:8000/v1, or --llm vllm:MODEL")
    prompts = {request.prompt: load_prompt(request.prompt).sha256 for request in (PersonaFromText, PersonaFromPersona)}
    changed = {"generator": "llm", "plan": PlanSettings(language=domain.plan.language)}
    return Recipe(
        domain="" if domain.name == _NO_DOMAIN.name else domain.name,
        personas_sha256="",
        prompts=prompts,
        models=list(models),
        **shared_settings(domain) | changed,
    )


def derive_personas(
    documents: Documents,
    recipe: Recipe,
    licence: str,
    wanted: Wanted,
    store: Store,
    settings: LlmSettings,
    reporter: Reporter,
) -> Derivation:
    """Derive from what `documents` names, with the recipe's teacher; answers and passages are kept in the store.

    Asked again, it asks only what was not answered; what was in flight when it was killed is all that is lost.
    """
    store.check_writable()
    with tempfile.TemporaryDirectory(prefix="synth-personas-") as folder:
        here = Path(folder)
        corpus, _, sha256 = make_corpus(documents, recipe, store.corpora, here / "corpus", reporter)
        recipe = recipe.model_copy(update={"corpus_sha256": sha256})
        teacher = comparing(build_teacher(recipe.teacher, here / "teacher", store.embeddings), recipe.teacher)
        generator = build_generator(Equipment(recipe, corpus.lexicon, store.answers, here, settings))
        try:
            return derive(recipe, corpus, licence, wanted, generator, teacher, reporter)
        finally:
            close = getattr(generator, "close", None)
            if close is not None:
                close()
