from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fake_llm import FakeLlm, Say, Status, query_of, wait_for

from synth.errors import RunError
from synth.llm.budget import Budget
from synth.llm.client import Client
from synth.llm.endpoints import Endpoint
from synth.llm.journal import Said, read_journal
from tests.synth.llm.conftest import QUICK, Asked, request

Serve = Callable[..., FakeLlm]
Ask = Callable[..., Asked]


def test_every_request_has_one_reply(serve: Serve, ask: Ask) -> None:
    asked = ask([serve()], 500)
    assert sorted(reply.request.position for reply in asked.replies) == list(range(500))
    assert asked.reasons() == {}


def test_an_answer_is_on_disk_before_anyone_reads_it(serve: Serve, tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    fake = serve()
    with Client([Endpoint(url=fake.url, model="fake")], journal, patience=QUICK) as client:
        stream = client.open_stream()
        stream.ask([request(n) for n in range(200)])
        seen = 0
        while seen < 200:
            delivery = stream.receive()
            assert isinstance(delivery, list)
            kept = {said.key for said in read_journal(journal, 0, 200)}
            assert {reply.request.key for reply in delivery} <= kept
            seen += len(delivery)


def test_the_journal_forgets_what_the_archive_holds(serve: Serve, tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    fake = serve()
    with Client([Endpoint(url=fake.url, model="fake")], journal, patience=QUICK) as client:
        stream = client.open_stream()
        stream.ask([request(n) for n in range(3)])
        said: list[Said] = []
        while len(said) < 3:
            said += [reply.said for reply in stream.receive() or [] if not isinstance(reply, str) and reply.said]
        client.forget(said[:2])
        wait_for(lambda: len(read_journal(journal, 0, 10)) == 1)
    assert read_journal(journal, 0, 10) == said[2:]


@pytest.mark.parametrize(
    "fault", [Status(500), Status(502), Status(503), Status(429, headers="Retry-After: 0\r\n"), "reset", "garbage"]
)
def test_what_passes_is_tried_again(serve: Serve, ask: Ask, fault: Status | str) -> None:
    fake = serve(lambda prompt, asked: fault if asked == 0 and "number1 " in prompt else query_of(prompt))
    asked = ask([fake], 20)
    assert asked.reasons() == {}
    assert len(fake.bodies) == 21
    assert asked.client.counters.retries.total() == 1


def test_a_request_that_hangs_is_given_up_and_sent_again(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: "hang" if asked == 0 and "number3 " in prompt else query_of(prompt))
    asked = ask([fake], 200)
    assert asked.reasons() == {}
    assert set(asked.client.counters.retries) == {"timeout"}
    assert sum("number3 " in prompt for prompt in fake.prompts) >= 2


def test_a_request_that_never_works_fails_with_its_reason_and_the_others_do_not(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: Status(500, "engine is sad") if "number3 " in prompt else query_of(prompt))
    asked = ask([fake], 100)
    assert asked.reasons() == {3: "http_500"}
    assert next(r.detail for r in asked.replies if r.said is None) == "HTTP 500: engine is sad"


def test_a_request_that_will_never_be_taken_is_sent_once_and_kept_as_an_answer(serve: Serve, ask: Ask) -> None:
    too_long = Status(400, "This model's maximum context length is 2048 tokens.")
    fake = serve(lambda prompt, asked: too_long if "number3 " in prompt else query_of(prompt))
    asked = ask([fake], 50)
    assert len(fake.bodies) == 50
    said = next(reply.said for reply in asked.replies if reply.request.position == 3)
    assert said is not None
    assert (said.finish_reason, said.content) == ("refused:too_long", f"HTTP 400: {too_long.message}")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_everything_ends_the_run_with_its_own_words(serve: Serve, ask: Ask, status: int) -> None:
    fake = serve(lambda prompt, asked: Status(status, "no such model"))
    with pytest.raises(RunError, match=rf"refuses what it is asked \(HTTP {status}\): HTTP {status}: no such model"):
        ask([fake], 50)


@pytest.mark.slow
def test_a_request_that_waits_holds_no_slot(serve: Serve, ask: Ask) -> None:
    """datatrove's back-off sleeps while it holds a slot: with every slot asleep nothing moves."""
    fake = serve(lambda prompt, asked: Status(500) if asked < 3 and "number1" in prompt else query_of(prompt))
    patience = replace(QUICK, backoff=0.3)
    asked = ask([fake], 400, patience=patience)
    order = [reply.request.position for reply in asked.replies]
    assert asked.reasons() == {}
    assert all(str(position).startswith("1") for position in order[-100:])


@pytest.mark.slow
def test_the_limit_is_found_from_the_metrics(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: replace(query_of(prompt), seconds=0.02), slots=16)
    asked = ask([fake], 3_000)
    assert asked.reasons() == {}
    assert fake.most_running == 16
    assert 16 <= asked.client.links[0].limit.value < 64


@pytest.mark.slow
def test_without_metrics_the_limit_grows_while_that_brings_more(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: replace(query_of(prompt), seconds=0.1), metrics=False)
    asked = ask([fake], 3_000)
    assert asked.client.links[0].limit.value > 150


def test_overload_lowers_the_limit(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: Status(503) if asked == 0 else query_of(prompt), metrics=False)
    asked = ask([fake], 30)
    assert asked.reasons() == {}
    assert asked.client.links[0].limit.value < 64


def test_requests_with_one_prefix_go_to_one_server(serve: Serve, tmp_path: Path) -> None:
    fakes = [serve(lambda prompt, asked: replace(query_of(prompt), seconds=0.01)) for _ in range(2)]
    endpoints = [Endpoint(url=fake.url, model="fake") for fake in fakes]
    with Client(endpoints, tmp_path / "journal.sqlite", patience=QUICK) as client:
        stream = client.open_stream()
        seen = 0
        for start in range(0, 400, 40):
            stream.ask([request(n, group=n // 4) for n in range(start, start + 40)])
            while seen < start + 40:
                seen += len(stream.receive() or [])
    where = [{int(p.split("number")[1].split()[0]) for p in fake.prompts} for fake in fakes]
    for group in range(100):
        assert sum(bool(numbers & set(range(group * 4, group * 4 + 4))) for numbers in where) == 1
    assert min(map(len, where)) > 40


def test_a_server_that_dies_is_set_aside_and_the_other_does_the_work(serve: Serve, ask: Ask) -> None:
    dead, alive = serve(), serve()
    dead.down = True
    asked = ask([dead, alive], 200)
    assert asked.reasons() == {}
    assert len(alive.bodies) == 200
    assert [note for note in asked.notes if "set aside" in note and dead.url in note]


def test_a_server_that_comes_back_is_used_again(serve: Serve, tmp_path: Path) -> None:
    fake = serve()
    fake.down = True
    patience = replace(QUICK, gone=30.0)
    with Client([Endpoint(url=fake.url, model="fake")], tmp_path / "journal.sqlite", patience=patience) as client:
        stream = client.open_stream()
        stream.ask([request(n) for n in range(100)])
        notes, replies = [], 0
        while replies < 100:
            delivery = stream.receive()
            if isinstance(delivery, str):
                notes.append(delivery)
                fake.down = False
            else:
                replies += len(delivery or [])
    assert notes[-1] == f"{fake.url} answers again"


def test_when_the_last_server_of_a_model_is_gone_the_run_ends_with_one_sentence(serve: Serve, ask: Ask) -> None:
    gone, other = serve(model="gone"), serve(model="other")
    gone.down = True
    with pytest.raises(RunError, match=r"no server of the model 'gone' answers any more .*`synth resume`"):
        ask([gone, other], 100)


def test_the_watchdog_says_when_nothing_comes_back(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: "hang" if asked == 0 else query_of(prompt))
    asked = ask([fake], 10, patience=replace(QUICK, request=1.0, quiet=0.3))
    assert [note for note in asked.notes if "no answer for" in note and "10 requests are out" in note]


def test_a_budget_of_requests_is_never_exceeded(serve: Serve, ask: Ask) -> None:
    fake = serve()
    asked = ask([fake], 100, budget=Budget(requests=40))
    assert len(fake.bodies) == 40
    assert list(asked.reasons().values()) == ["unasked"] * 60
    assert sorted(asked.reasons()) == list(range(40, 100))


def test_a_budget_of_tokens_counts_what_is_in_flight(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: replace(query_of(prompt), seconds=0.01), slots=4)
    asked = ask([fake], 1_000, budget=Budget(tokens=5_000))
    counters = asked.client.counters
    assert 4_000 < counters.prompt_tokens + counters.completion_tokens < 7_000
    assert set(asked.reasons().values()) == {"unasked"}


def test_a_budget_of_hours_lets_what_is_out_come_back(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: replace(query_of(prompt), seconds=0.05), slots=8)
    asked = ask([fake], 5_000, budget=Budget(hours=0.5 / 3600))
    answered = [reply for reply in asked.replies if reply.said]
    assert len(answered) == len(fake.bodies)
    assert set(asked.reasons().values()) == {"unasked"}


def test_the_key_is_sent_and_never_written(
    serve: Serve, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTH_LLM_API_KEY", "s3cret-key")
    asked = ask([serve(key="s3cret-key")], 5)
    assert asked.reasons() == {}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret-key" in path.read_bytes()]


def test_a_full_disk_ends_the_run_with_one_sentence(serve: Serve, tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    fake = serve(lambda prompt, asked: Say("x" * 200_000))
    from synth.errors import StoreError

    with Client([Endpoint(url=fake.url, model="fake")], journal, patience=QUICK) as client:

        def no_room() -> None:
            client._journal._connection.execute("PRAGMA max_page_count = 8")

        client.call(no_room)
        stream = client.open_stream()
        stream.ask([request(n) for n in range(20)])
        with pytest.raises(StoreError, match=r"can't keep answers in .*full.*SYNTH_JOURNAL"):
            deque((stream.receive() for _ in range(20)), maxlen=0)


def test_closing_keeps_what_has_arrived_and_ends_at_once(serve: Serve, tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite"
    fake = serve(lambda prompt, asked: "hang" if "number1" in prompt else query_of(prompt))
    with Client([Endpoint(url=fake.url, model="fake")], journal) as client:
        stream = client.open_stream()
        stream.ask([request(n) for n in range(20)])
        wait_for(lambda: len(fake.bodies) == 20)
        started = time.monotonic()
    assert time.monotonic() - started < 2
    with closing(sqlite3.connect(journal)) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone()[0] <= 9


def test_a_key_that_expires_stops_the_run_and_no_refusal_is_kept(serve: Serve, ask: Ask, tmp_path: Path) -> None:
    fake = serve()
    fake.script = lambda prompt, asked: Status(402, "no credit") if len(fake.bodies) > 30 else query_of(prompt)
    with pytest.raises(RunError, match="no credit"):
        ask([fake], 200)
    kept = read_journal(tmp_path / "journal.sqlite", 0, 200)
    assert kept
    assert {said.finish_reason for said in kept} == {"stop"}


def test_a_few_requests_that_are_refused_fail_alone_and_many_in_a_row_stop_the_run(serve: Serve, ask: Ask) -> None:
    few = serve(lambda prompt, asked: Status(400, "odd") if "number7 " in prompt else query_of(prompt))
    assert ask([few], 100).reasons() == {7: "http_400"}
    with pytest.raises(RunError, match=r"HTTP 400\): HTTP 400: odd"):
        ask([serve(lambda prompt, asked: Status(400, "odd"))], 100)


def test_being_busy_does_not_use_up_the_tries(serve: Serve, ask: Ask) -> None:
    def script(prompt: str, asked: int) -> Say | Status:
        return (
            Status(429, headers="Retry-After: 0\r\n") if asked < 10 else Status(500) if asked < 12 else query_of(prompt)
        )

    assert ask([serve(script)], 3).reasons() == {}


def test_a_retry_is_sent_also_when_the_budget_is_spent_meanwhile(serve: Serve, ask: Ask) -> None:
    fake = serve(lambda prompt, asked: Status(500) if asked == 0 and "number3 " in prompt else query_of(prompt))
    asked = ask([fake], 100, budget=Budget(requests=40))
    assert sorted(asked.reasons()) == list(range(40, 100))


def test_whoever_waits_for_a_client_that_is_closed_is_told(serve: Serve, tmp_path: Path) -> None:
    fake = serve(lambda prompt, asked: "hang")
    with Client([Endpoint(url=fake.url, model="fake")], tmp_path / "journal.sqlite") as client:
        stream = client.open_stream()
        stream.ask([request(1)])
        wait_for(lambda: len(fake.bodies) == 1)
    with pytest.raises(RunError, match="was closed"):
        stream.receive()
    stream.ask([request(2)])
    with pytest.raises(RunError, match="was closed"):
        stream.receive()


def test_an_error_of_ours_in_the_clients_thread_ends_the_run(tmp_path: Path, serve: Serve) -> None:
    with (
        pytest.raises(RunError, match="the client failed"),
        Client([Endpoint(url="http://h:99999/v1")], tmp_path / "j"),
    ):
        pass
    fake = serve()
    with Client([Endpoint(url=fake.url, model="fake")], tmp_path / "journal.sqlite", patience=QUICK) as client:
        client._keep = lambda *_: 1 / 0  # type: ignore[assignment, method-assign]
        stream = client.open_stream()
        stream.ask([request(1)])
        with pytest.raises(RunError, match="the client failed.*ZeroDivisionError"):
            stream.receive()


def test_what_a_caller_that_left_had_asked_is_not_sent(serve: Serve, tmp_path: Path) -> None:
    fake = serve(lambda prompt, asked: replace(query_of(prompt), seconds=0.2), slots=4)
    with Client([Endpoint(url=fake.url, model="fake")], tmp_path / "journal.sqlite", patience=QUICK) as client:
        stream = client.open_stream()
        stream.ask([request(n) for n in range(2_000)])
        wait_for(lambda: len(fake.bodies) > 10)
        stream.close()
        wait_for(lambda: not any(pool.waiting for pool in client._pools.values()))
        sent = len(fake.bodies)
        time.sleep(0.3)
    assert len(fake.bodies) <= sent + 192


def test_the_gauges_go_on_without_metrics(serve: Serve, ask: Ask) -> None:
    asked = ask([serve(metrics=False)], 300)
    assert asked.client.counters.in_flight < 70
    assert asked.client.counters.answers.total() == 300
