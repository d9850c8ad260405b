"""What things of ours are called in Prefect."""

from __future__ import annotations

import hashlib
import re

GENERATE, REFINE, PUBLISH, NIGHTLY = "synth-generate", "synth-refine", "synth-publish", "synth-nightly"
PUBLISHED, PUSHED = "synth.dataset.published", "synth.dataset.pushed"
"""Events that automations can wait for; docs/prefect.md says what they carry."""
TAG = "synth"


def artifact_key(what: str, dataset: str) -> str:
    """`synth-WHAT-DATASET`: artifact keys hold lower-case letters, digits and dashes only."""
    return f"synth-{_slug(what)}-{_slug(dataset)}"


def dataset_slot(store: str, dataset: str) -> str:
    """The concurrency limit that keeps runs of one dataset apart; datasets of other stores are other datasets."""
    return f"synth-{_slug(dataset)}-{hashlib.sha256(store.encode()).hexdigest()[:8]}"


def dataset_resource(dataset: str) -> str:
    """The resource that events are about."""
    return f"synth.dataset.{dataset}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
