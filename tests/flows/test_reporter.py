from __future__ import annotations

import logging

import pytest

from flows.reporter import FlowReporter


def test_a_stage_is_one_line_and_its_items_are_none(caplog: pytest.LogCaptureFixture) -> None:
    reporter = FlowReporter()
    with caplog.at_level(logging.INFO, logger="flows"):
        reporter.stage("make items", 1_000)
        for _ in range(1_000):
            reporter.advance()
        reporter.stage("judge the whole set")
        reporter.note("nothing changed")
    assert caplog.messages == ["make items (1000)", "judge the whole set", "nothing changed"]
