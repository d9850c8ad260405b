"""Noisy documents rewritten: every one accounted for, its original kept, paid for once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_llm import FakeLlm, Say, Script, Status, fake_llm

from synth.documents import read_documents
from synth.enrich.documents import Enriched, enrich_documents, fault_of, save_enriched
from synth.enrich.requests import LONGEST
from synth.enrich.setup import setup_of
from synth.errors import InputError
from synth.progress import Silent
from synth.store import Store

TEXTS = {
    "t1": "AP inv 4711 not pd yet, pls chk w/ vendor asap",
    "t2": "cust says CC chgd 2x on 3 May, wants refund",
    "t3": "The invoice was paid in full.",
    "t4": "call ana@acme.io re: FX loss on the EUR leg of the swap",
    "t5": "long " * LONGEST,
}
GOOD = {
    "AP inv": "The accounts payable (AP) invoice 4711 has not been paid yet; please check with the vendor soon.",
    "cust says": "The customer says that the credit card (CC) was charged 2 times on 3 May and wants a refund.",
    "The invoice": "The invoice was paid in full.",
    "call": "Call [EMAIL] about the foreign exchange (FX) loss on the euro (EUR) leg of the swap.",
}


def answer(prompt: str, _: int) -> Say:
    shown = prompt.split("<text>")[-1].strip()
    return Say(json.dumps({"text": next(text for start, text in GOOD.items() if shown.startswith(start))}))


def enrich(folder: Path, script: Script = answer, only: tuple[str, ...] = ()) -> tuple[Enriched, FakeLlm]:
    file = folder / "tickets.jsonl"
    file.write_text("\n".join(json.dumps({"id": key, "text": text}) for key, text in TEXTS.items()))
    with fake_llm(script) as fake:
        recipe, about, settings = setup_of("", [file], [fake.url], None, 60.0)
        store = Store(folder / "store")
        return enrich_documents(read_documents([file]), only, recipe, about, store, settings, Silent()), fake


def test_every_document_is_accounted_for_and_keeps_its_original(tmp_path: Path) -> None:
    enriched, _ = enrich(tmp_path)
    count = enriched.count
    assert count.describe() == "read 5 = rewritten 3 + same 1 + too long 1"
    assert [each.id for each in enriched.documents] == list(TEXTS)
    for each in enriched.documents:
        assert (each.original or each.text).replace("[EMAIL]", "ana@acme.io") == TEXTS[each.id].strip()
        assert each.written_by == ("fake" if each.original else "")


def test_no_address_is_sent(tmp_path: Path) -> None:
    _, fake = enrich(tmp_path)
    assert not any("ana@acme.io" in json.dumps(body) for body in fake.bodies)


def test_readers_of_documents_take_the_rewritten_text_under_the_same_id(tmp_path: Path) -> None:
    enriched, _ = enrich(tmp_path)
    save_enriched(tmp_path / "e.jsonl", enriched)
    read = {each.id: each for each in read_documents([tmp_path / "e.jsonl"])}
    assert read["t1"].text == GOOD["AP inv"] and read["t1"].written_by == "fake"
    assert read["t5"].text == TEXTS["t5"].strip()


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    first, fake = enrich(tmp_path)
    second, again = enrich(tmp_path)
    assert len(fake.bodies) == 4 and len(again.bodies) == 0
    assert second == first


def test_only_chosen_sources_are_rewritten(tmp_path: Path) -> None:
    enriched, _ = enrich(tmp_path, only=("tick*.jsonl",))
    assert enriched.count.rewritten == 3
    with pytest.raises(InputError, match="no document comes from notes/"):
        enrich(tmp_path, only=("notes/*",))


def test_a_server_that_fails_leaves_the_documents_as_they_are(tmp_path: Path) -> None:
    def script(prompt: str, asked: int) -> Any:
        return Status(400) if "AP inv" in prompt else answer(prompt, asked)

    enriched, _ = enrich(tmp_path, script)
    assert sum(enriched.count.failed.values()) == 1
    assert enriched.documents[0].text == TEXTS["t1"] and enriched.documents[0].original == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Net debt was 410 million in 2024.", "same"),
        ("net  debt was 410 million in 2024.", "same"),
        ("In 2024 the net debt amounted to 410 million.", ""),
        ("In 2024 the net debt amounted to 420 million.", "new_number"),
        ("In 2024 the net debt amounted to 410 million, 12 more than planned.", "new_number"),
        ("Net debt was 410 million.", "lost_number"),
        ("410, 2024", "shortened"),
        ("In 2024 net debt was 410 million. " + "It had many reasons that are told here. " * 12, "padded"),
    ],
)
def test_a_rewriting_that_is_none_is_seen(text: str, fault: str) -> None:
    assert fault_of("Net debt was 410 million in 2024.", text) == fault
