"""Chat logs as pairs of what a user says and what the assistant replies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from served_hub import lines

from synth.errors import DocumentError
from synth.imports import ChatFields, Import, import_dataset
from synth.imports.conversations import IN_CONTEXT, INSTRUCTION
from synth.progress import Silent
from synth.store import Store, VersionRef
from synth.verify import verify_version

Take = Callable[..., VersionRef]

OPEN_AI = {
    "id": "c1",
    "messages": [
        {"role": "system", "content": "You are the assistant of a bank."},
        {"role": "user", "content": "How do I freeze a lost card?"},
        {"role": "assistant", "content": "Open the app, choose the card and press freeze."},
        {"role": "user", "content": "And how do I undo that later?"},
        {"role": "assistant", "content": "Press the same button once more; it takes a minute."},
    ],
}
SHARE_GPT = {
    "id": "c2",
    "conversations": [
        {"from": "human", "value": "Why was my payment declined twice today?"},
        {"from": "gpt", "value": "Your daily limit was reached with the first of them."},
    ],
}


@pytest.fixture
def take(tmp_path: Path) -> Take:
    def imported(*rows: dict[str, Any], language: str = "", **fields: Any) -> VersionRef:
        file = tmp_path / "chats.jsonl"
        file.write_bytes(lines(list(rows)))
        wanted = Import(str(file), "chats", "conversations", chats=ChatFields(**fields), language=language)
        return import_dataset(wanted, Store(tmp_path / "store"), Silent())

    return imported


def read(version: VersionRef, name: str = "records/train") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(version.file(f"{name}.parquet")).to_pylist()
    return rows


def said(record: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in record["attributes"]}


def chat(*turns: str, **more: Any) -> dict[str, Any]:
    """User and assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)], **more}


def test_both_common_shapes_give_what_was_said_and_the_reply_to_it(take: Take) -> None:
    version = take(OPEN_AI)
    assert [(row["query"], row["positive"]["text"]) for row in read(version)] == [
        ("How do I freeze a lost card?", "Open the app, choose the card and press freeze."),
        ("And how do I undo that later?", "Press the same button once more; it takes a minute."),
    ]
    assert [said(row) for row in read(version)] == [
        {"source_id": "c1", "turn": "1"},
        {"source_id": "c1", "turn": "2"},
    ]
    (record,) = read(take(SHARE_GPT))
    assert record["query"] == "Why was my payment declined twice today?"
    assert (record["instruction"], record["provenance"]["method"]) == (INSTRUCTION, "imported:conversations")


def test_earlier_turns_stand_before_where_they_are_wanted(take: Take) -> None:
    first, second = read(take(OPEN_AI, history=2))
    assert first["query"] == "How do I freeze a lost card?" and first["instruction"] == INSTRUCTION
    assert second["query"].split("\n") == [
        "User: How do I freeze a lost card?",
        "Assistant: Open the app, choose the card and press freeze.",
        "User: And how do I undo that later?",
    ]
    assert (second["instruction"], said(second)["last_turn"]) == (IN_CONTEXT, "And how do I undo that later?")
    _, second = read(take(OPEN_AI, history=1))
    assert second["query"].count("\n") == 1


def test_replies_of_one_conversation_are_no_negatives_of_each_other(take: Take) -> None:
    first, second = read(take(OPEN_AI))
    assert first["positive"]["document_id"] == second["positive"]["document_id"] == "conversation:c1"
    assert set(first["in_batch_mask"]) == {first["positive"]["passage_id"], second["positive"]["passage_id"]}


@pytest.mark.parametrize(
    ("turns", "reason", "detail"),
    [
        (("How do I freeze it?", " "), "empty", "no text on one side"),
        (("How do I freeze it?", "how do i  FREEZE it?"), "same_text", "the reply is what the user said"),
        (("Thanks a", "You are welcome, anything else today?"), "too_short", "2 words, at least 3"),
        (("How do I freeze it?", "In app."), "too_short", "2 words, at least 3"),
        (("How do I freeze it?",), "unanswered", ""),
        (
            ("Wie kann ich meine verlorene Karte am schnellsten sperren lassen?", "Open the app and press freeze."),
            "wrong_language",
            "de instead of en",
        ),
    ],
)
def test_what_is_no_pair_is_left_out_with_its_reason(
    take: Take, turns: tuple[str, ...], reason: str, detail: str
) -> None:
    version = take(SHARE_GPT, chat(*turns))
    (reject,) = read(version, "rejects")
    assert reject["reason"] == reason
    assert reject["detail"].endswith(f"turn 1{': ' if detail else ''}{detail}")
    assert len(read(version)) == 1


def test_two_user_turns_in_a_row_wait_for_one_reply(take: Take) -> None:
    turns = [
        {"role": "user", "content": "Hello, is anybody there?"},
        {"role": "user", "content": "How do I freeze it?"},
        {"role": "assistant", "content": "Open the app and press freeze."},
    ]
    version = take({"messages": turns})
    assert [row["query"] for row in read(version)] == ["How do I freeze it?"]
    assert version.manifest.funnel.rejected == {"unanswered": 1}


def test_the_same_pair_is_kept_once_whatever_its_case_and_spaces(take: Take) -> None:
    version = take(
        chat("How do I freeze it?", "Open the app and press freeze."),
        chat("how do I  freeze it?", "Open the APP and press freeze."),
    )
    assert version.manifest.funnel.rejected == {"duplicate": 1}


def test_rows_and_turns_add_up(take: Take) -> None:
    rows = [OPEN_AI, SHARE_GPT, chat("", ""), {"messages": []}, {"messages": [{"role": "assistant", "content": "Hi"}]}]
    version = take(*rows)
    sources, funnel = version.manifest.sources, version.manifest.funnel
    assert (sources.read, sources.kept, sources.dropped) == (5, 3, {"no_turns": 1, "no_user_turn": 1})
    assert funnel.accepted == 3 and funnel.planned == 4 == funnel.accepted + sum(funnel.rejected.values())
    assert verify_version(version) == []


def test_messages_in_parts_are_read_and_pictures_are_none(take: Take) -> None:
    content = [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "What does this letter say?"}]
    row = chat("", "That your card expires in May.")
    row["messages"][0]["content"] = content
    (record,) = read(take(row))
    assert record["query"] == "What does this letter say?"


PRIVATE = chat("Please write to ana.berg@acme.io about my loan.", "I have sent a message to ana.berg@acme.io today.")


def test_personal_data_never_reaches_the_store_unless_it_is_wanted(take: Take, tmp_path: Path) -> None:
    (record,) = read(take(PRIVATE))
    assert record["query"] == "Please write to [EMAIL] about my loan."
    assert said(record)["sensitive"] == "email"
    version = take(PRIVATE, SHARE_GPT, sensitive="drop")
    assert version.manifest.funnel.rejected == {"sensitive": 1}
    stored = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert b"ana.berg" not in stored
    (record,) = read(take(PRIVATE, sensitive="flag"))
    assert "ana.berg@acme.io" in record["query"] and said(record)["sensitive"] == "email"


def test_what_is_no_conversation_is_refused_with_what_to_give(take: Take) -> None:
    with pytest.raises(DocumentError, match=r"line 1 is no conversation: give messages: .* it has question, answer"):
        take({"question": "a", "answer": "b"})


def test_a_language_says_which_turns_are_right(take: Take) -> None:
    german = chat("Wie sperre ich eine verlorene Karte in der App?", "Wähle die Karte aus und drücke auf Sperren.")
    (record,) = read(take(german, language="de"))
    assert record["language"] == "de"


def test_the_manifest_says_how_they_were_read(take: Take) -> None:
    version = take(OPEN_AI, history=2)
    assert version.manifest.origin is not None
    assert version.manifest.origin.settings == {"history": "2", "sensitive": "mask"}
