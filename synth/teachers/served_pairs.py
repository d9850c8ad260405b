"""A server that scores pairs as the rescorer (vLLM's /v1/score).

What it takes is found out with the first request: the names of its two lists of texts, cutting pairs that are too long,
scores before its activation. If it gives those, they are logits; if it gives the same with and without, a text scored
1 against itself tells an embedder's cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from synth.arrays import Floats
from synth.errors import InputError, RunError
from synth.llm.link import Patience
from synth.teachers.probes import PROBES, folder_of, known_as
from synth.teachers.remote import Refused, Remote, Unreadable, read_json
from synth.teachers.rescore import FLAG, PairModel, Range
from synth.teachers.settings import TeacherSettings

BATCH = 64
"""Pairs of a request, unless the flag says otherwise."""
_NAMES = (("text_1", "text_2"), ("queries", "documents"))
"""vLLM up to 0.32 takes the first; the second is what its newer pages show."""
_RAW = {"use_activation": False}
_NOISE = 1e-3


class ServedPairs(PairModel):
    """Scores pairs behind a server; its key comes from the environment."""

    def __init__(
        self,
        name: str,
        embeddings: Path,
        settings: TeacherSettings | None = None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(name, embeddings, settings)
        self._patience = patience

    def describe(self) -> dict[str, str]:
        scores = self._probed[2]
        probes = scores[None] / np.linalg.norm(scores)
        return {
            "model": self.asked.name,
            "weights": known_as(probes, folder_of(self._embeddings, self.asked)),
            "max_tokens": str(self.asked.max_tokens or "as served"),
            "activation": "none" if self.range == "logit" else "as served",
        }

    @cached_property
    def range(self) -> Range:  # type: ignore[override]
        names, form, scores = self._probed
        if "use_activation" in form:
            activated = self._ask(*_pairs(), names, form | {"use_activation": True})
            if np.abs(activated - scores).max() > _NOISE:
                return "logit"
        own = scores.reshape(len(PROBES), len(PROBES)).diagonal()
        if np.abs(own - 1).max() < _NOISE and np.abs(scores).max() <= 1 + _NOISE:
            return "cosine"
        return "unit" if scores.min() >= 0 and scores.max() <= 1 else "logit"

    def ask(self, queries: Sequence[str], passages: Sequence[str]) -> Floats:
        names, form, _ = self._probed
        return self._ask(queries, passages, names, form)

    @cached_property
    def _remote(self) -> Remote:
        if not self.settings.url:
            raise InputError(
                f"the rescorer {str(self.asked)!r} needs its server: {FLAG} http://HOST:8002/v1,model={self.asked.name}"
            )
        return Remote(self.settings.url, self._patience, flag=FLAG)

    @cached_property
    def _probed(self) -> tuple[tuple[str, str], dict[str, Any], Floats]:
        """The names of its two lists, what it takes beside them, and its scores of all pairs of probes."""
        refusal: Refused | None = None
        cut = {"truncate_prompt_tokens": self.asked.max_tokens or -1}
        forms = [cut | _RAW, cut] + ([] if self.asked.max_tokens else [_RAW, {}])
        for names, form in product(_NAMES, forms):
            try:
                return names, form, self._ask(*_pairs(), names, form)
            except Refused as error:
                refusal = error
                if error.is_absent or error.status in (401, 403):
                    break
        raise InputError(
            f"{refusal}; it can't rescore: name the server of a model that scores pairs (vllm serve MODEL --runner pooling)"
        ) from refusal

    def _ask(
        self, queries: Sequence[str], passages: Sequence[str], names: tuple[str, str], form: dict[str, Any]
    ) -> Floats:
        size = self.settings.batch or BATCH
        starts = range(0, len(queries), size)
        bodies = [
            orjson.dumps(
                {
                    "model": self.asked.name,
                    names[0]: list(queries[start : start + size]),
                    names[1]: list(passages[start : start + size]),
                    **form,
                }
            )
            for start in starts
        ]
        scores = np.concatenate(self._remote.post("/score", bodies, read_scores))
        if len(scores) != len(queries):
            raise RunError(f"{self.settings.url} gave {len(scores)} scores for {len(queries)} pairs")
        return scores


def _pairs() -> tuple[list[str], list[str]]:
    """Every probe with every probe."""
    queries, passages = zip(*product(PROBES, PROBES), strict=True)
    return list(queries), list(passages)


def read_scores(body: bytes) -> Floats:
    """The scores in a reply of /v1/score by their `index`, shape (n,). Raises Unreadable."""
    try:
        ordered = sorted(read_json(body)["data"], key=lambda item: item["index"])
        if [item["index"] for item in ordered] != list(range(len(ordered))):
            raise Unreadable("the numbers of its scores are not 0, 1, 2 …")
        scores = np.asarray([item["score"] for item in ordered], dtype=np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"its reply holds no scores: {str(error)[:100]}") from error
    if scores.ndim != 1:
        raise Unreadable("its reply holds no scores: several numbers for a pair")
    return scores
