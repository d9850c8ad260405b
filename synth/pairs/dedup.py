"""Duplicates and contamination among anybody's pairs, by the set gates that judge our own records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from schemas.record import Verdict
from synth.errors import InputError
from synth.evaluation import EvaluationSet
from synth.gates.contamination import Contamination
from synth.gates.duplicates import Duplicates
from synth.pairs import Pairs
from synth.store import Store
from synth.teachers import Teacher
from synth.text import hash64, normalise
from synth.view import Background, SetView


@dataclass(frozen=True)
class Deduplicated:
    """Pairs, and the verdict on every query that is dropped, by its number."""

    pairs: Pairs
    verdicts: dict[int, Verdict]

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """(kept, dropped) pairs: query, positive, source, and why one was dropped and for what."""
        pairs = self.pairs
        rows: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        for number, positives in enumerate(pairs.positives):
            verdict = self.verdicts.get(number)
            why = {"reason": verdict.reason, "detail": self._detail(verdict)} if verdict else {}
            for ordinal in positives:
                row = {
                    "query": pairs.queries[number],
                    "positive": pairs.passages[ordinal],
                    "source": pairs.sources[number],
                }
                rows[verdict is not None].append(row | why)
        schema = pa.schema([(name, pa.string()) for name in ("query", "positive", "source")])
        why_schema = schema.append(pa.field("reason", pa.string())).append(pa.field("detail", pa.string()))
        return pa.Table.from_pylist(rows[0], schema=schema), pa.Table.from_pylist(rows[1], schema=why_schema)

    def _detail(self, verdict: Verdict) -> str:
        """The text of the query that is kept instead, else where it stands."""
        return (
            self.pairs.queries[int(verdict.score)]
            if verdict.detail.startswith("kept: ") and verdict.score is not None
            else verdict.detail
        )


def dedup_pairs(
    pairs: Pairs,
    store: Store,
    *,
    near: float = 0.85,
    cosine: float | None = None,
    teacher: tuple[str, Teacher | None] = ("lexical", None),
    against: Sequence[str] = (),
    evaluations: Sequence[EvaluationSet] = (),
) -> Deduplicated:
    """Keep the first of near-equal queries, and none that an earlier dataset or an evaluation set holds.

    `cosine` needs a teacher with vectors, given as its name and itself; `against` names datasets of the
    store. Raises InputError for settings out of bounds, and where a dataset or vectors are missing.
    """
    background = Background(store.pools / "dedup", *teacher)
    for each in evaluations:
        each.save(background.evaluations)
    sets = [{"name": each.name, "sha256": each.sha256} for each in evaluations]
    try:
        duplicates = Duplicates(Duplicates.Settings(near=near, cosine=cosine, against=list(against)))
        gates: list[Contamination | Duplicates] = [duplicates]
        if sets:
            gates.insert(0, Contamination(Contamination.Settings.model_validate({"sets": sets})))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--{first['loc'][0]}: {first['msg']}") from error
    view = _view(pairs, background)
    alive, verdicts = view.alive.copy(), {}
    for gate in gates:
        gate.check(background)
        for row, verdict in gate.judge_set(view.but(alive=alive.copy())):
            alive[row] = False
            verdicts[row] = verdict
    return Deduplicated(pairs, verdicts)


def _view(pairs: Pairs, background: Background) -> SetView:
    count = len(pairs.queries)
    nothing = np.zeros(count, dtype=np.int64)
    return SetView(
        alive=np.ones(count, dtype=bool),
        position=np.arange(count),
        passage=np.asarray([own[0] for own in pairs.positives], dtype=np.int64),
        query_key=np.asarray([hash64(normalise(query)) for query in pairs.queries], dtype=np.uint64),
        ahead=nothing,
        positive_score=nothing.astype(np.float32),
        pool=len(pairs.passages),
        depth=0,
        fetch_queries=lambda rows: [pairs.queries[row] for row in rows],
        fetch_positives=lambda rows: [[pairs.passages[n] for n in pairs.positives[row]] for row in rows],
        background=background,
    )
