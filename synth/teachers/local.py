"""Models of sentence-transformers on this machine: their precision, weights, devices and errors."""

from __future__ import annotations

import hashlib
import weakref
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.errors import InputError, MissingExtra, RunError
from synth.teachers.settings import TeacherModel, TeacherSettings

_CASTS = {"float16": "half", "bfloat16": "bfloat16", "float32": "float"}


class LocalModel:
    """A model that is loaded when it is first needed, and its processes, one a device where there are several.

    kind: the class of sentence-transformers; role: what messages call it; hint: what they say to give instead.
    """

    def __init__(self, kind: str, role: str, hint: str, asked: TeacherModel, settings: TeacherSettings) -> None:
        self._kind, self._role, self._hint = kind, role, hint
        self._asked, self._settings = asked, settings
        self._pool: Any = None
        self._end: weakref.finalize[..., Any] | None = None

    @cached_property
    def model(self) -> Any:
        """Raises MissingExtra without sentence-transformers, InputError where there is no such model."""
        asked = self._asked
        try:
            import sentence_transformers
        except ImportError as error:
            raise MissingExtra(f"the {self._role} {asked.name!r}", "teacher") from error
        options: dict[str, Any] = {"revision": asked.revision} if asked.revision else {}
        if asked.dimensions:
            options["truncate_dim"] = asked.dimensions
        try:
            model = getattr(sentence_transformers, self._kind)(asked.name, **options)
        except (OSError, ValueError) as error:
            raise InputError(
                f"can't load the {self._role} {asked.name!r}: {_first_line(error)}; give {self._hint}"
            ) from error
        if asked.max_tokens:
            model.max_seq_length = asked.max_tokens
        return getattr(model, _CASTS[asked.dtype])() if asked.dtype else model

    def call(self, method: str, *arguments: Any, **options: Any) -> npt.NDArray[np.float32]:
        """What a method of the model gives, without a progress bar; RunError where torch fails."""
        if self._settings.batch:
            options["batch_size"] = self._settings.batch
        try:
            if self._settings.devices > 1:
                options["pool"] = self._started()
            found = getattr(self.model, method)(*arguments, show_progress_bar=False, **options)
        except RuntimeError as error:  # such as a GPU that is out of memory
            self.close()
            raise RunError(
                f"the model {self._asked.name!r} failed: {_first_line(error)}; what it did so far is kept, and smaller batches (,batch=8 behind its name) may help: then `synth resume`"
            ) from error
        return np.asarray(found, dtype=np.float32)

    def _started(self) -> Any:
        if self._pool is None:
            self._pool = self.model.start_multi_process_pool(choose_devices(self._settings.devices))
            self._end = weakref.finalize(self, self.model.stop_multi_process_pool, self._pool)
        return self._pool

    def close(self) -> None:
        """End the processes; they come back when they are needed, and end with this object."""
        if self._end is not None:
            self._end()
        self._pool = self._end = None


def choose_devices(count: int) -> list[str]:
    """GPUs where there are any, else processes on the CPU. Raises InputError where there are too few."""
    import torch

    if not torch.cuda.is_available():
        return ["cpu"] * count
    if torch.cuda.device_count() < count:
        raise InputError(f"devices={count}: this machine has {torch.cuda.device_count()} GPUs")
    return [f"cuda:{number}" for number in range(count)]


def count_cuda() -> int:
    """GPUs that torch can use; 0 where it is not installed."""
    try:
        import torch
    except ImportError:
        return 0
    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def dtype_of(model: Any) -> str:
    """Precision of the weights."""
    return str(getattr(model, "dtype", "")).removeprefix("torch.")


def fingerprint(model: Any) -> str:
    """A hash of the weights: two checkpoints under one name are two models."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).float().numpy().tobytes())
    return digest.hexdigest()[:16]


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
