"""What the prefix cache of a real vLLM serves of the prompts of a run.

    python tests/benchmarks/llm_cache.py MODEL_FOLDER [--items 2000]

2,000 items about 200 passages of the finance corpus, the standard recipe with 10 items a
passage. `make vllm` must have been run; tests/synth/llm/make_tiny_model.py writes a model
that a CPU can serve. What is counted are first requests (repairs have more in common).
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from synth.generators.llm import first_messages
from synth.llm.client import Client
from synth.llm.endpoints import Endpoint, fetch
from synth.llm.server import Served, VllmServer
from synth.llm.settings import reach
from synth.progress import Silent
from synth.prompts import Message
from synth.recipe import Choices, resolve
from synth.run import close_workshop, create_run, prepare
from synth.shard import Shard, Workshop, make_shards, plan_calls
from synth.store import Store

A_PASSAGE = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--items", type=int, default=2_000)
    chosen = parser.parse_args()
    flags = ["--max-model-len", "2048", "--max-num-seqs", "64", "--enable-prompt-tokens-details"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = Served(model=str(chosen.model.resolve()), flags=flags)
        with VllmServer(served, folder / "vllm.log", Silent()) as endpoint:
            measure(endpoint, folder, chosen.items)


def measure(endpoint: Endpoint, folder: Path, items: int) -> None:
    (folder / "config.yaml").write_text(f"plan: {{items_per_passage: {A_PASSAGE}}}\nsampling: {{max_tokens: 64}}\n")
    settings = reach([endpoint.url])
    choices = Choices("finance", config=folder / "config.yaml", models=tuple(settings.models))
    run = create_run(resolve(choices), Store(folder / "store"), llm=settings)
    workshop = prepare(run, Silent())
    seen = watch_first_requests()
    began = time.monotonic()
    make_shards(workshop, [Shard(start, start + 500) for start in range(0, items, 500)], Silent(), score=False)
    seconds = time.monotonic() - began
    close_workshop(run)
    shared, documents = in_common(endpoint, workshop, items)
    prompt = sum(used["prompt_tokens"] for used in seen.values())
    cached = {
        position: (used.get("prompt_tokens_details") or {}).get("cached_tokens") or 0 for position, used in seen.items()
    }
    could = sum((A_PASSAGE - 1) * tokens for tokens in documents)
    did = sum(min(max(tokens - shared, 0), documents[position // A_PASSAGE]) for position, tokens in cached.items())
    print(f"{len(seen):,} first requests about {len(documents):,} passages, {seconds:.0f} s with repairs")
    print(f"shared instructions: {shared} tokens; a document: {sum(documents) / len(documents):.0f} on average")
    print(f"prompt tokens from the prefix cache: {sum(cached.values()) / prompt:.1%}")
    print(f"document tokens that could be from the cache and were: {did / could:.1%}")


def watch_first_requests() -> dict[int, dict[str, Any]]:
    """Usage by plan position, filled while a run goes on."""
    seen: dict[int, dict[str, Any]] = {}
    receive = Client._receive

    def watching(self: Client, link: Any, request: Any, response: Any) -> None:
        if request.kind == "write" and response.status == 200:
            seen[request.position] = orjson.loads(response.body)["usage"]
        receive(self, link, request, response)

    Client._receive = watching  # type: ignore[method-assign]
    return seen


def in_common(endpoint: Endpoint, workshop: Workshop, items: int) -> tuple[int, list[int]]:
    """Tokens that all prompts begin with, and for each passage those that its prompts have in common after them."""
    calls = list(plan_calls(workshop, [Shard(0, items)]))
    firsts = [tokens_of(endpoint, first_messages(call)) for call in calls[::A_PASSAGE]]
    seconds = [tokens_of(endpoint, first_messages(call)) for call in calls[1::A_PASSAGE]]
    shared = min(alike(one, other) for one, other in itertools.pairwise(firsts))
    return shared, [alike(one, other) - shared for one, other in zip(firsts, seconds, strict=True)]


def tokens_of(endpoint: Endpoint, messages: Sequence[Message]) -> list[int]:
    said = [{"role": message.role, "content": message.content} for message in messages]
    _, payload = fetch(f"{endpoint.root}/tokenize", orjson.dumps({"model": endpoint.model, "messages": said}))
    found: list[int] = orjson.loads(payload)["tokens"]
    return found


def alike(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


if __name__ == "__main__":
    main()
