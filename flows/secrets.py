"""Secrets that stand in blocks of the Prefect server; a flow run's parameters name the block and never hold the secret."""

from __future__ import annotations

import os

from prefect.blocks.system import Secret
from prefect.context import FlowRunContext

from synth.errors import InputError

LLM_KEY = "SYNTH_LLM_API_KEY"


def read_secret(block: str) -> str:
    """What the Secret block holds; InputError where there is none of that name."""
    try:
        value = Secret.load(block).get()  # type: ignore[union-attr]
    except ValueError as error:
        raise InputError(
            f"there is no Secret block {block!r} on the Prefect server: make it in the UI under Blocks, or leave the field empty and put the secret into the environment of the worker"
        ) from error
    return str(value)


def use_llm_key(block: str | None) -> None:
    """Let this process ask LLMs with the key in a block."""
    if block:
        os.environ[LLM_KEY] = read_secret(block)


def use_key_of_flow() -> None:
    """In a worker of another machine: the key in the block that the flow run's parameters name."""
    context = FlowRunContext.get()
    parameters = context.parameters.get("parameters") if context and context.parameters else None
    block = getattr(parameters, "llm_key_block", None)
    if block and LLM_KEY not in os.environ:
        use_llm_key(block)
