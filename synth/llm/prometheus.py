"""The client's counters for Prometheus: `--metrics-port`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from synth.errors import InputError
from synth.llm.counters import Counters


class _Exported(Collector):
    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        counters = self._counters
        for name, label, help_text, found in (
            ("synth_llm_requests", "kind", "Requests sent", counters.requests),
            ("synth_llm_answers", "kind", "Answers on disk", counters.answers),
            ("synth_llm_retries", "reason", "Requests sent again", counters.retries),
            ("synth_llm_given_up", "reason", "Requests given up", counters.given_up),
        ):
            family = CounterMetricFamily(name, help_text, labels=[label])
            for value, count in dict(found).items():
                family.add_metric([value], count)
            yield family
        yield CounterMetricFamily("synth_llm_prompt_tokens", "Tokens in", value=counters.prompt_tokens)
        yield CounterMetricFamily("synth_llm_completion_tokens", "Tokens out", value=counters.completion_tokens)
        yield GaugeMetricFamily("synth_llm_in_flight", "Sent and not committed", value=counters.in_flight)
        yield GaugeMetricFamily("synth_llm_limit", "Requests the servers are given at once", value=counters.limit)
        yield GaugeMetricFamily(
            "synth_llm_prefix_cache_share", "Prompt tokens served from cache, 0 to 1", value=counters.cache_share or 0.0
        )


@contextmanager
def exported(counters: Counters, port: int) -> Iterator[None]:
    """Serve the counters on 127.0.0.1:`port` meanwhile. Raises InputError when the port is taken."""
    registry = CollectorRegistry()
    registry.register(_Exported(counters))
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise InputError(f"--metrics-port {port} can't be used: {error.strerror}; choose another") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
