from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fake_llm import FakeLlm, Script, fake_llm

from synth.doctor import Check, examine
from synth.doctor.finding import Finding
from synth.domains import LoadedDomain, load_domain

Serve = Callable[..., FakeLlm]
Found = dict[str, Finding]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start fake servers that end with the test."""
    with ExitStack() as stack:

        def start(script: Script, **fields: Any) -> FakeLlm:
            return stack.enter_context(fake_llm(script, **fields))

        yield start


@pytest.fixture
def look() -> Callable[..., Found]:
    """What a check finds, by name, with errors and time limits as `synth doctor` has them."""

    def run(ask: Any, *arguments: Any, timeout: float = 20.0) -> Found:
        check = Check("section", "check", lambda: ask(*arguments))
        return {finding.name: finding for _, finding in examine([check], timeout)}

    return run


@pytest.fixture(scope="session")
def finance_domain() -> LoadedDomain:
    return load_domain("finance")
