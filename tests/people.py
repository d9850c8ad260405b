"""Invented persons, as a fake model describes them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fake_llm import Say

ROLES = ["auditor", "nurse", "farmer", "broker", "pilot", "teacher", "lawyer", "driver", "trader", "cook", "clerk"]


def somebody(key: str, **changes: Any) -> dict[str, Any]:
    """A description unlike any other: its words come from a hash of the key."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    words = [f"w{digest[at : at + 4]}" for at in range(0, 48, 4)]
    role = ROLES[int(digest[:4], 16) % len(ROLES)]
    said = {
        "text": f"A {role} in {' '.join(words[:8])} who wants to know of it before noon.",
        "asks": [" ".join(words[8:10]), " ".join(words[10:12])],
        "style": "question",
        "expertise": "expert",
    }
    return said | changes


def describe(prompt: str, _asked: int) -> Say:
    """A new person for every prompt."""
    return Say(json.dumps(somebody(prompt)))
