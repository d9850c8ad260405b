"""What a run will ask of an LLM, before it does: requests, tokens, time, and what a prefix cache can serve."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import orjson

from schemas.base import Strict
from schemas.recipe import Recipe
from synth.corpus import Corpus
from synth.generators import Call, Equipment
from synth.generators.llm import Llm, first_messages, steps_to_ask
from synth.llm.endpoints import Endpoint, fetch
from synth.llm.settings import LlmSettings
from synth.progress import Reporter
from synth.prompts import Message

SAMPLED_ITEMS = 48
CHARS_PER_TOKEN = 4
"""Where no server can count: the usual figure for English."""


class Forecast(Strict):
    """Expected cost of a run; tokens are of all its requests together."""

    requests: int
    prompt_tokens: int
    cacheable_share: float
    """Of the prompt tokens, 0 to 1: those that an earlier request of the same plan has in common from its beginning."""
    output_tokens: int | None = None
    seconds: float | None = None
    """At the rate of the probe, which does not fill a large server."""
    counted_by: str
    """`server`, or `estimate` where none could be asked."""
    probed: int = 0


def forecast(
    calls: Sequence[Call], items: int, equipment: Equipment, reporter: Reporter, *, probe: bool = True
) -> Forecast:
    """Count the prompts of some sampled calls, and ask them to see how fast answers come.

    `calls` are runs of adjacent calls of the plan. The probe's answers are kept in the store, so the run that
    follows does not ask for them again.
    """
    settings = equipment.llm or LlmSettings()
    steps = sum(len(steps_to_ask(call)) for call in calls) / len(calls)
    endpoint = settings.endpoints[0] if settings.endpoints else None
    rendered = [first_messages(call) for call in calls]
    counter = endpoint if endpoint is not None and ask_count([Message("user", "?")], endpoint) is not None else None
    counts = [count_tokens(messages, counter) for messages in rendered]
    shared = count_tokens(rendered[0][:1], counter)
    cached = [shared, *(_in_common(a, b, shared, n) for (a, b), n in zip(pairwise(rendered), counts[1:], strict=True))]
    requests = round(items * steps)
    found: dict[str, Any] = {}
    if probe and endpoint is not None:
        found = _probe(calls, requests, equipment, reporter)
    return Forecast(
        requests=requests,
        prompt_tokens=round(sum(counts) / len(counts) * requests),
        cacheable_share=round(sum(cached) / sum(counts), 4),
        counted_by="server" if counter is not None else "estimate",
        **found,
    )


def sample(calls_of: Any, items: int, items_per_passage: int) -> list[Call]:
    """Whole passages from all over the plan: `calls_of(start, stop)` gives the calls there."""
    groups = max(1, SAMPLED_ITEMS // items_per_passage)
    step = max(items // groups // items_per_passage, 1) * items_per_passage
    starts = range(0, items, step)[:groups]
    return [call for start in starts for call in calls_of(start, min(start + items_per_passage, items))]


def equipment_for(recipe: Recipe, corpus: Corpus, answers: Path, settings: LlmSettings) -> Equipment:
    """A generator's equipment without a run."""
    return Equipment(recipe, corpus.lexicon, answers, corpus.folder, settings)


def _probe(calls: Sequence[Call], requests: int, equipment: Equipment, reporter: Reporter) -> dict[str, Any]:
    generator = Llm(equipment)
    try:
        client = generator.open_client(reporter)
        started = time.monotonic()
        for _ in generator.generate(calls, reporter):
            reporter.advance()
        seconds = time.monotonic() - started
    finally:
        generator.close()
    counters = client.counters
    answers = counters.answers.total()
    if not answers:
        return {}  # all of them were known: there is nothing to measure
    return {
        "output_tokens": round(counters.completion_tokens / answers * requests),
        "seconds": round(seconds / answers * requests, 1),
        "probed": answers,
    }


def count_tokens(messages: Sequence[Message], counter: Endpoint | None) -> int:
    """Tokens of a prompt by the tokenizer of `counter`; an estimate where there is none, or it does not count."""
    counted = ask_count(messages, counter) if counter is not None else None
    estimate = sum(len(message.content) for message in messages) // CHARS_PER_TOKEN + 1
    return estimate if counted is None else counted


def ask_count(messages: Sequence[Message], endpoint: Endpoint) -> int | None:
    """Tokens of a prompt by the server's own tokenizer; None where it does not count."""
    said = [{"role": message.role, "content": message.content} for message in messages]
    body = orjson.dumps({"model": endpoint.model, "messages": said})
    status, payload = fetch(f"{endpoint.root}/tokenize", body)
    return int(orjson.loads(payload)["count"]) if status == 200 else None


def _in_common(before: Sequence[Message], after: Sequence[Message], shared: int, tokens: int) -> float:
    """Tokens at the beginning of `after` that `before` has too; the first message is the same for all."""
    one, other = before[-1].content, after[-1].content
    prefix = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return shared + (tokens - shared) * prefix / max(1, len(other))
