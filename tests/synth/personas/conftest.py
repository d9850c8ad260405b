from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from fake_llm import FakeLlm, Script, fake_llm
from people import describe

from synth.corpora import Documents
from synth.llm.settings import reach
from synth.personas.derive import Derivation, Wanted
from synth.personas.documents import derive_personas, source_of
from synth.progress import Silent
from synth.recipe import Choices
from synth.store import Store


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeLlm]]:
    with ExitStack() as stack:

        def start(script: Script = describe, **fields: Any) -> FakeLlm:
            return stack.enter_context(fake_llm(script, **fields))

        yield start


@pytest.fixture
def documents(tmp_path: Path, make_texts: Callable[..., dict[str, str]]) -> Path:
    """Twelve documents of three passages or so; every other one states a licence."""
    rows = [
        {"id": key, "text": text, "licence": "CC-BY-4.0" if number % 2 else ""}
        for number, (key, text) in enumerate(make_texts(12, sentences=24).items())
    ]
    path = tmp_path / "documents.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


@pytest.fixture
def derive(tmp_path: Path, documents: Path) -> Callable[..., Derivation]:
    """Derive from `documents` in a store of the test; keywords are fields of `Wanted`."""

    def run(*fakes: FakeLlm, store: str = "store", choices: dict[str, Any] | None = None, **wanted: Any) -> Derivation:
        settings = reach([fake.url for fake in fakes])
        given = {"domain": "finance", "documents": (documents,), "models": tuple(settings.models)} | (choices or {})
        source = source_of(Choices(**given), Documents(()))
        return derive_personas(source, Wanted(**wanted), Store(tmp_path / store), settings, Silent())

    return run
