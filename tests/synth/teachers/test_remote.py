from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from fake_embedder import Embedder
from fake_llm import FakeLlm, Status, fake_llm, wait_for

from synth.errors import RunError
from synth.llm.link import Patience
from synth.teachers.remote import IN_FLIGHT, Refused, Remote, Unreadable, read_json, said_by

QUICK = Patience(request=5.0, gone=0.3, backoff=0.01)


@pytest.fixture
def fake() -> Iterator[FakeLlm]:
    with fake_llm(embedder=Embedder(dimension=4)) as server:
        yield server


def bodies(count: int) -> list[bytes]:
    return [orjson.dumps({"model": "fake", "input": [f"text {n}"]}) for n in range(count)]


def test_several_requests_are_in_flight_and_replies_come_in_the_order_of_the_bodies(fake: FakeLlm) -> None:
    assert fake.embedder is not None
    fake.embedder.seconds = 0.03
    fake.embedder.answer = lambda route, body: {"said": body["input"][0]}  # type: ignore[method-assign]
    found = Remote(fake.url, QUICK).post("/embeddings", bodies(60), lambda body: orjson.loads(body)["said"])
    assert found == [f"text {n}" for n in range(60)]
    assert fake.most_running == IN_FLIGHT


def test_no_request_at_all_gives_no_reply(fake: FakeLlm) -> None:
    assert Remote(fake.url, QUICK).post("/embeddings", [], bytes) == []


@pytest.mark.parametrize("status", [400, 401, 404, 422, 501])
def test_what_will_never_be_taken_is_asked_once(fake: FakeLlm, status: int) -> None:
    assert fake.embedder is not None
    fake.embedder.faults = lambda text, asked: Status(status, "because")
    with pytest.raises(Refused, match=rf"refuses /embeddings \(HTTP {status}: because\)") as refused:
        Remote(fake.url, QUICK).post("/embeddings", bodies(1), bytes)
    assert refused.value.status == status
    assert len(fake.embedder.bodies) == 1


def test_a_busy_server_is_waited_for_longer_than_one_that_fails(fake: FakeLlm) -> None:
    assert fake.embedder is not None
    until = time.monotonic() + 1.0
    fake.embedder.faults = lambda text, asked: Status(503) if time.monotonic() < until else None
    assert len(Remote(fake.url, QUICK).post("/embeddings", bodies(3), bytes)) == 3
    fake.embedder.faults = lambda text, asked: Status(500, "broken") if time.monotonic() < until + 5 else None
    until = time.monotonic()
    with pytest.raises(RunError, match="HTTP 500: broken"):
        Remote(fake.url, QUICK).post("/embeddings", bodies(3), bytes)


def test_a_server_that_nobody_can_reach_is_one_sentence() -> None:
    with pytest.raises(RunError, match="http://127.0.0.1:9/v1 does not answer /embeddings any more .*refused"):
        Remote("http://127.0.0.1:9/v1", QUICK).post("/embeddings", bodies(2), bytes)


def test_an_error_of_ours_in_reading_a_reply_comes_through(fake: FakeLlm) -> None:
    with pytest.raises(ZeroDivisionError):
        Remote(fake.url, QUICK).post("/embeddings", bodies(2), lambda body: 1 // 0)


def test_an_unreadable_reply_is_asked_for_again(fake: FakeLlm) -> None:
    asked: list[bytes] = []

    def read(body: bytes) -> Any:
        asked.append(body)
        if len(asked) < 3:
            raise Unreadable("half a reply")
        return "whole"

    assert Remote(fake.url, QUICK).post("/embeddings", bodies(1), read) == ["whole"]


def test_an_interruption_ends_what_is_in_flight_at_once(fake: FakeLlm) -> None:
    assert fake.embedder is not None
    fake.embedder.seconds = 60
    before = threading.active_count()

    def interrupt() -> None:
        wait_for(lambda: fake.running > 0)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    started = time.monotonic()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            Remote(fake.url, QUICK).post("/embeddings", bodies(5), bytes)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert time.monotonic() - started < 5
    wait_for(lambda: threading.active_count() <= before)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "too  long"}}', "too long"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"error": "plain"}', "plain"),
        (b"<html>", ""),
        (b"[1]", "[1]"),
        (b"", ""),
    ],
)
def test_a_server_is_quoted_in_its_own_words(body: bytes, said: str) -> None:
    assert said_by(body) == said


def test_numbers_that_are_none_are_read_as_such() -> None:
    assert str(read_json(b'{"a": [NaN, -Infinity]}')) == "{'a': [nan, -inf]}"
