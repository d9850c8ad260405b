"""What a `FakeLlm` needs to embed and to score pairs as vLLM does: real numbers, made of hashed words."""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Faults = Callable[[str, int], Any]
"""From the first text of a request and how often it was asked before, to what happens instead of an answer, or None."""


def never(_text: str, _asked: int) -> Any:
    """No fault."""
    return None


def hashed(text: str, dimension: int, weights: str = "") -> np.ndarray:
    """A vector of any length: words at the places that their hashes give."""
    vector = np.zeros(dimension, dtype=np.float32)
    for word in text.lower().split():
        digest = hashlib.sha256((weights + word).encode()).digest()
        vector[digest[0] % dimension] += 3 if digest[1] % 2 else -2
        vector[digest[2] % dimension] += 1
    return vector


@dataclass
class Embedder:
    """An embedding model, or with `pairs` also a model of pairs; change it while it runs."""

    dimension: int = 32
    weights: str = ""
    """Others are another model under the same name."""
    noise: float = 0.0
    seconds: float = 0.0
    """That an answer takes."""
    faults: Faults = never
    takes: tuple[str, ...] = ("base64", "truncate_prompt_tokens", "dimensions", "use_activation")
    """What it does not refuse."""
    longest: int = 1_000
    """Words; longer texts are refused, or cut where that is asked for."""
    backwards: bool = False
    """Whether vectors come in another order, with their `index`."""
    bad: dict[str, float] = field(default_factory=dict)
    """Word -> what the first component of a text that holds it is set to, times the rest."""
    pairs: str = ""
    """`logit` for a cross-encoder behind a sigmoid, `cosine` for an embedder; '' for no /v1/score."""
    names: tuple[str, str] = ("text_1", "text_2")
    bodies: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def texts(self) -> list[str]:
        """Every text that was embedded, with its prompt, in order of arrival."""
        return [text for body in self.bodies for text in body.get("input", ())]

    @property
    def scored(self) -> list[tuple[str, str]]:
        """Every pair that was scored, in order of arrival."""
        first, second = self.names
        return [pair for body in self.bodies if first in body for pair in zip(body[first], body[second], strict=True)]

    def fault(self, route: str, body: dict[str, Any]) -> Any:
        """What is scripted for this request, a refusal as (status, message), or None."""
        self.bodies.append(body)
        texts = body.get("input") or body.get(self.names[0])
        if not texts or (route == "/v1/score" and not self.pairs):
            return (422, "field required") if not texts else (404, "not found")
        for name in ("truncate_prompt_tokens", "dimensions", "use_activation"):
            if name in body and name not in self.takes:
                return 400, f"{name} is not understood"
        if body.get("encoding_format") == "base64" and "base64" not in self.takes:
            return 400, "encoding_format must be float"
        long = max(len(text.split()) for text in texts)
        if long > self.longest and "truncate_prompt_tokens" not in body:
            return 400, f"maximum context length is {self.longest}, and a text has {long}"
        count, self.asked[texts[0]] = self.asked[texts[0]], self.asked[texts[0]] + 1
        return self.faults(texts[0], count)

    def answer(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        """What /v1/embeddings or /v1/score says."""
        if route == "/v1/score":
            first, second = self.names
            values = [
                self._pair(q, p, body.get("use_activation", True))
                for q, p in zip(body[first], body[second], strict=True)
            ]
            data: list[dict[str, Any]] = [{"index": n, "score": value} for n, value in enumerate(values)]
        else:
            vectors = [self.vector(text, body) for text in body["input"]]
            packed = body.get("encoding_format") == "base64"
            data = [
                {
                    "index": n,
                    "embedding": base64.b64encode(v.astype("<f4").tobytes()).decode() if packed else v.tolist(),
                }
                for n, v in enumerate(vectors)
            ]
        return {"object": "list", "model": body["model"], "data": data[::-1] if self.backwards else data}

    def vector(self, text: str, body: dict[str, Any] | None = None) -> np.ndarray:
        """The vector of a text, cut as the request says."""
        asked = body or {}
        cut = asked.get("truncate_prompt_tokens", -1)
        words = text.split()[: self.longest if cut == -1 else cut]
        vector = hashed(" ".join(words), self.dimension, self.weights)[: asked.get("dimensions", self.dimension)]
        for word, value in self.bad.items():
            if word in text:
                vector = vector * 0 + value
        source = np.random.default_rng(len(self.bodies))
        return vector + source.normal(0, self.noise, len(vector)) * np.linalg.norm(vector) if self.noise else vector

    def _pair(self, query: str, passage: str, activated: bool) -> float:
        q, p = self.vector(query), self.vector(passage)
        cosine = float(q @ p / (np.linalg.norm(q) * np.linalg.norm(p)))
        if self.pairs == "cosine":
            return cosine
        logit = 9 * cosine - 3
        return 1 / (1 + math.exp(-logit)) if activated else logit


def cosines(embedder: Embedder, queries: Sequence[str], passages: Sequence[str]) -> np.ndarray:
    """What the scores of a teacher must be."""
    q, p = (np.stack([embedder.vector(text) for text in texts]) for texts in (queries, passages))
    q, p = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (q, p))
    product: np.ndarray = q @ p.T
    return product
