from __future__ import annotations

import re

from flows.artifacts import funnel_table, quote, version_page
from schemas.manifest import Funnel
from synth.store import VersionRef


def test_the_funnel_adds_up() -> None:
    funnel = Funnel(planned=10, accepted=5, rejected={"copied": 3, "aged": 1}, failed={"empty": 1})
    first, *fates = funnel_table(funnel)
    assert first == {"status": "planned", "reason": "", "items": 10}
    assert sum(fate["items"] for fate in fates) == 10
    assert [fate["reason"] for fate in fates] == ["", "aged", "copied", "empty"]


def test_the_page_shows_counts_examples_and_the_path(in_process: VersionRef) -> None:
    page = version_page(in_process)
    assert page.startswith("# finance@1\n")
    assert "| records | 60 |" in page
    assert str(in_process.path) in page
    assert page.count("    query: ") == 3
    assert max(len(line) for line in page.partition("## Examples")[2].splitlines()) <= 4 + 72
    assert len(set(re.findall(r"^    positive: .*", page, re.MULTILINE))) == 3


def test_no_text_escapes_its_code_block() -> None:
    hostile = "one\n```\n# two\r\n<script>\u2028three"
    assert all(line.startswith("    ") for line in quote(hostile).split("\n"))
