"""Which noisy documents are rewritten before a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.base import Strict


class EnrichSettings(Strict):
    """Documents that an LLM rewrites, their originals kept (docs/enrichment.md)."""

    sources: Annotated[list[str], Field(min_length=1)]
    """Patterns of source names, such as `tickets*.jsonl`; `*` for all."""
