from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from synth.store import VersionRef


@pytest.fixture(scope="session")
def version(make: Callable[..., Any]) -> VersionRef:
    """The shipped domain with 4 negatives a record, some records with fewer, some cut out of their passage."""
    made: VersionRef = make(limit=60, settings={"mining": {"negatives": 4, "rank_max": 12}}).version
    return made


@pytest.fixture(scope="session")
def perturbed(make: Callable[..., Any], dated_texts: dict[str, str]) -> VersionRef:
    """Records with 2 mined and up to 2 made negatives."""
    settings = {"mining": {"negatives": 2, "rank_max": 12}, "perturbation": {"negatives": 2}}
    made: VersionRef = make(dated_texts, settings=settings).version
    return made
