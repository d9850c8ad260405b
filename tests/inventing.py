"""Documents, instructions and names about topics, as a fake model writes them."""

from __future__ import annotations

import hashlib
import json
import re

from fake_llm import Fill, Say

TOPICS = {
    f"Branch {branch}": {
        f"Section {branch}{section}": [f"leaf {branch}{section}{leaf}" for leaf in "abc"] for section in "xy"
    }
    for branch in "12"
}
"""Twelve leaves."""
WORDS = (
    "harbour ledger ferry covenant tariff auditor winter bridge orchard customs lantern permit engine market".split()
)


def said(key: str, count: int) -> str:
    """So many words, other ones for every key."""
    digest = hashlib.sha256(key.encode()).hexdigest() * (count // 30 + 1)
    return " ".join(f"{WORDS[int(digest[n], 16) % len(WORDS)]}{digest[n : n + 3]}" for n in range(count)) + "."


def answer(prompt: str, _asked: int = 0) -> Say | Fill:
    """What a model makes of each request for documents, instructions and names; other prompts are filled in."""
    if length := re.search(r"Length: about (\d+) words", prompt):
        return Say(json.dumps({"title": said(prompt, 4), "text": said(prompt, int(length[1]))}))
    if "Type of task:" in prompt:
        return Say(json.dumps({"instruction": f"Given a {said(prompt, 6)} retrieve it"}))
    if wanted := re.search(r"- (\d+) names of two", prompt):
        return Say(json.dumps({"names": [said(f"{prompt}{n}", 2).strip(".") for n in range(int(wanted[1]))]}))
    return Fill()
