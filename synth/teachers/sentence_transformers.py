"""Any sentence-transformers model as the teacher: `--teacher NAME_OR_FOLDER[,option=…]`.

Queries go through `encode_query` and passages through `encode_document`, with the model's own
prompts unless others are given. Vectors are cached by content and model: a text is embedded once
per store, whatever run asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from synth.errors import InputError, MissingExtra
from synth.teachers import Floats
from synth.teachers.dense import Dense, Side
from synth.teachers.local import Processes, cast_to, dtype_of, failed, fingerprint, first_line

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
        encode = self._model.encode_query if side == "query" else self._model.encode_document
        options = {"batch_size": self.settings.batch} if self.settings.batch else {}
        try:
            options |= self._processes.options(self._model)
            found = encode(
                list(texts), prompt=self._prompts[side], show_progress_bar=False, convert_to_numpy=True, **options
            )
        except RuntimeError as error:
            self.close()
            raise failed(self.asked.name, error) from error
        return np.asarray(found, dtype=np.float32)

    def close(self) -> None:
        self._processes.close()

    @cached_property
    def _processes(self) -> Processes:
        return Processes(self.settings.devices)

    @cached_property
    def _model(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtra(f"the teacher {self.asked.name!r}", "teacher") from error
        options: dict[str, Any] = {"revision": self.asked.revision} if self.asked.revision else {}
        if self.asked.dimensions:
            options["truncate_dim"] = self.asked.dimensions
        try:
            model = SentenceTransformer(self.asked.name, **options)
        except (OSError, ValueError) as error:
            raise InputError(
                f"can't load the teacher {self.asked.name!r}: {first_line(error)}; give the name or folder of a sentence-transformers model, or 'lexical'"
            ) from error
        if self.asked.max_tokens:
            model.max_seq_length = self.asked.max_tokens
        return cast_to(model, self.asked.dtype)

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
