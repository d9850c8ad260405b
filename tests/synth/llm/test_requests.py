from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.recipe import SamplingSettings
from synth.llm.requests import Body
from synth.prompts import Message


@given(st.text(), st.text(), st.text())
def test_a_body_is_the_json_of_its_messages_in_whatever_pieces_they_come(rules: str, head: str, tail: str) -> None:
    body = Body("m", {"type": "object"}, SamplingSettings()).of([Message("system", rules), Message("user", head, tail)])
    sent = orjson.loads(body)
    assert list(sent)[:2] == ["model", "messages"]
    assert sent["messages"] == [{"role": "system", "content": rules}, {"role": "user", "content": head + tail}]
    assert orjson.dumps(sent) == body
