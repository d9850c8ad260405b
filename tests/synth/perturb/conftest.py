from __future__ import annotations

from collections.abc import Callable

import pytest
from corpora import build_corpus

from schemas.facts import Facts
from schemas.recipe import PerturbationSettings
from synth.perturb import Perturber, make_perturber
from synth.resources import find_shipped
from synth.yaml_model import load_yaml_model

CORPUS = (
    "Harbour Bank plc reported 2024 earnings. Harbour Bank also opened two branches that winter.",
    "Meridian Foods Inc. sold its dairies in 2023. Mr. Vance, who led the sale, left afterwards.",
    "Northline Group kept its rating in 2025. Ms. Okafor explained the reserves of the insurer.",
    "Alder Bank plc lent less in 2024 than the year before, and Cobalt Corp. repaid early.",
)


@pytest.fixture(scope="session")
def facts() -> Facts:
    """What ships for finance."""
    return load_yaml_model(find_shipped("data", "facts", "finance.yaml"), Facts)


@pytest.fixture(scope="session")
def perturber(facts: Facts, tmp_path_factory: pytest.TempPathFactory) -> Perturber:
    """Over a corpus of four short documents that speak of 2023 to 2025."""
    corpus = build_corpus(tmp_path_factory.mktemp("corpus"), CORPUS)
    return make_perturber(facts, PerturbationSettings(negatives=8), 0, corpus)


Change = Callable[[str, str, str], str | None]


@pytest.fixture(scope="session")
def change(perturber: Perturber) -> Change:
    """(kind, query, passage) -> the passage with that fact changed, or None."""

    def perturb(kind: str, query: str, text: str) -> str | None:
        made = perturber.perturb("record", query, text, kind)
        return made.text if made is not None else None

    return perturb
