"""What a rewriting is asked with: the domain's settings, the models, and how much they may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from schemas.recipe import Recipe
from synth.asked import recipe_of_requests
from synth.enrich.requests import LONGEST, EnrichedText
from synth.llm.settings import LlmSettings, reach
from synth.personas.documents import settings_of
from synth.recipe import Choices

_CHARS_A_TOKEN = 2
"""At worst, so that a rewritten text is never cut for want of tokens."""


def setup_of(
    domain: str,
    documents: Sequence[Path],
    llm: Sequence[str],
    config: Path | None,
    timeout: float,
) -> tuple[Recipe, tuple[str, str], LlmSettings]:
    """(recipe of the requests, name and description of the domain, servers); '' is no domain in particular.

    Raises DomainError for a domain that is not there and InputError where there is no model, before a server is waited for.
    """
    choices = Choices(domain, documents=tuple(documents), config=config)
    settings_of(choices)
    settings = reach(llm).model_copy(update={"request_timeout": timeout})
    choices = replace(choices, models=tuple(settings.models))
    loaded = settings_of(choices).domain
    recipe = recipe_of_requests(loaded, choices.models, [EnrichedText.prompt], "documents are rewritten by an LLM")
    most = max(recipe.sampling.max_tokens, LONGEST // _CHARS_A_TOKEN)
    sampling = recipe.sampling.model_copy(update={"max_tokens": most, "temperature": 0.0})
    about = (domain and loaded.name, loaded.description)
    return recipe.model_copy(update={"sampling": sampling}), about, settings
