from __future__ import annotations

from collections.abc import Callable

from synth.tasks import TaskInput
from synth.tasks.conversational_query import Conversation, ConversationalQuery, Turn

Make = Callable[..., TaskInput]


def test_the_query_is_the_whole_conversation_a_line_a_turn(make_input: Make) -> None:
    said = Conversation(turns=[Turn(user="How much debt\nis left?", assistant="400 million.")], query="Until when?")
    draft = ConversationalQuery.draft(make_input(), {ConversationalQuery.name: said}, "llm")
    assert draft.query == "User: How much debt is left?\nAssistant: 400 million.\nUser: Until when?"
    assert draft.attributes == {"last_turn": "Until when?"}
    assert "conversation" in draft.instruction
