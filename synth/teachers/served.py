"""An embedding model behind a server as the teacher: `--teacher http://HOST:8001/v1` (vLLM, or another with /v1/embeddings).

What a server takes beside texts is found out with the first request: vectors as base64, cutting texts that are too
long, both or neither. A server does not tell its weights, so a few fixed sentences stand for them: their vectors are
kept in the store, and a server whose vectors are the same up to the noise of its arithmetic has the same weights.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from synth.arrays import Floats
from synth.errors import InputError, RunError
from synth.llm.link import Patience
from synth.teachers.dense import Dense, Side, normalise
from synth.teachers.probes import PROBES, folder_of, known_as
from synth.teachers.remote import Refused, Remote, Unreadable, read_json
from synth.teachers.settings import TeacherModel, TeacherSettings

BATCH = 64
"""Texts of a request, unless the flag says otherwise."""


class Served(Dense):
    """Dense teacher behind a server; its key comes from the environment."""

    block = 4_096

    def __init__(
        self,
        name: str,
        folder: Path,
        embeddings: Path,
        settings: TeacherSettings | None = None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(name, folder, embeddings, settings)
        self._patience = patience

    def describe(self) -> dict[str, str]:
        asked = self.asked
        return {
            "model": asked.name,
            "weights": known_as(self._probed[1], folder_of(self._embeddings, asked)),
            "query_prompt": asked.query_prompt or "",
            "document_prompt": asked.document_prompt or "",
            "max_tokens": str(asked.max_tokens or "as served"),
            "dimensions": str(self.measure()),
            "dtype": f"as served, stored as {'float16' if asked.is_half else 'float32'}",
        }

    def measure(self) -> int:
        dimension = int(self._probed[1].shape[1])
        if self.asked.dimensions not in (None, dimension):
            raise InputError(
                f"{self.settings.url} was asked for vectors of {self.asked.dimensions} dimensions and gives {dimension}: its model can't be cut so; leave ,dimensions= out"
            )
        return dimension

    def encode(self, texts: Sequence[str], side: Side) -> Floats:
        prompt = (self.asked.query_prompt if side == "query" else self.asked.document_prompt) or ""
        vectors = self._ask([prompt + text for text in texts], self._probed[0])
        if vectors.shape[1] != self._dimension:
            raise RunError(
                f"{self.settings.url} now gives vectors of {vectors.shape[1]} dimensions instead of {self._dimension}: another model is behind it; put the first one back, then `synth resume`"
            )
        return vectors

    @cached_property
    def _remote(self) -> Remote:
        if not self.settings.url:
            raise InputError(
                f"the teacher {str(self.asked)!r} needs its server: add --teacher http://HOST:8001/v1,model={self.asked.name}"
            )
        return Remote(self.settings.url, self._patience)

    @cached_property
    def _probed(self) -> tuple[dict[str, Any], Floats]:
        """What the server takes beside texts, and its vectors of the probes."""
        refusal: Refused | None = None
        for form in _forms(self.asked):
            try:
                return form, normalise(self._ask(PROBES, form), PROBES, str(self.asked))
            except Refused as error:
                refusal = error
                if error.is_absent or error.status in (401, 403):
                    break
        assert refusal is not None
        cutting = "; is it max_tokens that it does not take?" if self.asked.max_tokens else ""
        raise InputError(
            f"{refusal}{cutting or '; it can not be the teacher: name the server of an embedding model'}"
        ) from refusal

    def _ask(self, texts: Sequence[str], form: dict[str, Any]) -> Floats:
        size = self.settings.batch or BATCH
        fixed = {"model": self.asked.name, **form}
        if self.asked.dimensions:
            fixed["dimensions"] = self.asked.dimensions
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        bodies = [orjson.dumps({**fixed, "input": list(batch)}) for batch in batches]
        found = self._remote.post("/embeddings", bodies, read_embeddings)
        for batch, vectors in zip(batches, found, strict=True):
            if len(vectors) != len(batch):
                raise RunError(f"{self.settings.url} gave {len(vectors)} vectors for {len(batch)} texts")
        if len({vectors.shape[1] for vectors in found}) > 1:
            raise RunError(f"{self.settings.url} gave vectors of different lengths: are there two models behind it?")
        return np.concatenate(found)


def _forms(asked: TeacherModel) -> list[dict[str, Any]]:
    """What to try, best first: base64 is faster to read, and a text that is too long should be cut and not refused."""
    cut = {"truncate_prompt_tokens": asked.max_tokens or -1, "truncation_side": "right"}
    packed, plain = {"encoding_format": "base64"}, {"encoding_format": "float"}
    return [packed | cut, plain | cut] + ([] if asked.max_tokens else [packed, plain])


def read_embeddings(body: bytes) -> Floats:
    """The vectors in a reply of /v1/embeddings, by their `index`, shape (n, d). Raises Unreadable."""
    try:
        data = read_json(body)["data"]
        ordered = sorted(data, key=lambda item: item["index"])
        if [item["index"] for item in ordered] != list(range(len(ordered))):
            raise Unreadable("the numbers of its vectors are not 0, 1, 2 …")
        rows = [_read_vector(item["embedding"]) for item in ordered]
        vectors: Floats = np.stack(rows)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"its reply holds no vectors: {str(error)[:100]}") from error
    if vectors.ndim != 2:
        raise Unreadable("its reply holds no vectors: one for every token instead")
    return vectors


def _read_vector(value: Any) -> Floats:
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4")
    return np.asarray(value, dtype=np.float32)
