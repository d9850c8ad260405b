"""Any sentence-transformers model as the teacher: `--teacher NAME_OR_FOLDER[,option=…]`.

Queries go through `encode_query` and passages through `encode_document`, with the model's own
prompts unless others are given. Vectors are cached by content and model: a text is embedded once
per store, whatever run asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from synth.arrays import Floats
from synth.teachers.dense import Dense, Side
from synth.teachers.local import LocalModel, dtype_of, fingerprint

__all__ = ["SentenceTransformers"]

_POOLED_BLOCK = 8_192


class SentenceTransformers(Dense):
    """Dense teacher; needs the extra `teacher`. `close` ends the processes of several devices."""

    name = "sentence-transformers"

    @property
    def block(self) -> int:  # type: ignore[override]
        return _POOLED_BLOCK if self.settings.devices > 1 else Dense.block

    def describe(self) -> dict[str, str]:
        told = {
            "model": self.asked.name,
            "weights": fingerprint(self._model),
            "query_prompt": self._prompts["query"],
            "document_prompt": self._prompts["document"],
            "max_seq_length": str(self._model.max_seq_length),
            "dimensions": str(self.measure()),
            "dtype": dtype_of(self._model),
        }
        return told | ({"revision": self.asked.revision} if self.asked.revision else {})

    def measure(self) -> int:
        return int(self._model.get_embedding_dimension())

    def encode(self, texts: Sequence[str], side: Side) -> Floats:
        method = "encode_query" if side == "query" else "encode_document"
        return self._local.call(method, list(texts), prompt=self._prompts[side], convert_to_numpy=True)

    def close(self) -> None:
        self._local.close()

    @cached_property
    def _local(self) -> LocalModel:
        hint = "the name or folder of a sentence-transformers model, or 'lexical'"
        return LocalModel("SentenceTransformer", "teacher", hint, self.asked, self.settings)

    @property
    def _model(self) -> Any:
        return self._local.model

    @cached_property
    def _prompts(self) -> dict[Side, str]:
        """Texts, since libraries differ in which name of a prompt they take for passages."""
        own = getattr(self._model, "prompts", {}) or {}
        document = next((own[name] for name in ("document", "passage", "corpus") if own.get(name)), "")
        query, given = own.get("query") or "", self.asked
        return {
            "query": query if given.query_prompt is None else given.query_prompt,
            "document": document if given.document_prompt is None else given.document_prompt,
        }
