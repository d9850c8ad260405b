"""What a vLLM server says of its load: the few lines of `/metrics` that steer the client."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(
    r"^vllm:(num_requests_running|num_requests_waiting|num_preemptions|kv_cache_usage_perc"
    r"|prefix_cache_queries|prefix_cache_hits)(?:_total)?(?:\{[^}]*\})? ([0-9.eE+-]+)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that run and wait, summed over the server's engines; counters since its start."""

    running: int
    waiting: int
    preemptions: int
    kv_cache: float
    """Share of the key-value cache in use, of the fullest engine."""
    cache_queries: int
    """Prompt tokens looked up in the prefix cache."""
    cache_hits: int


def parse_metrics(text: str) -> Load | None:
    """None where the text does not come from vLLM."""
    found: dict[str, list[float]] = {}
    for name, value in _LINE.findall(text):
        found.setdefault(name, []).append(float(value))
    if "num_requests_running" not in found:
        return None
    total = {name: int(sum(values)) for name, values in found.items()}
    return Load(
        running=total["num_requests_running"],
        waiting=total.get("num_requests_waiting", 0),
        preemptions=total.get("num_preemptions", 0),
        kv_cache=max(found.get("kv_cache_usage_perc", [0.0])),
        cache_queries=total.get("prefix_cache_queries", 0),
        cache_hits=total.get("prefix_cache_hits", 0),
    )
