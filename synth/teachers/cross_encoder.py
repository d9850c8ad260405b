"""A cross-encoder of sentence-transformers as the rescorer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from synth.errors import InputError, MissingExtra
from synth.teachers import Floats
from synth.teachers.local import Processes, cast_to, dtype_of, failed, fingerprint, first_line
from synth.teachers.rescore import PairModel, Range


class CrossEncoder(PairModel):
    """Needs the extra `teacher`. Scores are the model's logits, whatever activation it comes with.

    A sigmoid would make the best candidates equal once they are rounded.
    """

    range: Range = "logit"

    def describe(self) -> dict[str, str]:
        model = self._model
        told = {
            "model": self.asked.name,
            "weights": fingerprint(model),
            "prompt": str((getattr(model, "prompts", {}) or {}).get(getattr(model, "default_prompt_name", None), "")),
            "max_seq_length": str(model.max_seq_length),
            "activation": "none",
            "dtype": dtype_of(model),
        }
        return told | ({"revision": self.asked.revision} if self.asked.revision else {})

    def ask(self, queries: Sequence[str], passages: Sequence[str]) -> Floats:
        from torch.nn import Identity

        options: dict[str, Any] = {"batch_size": self.settings.batch} if self.settings.batch else {}
        pairs = list(zip(queries, passages, strict=True))
        try:
            options |= self._processes.options(self._model)
            found = self._model.predict(pairs, activation_fn=Identity(), show_progress_bar=False, **options)
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
        name = self.asked.name
        try:
            from sentence_transformers import CrossEncoder as Model
        except ImportError as error:
            raise MissingExtra(f"the rescorer {name!r}", "teacher") from error
        try:
            model = Model(name, **({"revision": self.asked.revision} if self.asked.revision else {}))
        except (OSError, ValueError) as error:
            raise InputError(
                f"can't load the rescorer {name!r}: {first_line(error)}; give the name or folder of a cross-encoder"
            ) from error
        if model.num_labels != 1:
            raise InputError(
                f"{name!r} gives {model.num_labels} numbers for a pair and a rescorer gives one: name a model that was trained to rank passages"
            )
        if self.asked.max_tokens:
            model.max_seq_length = self.asked.max_tokens
        return cast_to(model, self.asked.dtype)
