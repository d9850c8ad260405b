"""Personas of somebody's documents: passages, servers and teacher opened, then `synth.personas.derive`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.base import sha256_of
from schemas.recipe import Domain, ModelChoice, Recipe
from synth.asked import recipe_of_requests
from synth.corpora import Documents, corpus_key, make_corpus
from synth.domains import LoadedDomain, load_domain
from synth.errors import InputError
from synth.files import write_bytes
from synth.generators import Equipment, build_generator
from synth.llm.settings import LlmSettings
from synth.personas.derive import Derivation, Wanted, derive
from synth.personas.requests import PersonaFromPersona, PersonaFromText
from synth.progress import Reporter
from synth.recipe import Choices, override
from synth.store import Store
from synth.teachers import close_teacher, comparing
from synth.teachers.scoring import Scoring, build_scoring, reach_scoring


def settings_of(choices: Choices) -> LoadedDomain:
    """The domain with `--config` and flags applied; without one, settings of no domain in particular.

    Raises DomainError, and InputError where there is neither a domain nor documents.
    """
    if choices.domain:
        return override(load_domain(choices.domain), choices)
    if not choices.documents:
        raise InputError("there is nothing to derive personas from: give --documents PATH, or --domain NAME")
    return override(LoadedDomain(_NO_DOMAIN, Path()), choices)


FROM_DOCUMENTS = Path("documents")
"""`--personas documents`: derive them for the run from its own documents."""
_NO_DOMAIN = Domain(name="none", title="", description="", corpus=".", personas=".")


def request_recipe(domain: Domain, models: Sequence[ModelChoice]) -> Recipe:
    """What determines the requests for personas; how queries are asked for later changes nothing in it."""
    prompts = (PersonaFromText.prompt, PersonaFromPersona.prompt)
    recipe = recipe_of_requests(domain, models, prompts, "personas are derived by an LLM")
    return recipe.model_copy(update={"domain": "" if domain.name == _NO_DOMAIN.name else domain.name})


@dataclass(frozen=True)
class Source:
    """What personas are derived from, and what is asked."""

    documents: Documents
    licence: str
    """Of documents that state none themselves."""
    recipe: Recipe
    scoring: Scoring
    """How the recipe's teachers are reached; the first that can compares personas."""


def source_of(choices: Choices, fields: Documents) -> Source:
    """What `choices` mean for a derivation; `fields` says how rows are read. Raises InputError."""
    loaded = settings_of(choices)
    documents = replace(fields, paths=choices.documents or (loaded.corpus,))
    licence = "" if choices.documents else loaded.domain.corpus_licence
    scoring = reach_scoring(loaded.domain)
    domain = loaded.domain.model_copy(update=scoring.settings)
    return Source(documents, licence, request_recipe(domain, choices.models), scoring)


def derive_personas(
    source: Source, wanted: Wanted, store: Store, settings: LlmSettings, reporter: Reporter
) -> Derivation:
    """Derive with the recipe's teacher; answers and passages are kept in the store.

    Asked again, it asks only what was not answered; what was in flight when it was killed is all that is lost.
    """
    store.check_writable()
    with tempfile.TemporaryDirectory(prefix="synth-personas-") as folder:
        here = Path(folder)
        corpus, _, sha256 = make_corpus(source.documents, source.recipe, store.corpora, here / "corpus", reporter)
        recipe = source.recipe.model_copy(update={"corpus_sha256": sha256})
        teacher = build_scoring(source.scoring, here / "teacher", store.embeddings)
        comparer = comparing(teacher, recipe.scored_by)
        generator = build_generator(Equipment(recipe, corpus.lexicon, store.answers, here, settings))
        try:
            return derive(recipe, corpus, source.licence, wanted, generator, comparer, reporter)
        finally:
            close_teacher(teacher)
            close = getattr(generator, "close", None)
            if close is not None:
                close()


def with_derived(
    choices: Choices, fields: Documents, store: Store, settings: LlmSettings, reporter: Reporter
) -> Choices:
    """The same choices with a persona file of the store where `--personas documents` was chosen.

    What was derived once from the same documents with the same settings is taken as it is, so that the recipe stays
    the same.
    """
    if choices.personas != FROM_DOCUMENTS:
        return choices
    source = source_of(choices, fields)
    known = corpus_key(source.documents, source.recipe)
    key = sha256_of([known, source.recipe.sha256, source.licence, Wanted().model_dump()])
    kept = store.personas / f"{key}.jsonl"
    if known is None or not kept.exists():
        found = derive_personas(source, Wanted(), store, settings, reporter)
        reporter.note(f"personas: {found.count.describe()}")
        found.count.check_whole("personas")
        write_personas(kept, found)
    return replace(choices, personas=kept)


def write_personas(file: Path, found: Derivation) -> None:
    """JSON Lines, atomically; InputError where no persona was kept."""
    if not found.personas:
        raise InputError(f"no persona was kept ({found.count.describe()}); nothing is written")
    write_bytes(file, b"".join(persona.model_dump_json().encode() + b"\n" for persona in found.personas))
