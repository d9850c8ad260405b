from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import Field

from schemas.base import Strict
from synth.llm.answers import Bad, Completion, Fault, check_answer, read_completion
from synth.llm.journal import Said
from synth.prompts import Message

INSTRUCTIONS = [
    Message("system", "You write the one query this person would type when this passage is what they need.")
]


class Query(Strict):
    query: str = Field(min_length=1, max_length=60)


def said(content: str, finish_reason: str = "stop") -> Said:
    return Said(b"k", 0, "write", "m", content, finish_reason, 10, 20, 1.0)


def check(content: str, finish_reason: str = "stop", language: str = "en") -> Any:
    return check_answer(said(content, finish_reason), Query, INSTRUCTIONS, language)


def reply(message: dict[str, Any], **choice: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop", **choice}], "usage": None}).encode()


@pytest.mark.parametrize(
    "content",
    [
        '{"query": "why did margins fall"}',
        ' {"query":"why did margins fall"}\n',
        '```json\n{"query": "why did margins fall"}\n```',
        '<think>They want margins.\n{"query": "no"}</think>\n{"query": "why did margins fall"}',
        'They want margins.</think>{"query": "why did margins fall"}',
        '{"query": "why did\tmargins\nfall"}',
        '```\n{"query": "why did\n\nmargins fall"}\n```',
        '{"query": "why did\\ud83dmargins\\uDC00fall"}',
    ],
)
def test_an_answer_is_read_however_a_model_wraps_it(content: str) -> None:
    assert check(content) == Query(query="why did margins fall")


def test_a_whole_character_in_two_escapes_stays_one() -> None:
    content = '{"query": "why did margins fall \\ud83d\\ude00\\ud83d"}'
    assert check(content) == Query(query="why did margins fall 😀 ")


@pytest.mark.parametrize(
    ("content", "finish_reason", "reason"),
    [
        ('{"query": "why did mar', "length", "truncated"),
        ('{"query": "why"' + " \n" * 40, "length", "whitespace_loop"),
        ("", "stop", "empty"),
        ("  \n", "stop", "empty"),
        ('{"query": "..."}', "stop", "empty"),
        ('{"query": "<your query>"}', "stop", "empty"),
        ('{"query": "why \\x did"}', "stop", "invalid_json"),
        ("why did margins fall", "stop", "invalid_json"),
        ('{"question": "why did margins fall"}', "stop", "invalid_answer"),
        ('{"query": 7}', "stop", "invalid_answer"),
        ('{"query": "%s"}' % ("x" * 61), "stop", "invalid_answer"),
        ('{"query": "the one query this person would type when this"}', "stop", "echo"),
        ('{"query": "Warum sind die Margen im letzten Quartal gesunken"}', "stop", "wrong_language"),
    ],
)
def test_every_way_to_go_wrong_has_its_reason_and_advice(content: str, finish_reason: str, reason: str) -> None:
    fault = check(content, finish_reason)
    assert isinstance(fault, Fault)
    assert (fault.failure.reason, bool(fault.advice)) == (reason, True)


@pytest.mark.parametrize(
    ("content", "finish_reason", "reason"),
    [
        ("I'm sorry, but I can't help with that.", "stop", "refusal"),
        ('{"query": "I cannot assist with this request"}', "stop", "refusal"),
        ("no", "refusal", "refusal"),
        ("", "content_filter", "refusal"),
        ("HTTP 400: maximum context length", "refused:too_long", "too_long"),
    ],
)
def test_what_no_second_question_mends_has_no_advice(content: str, finish_reason: str, reason: str) -> None:
    fault = check(content, finish_reason)
    assert isinstance(fault, Fault)
    assert (fault.failure.reason, fault.advice) == (reason, "")


def test_an_answer_of_numbers_alone_needs_no_text() -> None:
    class Judgement(Strict):
        relevance: int

    assert check_answer(said('{"relevance": 4}'), Judgement, INSTRUCTIONS, "en") == Judgement(relevance=4)


def test_the_advice_quotes_the_validator() -> None:
    assert "query: String should have at most 60 characters" in check('{"query": "%s"}' % ("x" * 61)).advice


def test_the_language_of_the_item_is_what_counts() -> None:
    german = '{"query": "Warum sind die Margen im letzten Quartal gesunken"}'
    assert isinstance(check(german, language="de-AT"), Query)
    assert isinstance(check(german, language="tlh"), Query)


def test_reasoning_beside_the_content_is_not_the_answer() -> None:
    found = read_completion(200, reply({"content": '{"query": "q"}', "reasoning": "long thoughts"}))
    assert found == Completion('{"query": "q"}', "stop", 0, 0)
    assert read_completion(200, reply({"content": None, "reasoning": "and on"}, finish_reason="length")) == Completion(
        "", "length", 0, 0
    )


def test_a_refusal_field_is_a_refusal() -> None:
    assert read_completion(200, reply({"content": None, "refusal": "no"})) == Completion("no", "refusal", 0, 0)


@pytest.mark.parametrize("payload", [b"", b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": null}]}'])
def test_what_is_no_chat_completion_is_tried_again(payload: bytes) -> None:
    found = read_completion(200, payload)
    assert isinstance(found, Bad)
    assert (found.reason, found.is_final) == ("bad_reply", False)


@pytest.mark.parametrize(
    ("status", "reason", "is_final"),
    [
        (429, "overloaded", False),
        (503, "overloaded", False),
        (500, "http_500", False),
        (408, "http_408", False),
        (400, "http_400", True),
        (404, "http_404", True),
        (422, "http_422", True),
    ],
)
def test_a_status_says_whether_to_try_again(status: int, reason: str, is_final: bool) -> None:
    found = read_completion(status, b'{"error": {"message": "it  broke"}}')
    assert found == Bad(reason, f"HTTP {status}: it broke", is_final)
