from __future__ import annotations

import pytest

from synth.llm.limits import FIRST, SPARE, Limit
from synth.llm.metrics import Load, parse_metrics

TEXT = """# HELP vllm:num_requests_running Number
vllm:num_requests_running{engine="0",model_name="m"} 30.0
vllm:num_requests_running{engine="1",model_name="m"} 12.0
vllm:num_requests_waiting{engine="0",model_name="m"} 5.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 99.0
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.5
vllm:num_preemptions_total{engine="0"} 2.0
vllm:prefix_cache_queries_total{engine="0"} 1e+03
vllm:prefix_cache_queries_created{engine="0"} 1.7e+09
vllm:prefix_cache_hits_total{engine="0"} 700.0
"""


def test_engines_are_added_up_and_other_lines_left_out() -> None:
    assert parse_metrics(TEXT) == Load(42, 5, 2, 0.5, 1_000, 700)
    assert parse_metrics("# nothing\npython_gc_total 3\n") is None


def server(limit: Limit, slots: int, polls: int) -> list[int]:
    """A server that runs `slots` requests at once, always kept at the limit; the limit after each look."""
    seen = []
    for poll in range(polls):
        in_flight = limit.value
        running = min(slots, in_flight)
        limit.observe(Load(running, in_flight - running, 0, 0.1, 0, 0), in_flight, float(poll))
        seen.append(limit.value)
    return seen


@pytest.mark.parametrize("slots", [1, 32, 256, 1_024, 5_000])
def test_the_limit_ends_a_quarter_above_what_the_server_runs(slots: int) -> None:
    seen = server(Limit(), slots, 20)
    assert slots * (1 + SPARE) - 1 <= seen[-1] <= slots * (1 + SPARE) + 2


def test_requests_that_have_just_arrived_do_not_end_the_search() -> None:
    limit = Limit()
    for poll, (running, waiting) in enumerate([(0, FIRST), (20, FIRST - 20), (20, FIRST - 20), (60, 4)]):
        limit.observe(Load(running, waiting, 0, 0, 0, 0), FIRST, poll * 0.05)
        assert limit.searching
        assert limit.value == FIRST
    for poll in range(10):
        limit.observe(Load(60, 4, 0, 0, 0, 0), FIRST, 0.2 + poll * 0.05)
    assert not limit.searching


def test_a_server_that_is_given_little_teaches_nothing() -> None:
    """The server of a later step gets its first requests one by one."""
    limit = Limit()
    for poll in range(100):
        limit.observe(Load(1, 1, 0, 0, 0, 0), 2, poll * 0.05)
    assert (limit.value, limit.searching) == (FIRST, True)


def test_preemptions_cut_the_limit_once_for_a_while() -> None:
    limit = Limit()
    for count in range(4):
        limit.observe(Load(64, 0, count, 1.0, 0, 0), 10, 100.0 + count / 10)
    assert limit.value == int(FIRST * 0.7)


def test_an_overloaded_server_is_given_less_and_recovers() -> None:
    limit = Limit()
    limit.overloaded(10.0)
    assert limit.value == int(FIRST * 0.7)
    limit.overloaded(11.0)
    assert limit.value == int(FIRST * 0.7)
    for poll in range(10):
        limit.observe(Load(limit.value, 0, 0, 0, 0, 0), limit.value, 20.0 + poll)
    assert limit.value > FIRST


def test_without_metrics_the_limit_stops_where_answers_no_longer_come_faster() -> None:
    limit, now = Limit(), 100.0
    for _ in range(40):
        rate = min(limit.value, 300) / 1.0
        for _ in range(limit.value):
            now += 1.0 / rate
            limit.answered(limit.value, now)
    assert 200 <= limit.value <= 1_000
