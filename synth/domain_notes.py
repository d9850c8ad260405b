"""What somebody should know about a domain before a run: nothing here stops one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from difflib import get_close_matches

from schemas.recipe import PlanSettings
from synth.domains import LoadedDomain
from synth.dry_run import DryRun, First
from synth.errors import suggest
from synth.language import known_languages, primary
from synth.licences import UNKNOWN
from synth.resources import find_shipped
from synth.text import draw
from synth.yaml_model import line_of

SAMPLE = "replace-this.md"
"""The document that stands in for others in a new domain."""


def holds_sample(loaded: LoadedDomain) -> bool:
    """Whether what stands in for documents is still among them."""
    path = loaded.corpus / SAMPLE
    shipped = find_shipped("data", "scaffold", "documents", SAMPLE)
    return path.is_file() and path.read_bytes() == shipped.read_bytes()


def find_notes(loaded: LoadedDomain, first: First, tried: DryRun) -> list[str]:
    """One sentence for each thing to know, with what to do about it."""
    return [*_of_documents(loaded, first, tried), *_of_draws(loaded, first), *_of_rows(loaded, tried)]


def _of_documents(loaded: LoadedDomain, first: First, tried: DryRun) -> Iterator[str]:
    corpus, domain = tried.corpus, loaded.domain
    if holds_sample(loaded):
        folder = loaded.path.parent / domain.corpus
        yield f"the sample is still among the documents: put yours into {folder} and delete {SAMPLE} there"
        return
    if corpus.dropped:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in corpus.dropped.items())
        yield f"some sources became no documents ({reasons}); `synth generate` keeps their names and reasons"
    if UNKNOWN in corpus.licences:
        yield f"documents without a licence: {corpus.licences[UNKNOWN]:,}; state it as corpus_licence in {loaded.path}, or nothing can be pushed"
    if first.whole and not corpus.test_documents and domain.splits.test:
        yield f"no document falls into the test split ({domain.splits.test:.0%} of {corpus.documents:,} are meant to): add documents, or set splits.test to {_share_of_one(first):.2f}"
    if first.whole and corpus.test_documents == corpus.documents:
        yield "every document falls into the test split, so nothing is left to train on: add documents, or lower splits.test"
    if first.whole and domain.limit > corpus.passages * domain.plan.items_per_passage:
        yield f"{domain.limit:,} records are asked for (limit) and one pass over {corpus.passages:,} passages makes {corpus.passages * domain.plan.items_per_passage:,} tries: a run ends sooner when the documents hold no more"


def _share_of_one(first: First) -> float:
    """The least share of test documents, in whole per cent, with which one of these is held out."""
    return math.floor(min(draw("split", document.id) for document in first.documents) * 100 + 1) / 100


def _of_draws(loaded: LoadedDomain, first: First) -> Iterator[str]:
    plan = loaded.domain.plan
    for field in ("query_type", "difficulty"):
        usual = PlanSettings.model_fields[field].default
        for name in getattr(plan, field).keys() - usual.keys():
            if get_close_matches(name, usual, n=1, cutoff=0.6):
                yield f"{loaded.path}, line {line_of(loaded.path, ('plan', field, name))}: plan.{field} draws {name!r}, which prompts do not know{suggest(name, usual)}"
    for code in plan.language:
        if primary(code) not in known_languages():
            yield f"{loaded.path}, line {line_of(loaded.path, ('plan', 'language', code))}: the language gate knows no language {code!r}; codes have two or three letters, such as en, de or fr"
    asked = {primary(code) for code in plan.language}
    if first.language and first.language not in asked:
        yield f"most documents are in {first.language!r} and queries are asked for in {', '.join(sorted(asked))}: see plan.language"


def _of_rows(loaded: LoadedDomain, tried: DryRun) -> Iterator[str]:
    rows = [row for look in tried.looks for row in look.rows.values()]
    if not any(row.status == "accepted" for row in rows):
        reasons = ", ".join(sorted({row.reason for row in rows}))
        yield f"none of the {len(rows)} rows was kept ({reasons}): look at the documents, and at gates in {loaded.path}"
