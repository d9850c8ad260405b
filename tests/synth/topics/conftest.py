from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_llm import FakeLlm, Script, fake_llm
from inventing import TOPICS, answer

from synth.llm.settings import LlmSettings, reach
from synth.recipe import Choices
from synth.store import Store


@pytest.fixture
def domain(tmp_path: Path) -> Path:
    """A domain with twelve topics and two people."""
    (tmp_path / "topics.yaml").write_text(yaml.safe_dump({"topics": TOPICS}))
    people = [
        {"id": f"p{n}", "text": f"A clerk at the {place} who types in haste."}
        for n, place in enumerate(("port", "mill"))
    ]
    (tmp_path / "people.jsonl").write_text("\n".join(map(json.dumps, people)))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "one.md").write_text("# One\n\nA document that is never read by these tests.")
    told = {
        "name": "harbours",
        "title": "Harbours",
        "description": "Ports and the law of the sea",
        "corpus": "docs",
        "personas": "people.jsonl",
        "topics": "topics.yaml",
        "invention": {"documents": 12, "words": {30: 1, 60: 1}},
    }
    file = tmp_path / "harbours.yaml"
    file.write_text(yaml.safe_dump(told))
    return file


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeLlm]]:
    with ExitStack() as stack:

        def start(script: Script = answer, **fields: Any) -> FakeLlm:
            return stack.enter_context(fake_llm(script, **fields))

        yield start


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def reached(domain: Path) -> Callable[..., tuple[Choices, LlmSettings]]:
    """Choices of the domain with the models of a server, and how it is reached."""

    def reach_all(*fakes: FakeLlm, **fields: Any) -> tuple[Choices, LlmSettings]:
        settings = reach([fake.url for fake in fakes])
        return Choices(str(domain), models=tuple(settings.models), **fields), settings

    return reach_all
