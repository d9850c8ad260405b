from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLlm, Script, always, fake_llm

from synth.llm.client import Client
from synth.llm.endpoints import Endpoint
from synth.llm.link import Patience
from synth.llm.requests import Reply, Request, request_key

QUICK = Patience(request=2.0, shortest_deadline=1.0, quiet=5.0, gone=0.6, first_probe=0.05, backoff=0.01)


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeLlm]]:
    """Start fake servers that end with the test."""
    with ExitStack() as stack:

        def start(script: Script = always, **fields: Any) -> FakeLlm:
            return stack.enter_context(fake_llm(script, **fields))

        yield start


@dataclass
class Asked:
    """What came of some requests."""

    replies: list[Reply]
    notes: list[str]
    client: Client

    def reasons(self) -> dict[int, str]:
        return {reply.request.position: reply.reason for reply in self.replies if reply.said is None}


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Asked]:
    """Send requests at plan positions 0 … count - 1 through a client, and wait for all replies."""

    def run(fakes: list[FakeLlm], count: int, *, patience: Patience = QUICK, **options: Any) -> Asked:
        endpoints = [Endpoint(url=fake.url, model=fake.model) for fake in fakes]
        replies: list[Reply] = []
        notes: list[str] = []
        with Client(endpoints, tmp_path / "journal.sqlite", patience=patience, **options) as client:
            stream = client.open_stream()
            stream.ask([request(n, fakes[n % len(fakes)].model) for n in range(count)])
            while len(replies) < count:
                delivery = stream.receive()
                if isinstance(delivery, str):
                    notes.append(delivery)
                else:
                    replies.extend(delivery or [])
        return Asked(replies, notes, client)

    return run


def request(number: int, model: str = "fake", group: int | None = None) -> Request:
    """A chat request about passage `number`."""
    text = f"<passage>\nnumber{number} alpha beta gamma delta epsilon zeta eta theta iota kappa\n</passage>"
    body = f'{{"model":"{model}","messages":[{{"role":"user","content":"{text}"}}]}}'.replace("\n", "\\n").encode()
    return Request(request_key(body, str(number), 0), number, "write", model, body, number if group is None else group)
