"""The vLLM that `--llm vllm:MODEL` starts."""

from __future__ import annotations

import os

from synth.doctor.finding import Finding, broken, from_error, ok
from synth.errors import InputError
from synth.llm.install import VERSION, environment_folder, find_vllm, has_gpu
from synth.llm.server import PREFIX, parse_served


def check_vllm() -> Finding:
    """Whether there is one; servers that run already need none here."""
    named = os.environ.get("SYNTH_VLLM")
    try:
        found = find_vllm()
    except InputError as error:
        if named:
            return from_error("vllm", error)
        return ok(
            "vllm",
            "not installed; needed only for --llm vllm:MODEL, and `make vllm` (or `python -m synth.llm.install`) builds it",
        )
    if named:
        return ok("vllm", f"{found}, as SYNTH_VLLM says")
    if not os.access(found, os.X_OK):
        return broken("vllm", f"{found} can't be run", f"rm -r {found.parent.parent}, then make vllm")
    if found.is_relative_to(environment_folder()):
        return ok("vllm", f"{VERSION}, the {'GPU' if has_gpu() else 'CPU'} build of `make vllm`: {found}")
    return ok("vllm", f"{found}, found on the PATH")


def check_served(flag: str) -> Finding:
    """A model that synth would start: the flag, its folder, and the command; nothing is started. Raises InputError."""
    served, command = parse_served(flag), find_vllm()
    where = f"the folder {served.folder}" if served.folder else f"{served.name} of the Hub"
    return ok(
        "model", f"{command} would serve {where}; it is not started for a look, `synth preview --llm {PREFIX}…` does"
    )
