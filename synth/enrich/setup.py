"""What a rewriting is asked with, and rewritten documents in the place of a run's own (`enrich` in the domain file)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from schemas.base import sha256_of
from schemas.recipe import Domain, ModelChoice, Recipe
from synth.asked import recipe_of_requests
from synth.corpora import Documents, corpus_key
from synth.documents.fields import FieldNames
from synth.domains import load_domain
from synth.enrich.documents import enrich_documents, save_enriched
from synth.enrich.requests import LONGEST, EnrichedText
from synth.llm.settings import LlmSettings, reach
from synth.personas.documents import settings_of
from synth.progress import Reporter
from synth.recipe import Choices, override
from synth.store import Store

_CHARS_A_TOKEN = 2
"""At worst, so that a rewritten text is never cut for want of tokens."""


def setup_of(
    domain: str, documents: Sequence[Path], llm: Sequence[str], config: Path | None, timeout: float
) -> tuple[Recipe, tuple[str, str], LlmSettings]:
    """(recipe of the requests, name and description of the domain, servers); '' is no domain in particular.

    Raises DomainError for a domain that is not there and InputError where there is no model, before a server is waited for.
    """
    choices = Choices(domain, documents=tuple(documents), config=config)
    loaded = settings_of(choices).domain
    settings = reach(llm).model_copy(update={"request_timeout": timeout})
    about = (loaded.name if domain else "", loaded.description)
    return request_recipe(loaded, settings.models), about, settings


def request_recipe(domain: Domain, models: Sequence[ModelChoice]) -> Recipe:
    """What determines how texts are rewritten: the likeliest words, and room for all of them."""
    recipe = recipe_of_requests(domain, models, [EnrichedText.prompt], "documents are rewritten by an LLM")
    most = max(recipe.sampling.max_tokens, LONGEST // _CHARS_A_TOKEN)
    sampling = recipe.sampling.model_copy(update={"max_tokens": most, "temperature": 0.0})
    return recipe.model_copy(update={"sampling": sampling})


def wants_enrichment(choices: Choices) -> bool:
    """Whether the domain file, or --config, has documents rewritten. Raises DomainError."""
    return override(load_domain(choices.domain), choices).domain.enrich is not None


def with_enriched(
    choices: Choices, fields: Documents, store: Store, settings: LlmSettings, reporter: Reporter
) -> Choices:
    """The same choices with a file of the store where documents are to be rewritten; what was rewritten once is taken.

    The file has the user's names of fields, so that it is read as the documents would be. Raises RunError where requests
    failed that would do better another time.
    """
    loaded = override(load_domain(choices.domain), choices)
    domain = loaded.domain
    if domain.enrich is None:
        return choices
    documents = replace(fields, paths=choices.documents or (loaded.corpus,))
    licence = "" if choices.documents else domain.corpus_licence
    recipe, only = request_recipe(domain, choices.models), domain.enrich.sources
    known = corpus_key(documents, recipe)
    kept = store.enriched / f"{sha256_of([known, recipe.sha256, only, domain.description])}.jsonl"
    if known is None or not kept.exists():
        about = (domain.name, domain.description)
        made = enrich_documents(documents.read(), only, recipe, about, store, settings, reporter)
        reporter.note(f"rewritten documents: {made.count.describe()}")
        made.count.check_whole()
        save_enriched(kept, made, FieldNames(fields.text_field, fields.title_field, fields.id_field), licence)
    limit = choices.limit or (None if choices.documents else domain.limit)
    return replace(choices, documents=(kept,), limit=limit)
