from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from fake_llm import FakeLlm, Say, Status, wait_for

from schemas.recipe import SamplingSettings
from synth.errors import RunError
from synth.llm.answers import Bad, Completion, read_completion
from synth.llm.budget import Budget
from synth.llm.client import Client
from synth.llm.endpoints import Endpoint
from synth.llm.requests import Body, Reply, Request, Scorable, request_key
from synth.prompts import Message
from tests.synth.llm.conftest import QUICK

Serve = Callable[..., FakeLlm]

SCORES_ITSELF = "scores yes/no itself, by /generative_scoring"
LABELS = ("yes", "no")
BODIES = Body("fake", {"type": "object"}, SamplingSettings())


def in_words(_prompt: str, _asked: int) -> Say:
    return Say('{"answer":"yes"}')


def number_in(prompt: str) -> int:
    """The trial, which holds none, counts as -1."""
    return int(prompt.split("text")[1]) if "text" in prompt else -1


def likely(prompt: str, _asked: int) -> float:
    return max(0, number_in(prompt)) % 100 / 100


def yes_no(number: int, text: str = "") -> Request:
    messages = [Message("system", "yes or no?"), Message("user", text or f"text{number}")]
    body, scorable = BODIES.of(messages), BODIES.scorable(messages, LABELS)
    return Request(
        request_key(body, str(number), 0, scorable), number, "judge", "fake", body, number, scorable=scorable
    )


class Run:
    """What came of some yes/no requests."""

    def __init__(self, fakes: list[FakeLlm], requests: list[Request], journal: Path, **options: Any) -> None:
        self.replies: dict[int, Reply] = {}
        self.notes: list[str] = []
        endpoints = [Endpoint(url=fake.url, model=fake.model) for fake in fakes]
        with Client(endpoints, journal, patience=QUICK, **options) as self.client:
            stream = self.client.open_stream()
            stream.ask(requests)
            while len(self.replies) < len(requests):
                delivery = stream.receive()
                if isinstance(delivery, str):
                    self.notes.append(delivery)
                else:
                    self.replies.update((reply.request.position, reply) for reply in delivery or [])

    def contents(self) -> dict[int, tuple[str, str]]:
        return {n: (r.said.content, r.said.finish_reason) for n, r in self.replies.items() if r.said}

    def reasons(self) -> dict[int, str]:
        return {n: reply.reason for n, reply in self.replies.items() if reply.said is None}


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Run]:
    def run(fakes: list[FakeLlm], requests: int | list[Request], **options: Any) -> Run:
        asked = [yes_no(number) for number in range(requests)] if isinstance(requests, int) else requests
        return Run(fakes, asked, tmp_path / "journal.sqlite", **options)

    return run


Ask = Callable[..., Run]


def score(number: int) -> tuple[str, str]:
    return orjson.dumps({"probability": number / 100}).decode(), "scored"


def test_a_server_that_scores_is_asked_for_the_probability_of_the_first_word(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words, scores=likely)
    run = ask([fake], 50)
    assert run.contents() == {number: score(number) for number in range(50)}
    assert fake.bodies == []
    assert run.notes == [f"{fake.url} {SCORES_ITSELF}"]
    assert len(fake.scored) == 51, "one for the trial"


def test_a_score_is_in_the_journal_with_its_tokens_and_its_slot_and_counts_once(
    serve: Serve, ask: Ask, tmp_path: Path
) -> None:
    fake = serve(in_words, scores=likely)
    run = ask([fake], 3)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as journal:
        rows = journal.execute(
            "SELECT position, kind, content, finish_reason, completion_tokens FROM answers"
        ).fetchall()
        (tokens,) = journal.execute("SELECT prompt_tokens FROM answers WHERE position = 0").fetchone()
    assert sorted(rows) == [(number, "judge", *score(number), 1) for number in range(3)]
    assert tokens == len(fake.encode("yes or no?\ntext0")) + 1
    assert (run.client.counters.requests, run.client.counters.answers) == ({"judge": 3}, {"judge": 3})
    assert run.client.counters.completion_tokens == 3
    assert [link.in_flight for link in run.client.links] == [0]


def test_a_budget_counts_a_score_as_one_request(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words, scores=likely)
    run = ask([fake], 20, budget=Budget(requests=7))
    assert list(run.reasons().values()) == ["unasked"] * 13
    assert len(run.contents()) == 7
    assert len(fake.scored) == 8


def test_a_server_without_the_endpoint_is_asked_in_words_and_that_is_found_out_once(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words)
    run = ask([fake], 50)
    assert run.contents() == dict.fromkeys(range(50), ('{"answer":"yes"}', "stop"))
    assert run.notes == [
        f"{fake.url} does not score yes/no (HTTP 404): it is asked in words, and a probability is then 1 or 0"
    ]
    assert fake.tokenized == 3, "the trial's prompt and its two answers"


@pytest.mark.slow
def test_each_server_of_a_model_is_tried_on_its_own(serve: Serve, ask: Ask) -> None:
    scores, words = serve(in_words, scores=likely, slots=1), serve(in_words, slots=1)
    run = ask([scores, words], 200)
    ways = [finish for _, finish in run.contents().values()]
    assert len(run.notes) == 2
    assert (ways.count("scored"), ways.count("stop")) == (len(scores.scored) - 1, len(words.bodies))
    assert min(len(scores.scored), len(words.bodies)) > 10


def test_two_words_that_begin_alike_are_not_scored(serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serve(in_words, scores=likely)
    monkeypatch.setattr(f"{__name__}.LABELS", ("yes, it is", "yes, it was"))
    run = ask([fake], 5)
    assert [finish for _, finish in run.contents().values()] == ["stop"] * 5
    assert "its tokenizer begins yes, it is and yes, it was alike" in run.notes[0]


@pytest.mark.parametrize("answers_begin", [" ", "", None])
def test_the_labels_are_the_words_as_the_template_sets_them(serve: Serve, ask: Ask, answers_begin: str | None) -> None:
    """A server answers HTTP 400 to other labels here; where the template says nothing they are the plain words."""
    fake = serve(in_words, scores=likely, answers_begin=answers_begin)
    assert ask([fake], 5).contents() == {number: score(number) for number in range(5)}


@pytest.mark.parametrize("fault", [Status(500), Status(503), Status(429, headers="Retry-After: 0\r\n"), "reset"])
def test_what_passes_is_tried_again(serve: Serve, ask: Ask, fault: Any) -> None:
    fake = serve(in_words, scores=lambda prompt, n: fault if number_in(prompt) == 7 and n == 0 else likely(prompt, n))
    run = ask([fake], 20)
    assert run.contents() == {number: score(number) for number in range(20)}
    assert run.client.counters.retries.total() == 1


@pytest.mark.parametrize("fault", [Status(500), Status(503), "reset", "garbage"])
def test_a_trial_that_fails_decides_nothing(serve: Serve, ask: Ask, fault: Any) -> None:
    fake = serve(in_words, scores=lambda prompt, n: fault if "ice" in prompt and n == 0 else likely(prompt, n))
    run = ask([fake], 20)
    assert run.contents() == {number: score(number) for number in range(20)}
    assert [note for note in run.notes if "/generative_scoring" in note] == [f"{fake.url} {SCORES_ITSELF}"]


def test_a_server_whose_scoring_is_broken_is_asked_in_words_after_three_trials(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words, scores=lambda _prompt, _asked: Status(500))
    run = ask([fake], 20)
    assert [finish for _, finish in run.contents().values()] == ["stop"] * 20
    assert len(fake.scored) == 3
    assert "does not score yes/no (HTTP 500)" in run.notes[0]


def test_a_server_that_is_busy_for_long_scores_all_the_same(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words, scores=lambda prompt, n: Status(503) if "ice" in prompt and n < 6 else likely(prompt, n))
    assert ask([fake], 5).contents() == {number: score(number) for number in range(5)}


def test_an_endpoint_that_goes_away_is_not_missed(serve: Serve, ask: Ask) -> None:
    """Such as behind a balancer, or after a restart with an older server."""
    fake = serve(in_words, scores=likely)
    fake.scores = lambda prompt, n: Status(404) if len(fake.scored) > 10 else likely(prompt, n)
    run = ask([fake], 50)
    assert run.reasons() == {}
    ways = [finish for _, finish in run.contents().values()]
    assert (ways.count("scored"), ways.count("stop")) == (9, 41)
    assert len(fake.bodies) == 41
    assert len([note for note in run.notes if "does not score yes/no (HTTP 404)" in note]) == 1


@pytest.mark.parametrize("nonsense", [1.5, -0.1, "likely", None, True])
def test_a_score_that_is_no_probability_fails_with_its_reason(serve: Serve, ask: Ask, nonsense: Any) -> None:
    fake = serve(in_words, scores=lambda prompt, n: nonsense if number_in(prompt) == 3 else likely(prompt, n))
    run = ask([fake], 10)
    assert run.reasons() == {3: "bad_reply"}
    assert run.replies[3].detail == f"not a probability: {nonsense}"


def test_a_trial_that_gives_no_probability_says_that_the_server_can_not(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words, scores=lambda _prompt, _asked: "likely")
    run = ask([fake], 5)
    assert [finish for _, finish in run.contents().values()] == ["stop"] * 5
    assert "does not score yes/no (its answer is no score)" in run.notes[0]


def test_a_key_that_is_refused_ends_the_run(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words, scores=lambda prompt, n: Status(401, "wrong key") if n >= 0 and "text" in prompt else 0.5)
    with pytest.raises(RunError, match="wrong key"):
        ask([fake], 5)


def test_a_prompt_beyond_the_context_is_never_scored_as_vllm_would_cut_it(serve: Serve, ask: Ask) -> None:
    too_long = Status(400, "This model's maximum context length is 4096 tokens.")
    fake = serve(lambda prompt, n: too_long if len(prompt) > 16_000 else in_words(prompt, n), scores=likely)
    run = ask([fake], [yes_no(0), yes_no(1, "word " * 4_000)])
    assert run.contents() == {0: score(0), 1: ("HTTP 400: " + too_long.message, "refused:too_long")}


@pytest.mark.slow
def test_a_question_that_hangs_is_given_up_and_put_again(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words, scores=lambda prompt, n: "hang" if number_in(prompt) == 3 and n == 0 else likely(prompt, n))
    run = ask([fake], 100)
    assert run.reasons() == {}
    assert run.client.counters.retries == {"timeout": 1}


@pytest.mark.slow
def test_a_trial_that_hangs_holds_nobody_up_for_good(serve: Serve, ask: Ask) -> None:
    fake = serve(in_words, scores=lambda prompt, n: "hang" if "ice" in prompt and n == 0 else likely(prompt, n))
    assert ask([fake], 3).contents() == {number: score(number) for number in range(3)}


def test_a_client_that_is_closed_leaves_no_question_behind(serve: Serve, tmp_path: Path) -> None:
    fake = serve(in_words, scores=lambda _prompt, _asked: "hang")
    with Client([Endpoint(url=fake.url, model="fake")], tmp_path / "journal.sqlite", patience=QUICK) as client:
        stream = client.open_stream()
        stream.ask([yes_no(number) for number in range(5)])
        wait_for(lambda: bool(fake.scored))
    assert not client._thread.is_alive()


def test_the_key_of_an_answer_covers_the_question_as_it_is_scored() -> None:
    body = b"{}"
    keys = {
        request_key(body, "item", 0),
        request_key(body, "item", 0, Scorable(b"a", LABELS)),
        request_key(body, "item", 0, Scorable(b"b", LABELS)),
        request_key(body, "item", 0, Scorable(b"a", ("no", "yes"))),
        request_key(body, "other", 0, Scorable(b"a", LABELS)),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("thinking", [True, False])
def test_the_conversation_is_set_as_in_a_chat_request(thinking: bool) -> None:
    messages = [Message("user", "is it?")]
    bodies = Body("m", {}, SamplingSettings(thinking=thinking))
    chat, conversation = orjson.loads(bodies.of(messages)), orjson.loads(bodies.scorable(messages, LABELS).conversation)
    template = "chat_template_kwargs"
    assert conversation.pop("add_generation_prompt") is True
    assert conversation == {name: chat[name] for name in ("model", "messages", template) if name in chat}
    assert (template in conversation) != thinking


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([{"score": 1}], Completion('{"probability":1}', "scored", 0, 0)),
        ([{"score": 2}], Bad("bad_reply", "not a probability: 2")),
        ([{}], Bad("bad_reply", "not a chat completion: KeyError('score')")),
        ([], Bad("bad_reply", "not a chat completion: IndexError('list index out of range')")),
        (5, Bad("bad_reply", "not a chat completion: TypeError(\"'int' object is not subscriptable\")")),
    ],
)
def test_a_score_is_read_or_refused(data: Any, expected: Completion | Bad) -> None:
    assert read_completion(200, orjson.dumps({"data": data})) == expected
