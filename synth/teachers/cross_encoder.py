"""A cross-encoder of sentence-transformers as the rescorer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from synth.arrays import Floats
from synth.errors import InputError
from synth.teachers.local import LocalModel, dtype_of, fingerprint
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
        _ = self._model
        from torch.nn import Identity

        return self._local.call("predict", list(zip(queries, passages, strict=True)), activation_fn=Identity())

    def close(self) -> None:
        self._local.close()

    @cached_property
    def _local(self) -> LocalModel:
        return LocalModel(
            "CrossEncoder", "rescorer", "the name or folder of a cross-encoder", self.asked, self.settings
        )

    @cached_property
    def _model(self) -> Any:
        model = self._local.model
        if model.num_labels != 1:
            raise InputError(
                f"{self.asked.name!r} gives {model.num_labels} numbers for a pair and a rescorer gives one: name a model that was trained to rank passages"
            )
        return model
