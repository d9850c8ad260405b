"""Models of sentence-transformers on this machine: their precision, weights, devices and errors."""

from __future__ import annotations

import hashlib
import weakref
from typing import Any

from synth.errors import InputError, RunError
from synth.teachers.settings import Precision

_CASTS = {"float16": "half", "bfloat16": "bfloat16", "float32": "float"}


class Processes:
    """One process a device, started when they are first needed; they end with `close`, or with this object."""

    def __init__(self, devices: int) -> None:
        self._devices = devices
        self._pool: Any = None
        self._end: weakref.finalize[..., Any] | None = None

    def options(self, model: Any) -> dict[str, Any]:
        """What to call the model with, so that it encodes there; nothing for a single device."""
        if self._devices == 1:
            return {}
        if self._pool is None:
            self._pool = model.start_multi_process_pool(choose_devices(self._devices))
            self._end = weakref.finalize(self, model.stop_multi_process_pool, self._pool)
        return {"pool": self._pool}

    def close(self) -> None:
        """They come back when they are needed."""
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


def cast_to(model: Any, dtype: Precision) -> Any:
    """The model with weights of that precision."""
    return getattr(model, _CASTS[dtype])() if dtype else model


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


def failed(name: str, error: RuntimeError) -> RunError:
    """What is raised in place of an error of torch's, such as a GPU that is out of memory."""
    return RunError(
        f"the model {name!r} failed: {first_line(error)}; what it did so far is kept, and smaller batches (,batch=8 behind its name) may help: then `synth resume`"
    )


def first_line(error: BaseException) -> str:
    """The first line of an error that has many."""
    return next(iter(str(error).splitlines()), type(error).__name__)
