from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.record import Pair, PassageText, Provenance

PASSAGE = (
    "Net sales increased 8% during 2022 compared to 2021, driven by higher sales of iPhone, Services and Mac. "
    "The weakness in foreign currencies relative to the U.S. dollar had an unfavorable impact on net sales."
)


@pytest.fixture
def make_pair() -> Callable[..., Pair]:
    def make(
        query: str, passage: str = PASSAGE, method: str = "llm", task: str = "query-from-passage", **fields: Any
    ) -> Pair:
        provenance = Provenance(
            task=task,
            method=method,
            generator="openai",
            prompt="query_from_passage",
            prompt_sha256="0" * 64,
            position=0,
            seed=1,
        )
        positive = PassageText(passage_id="p1", document_id="d1", text=passage)
        values = {"id": "r1", "language": "en", "split": "train", **fields}
        return Pair(query=query, positive=positive, provenance=provenance, **values)

    return make
