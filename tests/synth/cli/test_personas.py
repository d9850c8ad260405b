"""`synth personas`, as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

ANALYST = "An analyst at a pension fund who compares the fees of bond funds before every committee."
CLERK = "A clerk in a town hall who must find which form a landlord has to send in this month."


def write(path: Path, *personas: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(persona) + "\n" for persona in personas))
    return path


def test_a_file_is_checked_and_counted(cli: Cli, tmp_path: Path) -> None:
    file = write(
        tmp_path / "people.jsonl",
        {"id": "analyst", "text": ANALYST, "expertise": "expert", "licence": ""},
        {"id": "clerk", "text": CLERK, "origin": "file", "style": "keywords"},
        {"id": "again", "text": ANALYST.replace("every", "each"), "origin": "file"},
    )
    report = cli("personas", "check", file, "--json").json
    assert report["personas"] == 3
    assert report["origin"] == {"file": 2, "shipped": 1}
    assert report["style"] == {"keywords": 1, "question": 2}
    assert report["expertise"] == {"expert": 1, "practitioner": 2}
    assert report["licence"] == {"Apache-2.0": 2, "unknown": 1}
    assert [(one["id"], one["of"]) for one in report["duplicates"]] == [("again", "analyst")]
    said = cli("personas", "check", file).out
    assert "3 personas, all valid" in said
    assert "again is analyst" in said
    assert "counts of content words" in said


def test_the_shipped_personas_are_sound_and_unlike_each_other(cli: Cli) -> None:
    from synth.domains import load_domain

    report = cli("personas", "check", load_domain("finance").personas, "--json").json
    assert report["personas"] >= 60
    assert report["duplicates"] == []


def test_a_mistake_in_a_persona_is_one_sentence_with_its_line(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "people.jsonl", {"id": "analyst", "text": ANALYST}, {"id": "b", "text": "short"})
    done = cli("personas", "check", file)
    assert done.code == 2
    assert "people.jsonl, line 2, field text" in done.error


@pytest.mark.parametrize("flag", ["--minhash", "--cosine"])
def test_thresholds_are_shares(cli: Cli, tmp_path: Path, flag: str) -> None:
    file = write(tmp_path / "people.jsonl", {"id": "analyst", "text": ANALYST})
    assert cli("personas", "check", file, flag, "1.5").code == 2
