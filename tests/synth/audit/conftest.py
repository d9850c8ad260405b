from __future__ import annotations

import pytest

from schemas.audit import AuditKey, AuditRow, ShownNegative, Stratum
from schemas.record import Judgement

ROWS = [
    ("accepted", "", "", 5, 5, True, 2),
    ("accepted", "", "", 4, 4, True, 2),
    ("accepted", "", "", 4, 5, True, 0),
    ("rejected", "judge", "irrelevant", 2, 4, False, 0),
    ("rejected", "judge", "irrelevant", 3, 4, False, 0),
    ("rejected", "copy", "copied", None, None, None, 0),
]


@pytest.fixture(scope="session")
def key() -> AuditKey:
    """Six rows: three of 300 accepted records, two of 40 that the judge dropped, one of 10 that were copied."""
    strata = [
        Stratum(status="accepted", causes=[], tasks=["a"], size=300, drawn=3),
        Stratum(status="rejected", causes=["judge/irrelevant"], tasks=["a"], size=40, drawn=2),
        Stratum(status="rejected", causes=["copy/copied"], tasks=["a"], size=10, drawn=1),
    ]
    rows = []
    for number, (status, gate, reason, relevance, clarity, kept, held) in enumerate(ROWS, 1):
        judgement = None
        if relevance is not None:
            grades = {"answerability": 4, "faithfulness": 5, "clarity": clarity, "relevance": relevance}
            judgement = Judgement(why="so", model="acme/judge", **grades)
        told = {"gate": gate, "reason": reason, "task": "a", "method": "llm", "kept_by_judge": kept}
        shown = [ShownNegative(passage_id=f"p{n}", method=("mined", "llm")[n % 2]) for n in range(held)]
        place = {"": 0, "judge": 1, "copy": 2}[gate]
        rows.append(
            AuditRow(
                number=number, id=f"r{number}", stratum=place, status=status, judgement=judgement, negatives=shown, negatives_held=2 * held, **told
            )
        )  # fmt: skip
    named = {"audit": "a1b2c3", "dataset": "finance@3", "content_sha256": "c" * 64, "seed": 0, "auditors": 3}
    return AuditKey(**named, strata=strata, left_out={"limit/surplus": 7}, rows=rows, judge="relevance 4")
